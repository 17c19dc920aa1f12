//! What the watches and the API server's answers have told: objects by key.
//!
//! Owns the picture of the cluster that decisions are made on. Leaves alone what follows from it.
//!
//! Invariant: it never goes back in time. An object is replaced only by a later version of itself, one that was deleted
//! does not come back under the same uid, and a list that is older than what an answer has shown does not undo it. Objects of a
//! list count as they come; what a list does not show is gone only once the list is complete. All that is held is in the
//! [`ledger`](crate::objects::ledger): an object for which there is no room is not taken, and told by its name.

use crate::objects::ledger::{Ledger, MEMORY_BYTES, weigh};
use crate::objects::{self, Object, Objects, Taken};

use crate::api::run::{PodSettings, Stage, TestRun};
use crate::api::zone::PrivateLoadZone;
use crate::event::{Key, ObjectKey, Seen};
use crate::testrun::network;
use crate::testrun::pods::Pods;

impl Object for PrivateLoadZone {
    fn key(&self) -> ObjectKey {
        self.metadata.key()
    }

    fn uid(&self) -> &str {
        &self.metadata.uid
    }

    fn version(&self) -> u128 {
        objects::version(&self.metadata.resource_version)
    }

    fn bytes(&self) -> usize {
        size_of::<Self>() + MEMORY_BYTES + weigh(self)
    }
}

impl Object for TestRun {
    fn key(&self) -> ObjectKey {
        self.metadata.key()
    }

    fn uid(&self) -> &str {
        &self.metadata.uid
    }

    fn version(&self) -> u128 {
        objects::version(&self.metadata.resource_version)
    }

    fn bytes(&self) -> usize {
        size_of::<Self>() + MEMORY_BYTES + weigh(self)
    }

    /// Of runs that nobody made for a zone nothing depends on us. One that was such a run stays known, whatever has become of it.
    fn is_wanted(&self) -> bool {
        self.is_of_zone()
    }

    /// What only Jobs are made from is the most of a run. Those of a zone's runs are made from what GCk6 and the zone say.
    fn slim(&mut self) {
        if self.is_plz() || self.status.stage >= Stage::Created {
            self.spec.args = Vec::new();
            self.spec.runner.volumes.retain(network::is_awaited);
            let volumes = std::mem::take(&mut self.spec.runner.volumes);
            self.spec.runner = PodSettings { volumes, ..PodSettings::default() };
            self.spec.starter = PodSettings::default();
            self.spec.initializer = None;
        }
    }
}

/// See the module.
#[derive(Debug, Default)]
pub struct Store {
    /// The zones.
    pub zones: Objects<PrivateLoadZone>,
    /// The test runs.
    pub runs: Objects<TestRun>,
    /// The pods of runners.
    pub pods: Pods,
    ledger: Ledger,
}

/// What a piece of news has changed.
#[derive(Debug, Default)]
pub struct Changes {
    /// Keys to look at.
    pub dirty: Vec<Key>,
    /// Test runs that are gone, as they were last known.
    pub runs_gone: Vec<(ObjectKey, TestRun)>,
    /// An object that there is no room for, and its uid.
    pub no_room: Option<(ObjectKey, String)>,
}

impl Store {
    /// Whether every watch over `scopes` has delivered its first list. Before that, what is missing means nothing.
    #[must_use]
    pub fn synced(&self, scopes: &[Option<String>]) -> bool {
        scopes.iter().all(|scope| {
            self.zones.has_listed(scope) && self.runs.has_listed(scope) && self.pods.has_listed(scope)
        })
    }

    /// Takes what a watch has seen.
    pub fn absorb(&mut self, scope: Option<&str>, seen: Seen) -> Changes {
        let mut changes = Changes::default();
        match seen {
            Seen::Zone(event) => {
                let absorbed = self.zones.absorb(&mut self.ledger, scope, event);
                changes.dirty.extend(absorbed.touched.into_iter().map(Key::Zone));
                changes.dirty.extend(absorbed.gone.into_iter().map(|(key, _)| Key::Zone(key)));
                changes.no_room = absorbed.no_room;
            }
            Seen::Run(event) => {
                let absorbed = self.runs.absorb(&mut self.ledger, scope, event);
                changes.dirty.extend(absorbed.touched.into_iter().map(Key::Run));
                changes.dirty.extend(absorbed.gone.iter().map(|(key, _)| Key::Run(key.clone())));
                changes.runs_gone = absorbed.gone;
                changes.no_room = absorbed.no_room;
            }
            Seen::Pod(event) => {
                let absorbed = self.pods.absorb(&mut self.ledger, scope, event);
                changes.dirty.extend(absorbed.runs.into_iter().map(Key::Run));
                changes.no_room = absorbed.no_room;
            }
            // The look-out keeps what it needs of it.
            Seen::Operator(_) => {}
        }
        changes
    }

    /// Takes a zone that an answer has shown.
    pub fn apply_zone(&mut self, zone: PrivateLoadZone) -> Taken {
        self.zones.apply(&mut self.ledger, zone)
    }

    /// Takes a test run that an answer has shown.
    pub fn apply_run(&mut self, run: TestRun) -> Taken {
        self.runs.apply(&mut self.ledger, run)
    }

    /// What all of it takes in memory, in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.ledger.total()
    }
}

#[cfg(test)]
mod tests;
