//! Where a run goes: into containers and variants that teach something, and out of recursions.

use super::{
    record::{Branch, Position},
    tracer::{Refused, Tracer},
};

/// How deep containers are still filled. What stays unread for that is read on another, shorter way.
const FILLED_DEPTH: usize = 40;

impl Tracer {
    /// Whether the trace itself wants something in a container: it is read once in a run, and no
    /// more when all in it is known.
    pub(super) fn is_to_fill(&mut self, container: usize) -> bool {
        let depth = self.run.stack.len();
        let least = self.least_depths.entry(container).or_insert(depth);
        *least = depth.min(*least);
        if self.is_patient && depth > *least {
            return false;
        }
        self.is_unfinished(container) && !self.is_ending() && self.run.filled.insert(container)
    }

    /// Which variant to read: one that teaches something, else one that ends.
    pub(super) fn variant(&mut self, id: usize, pinned: Option<usize>) -> Result<usize, Refused> {
        let times_open = self.times_open(id);
        if times_open >= 2 {
            return Err(self.dead_end("values lie in each other without end"));
        }
        let found = if times_open == 1 || self.is_ending() {
            self.ending(id)
        } else {
            let branches = &self.record.get(id).branches;
            let pinned = pinned.filter(|n| !branches[*n].is_barred);
            let any = || branches.iter().position(|branch| !branch.is_barred);
            let found = self.teaching(id).or(pinned);
            found.or_else(|| self.ending(id)).or_else(any)
        };
        match found {
            Some(branch) => Ok(branch),
            None if self.record.get(id).branches.is_empty() => {
                Err(Refused::by_trace("the enum names no variants"))
            }
            None => Err(self.dead_end("values lie in each other without end")),
        }
    }

    /// A variant that was not read, or that leads to something that was not.
    fn teaching(&self, id: usize) -> Option<usize> {
        let branches = &self.record.get(id).branches;
        let new = branches.iter().position(Branch::is_open);
        if new.is_some() || !self.is_unfinished(id) {
            return new;
        }
        // Containers are filled once in a run; what is being read already would only be ended.
        let mut is_closed = vec![false; self.record.len()];
        is_closed[id] = true;
        let open = self.run.stack.iter().map(|place| place.definition);
        for id in open.chain(self.run.filled.iter().copied()) {
            is_closed[id] = true;
        }
        self.record.leading_on(id, is_closed)
    }

    /// Whether something in a definition or below it was still to be read when the run began.
    fn is_unfinished(&self, id: usize) -> bool {
        self.run.unfinished.get(id).is_none_or(|it| *it)
    }

    /// A variant that does not lead back to where it lies, as far as that is known.
    fn ending(&self, id: usize) -> Option<usize> {
        let branches = &self.record.get(id).branches;
        let open = self.run.stack.iter().rfind(|place| place.definition == id);
        let ends = |n: &usize| !branches[*n].is_barred && !branches[*n].is_recursing;
        let ending = || (0..branches.len()).filter(ends);
        let explored = ending().find(|n| branches[*n].is_explored);
        let other = || ending().find(|n| open.is_none_or(|open| open.branch != *n));
        explored.or_else(other).or_else(|| ending().next())
    }

    /// Gives up this run. The next takes another variant in the innermost enum, to come to an end.
    pub(super) fn dead_end(&mut self, reason: &str) -> Refused {
        let chosen = self.run.stack.iter().rfind(|place| {
            let branch = self.record.branch(place.definition, place.branch);
            self.record.get(place.definition).is_enum() && !branch.is_recursing
        });
        if let Some(chosen) = chosen {
            self.record.mark_recursing(chosen.definition, chosen.branch);
        }
        Refused::by_trace(reason)
    }

    /// Whether what is read now only has to come to an end: it lies in itself already, or too deep.
    fn is_ending(&self) -> bool {
        let stack = &self.run.stack;
        let is_again = |(n, place): (usize, &Position)| {
            let mut outer = stack[..n].iter();
            self.record.get(place.definition).is_enum()
                && outer.any(|outer| outer.definition == place.definition)
        };
        stack.len() > FILLED_DEPTH || stack.iter().enumerate().any(is_again)
    }

    fn times_open(&self, id: usize) -> usize {
        let places = self.run.stack.iter();
        places.filter(|place| place.definition == id).count()
    }
}
