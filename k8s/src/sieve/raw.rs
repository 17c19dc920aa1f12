//! Where a value ends that is kept or dropped as it stands.

use super::room::{ELEMENT_BYTES, LIST_BYTES, OBJECT_BYTES};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Raw {
    pub(super) is_kept: bool,
    /// How many of its objects and lists are open.
    pub(super) depth: usize,
    pub(super) part: Part,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// Between texts and words.
    Open,
    Text {
        is_escaped: bool,
    },
    /// A number, `true`, `false` or `null`; its end is where something else begins.
    Word,
}

impl Raw {
    /// How many of `bytes` belong to the value, and whether it ends with them. Adds what its structure takes in memory.
    pub(super) fn scan(&mut self, bytes: &[u8], structure_bytes: &mut usize) -> (usize, bool) {
        let mut at = 0;
        while let Some(&byte) = bytes.get(at) {
            match (self.part, byte) {
                (Part::Text { is_escaped: true }, _) => self.part = Part::Text { is_escaped: false },
                (Part::Text { .. }, b'\\') => self.part = Part::Text { is_escaped: true },
                (Part::Text { .. }, b'"') => {
                    self.part = Part::Open;
                    if self.depth == 0 {
                        return (at + 1, true);
                    }
                }
                (Part::Text { .. }, _) => {
                    let rest = &bytes[at + 1..];
                    at += rest.iter().position(|byte| matches!(byte, b'"' | b'\\')).unwrap_or(rest.len());
                }
                (Part::Word, b',' | b'}' | b']' | b':' | b'"' | b' ' | b'\t' | b'\n' | b'\r') => {
                    return (at, true);
                }
                (Part::Open, b'"') => self.part = Part::Text { is_escaped: false },
                (Part::Open, b'{') => {
                    self.depth += 1;
                    *structure_bytes += OBJECT_BYTES;
                }
                (Part::Open, b'[') => {
                    self.depth += 1;
                    *structure_bytes += LIST_BYTES;
                }
                (Part::Open, b'}' | b']') => {
                    self.depth = self.depth.saturating_sub(1);
                    if self.depth == 0 {
                        return (at + 1, true);
                    }
                }
                (Part::Open, b',') => *structure_bytes += ELEMENT_BYTES,
                (Part::Open, _) if self.depth == 0 => self.part = Part::Word,
                (Part::Open | Part::Word, _) => {}
            }
            at += 1;
        }
        (bytes.len(), false)
    }
}

/// How long the value is with which a text begins; none where that is no value, or not all of one.
pub(crate) fn value_bytes(text: &[u8]) -> Option<usize> {
    text.first().filter(|first| begins_value(**first))?;
    let mut raw = Raw { is_kept: false, depth: 0, part: Part::Open };
    let (used, is_over) = raw.scan(text, &mut 0);
    (is_over || raw.part == Part::Word).then_some(used)
}

/// Whether a value can begin with this byte.
pub(super) fn begins_value(byte: u8) -> bool {
    matches!(byte, b'"' | b'{' | b'[' | b'-' | b'0'..=b'9' | b't' | b'f' | b'n')
}
