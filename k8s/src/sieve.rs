//! Sifts a stream of JSON as it arrives: of what may be huge, only what a [`Shape`] asks for is kept.
//!
//! ```text
//!   bytes in pieces of any size ─► {"metadata":…,"items":[{…},{…},…]} ─► each item by itself, without what nobody reads
//! ```
//! Owns the cutting and its limits. Leaves alone what the kept text means, and whether it is JSON in all its details: what is
//! handed over is parsed by others, what is dropped by nobody.
//!
//! Invariants: the text that is kept never exceeds [`Limits`], however long the stream and whatever is in it; a value that
//! does not fit is left out, and what it belongs to is handed over without it, with its name; any cutting of the stream into
//! pieces gives the same.

mod raw;
mod room;

use crate::shape::{Picks, Shape};
pub(crate) use raw::value_bytes;
use raw::{Part, Raw, begins_value};
pub use room::Limits;
use room::{ELEMENT_BYTES, LIST_BYTES, Mark, OBJECT_BYTES};

/// What is looked at before the limits are.
const PIECE_BYTES: usize = 4 * 1024;
/// The longest key that anybody asks for.
const KEY_BYTES_MAX: usize = 128;
/// A buffer that has grown beyond this is given back when its value is done.
const KEPT_BYTES_MAX: usize = 64 * 1024;

/// A complete value.
#[derive(Debug, PartialEq, Eq)]
pub struct Kept<'a> {
    /// What is kept of it, JSON if it was.
    pub json: &'a [u8],
    /// The first field that did not fit: `spec.runner`.
    pub left_out: Option<&'a str>,
    /// How long it was, in bytes: with all that is not kept, give or take a few KiB.
    pub bytes: usize,
    /// Whether it is an element of a list of items; otherwise it is all that stands around them.
    pub is_item: bool,
}

/// The stream is no JSON: nothing that follows can be made out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Broken;

/// See the module.
#[derive(Debug)]
pub struct Sieve {
    shape: &'static Shape,
    picks: Picks,
    limits: Limits,
    field_depth: usize,
    kept: Vec<u8>,
    value_bytes: usize,
    /// How much has come since the last value.
    passed_bytes: usize,
    frames: Vec<Frame>,
    state: State,
    key: Vec<u8>,
    /// What to keep of the value that comes; none: nothing.
    next: Option<&'static Shape>,
    /// How many frames lie around the value that is handed over next, and where its text begins.
    root: (usize, usize),
    left_out: Option<String>,
}

/// An object or a list whose parts are looked at one by one.
#[derive(Debug)]
struct Frame {
    shape: &'static Shape,
    is_object: bool,
    is_empty: bool,
    /// The name of the member that is being read.
    member: &'static str,
    /// What there was before that member.
    before: Mark,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// A value comes.
    Value,
    /// A value comes, or the end of its list.
    Element,
    /// A key comes; or, at the beginning, the end of its object.
    Key,
    InKey {
        is_escaped: bool,
    },
    Colon,
    /// A comma comes, or the end.
    After,
    /// Within a value that is kept or dropped as it stands.
    Raw(Raw),
}

impl Sieve {
    /// A sieve for one value after the other. `field_depth` is how deep within what is handed over the fields lie that are left
    /// out one by one: 1 for those of `metadata` and `spec` of an object.
    #[must_use]
    pub fn new(shape: &'static Shape, picks: Picks, limits: Limits, field_depth: usize) -> Self {
        Self {
            shape,
            picks,
            limits,
            field_depth,
            kept: Vec::new(),
            value_bytes: 0,
            passed_bytes: 0,
            frames: Vec::new(),
            state: State::Value,
            key: Vec::new(),
            next: Some(shape),
            root: (0, 0),
            left_out: None,
        }
    }

    /// Takes in `bytes` and hands each value that is complete to `each`.
    pub fn feed(&mut self, mut bytes: &[u8], each: &mut dyn FnMut(Kept<'_>)) -> Result<(), Broken> {
        while let Some(&byte) = bytes.first() {
            let used = match self.state {
                State::Raw(raw) => self.raw(raw, bytes, each),
                _ if byte.is_ascii_whitespace() && !matches!(self.state, State::InKey { .. }) => 1,
                State::Value => self.begin(byte)?,
                State::Element if byte == b']' => self.end(byte, each)?,
                State::Element => {
                    self.begin_element();
                    0
                }
                State::Key if byte == b'"' => {
                    self.key.clear();
                    self.state = State::InKey { is_escaped: false };
                    1
                }
                State::Key => self.end(byte, each)?,
                State::InKey { is_escaped } => self.in_key(byte, is_escaped),
                State::Colon if byte == b':' => self.begin_member(),
                State::Colon => return Err(Broken),
                State::After => self.after(byte, each)?,
            };
            bytes = &bytes[used..];
            self.passed_bytes = self.passed_bytes.saturating_add(used);
        }
        Ok(())
    }

    /// How much is held of what has come, in bytes.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        self.kept.len()
    }

    /// Drops what has come of an unfinished value.
    pub fn forget(&mut self) {
        self.frames.clear();
        self.kept.clear();
        self.root = (0, 0);
        self.done();
        (self.state, self.next) = (State::Value, Some(self.shape));
    }

    fn begin(&mut self, byte: u8) -> Result<usize, Broken> {
        if !begins_value(byte) || (self.frames.is_empty() && byte != b'{') {
            return Err(Broken);
        }
        match (byte, self.next) {
            (b'{', Some(shape @ (Shape::Fields(_) | Shape::Picked(_)))) => {
                self.value_bytes += OBJECT_BYTES;
                self.open(shape, true, State::Key);
                self.kept.push(byte);
                Ok(1)
            }
            (b'[', Some(shape @ (Shape::Each(_) | Shape::Items(_)))) => {
                self.value_bytes += LIST_BYTES;
                self.open(shape, false, State::Element);
                self.kept.push(byte);
                if let Shape::Items(_) = shape {
                    self.root = (self.frames.len(), self.kept.len());
                }
                Ok(1)
            }
            (_, shape) => {
                self.state = State::Raw(Raw { is_kept: shape.is_some(), depth: 0, part: Part::Open });
                Ok(0)
            }
        }
    }

    fn open(&mut self, shape: &'static Shape, is_object: bool, state: State) {
        self.frames.push(Frame { shape, is_object, is_empty: true, member: "", before: Mark::default() });
        self.state = state;
    }

    fn in_key(&mut self, byte: u8, is_escaped: bool) -> usize {
        if byte == b'"' && !is_escaped {
            self.state = State::Colon;
            return 1;
        }
        if self.key.len() <= KEY_BYTES_MAX {
            self.key.push(byte);
        }
        self.state = State::InKey { is_escaped: byte == b'\\' && !is_escaped };
        1
    }

    /// The colon is there: decides what becomes of the value behind it.
    fn begin_member(&mut self) -> usize {
        self.state = State::Value;
        self.next = None;
        let Some(frame) = self.frames.last_mut() else { return 1 };
        let found: Option<(&'static str, &'static Shape)> = match frame.shape {
            Shape::Fields(lists) => {
                let mut fields = lists.iter().flat_map(|fields| fields.iter());
                fields.find(|(name, _)| name.as_bytes() == self.key).copied()
            }
            Shape::Picked(pick) if self.picks.has(*pick, &self.key) => Some(("", &Shape::Whole)),
            _ => None,
        };
        let Some((name, shape)) = found else { return 1 };
        let is_empty = std::mem::take(&mut frame.is_empty);
        frame.member = name;
        frame.before = Mark { kept: self.kept.len(), value_bytes: self.value_bytes, is_empty };
        if !is_empty {
            self.kept.push(b',');
        }
        self.kept.push(b'"');
        self.kept.extend_from_slice(&self.key);
        self.kept.extend_from_slice(b"\":");
        self.value_bytes += self.key.len() + ELEMENT_BYTES;
        self.next = Some(shape);
        self.check();
        1
    }

    fn begin_element(&mut self) {
        self.state = State::Value;
        let Some(frame) = self.frames.last_mut() else { return };
        let is_empty = std::mem::take(&mut frame.is_empty);
        match frame.shape {
            Shape::Items(shape) => self.next = Some(shape),
            Shape::Each(shape) => {
                frame.before = Mark { kept: self.kept.len(), value_bytes: self.value_bytes, is_empty };
                if !is_empty {
                    self.kept.push(b',');
                }
                self.value_bytes += ELEMENT_BYTES;
                self.next = Some(shape);
                self.check();
            }
            _ => self.next = None,
        }
    }

    fn after(&mut self, byte: u8, each: &mut dyn FnMut(Kept<'_>)) -> Result<usize, Broken> {
        match (byte, self.frames.last()) {
            (b',', Some(frame)) if frame.is_object => self.state = State::Key,
            (b',', Some(_)) => self.begin_element(),
            _ => return self.end(byte, each),
        }
        Ok(1)
    }

    /// The end of the innermost object or list.
    fn end(&mut self, byte: u8, each: &mut dyn FnMut(Kept<'_>)) -> Result<usize, Broken> {
        let frame = self.frames.pop().ok_or(Broken)?;
        if byte != if frame.is_object { b'}' } else { b']' } {
            return Err(Broken);
        }
        self.kept.push(byte);
        if let Shape::Items(_) = frame.shape {
            self.root = (0, 0);
        }
        self.complete(each);
        Ok(1)
    }

    /// A value is complete.
    fn complete(&mut self, each: &mut dyn FnMut(Kept<'_>)) {
        let (depth, start) = self.root;
        self.state = State::After;
        if self.frames.len() != depth {
            return;
        }
        let left_out = self.left_out.as_deref();
        each(Kept { json: &self.kept[start..], left_out, bytes: self.passed_bytes, is_item: depth > 0 });
        self.kept.truncate(start);
        self.done();
        if depth == 0 {
            (self.state, self.next) = (State::Value, Some(self.shape));
        }
    }

    fn done(&mut self) {
        (self.value_bytes, self.passed_bytes) = (0, 0);
        self.left_out = None;
        if self.kept.capacity() > KEPT_BYTES_MAX {
            self.kept = self.kept.to_vec();
        }
    }

    /// Takes as much of `bytes` as belongs to a value that is not looked into.
    fn raw(&mut self, mut raw: Raw, bytes: &[u8], each: &mut dyn FnMut(Kept<'_>)) -> usize {
        let bytes = &bytes[..bytes.len().min(PIECE_BYTES)];
        let mut structure_bytes = 0;
        let (used, is_over) = raw.scan(bytes, &mut structure_bytes);
        self.state = State::Raw(raw);
        if raw.is_kept {
            self.kept.extend_from_slice(&bytes[..used]);
            self.value_bytes += used + structure_bytes;
            self.check();
        }
        // What was left out may be more than this value: then its end is still to come.
        if is_over && !matches!(self.state, State::Raw(raw) if raw.depth > 0) {
            self.complete(each);
        }
        used
    }
}

#[cfg(test)]
mod tests;
