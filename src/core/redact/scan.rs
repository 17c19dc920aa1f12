//! The walk over a text that masks credentials.
//!
//! Owns where a credential begins and ends, in URLs, beside names and after `Bearer` and its like, plain, percent-encoded
//! and escaped as in JSON: [`url`] and [`name`] look ahead from where the walk is. Leaves alone what one looks like ([`super::look`]).
//!
//! Invariants: the walk only goes forward, and each look ahead either is bounded or covers what no later one covers again,
//! so that the time is linear in the text; what is masked already counts as one character that ends nothing.

mod name;
mod url;

use super::REDACTED;
use super::look::{self, Word};
use super::unit::{Unit, is_boundary, raw, unit};

/// Digests follow the `@` of an image that has a tag before it.
const DIGEST: &str = "sha";

/// `text` without credentials. Of a text that is `cut`, the last word may be half of one and is dropped.
pub(super) fn mask(text: &str, cut: bool) -> String {
    let mut scan = Scan {
        text,
        at: 0,
        out: String::with_capacity(text.len()),
        word: 0,
        has_colon: false,
        in_name: false,
        authority_end: 0,
        url_end: 0,
        fragment_end: 0,
    };
    while scan.at < text.len() {
        scan.step();
    }
    if cut {
        scan.out.truncate(scan.word);
    }
    scan.out
}

struct Scan<'a> {
    text: &'a str,
    /// What comes next.
    at: usize,
    out: String,
    /// Where in `out` the word begins that is being written.
    word: usize,
    /// Whether that word has a colon, outside of a URL's host and port.
    has_colon: bool,
    /// Whether what comes next goes on with a name that was looked at.
    in_name: bool,
    /// Where the authority of the URL ends that is being written.
    authority_end: usize,
    /// Where that URL ends.
    url_end: usize,
    /// Where the fragment ends that was looked at.
    fragment_end: usize,
}

impl Scan<'_> {
    fn step(&mut self) {
        let Unit { byte, bytes } = unit(self.text, self.at);
        let starts_name = bytes == 1 && is_name_byte(byte) && !self.in_name;
        self.in_name = bytes == 1 && is_name_byte(byte);
        if self.is_redacted(self.at) {
            self.copy_to(self.at + REDACTED.len());
        } else if starts_name {
            self.name();
        } else if let Some((end, encoding)) = self.marker(self.at) {
            self.copy_to(end);
            self.url(encoding);
        } else if byte == b'?' && self.at < self.url_end {
            self.copy_to(self.at + bytes);
            self.redact_to(self.url_end);
        } else if byte == b'#' && self.at < self.url_end && self.at >= self.fragment_end {
            self.copy_to(self.at + bytes);
            self.fragment_end = self.url_end;
            if self.text[self.at..self.url_end].contains(['=', '?', '%']) {
                self.redact_to(self.url_end);
            }
        } else {
            self.punctuation(byte, bytes);
        }
    }

    /// One unit that announces nothing by itself, but may separate words, or a name and password from a host.
    fn punctuation(&mut self, byte: u8, bytes: usize) {
        if byte == b'@' && self.has_colon && self.host_follows(self.at + bytes) {
            self.out.truncate(self.word);
            self.out.push_str(REDACTED);
        }
        self.has_colon |= byte == b':' && self.at >= self.authority_end;
        // A password is encoded so that it holds no separator, and what separates may be part of one that is not.
        let is_encoded = self.text.as_bytes()[self.at] == b'%';
        let ends_always = matches!(byte, b' ' | b'"' | b'\'' | b'`' | b'<' | b'>');
        let ends_mostly = is_boundary(byte) || matches!(byte, b'(' | b'{' | b'[' | b'=');
        self.copy_to(self.at + bytes);
        if !is_encoded && (ends_always || (ends_mostly && !self.has_colon)) {
            self.begin_word();
        }
    }

    /// Whether a host begins at `at`, and no digest of an image.
    fn host_follows(&self, at: usize) -> bool {
        let next = self.text[at..].trim_start_matches('\\');
        next.starts_with(|c: char| c.is_alphanumeric() || c == '[') && !next.starts_with(DIGEST)
    }

    fn begin_word(&mut self) {
        self.word = self.out.len();
        self.has_colon = false;
    }

    fn copy_to(&mut self, end: usize) {
        self.out.push_str(&self.text[self.at..end]);
        self.at = end;
    }

    /// Masks everything up to `end`. What is masked may announce a credential with its last word.
    fn redact_to(&mut self, end: usize) {
        if self.at >= end {
            return;
        }
        let masked = self.text[self.at..end].trim_end_matches(|c: char| !c.is_ascii_alphanumeric());
        let last = masked.rfind(|c: char| !u8::try_from(c).is_ok_and(is_name_byte)).map_or(0, |at| at + 1);
        let announces = masked
            .get(last..)
            .is_some_and(|name| !matches!(look::word(name), Word::Other | Word::Credential));
        self.out.push_str(REDACTED);
        self.at = end;
        if announces {
            self.credential_after_gap(false);
        }
    }

    fn is_redacted(&self, at: usize) -> bool {
        self.text.as_bytes()[at..].starts_with(REDACTED.as_bytes())
    }

    /// Where the run from `at` ends: at the first byte for which `ends` holds.
    fn run_end(&self, mut at: usize, ends: fn(u8) -> bool) -> usize {
        while at < self.text.len() {
            if self.is_redacted(at) {
                at += REDACTED.len();
                continue;
            }
            let Unit { byte, bytes } = raw(self.text, at);
            if ends(byte) {
                break;
            }
            at += bytes;
        }
        at
    }
}

fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')
}
