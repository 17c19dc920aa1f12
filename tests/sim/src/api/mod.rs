//! The API server: objects, their history, and the HTTP interface on top.
//!
//! Owns storage with real semantics – uid, one resourceVersion counter, generation, conflicts, finalizers, validation,
//! pruning, watches – and speaks `metav1.Status` on every refusal. Leaves what controllers do (Jobs, garbage
//! collection, kubelets) to [`crate::kube`], and proxied calls to [`crate::world`].
//!
//! Reading order: [`resource`] (the table of kinds) · [`call`] (what a request asks) · [`serve`] (dispatch) · [`read`], [`mod@write`], [`delete`],
//! [`watch`] · [`schema`], [`validate`], [`defaults`] (what is refused and filled in) · [`rbac`] · [`discovery`].
//!
//! Invariant: every change of an object is one entry of the history, and resourceVersions never repeat or go back.

pub mod call;
pub mod defaults;
pub mod delete;
pub mod discovery;
pub mod rbac;
pub mod read;
pub mod resource;
pub mod schema;
pub mod select;
pub mod serve;
pub mod status;
pub mod validate;
pub mod watch;
pub mod write;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

pub use self::call::{Call, Counted, Fault, FaultHook};
pub use self::delete::{DeleteOptions, Propagation};
pub use self::rbac::{Rule, allowed};
pub use self::resource::{Key, Kind, Resource};
pub use self::serve::Served;
pub use self::status::Status;
pub use self::watch::Watch;
pub use self::write::Part;
use crate::rng::Rng;
use crate::wall::Wall;

/// How many changes are kept for watches; older ones count as compacted.
const HISTORY_LEN_MAX: usize = 10_000;

/// What happened to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeKind {
    /// It is new.
    Added,
    /// It is another.
    Modified,
    /// It is gone.
    Deleted,
}

/// One entry of the history.
#[derive(Clone, Debug)]
pub struct Change {
    /// The resourceVersion that the change made.
    pub version: u64,
    /// What happened.
    pub kind: ChangeKind,
    /// Whose change it is.
    pub key: Key,
    /// The object after the change; for a deletion its last state, with the deletion's resourceVersion.
    pub object: Arc<Value>,
    /// The object before the change; none if it is new.
    pub before: Option<Arc<Value>>,
}

/// How a watch from a compacted resourceVersion is told so.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ExpiredBy {
    /// As an ERROR event in a stream that starts with 200: the usual way.
    #[default]
    Event,
    /// As HTTP status 410.
    HttpStatus,
}

/// The API server.
pub struct Api {
    /// Wall time.
    pub wall: Wall,
    /// Decides what befalls each request; none: every request is served.
    pub faults: Option<FaultHook>,
    /// When set, requests that these rules do not permit are refused with 403.
    pub rules: Option<Vec<Rule>>,
    /// Until when it has just started: everything is refused with 403, since the caches of roles are not filled.
    pub warming_until: Duration,
    /// Plurals of custom resources that were never installed: nothing is served at their paths, and nobody tells of them.
    pub absent: BTreeSet<&'static str>,
    /// How expired watches are answered.
    pub expired_by: ExpiredBy,
    /// Requests served so far, by what they asked.
    pub counts: BTreeMap<Counted, u64>,
    objects: BTreeMap<Key, Arc<Value>>,
    schemas: BTreeMap<String, Value>,
    history: VecDeque<Change>,
    version: u64,
    oldest: u64,
    rng: Rng,
}

impl Api {
    /// An API server with the namespaces `default` and `kube-system` and nothing else.
    pub fn new(wall: Wall, seed: u64) -> Self {
        let mut api = Self {
            wall,
            faults: None,
            rules: None,
            warming_until: Duration::ZERO,
            absent: BTreeSet::new(),
            expired_by: ExpiredBy::default(),
            counts: BTreeMap::new(),
            objects: BTreeMap::new(),
            schemas: schema::builtin().into_iter().collect(),
            history: VecDeque::new(),
            version: 0,
            oldest: 0,
            rng: Rng::new(seed),
        };
        for name in ["default", "kube-system"] {
            let namespace = json!({"metadata": {"name": name}});
            api.create(Duration::ZERO, Kind::Namespace, "", namespace).expect("the namespace is new");
        }
        api
    }

    /// The object of a key.
    pub fn object(&self, key: &Key) -> Option<&Arc<Value>> {
        self.objects.get(key)
    }

    /// All objects of a kind, in a namespace (`""` for all), by namespace and name.
    pub fn objects(&self, kind: Kind, namespace: &str) -> impl Iterator<Item = (&Key, &Arc<Value>)> {
        self.objects.range(Key::new(kind, namespace, "")..).take_while(move |(key, _)| {
            key.kind == kind && (namespace.is_empty() || key.namespace == namespace)
        })
    }

    /// All objects of all kinds.
    pub fn all(&self) -> impl Iterator<Item = (&Key, &Arc<Value>)> {
        self.objects.iter()
    }

    /// The latest resourceVersion.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// Whether changes after `version` have been forgotten.
    pub fn has_forgotten(&self, version: u64) -> bool {
        self.history.front().is_some_and(|first| first.version > version + 1)
    }

    /// The changes after `version` that are kept, oldest first.
    pub fn changes_since(&self, version: u64) -> impl Iterator<Item = &Change> {
        let start = self.history.partition_point(|change| change.version <= version);
        self.history.range(start..)
    }

    /// Forgets the history so far for watches and continue tokens: those that start before now get 410.
    pub fn compact(&mut self) {
        self.oldest = self.version;
    }

    /// Requests so far, all kinds together.
    pub fn requests(&self) -> u64 {
        self.counts.values().sum()
    }

    fn record(&mut self, kind: ChangeKind, key: &Key, object: Arc<Value>, before: Option<Arc<Value>>) {
        if self.history.len() >= HISTORY_LEN_MAX
            && let Some(dropped) = self.history.pop_front()
        {
            self.oldest = self.oldest.max(dropped.version);
        }
        self.history.push_back(Change { version: self.version, kind, key: key.clone(), object, before });
    }

    fn next_version(&mut self) -> String {
        self.version += 1;
        self.version.to_string()
    }
}
