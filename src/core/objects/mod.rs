//! All objects of one kind, by key, and what is known of those that are gone.
//!
//! Owns the order in which news counts. Leaves alone what there is room for, which is the ledger's. Invariant: see the store.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use k8s::WatchEvent;

pub mod ledger;

use crate::api::ObjectKey;
use ledger::Ledger;

/// How many deleted uids are remembered per kind, some 130 bytes each. A late answer is at most a worker's queue behind; this
/// is far more.
const TOMBSTONES_MAX: usize = 1024;

/// What the store asks of a kind.
pub trait Object {
    /// Namespace and name.
    fn key(&self) -> ObjectKey;

    /// The uid, empty if the server sent none.
    fn uid(&self) -> &str;

    /// `metadata.resourceVersion` as a number; see [`version`].
    fn version(&self) -> u128;

    /// Drops what no decision reads any more.
    fn slim(&mut self) {}

    /// Whether it is kept although nothing is known of it yet.
    fn is_wanted(&self) -> bool {
        true
    }

    /// What it takes in memory, with what is remembered of it elsewhere, in bytes.
    fn bytes(&self) -> usize;
}

/// The uids of what was deleted lately, in the order of their deletion too.
#[derive(Debug, Default)]
struct Tombstones {
    order: VecDeque<String>,
    uids: BTreeSet<String>,
}

impl Tombstones {
    fn add(&mut self, uid: String) {
        if uid.is_empty() || !self.uids.insert(uid.clone()) {
            return;
        }
        self.order.push_back(uid);
        if self.order.len() > TOMBSTONES_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.uids.remove(&oldest);
        }
    }
}

/// All objects of one kind.
#[derive(Debug)]
pub struct Objects<T> {
    by_key: BTreeMap<ObjectKey, Entry<T>>,
    tombstones: Tombstones,
    scopes: BTreeMap<Option<String>, Scope>,
}

/// An object and its account.
#[derive(Debug)]
struct Entry<T> {
    /// Boxed: a node of the map has room for eleven values, mostly unused.
    object: Box<T>,
    /// What it counts for in the ledger.
    bytes: usize,
    /// In which list, or after which, a watch last told of it.
    list: u32,
}

/// One watch of this kind.
#[derive(Debug, Default)]
struct Scope {
    /// How many lists have begun.
    list: u32,
    has_listed: bool,
}

/// What a watch event has changed.
#[derive(Debug)]
pub(super) struct Absorbed<T> {
    pub(super) touched: Vec<ObjectKey>,
    pub(super) gone: Vec<(ObjectKey, T)>,
    /// An object that there is no room for, and its uid.
    pub(super) no_room: Option<(ObjectKey, String)>,
}

impl<T> Default for Absorbed<T> {
    fn default() -> Self {
        Self { touched: Vec::new(), gone: Vec::new(), no_room: None }
    }
}

/// What came of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Taken {
    /// It is in the store as it is.
    Stored,
    /// Later news of it is known, or it is none of ours.
    Ignored,
    /// There is no room for it: it is not in the store, or as it was.
    NoRoom,
}

impl<T> Default for Objects<T> {
    fn default() -> Self {
        Self { by_key: BTreeMap::new(), tombstones: Tombstones::default(), scopes: BTreeMap::new() }
    }
}

impl<T: Object> Objects<T> {
    /// The object of that key.
    #[must_use]
    pub fn find(&self, key: &ObjectKey) -> Option<&T> {
        self.by_key.get(key).map(|entry| entry.object.as_ref())
    }

    /// All of them, by key.
    pub fn iter(&self) -> impl Iterator<Item = (&ObjectKey, &T)> {
        self.by_key.iter().map(|(key, entry)| (key, entry.object.as_ref()))
    }

    /// Whether a list of the watch over `scope` has come to its end, or as far as it is read.
    pub(super) fn has_listed(&self, scope: &Option<String>) -> bool {
        self.scopes.get(scope).is_some_and(|scope| scope.has_listed)
    }

    /// Takes an object that an answer has shown, as of now. Not stored if a later version, or the end of this very object, is
    /// known.
    pub(super) fn apply(&mut self, ledger: &mut Ledger, object: T) -> Taken {
        self.take(ledger, None, object)
    }

    fn take(&mut self, ledger: &mut Ledger, list: Option<u32>, mut object: T) -> Taken {
        if self.tombstones.uids.contains(object.uid()) {
            return Taken::Ignored;
        }
        let key = object.key();
        let (mut old_bytes, mut old_list, mut replaced) = (0, 0, None);
        if let Some(known) = self.by_key.get_mut(&key) {
            let is_same = known.object.uid() == object.uid();
            if let (true, Some(list)) = (is_same, list) {
                known.list = list;
            }
            if known.object.version() > object.version() {
                return Taken::Ignored;
            }
            (old_bytes, old_list) = (known.bytes, known.list);
            if !is_same {
                (old_list, replaced) = (0, Some(known.object.uid().to_owned()));
            }
        }
        if (old_bytes == 0 || replaced.is_some()) && !object.is_wanted() {
            return Taken::Ignored;
        }
        object.slim();
        let bytes = object.bytes();
        if !ledger.replace(&key.namespace, old_bytes, bytes) {
            return Taken::NoRoom;
        }
        if let Some(uid) = replaced {
            self.tombstones.add(uid);
        }
        let list = list.unwrap_or(old_list);
        self.by_key.insert(key, Entry { object: Box::new(object), bytes, list });
        Taken::Stored
    }

    /// The object is gone. Hands it back if it was known; another object of the same name stays.
    pub(super) fn remove(&mut self, ledger: &mut Ledger, key: &ObjectKey, uid: &str) -> Option<T> {
        self.tombstones.add(uid.to_owned());
        if self.by_key.get(key).is_none_or(|known| known.object.uid() != uid) {
            return None;
        }
        let entry = self.by_key.remove(key)?;
        ledger.remove(&key.namespace, entry.bytes);
        Some(*entry.object)
    }

    /// A list of everything in `scope` as of `list_version` is complete. Hands back what it proves to be gone.
    fn listed(
        &mut self,
        ledger: &mut Ledger,
        scope: Option<&str>,
        list_version: u128,
    ) -> Vec<(ObjectKey, T)> {
        let watch = self.scopes.entry(scope.map(str::to_owned)).or_default();
        watch.has_listed = true;
        let list = watch.list;
        let gone: Vec<(ObjectKey, String)> = self
            .by_key
            .iter()
            .filter(|(key, entry)| entry.list != list && scope.is_none_or(|scope| key.namespace == scope))
            .filter(|(_, entry)| list_version == 0 || entry.object.version() <= list_version)
            .map(|(key, entry)| (key.clone(), entry.object.uid().to_owned()))
            .collect();
        let mut taken = Vec::new();
        for (key, uid) in gone {
            taken.extend(self.remove(ledger, &key, &uid).map(|object| (key, object)));
        }
        taken
    }

    /// Takes a watch event.
    pub(super) fn absorb(
        &mut self,
        ledger: &mut Ledger,
        scope: Option<&str>,
        event: WatchEvent<T>,
    ) -> Absorbed<T> {
        let mut absorbed = Absorbed::default();
        let watch = self.scopes.entry(scope.map(str::to_owned)).or_default();
        match event {
            WatchEvent::Listing => watch.list = watch.list.wrapping_add(1),
            WatchEvent::Listed { resource_version } => {
                absorbed.gone = self.listed(ledger, scope, version(&resource_version));
            }
            WatchEvent::Overlong(_) => watch.has_listed = true,
            WatchEvent::Applied(object) | WatchEvent::Partial { object, .. } => {
                let (key, uid, list) = (object.key(), object.uid().to_owned(), watch.list);
                match self.take(ledger, Some(list), object) {
                    Taken::Stored => absorbed.touched.push(key),
                    Taken::NoRoom => absorbed.no_room = Some((key, uid)),
                    Taken::Ignored => {}
                }
            }
            WatchEvent::Deleted(object) => {
                let key = object.key();
                absorbed.gone.extend(self.remove(ledger, &key, object.uid()).map(|old| (key, old)));
            }
            WatchEvent::Malformed { key, uid, deleted: true, .. } => {
                absorbed.gone.extend(self.remove(ledger, &key, &uid).map(|old| (key, old)));
            }
            WatchEvent::Malformed { key, uid, deleted: false, .. } => {
                let list = watch.list;
                let known = self.by_key.get_mut(&key).filter(|known| known.object.uid() == uid);
                known.into_iter().for_each(|known| known.list = list);
            }
            WatchEvent::Failing(_) | WatchEvent::Recovered => {}
        }
        absorbed
    }
}

/// Versions grow; one that is no number (no known server sends such) counts as the latest news.
#[must_use]
pub fn version(resource_version: &str) -> u128 {
    resource_version.parse().unwrap_or(0)
}

#[cfg(test)]
mod tests;
