//! Maps from pairs.
//!
//! Owns the reason why maps are not collected here: collecting sorts first, by 5 KB of code for each type of pair.
//! Inserting is code that most maps have anyway. Invariant: as in collecting, the last pair of a key wins.

use std::collections::BTreeMap;

/// The map of all pairs.
pub fn map_of<K: Ord, V>(pairs: impl IntoIterator<Item = (K, V)>) -> BTreeMap<K, V> {
    let mut map = BTreeMap::new();
    map.extend(pairs);
    map
}
