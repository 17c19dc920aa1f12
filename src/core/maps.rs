//! Maps from pairs.
//!
//! Owns the reason why maps are not collected here: collecting sorts first, by 5 KB of code for each type of pair, and inserting
//! is code that most maps have anyway. That saves 45 KB of 2.63 MB (static release binary for x86_64).
//! Invariant: as in collecting, the last pair of a key wins.

use std::collections::BTreeMap;

/// The map of all pairs.
pub fn map_of<K: Ord, V>(pairs: impl IntoIterator<Item = (K, V)>) -> BTreeMap<K, V> {
    let mut map = BTreeMap::new();
    map.extend(pairs);
    map
}
