//! What a member holds, and whether that grows without end.

use std::{fmt, fs, path::Path};

use tokio::runtime::Handle;

/// What a member holds at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Size {
    pub(super) kilobytes: u64,
    pub(super) files: usize,
    pub(super) tasks: usize,
}

/// How many sizes a member says before it has begun to be what it stays, and how many are needed to judge it.
const BEGINNING: usize = 20;
const ENOUGH: usize = 3 * BEGINNING;

/// What a member holds for good is no more than twice what it held at first, or no more than that and this.
const ROOM: Size = Size {
    kilobytes: 64 << 10,
    files: 64,
    tasks: 256,
};

/// What no member holds at any time.
const MOST_KILOBYTES: u64 = 256 << 10;

impl Size {
    /// Of this process; nothing where the system does not tell.
    pub(super) fn own(runtime: &Handle) -> Option<Self> {
        let folder = Path::new("/proc/self");
        let status = fs::read_to_string(folder.join("status")).ok()?;
        let resident = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))?;
        Some(Self {
            kilobytes: resident.trim().strip_suffix(" kB")?.parse().ok()?,
            files: fs::read_dir(folder.join("fd")).ok()?.count(),
            tasks: runtime.metrics().num_alive_tasks(),
        })
    }

    /// The most of each.
    pub(super) fn max(self, other: Self) -> Self {
        Self {
            kilobytes: self.kilobytes.max(other.kilobytes),
            files: self.files.max(other.files),
            tasks: self.tasks.max(other.tasks),
        }
    }

    fn min(self, other: Self) -> Self {
        Self {
            kilobytes: self.kilobytes.min(other.kilobytes),
            files: self.files.min(other.files),
            tasks: self.tasks.min(other.tasks),
        }
    }

    fn outgrows(self, first: Self) -> bool {
        self.kilobytes > first.kilobytes + first.kilobytes.max(ROOM.kilobytes)
            || self.files > first.files + first.files.max(ROOM.files)
            || self.tasks > first.tasks + first.tasks.max(ROOM.tasks)
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            kilobytes,
            files,
            tasks,
        } = self;
        write!(f, "{kilobytes} kB, {files} open files and {tasks} tasks")
    }
}

/// What is wrong with the sizes of one life, in their order.
pub(super) fn growth(sizes: &[Size]) -> Option<String> {
    let most = sizes.iter().copied().reduce(Size::max)?;
    if most.kilobytes > MOST_KILOBYTES {
        return Some(format!("held {most}"));
    }
    if sizes.len() < ENOUGH {
        return None;
    }
    let first = sizes[BEGINNING];
    // What comes and goes with a fault is not kept: the least of the last third is.
    let last = sizes[sizes.len() * 2 / 3..].iter().copied();
    let kept = last.reduce(Size::min)?;
    kept.outgrows(first)
        .then(|| format!("has grown from {first} to {kept}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_megabytes(megabytes: u64) -> Size {
        Size {
            kilobytes: megabytes << 10,
            files: 20,
            tasks: 30,
        }
    }

    #[test]
    fn what_rises_and_stays_is_growth() {
        let rising: Vec<_> = (0..100).map(of_megabytes).collect();
        assert_eq!(growth(&rising[..59]), None);
        // From 20 MB to 66 MB it is more than twice, and not much; to 100 MB it is both.
        assert_eq!(growth(&rising), None);
        let rising: Vec<_> = (0..200).map(of_megabytes).collect();
        assert!(growth(&rising).is_some());
    }

    #[test]
    fn what_comes_and_goes_is_none_unless_it_is_huge() {
        let mut sizes = vec![of_megabytes(16); 100];
        sizes[90] = of_megabytes(200);
        assert_eq!(growth(&sizes), None);
        sizes[90] = of_megabytes(300);
        assert!(growth(&sizes).is_some());
    }

    #[test]
    fn each_task_and_file_that_is_left_behind_counts() {
        let leaking = |files: usize, tasks: usize| {
            let size = |number: usize| Size {
                files: 20 + files * number,
                tasks: 30 + tasks * number,
                ..of_megabytes(16)
            };
            (0..300).map(size).collect::<Vec<_>>()
        };
        assert_eq!(growth(&leaking(0, 0)), None);
        assert!(growth(&leaking(1, 0)).is_some());
        assert!(growth(&leaking(0, 2)).is_some());
    }
}
