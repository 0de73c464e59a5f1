//! The keys that one reader asks for together, in one piece of memory.

use smallvec::SmallVec;

#[derive(Debug, Default)]
pub(in crate::l2::redis) struct Keys {
    text: String,
    /// Where each key ends.
    ends: SmallVec<[usize; 5]>,
}

impl Keys {
    pub(in crate::l2::redis) fn of<'a>(keys: impl Iterator<Item = &'a str> + Clone) -> Self {
        let mut text = String::with_capacity(keys.clone().map(str::len).sum());
        let ends = keys.map(|key| {
            text.push_str(key);
            text.len()
        });
        let ends = ends.collect();
        Self { text, ends }
    }

    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    pub(super) fn bytes(&self) -> usize {
        self.text.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &str> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts
            .zip(&self.ends)
            .map(|(start, end)| &self.text[start..*end])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_given_as_they_were_put_in() {
        for keys in [&["a"][..], &["", "bc", "", "d"], &[]] {
            let all = Keys::of(keys.iter().copied());
            assert_eq!(all.iter().collect::<Vec<_>>(), keys);
            assert_eq!(all.len(), keys.len());
        }
    }
}
