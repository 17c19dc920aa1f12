//! How much of a value is kept, and what goes when it is more.

use super::{Part, Raw, Sieve, State};

/// What of one value may be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// As text, in bytes.
    pub text_bytes: usize,
    /// As values in memory, in bytes: its structure counts as what a tree of it would take.
    pub value_bytes: usize,
}

/// The last of the room is for short fields, so that an object that is too large still has its name.
const RESERVE_BYTES: usize = 16 * 1024;
/// What counts as a short field.
const SHORT_BYTES: usize = 512;

/// What an object, a list and an element take in memory beside their text: a node of a map has room for eleven values.
pub(super) const OBJECT_BYTES: usize = 700;
pub(super) const LIST_BYTES: usize = 128;
pub(super) const ELEMENT_BYTES: usize = 128;

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Mark {
    pub(super) kept: usize,
    pub(super) value_bytes: usize,
    pub(super) is_empty: bool,
}

impl Sieve {
    /// Leaves out the field that has grown too large, and what is still to come of it.
    pub(super) fn check(&mut self) {
        let (root, start) = self.root;
        let at = (root + self.field_depth).min(self.frames.len().saturating_sub(1));
        let is_inside = self.frames.len() > root;
        let before = if is_inside { self.frames[at].before } else { Mark { kept: start, ..Mark::default() } };
        let is_short = self.kept.len() - before.kept <= SHORT_BYTES;
        let reserve = if is_short { 0 } else { RESERVE_BYTES };
        if self.kept.len() - start + reserve <= self.limits.text_bytes
            && self.value_bytes + reserve <= self.limits.value_bytes
        {
            return;
        }
        self.kept.truncate(before.kept);
        self.value_bytes = before.value_bytes;
        let mut depth = 0;
        let mut path = String::new();
        if is_inside {
            for frame in &self.frames[at.saturating_sub(1).max(root)..=at] {
                let dot = if path.is_empty() { "" } else { "." };
                path = format!("{path}{dot}{}", frame.member);
            }
            self.frames[at].is_empty = before.is_empty;
            depth = self.frames.len() - 1 - at;
            self.frames.truncate(at + 1);
        }
        self.left_out.get_or_insert(path);
        self.next = None;
        let (open, part) = match self.state {
            State::Raw(raw) => (raw.depth, raw.part),
            _ if depth == 0 => return,
            _ => (0, Part::Open),
        };
        self.state = State::Raw(Raw { is_kept: false, depth: open + depth, part });
    }
}
