//! What the store may hold, and whose share it is.
//!
//! Owns the reckoning and the rule of who still gets in. Leaves alone what becomes of an object that does not. Invariant: the
//! total stays within [`STORE_BYTES_MAX`], and no namespace has more than [`NAMESPACE_BYTES_MAX`] of it. The last of the room
//! is for namespaces that have little, so that whoever fills his share does not keep others from getting one.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::limits::{NAMESPACE_BYTES_MAX, STORE_BYTES_MAX};

/// The last of the room, in bytes.
const RESERVE_BYTES: usize = STORE_BYTES_MAX / 6;
/// Which namespaces it is for: those that have no more than this, in bytes.
const SMALL_BYTES: usize = 128 * 1024;
/// What an object takes beside itself: its key, its place in the map, and what is remembered of it elsewhere.
pub const BESIDE_BYTES: usize = 512;
/// The same for an object that decisions are made about, which is remembered with all that was done for it.
pub const MEMORY_BYTES: usize = 4096;

/// What objects and lists take in memory beside their text, and what stands between their parts.
const OBJECT_BYTES: usize = 160;
const ELEMENT_BYTES: usize = 32;

/// See the module.
#[derive(Debug, Default)]
pub struct Ledger {
    total: usize,
    by_namespace: BTreeMap<String, usize>,
}

impl Ledger {
    /// Puts an object of `new` bytes in the place of `old` bytes, if there is room for it. What does not grow always fits.
    #[must_use]
    pub fn replace(&mut self, namespace: &str, old: usize, new: usize) -> bool {
        let used = self.by_namespace.get(namespace).copied().unwrap_or_default();
        let (share, total) = ((used + new).saturating_sub(old), (self.total + new).saturating_sub(old));
        let room = if share <= SMALL_BYTES { STORE_BYTES_MAX } else { STORE_BYTES_MAX - RESERVE_BYTES };
        if new > old && (share > NAMESPACE_BYTES_MAX || total > room) {
            return false;
        }
        self.total = total;
        if share == 0 {
            self.by_namespace.remove(namespace);
        } else if let Some(used) = self.by_namespace.get_mut(namespace) {
            *used = share;
        } else {
            self.by_namespace.insert(namespace.to_owned(), share);
        }
        true
    }

    /// Gives the place of an object back.
    pub fn remove(&mut self, namespace: &str, old: usize) {
        let _ = self.replace(namespace, old, 0);
    }

    /// What all objects take, in bytes.
    #[must_use]
    pub fn total(&self) -> usize {
        self.total
    }
}

/// What an object takes in memory, about, by what it is in text.
#[must_use]
pub fn weigh(object: &impl Serialize) -> usize {
    let text = serde_json::to_vec(object).unwrap_or_default();
    let structure = text.iter().map(|byte| match byte {
        b'{' => OBJECT_BYTES,
        b'[' | b',' => ELEMENT_BYTES,
        _ => 0,
    });
    text.len() + structure.sum::<usize>()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PIECE: usize = 64 * 1024;

    fn fill(ledger: &mut Ledger, namespace: &str) -> usize {
        (0..).take_while(|_| ledger.replace(namespace, 0, PIECE)).count()
    }

    #[test]
    fn a_namespace_has_its_share_and_no_more() {
        let mut ledger = Ledger::default();
        assert_eq!(fill(&mut ledger, "a"), NAMESPACE_BYTES_MAX / PIECE);
        assert!(
            !ledger.replace("a", 0, 1) && ledger.replace("a", PIECE, PIECE) && ledger.replace("b", 0, PIECE)
        );
        ledger.remove("a", PIECE);
        assert!(ledger.replace("a", 0, PIECE) && !ledger.replace("a", PIECE, PIECE + 1));
    }

    #[test]
    fn who_has_little_still_gets_in_when_others_have_filled_theirs() {
        let mut ledger = Ledger::default();
        let greedy: usize = (0..9).map(|n| fill(&mut ledger, &format!("greedy-{n}"))).sum();
        assert!(greedy * PIECE >= STORE_BYTES_MAX - RESERVE_BYTES, "{greedy}");
        assert_eq!(fill(&mut ledger, "modest"), SMALL_BYTES / PIECE);
        for n in 0..99 {
            fill(&mut ledger, &format!("more-{n}"));
        }
        assert!(ledger.total() <= STORE_BYTES_MAX);
    }

    #[test]
    fn what_is_given_back_is_there_again() {
        let mut ledger = Ledger::default();
        for _ in 0..3 {
            let count = fill(&mut ledger, "a");
            (0..count).for_each(|_| ledger.remove("a", PIECE));
            assert_eq!((ledger.total(), ledger.by_namespace.len()), (0, 0));
        }
    }

    #[test]
    fn structure_weighs_more_than_text() {
        assert!(weigh(&serde_json::json!([{}, {}, {}])) > 3 * OBJECT_BYTES);
        assert_eq!(weigh(&"x".repeat(1000)), 1002);
    }
}
