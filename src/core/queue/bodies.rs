//! The room for the bodies of calls to the API server.
//!
//! Owns how much of them there may be at once. How large a body is shows only when it is built: one that is small is sent
//! whatever else is under way, since there are few calls at a time; one that is large waits for room, and is dropped until there
//! is some. Leaves alone whose turn it is. Invariants: the large ones come to no more than [`LARGE_BODIES_BYTES_MAX`], unless a
//! single one is larger; one namespace has half of that, or one body.

use std::collections::BTreeMap;

use crate::event::{Action, TaskId};
use crate::testrun;

/// What counts as a small body. That of a Job of a thousand has less than 20 KiB, unless GCk6 sends it a large
/// environment.
pub const SMALL_BODY_BYTES_MAX: usize = 16 * 1024;
/// How much all larger bodies under way may come to: as much as the largest object that an API server takes.
pub const LARGE_BODIES_BYTES_MAX: usize = 1024 * 1024;

/// What becomes of a body that has been built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Weighed {
    /// It is sent.
    Fits,
    /// It has to wait for room, and is built again then.
    Waits,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Bodies {
    /// How large those are that are with workers, by lane.
    under_way: BTreeMap<TaskId, usize>,
    /// How large the last one of a kind was, if it was large.
    known: BTreeMap<TaskId, usize>,
}

impl Bodies {
    /// Whether it is worth while to build the body of a task: not if there is no room for one as large as its last.
    pub(super) fn may_begin(&self, id: &TaskId) -> bool {
        self.known.is_empty() || self.known.get(&kind(id)).is_none_or(|bytes| self.has_room(id, *bytes))
    }

    /// Weighs the body of a task that is to be sent.
    pub(super) fn weigh(&mut self, id: &TaskId, bytes: usize) -> Weighed {
        if bytes <= SMALL_BODY_BYTES_MAX {
            self.known.remove(&kind(id));
            return Weighed::Fits;
        }
        self.known.insert(kind(id), bytes);
        if !self.has_room(id, bytes) {
            return Weighed::Waits;
        }
        self.under_way.insert(id.lane(), bytes);
        Weighed::Fits
    }

    fn has_room(&self, id: &TaskId, bytes: usize) -> bool {
        let namespace = &id.key.object().namespace;
        let of_tenant = self.under_way.iter().filter(|(other, _)| other.key.object().namespace == *namespace);
        let own: usize = of_tenant.map(|(_, bytes)| bytes).sum();
        let all: usize = self.under_way.values().sum();
        let has_share = own == 0 || own + bytes <= LARGE_BODIES_BYTES_MAX / 2;
        all == 0 || (has_share && all + bytes <= LARGE_BODIES_BYTES_MAX)
    }

    /// A worker is done with a task.
    pub(super) fn done(&mut self, id: &TaskId) {
        self.under_way.remove(&id.lane());
    }

    /// Drops what is known of tasks that will not come any more.
    pub(super) fn forget(&mut self, is_meant: impl Fn(&TaskId) -> bool) {
        self.known.retain(|id, _| !is_meant(id));
    }
}

/// Tasks whose bodies are about equally large: the Jobs of a run differ in a few numbers.
fn kind(id: &TaskId) -> TaskId {
    let action = match id.action {
        Action::Run(testrun::Action::CreateJob(_)) => Action::Run(testrun::Action::CreateJob(0)),
        other => other.lane(),
    };
    TaskId { key: id.key.clone(), action }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::ObjectKey;

    const KIB: usize = 1024;

    fn job(namespace: &str, n: u32) -> TaskId {
        TaskId::run(&ObjectKey::new(namespace, "run"), testrun::Action::CreateJob(n))
    }

    #[test]
    fn large_bodies_that_hang_hold_up_no_small_one_and_no_other_namespace() {
        let mut bodies = Bodies::default();
        assert_eq!(bodies.weigh(&job("bad", 1), 600 * KIB), Weighed::Fits);
        assert_eq!(bodies.weigh(&job("bad", 2), 600 * KIB), Weighed::Waits);
        assert!(!bodies.may_begin(&job("bad", 3)), "as large as its fellows, as far as is known");
        assert!(bodies.may_begin(&job("good", 1)));
        assert_eq!(bodies.weigh(&job("good", 1), 20 * KIB), Weighed::Fits);
        assert_eq!(bodies.weigh(&job("good", 2), 300 * KIB), Weighed::Fits);
        assert_eq!(bodies.weigh(&job("worse", 1), 600 * KIB), Weighed::Waits);
        bodies.done(&job("bad", 1));
        assert!(bodies.may_begin(&job("worse", 1)) && bodies.may_begin(&job("bad", 2)));
    }

    #[test]
    fn a_namespace_has_half_of_the_room() {
        let mut bodies = Bodies::default();
        let begun = (1..=100).filter(|n| bodies.weigh(&job("a", *n), 100 * KIB) == Weighed::Fits).count();
        assert_eq!(begun, 5);
        let begun = (1..=100).filter(|n| bodies.weigh(&job("b", *n), 100 * KIB) == Weighed::Fits).count();
        assert_eq!(begun, 5);
    }

    #[test]
    fn a_body_larger_than_the_room_goes_alone() {
        let mut bodies = Bodies::default();
        assert_eq!(bodies.weigh(&job("a", 1), 4096 * KIB), Weighed::Fits);
        assert_eq!(bodies.weigh(&job("b", 1), 40 * KIB), Weighed::Waits);
        bodies.done(&job("a", 1));
        assert_eq!(bodies.weigh(&job("b", 1), 40 * KIB), Weighed::Fits);
    }
}
