//! One character of a text, whatever it is written as.
//!
//! Owns the encodings in which text arrives within text: percent-encoding, once or more often, and the escapes of JSON, Go
//! and Rust. Invariant: reading a unit looks at a bounded number of bytes.

use super::ELLIPSIS;

/// Backslashes, or encodings of `%`, that are taken for one escape.
const NESTING_MAX: usize = 8;

/// Stands for any character that means nothing in here.
const OTHER: u8 = 0x80;

/// A character, and how many bytes it takes in the text. White space and control characters are a blank, as is the ellipsis
/// at which somebody has cut; beyond the end of the text there are empty ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unit {
    pub(super) byte: u8,
    pub(super) bytes: usize,
}

/// The unit at `at` as it stands.
pub(super) fn raw(text: &str, at: usize) -> Unit {
    #[cfg(test)]
    STEPS.with(|steps| steps.set(steps.get() + 1));
    let Some(&byte) = text.as_bytes().get(at) else { return Unit { byte: OTHER, bytes: 0 } };
    if byte.is_ascii() {
        return Unit { byte: plain(byte), bytes: 1 };
    }
    let c = text[at..].chars().next().unwrap_or_default();
    let is_blank = c.is_whitespace() || c.is_control() || ELLIPSIS.starts_with(c);
    Unit { byte: if is_blank { b' ' } else { OTHER }, bytes: c.len_utf8() }
}

/// The unit at `at`, with percent-encoding and escapes undone.
pub(super) fn unit(text: &str, at: usize) -> Unit {
    let bytes = text.as_bytes();
    if bytes.get(at) != Some(&b'%') {
        return unescaped(text, at);
    }
    let mut digits = at + 1;
    for _ in 0..NESTING_MAX {
        if bytes[digits..].starts_with(b"25") && hex(bytes, digits + 2, 2).is_some() {
            digits += 2;
        }
    }
    match hex(bytes, digits, 2) {
        Some(byte) => Unit { byte, bytes: digits + 2 - at },
        None => raw(text, at),
    }
}

/// The unit at `at`, with escapes undone.
pub(super) fn unescaped(text: &str, at: usize) -> Unit {
    let bytes = text.as_bytes();
    let slashes =
        bytes[at.min(bytes.len())..].iter().take(NESTING_MAX).take_while(|byte| **byte == b'\\').count();
    if slashes == 0 {
        return raw(text, at);
    }
    let next = at + slashes;
    let (byte, length) = match bytes.get(next) {
        Some(byte @ (b'/' | b'"' | b'\'' | b'@' | b':' | b'?' | b'=' | b'&')) => (*byte, 1),
        Some(b'n' | b'r' | b't') => (b' ', 1),
        Some(b'u') if bytes.get(next + 1) == Some(&b'{') && bytes.get(next + 4) == Some(&b'}') => {
            (hex(bytes, next + 2, 2).unwrap_or(OTHER), 5)
        }
        Some(b'u') if bytes[next + 1..].starts_with(b"00") => {
            hex(bytes, next + 3, 2).map_or((b'\\', 0), |byte| (byte, 5))
        }
        Some(b'x') => hex(bytes, next + 1, 2).map_or((b'\\', 0), |byte| (byte, 3)),
        _ => (b'\\', 0),
    };
    Unit { byte, bytes: slashes + length }
}

/// Whether a word, a value or a credential ends here, apart from what ends a URL.
pub(super) fn is_boundary(byte: u8) -> bool {
    matches!(byte, b' ' | b'"' | b'\'' | b'`' | b',' | b';' | b')' | b']' | b'}' | b'&' | b'|')
}

fn plain(byte: u8) -> u8 {
    if byte.is_ascii_whitespace() || byte.is_ascii_control() { b' ' } else { byte }
}

fn hex(bytes: &[u8], at: usize, length: usize) -> Option<u8> {
    let digits = bytes.get(at..at + length)?;
    let value = digits.iter().try_fold(0_u8, |value, digit| {
        let digit = char::from(*digit).to_digit(16)?;
        Some((value << 4) | u8::try_from(digit).ok()?)
    })?;
    Some(if value.is_ascii() { plain(value) } else { OTHER })
}

#[cfg(test)]
thread_local! {
    /// Units read on this thread, the measure of how long a scrubbing takes.
    pub(super) static STEPS: std::cell::Cell<u64> = const { std::cell::Cell::new(0) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units() {
        let check =
            |text: &str, byte: u8, bytes: usize| assert_eq!(unit(text, 0), Unit { byte, bytes }, "{text}");
        check("a", b'a', 1);
        check("\t", b' ', 1);
        check("é", OTHER, 2);
        check("\u{a0}", b' ', 2);
        check("…", b' ', 3);
        check("%40x", b'@', 3);
        check("%252540x", b'@', 7);
        check("%25x", b'%', 3);
        check("%zz", b'%', 1);
        check("%é", b'%', 1);
        check(r"\/x", b'/', 2);
        check(r"\\\/x", b'/', 4);
        check(r"\u0026x", b'&', 6);
        check(r"\u{2f}x", b'/', 6);
        check(r"\u20ac", b'\\', 1);
        check(r"\x3dx", b'=', 4);
        check(r"\n", b' ', 2);
        check(r"\\host", b'\\', 2);
        check("", OTHER, 0);
    }
}
