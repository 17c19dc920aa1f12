//! Why a run ends, and how much of that GCk6 has been told.

use std::time::Duration;

use super::RunState;
use crate::testrun::termination::Termination;

impl RunState {
    /// GCk6 is being told what there is to tell by now.
    pub fn sending_events(&mut self) {
        self.telling_teardown = self.teardown.trouble().is_some();
        self.telling_ending = true;
    }

    /// GCk6 has taken, or will never take, what it was told.
    pub fn told(&mut self) {
        self.told = true;
        self.teardown_told |= self.telling_teardown;
    }

    /// Notes why the run ends. The first cause stands: what comes after is mostly its consequence.
    pub fn end(&mut self, now: Duration, ending: Termination) {
        if self.ending.is_none() {
            self.data_waits_since = None;
            self.ending = Some(ending);
            self.ending_since = now;
        }
    }

    /// The API server takes nothing new in the run's namespace, since that is being deleted. Returns whether that is the cause
    /// of what had looked like another end; GCk6 was not told of that one yet.
    pub fn namespace_goes(&mut self) -> bool {
        self.namespace_deleting = true;
        let Some(ending) = &mut self.ending else { return false };
        let is_it = ending.cause.may_be_of_namespace() && !self.telling_ending;
        if is_it {
            *ending = Termination::of_namespace(&self.identity.zone.namespace);
        }
        is_it
    }
}
