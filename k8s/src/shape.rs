//! What of a JSON value is read, so that the rest need not be kept while it arrives.
//!
//! Owns the description alone; [`readable!`](crate::readable) makes one for each struct, from the same table that reads it.
//! Leaves alone the reading ([`fields`](crate::fields)) and the sifting ([`sieve`](crate::sieve)). Invariant: a field that
//! is read is in the shape, since both come from one row.

/// The part of a value that is kept.
#[derive(Debug)]
pub enum Shape {
    /// All of it.
    Whole,
    /// Of an object the fields in these lists.
    Fields(&'static [&'static [Field]]),
    /// Of a list this of each element.
    Each(&'static Self),
    /// The same, but each element is handed over once it is complete, and not kept.
    Items(&'static Self),
    /// Of a map the entries with the keys that the reader has named.
    Picked(Pick),
}

/// A field by its name on the wire.
pub type Field = (&'static str, &'static Shape);

/// Maps of which a reader names the keys that it wants: anybody may write as many others into them as fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pick {
    /// `metadata.labels`.
    Labels,
    /// `metadata.annotations`.
    Annotations,
}

/// The keys that a reader wants of the maps that it picks from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Picks {
    /// Of `metadata.labels`.
    pub labels: &'static [&'static str],
    /// Of `metadata.annotations`.
    pub annotations: &'static [&'static str],
}

impl Picks {
    pub(crate) fn has(self, pick: Pick, key: &[u8]) -> bool {
        let keys = match pick {
            Pick::Labels => self.labels,
            Pick::Annotations => self.annotations,
        };
        keys.iter().any(|wanted| wanted.as_bytes() == key)
    }
}
