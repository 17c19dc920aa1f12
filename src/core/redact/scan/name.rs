//! Credentials beside names: after `Authorization`, `Bearer` and their like, and as the value of `token=` and its like.
//!
//! Owns what may stand between a name and its credential, and where that ends. Leaves alone which words are such names
//! ([`look`]).

use super::url::ends_url;
use super::{Scan, is_name_byte};
use crate::redact::look::{self, Word};
use crate::redact::unit::{Unit, is_boundary, raw, unit};
use crate::redact::{ELLIPSIS, REDACTED};

impl Scan<'_> {
    /// A word, and what it announces.
    pub(super) fn name(&mut self) {
        let length = self.text.as_bytes()[self.at..].iter().position(|byte| !is_name_byte(*byte));
        let end = length.map_or(self.text.len(), |length| self.at + length);
        let name = &self.text[self.at..end];
        let kind = look::word(name);
        if kind == Word::Credential {
            self.redact_to(self.run_end(end, ends_credential));
            return;
        }
        self.copy_to(end);
        match kind {
            Word::Scheme if look::is_name(name) && self.value(false) => {}
            Word::Scheme => self.credential_after_gap(false),
            Word::Header => self.header(),
            Word::CredentialName => _ = self.value(true),
            Word::OrdinaryName => _ = self.value(false),
            Word::Credential | Word::Other => {}
        }
    }

    /// `Authorization` was written: a scheme and a credential follow, or a credential alone.
    fn header(&mut self) {
        let gap = self.gap_end(self.at);
        let between = &self.text[self.at..gap];
        // Python prints a header as `('Authorization', 'Bearer …')`.
        let is_quoted_pair = between.contains(',') && between.contains(['"', '\'']);
        if !(is_quoted_pair || between.contains([':', '=', '%', '\\'])) {
            return;
        }
        self.copy_gap(gap);
        let end = self.run_end(self.at, |byte| !is_name_byte(byte));
        match look::word(&self.text[self.at..end]) {
            Word::Scheme => {
                self.copy_to(end);
                self.credential_after_gap(true);
            }
            Word::Other if !self.credential(false) => {
                self.copy_to(end);
                self.credential_after_gap(false);
            }
            _ => {}
        }
    }

    pub(super) fn credential_after_gap(&mut self, is_certain: bool) {
        let gap = self.gap_end(self.at);
        if gap > self.at {
            self.copy_gap(gap);
            self.credential(is_certain);
        }
    }

    fn copy_gap(&mut self, end: usize) {
        self.in_name &= end == self.at;
        self.copy_to(end);
        self.begin_word();
    }

    /// Where the white space, quotes and separators from `at` end.
    fn gap_end(&self, mut at: usize) -> usize {
        while at < self.text.len() && !self.text[at..].starts_with(ELLIPSIS) {
            let Unit { byte, bytes } = unit(self.text, at);
            if !matches!(byte, b' ' | b'"' | b'\'' | b'`' | b':' | b'=' | b'[' | b'(' | b',' | b'+') {
                break;
            }
            at += bytes;
        }
        at
    }

    /// Masks what comes next if it is a credential; whether it did.
    fn credential(&mut self, is_certain: bool) -> bool {
        if let Some(end) = self.placeholder_end() {
            self.copy_to(end);
            return true;
        }
        let end = self.run_end(self.at, ends_credential);
        let run = &self.text[self.at..end];
        let masks = is_certain || run.contains(REDACTED) || look::is_credential(run);
        if masks {
            self.redact_to(end);
        }
        masks
    }

    /// The value of the name that was written, masked if it is a credential; whether there is a value.
    fn value(&mut self, is_certain: bool) -> bool {
        let start = self.at;
        let is_quote = |unit: Unit| matches!(unit.byte, b'"' | b'\'' | b'[');
        let after = |at: usize| at + unit(self.text, at).bytes;
        let blanks = |mut at: usize| {
            while unit(self.text, at).byte == b' ' && !self.text[at..].starts_with(ELLIPSIS) {
                at = after(at);
            }
            at
        };
        let is_closed = is_quote(unit(self.text, start));
        let named = if is_closed { after(start) } else { start };
        let separator_at = blanks(named);
        let separator = unit(self.text, separator_at);
        if !matches!(separator.byte, b':' | b'=') || self.marker(separator_at).is_some() {
            return false;
        }
        let separated = after(separator_at);
        let mut value = blanks(separated);
        let quote = unit(self.text, value);
        if quote.byte == b'=' {
            return false;
        }
        let is_opened = is_quote(quote);
        let is_tight = separator.byte == b'=' && separator_at == named && value == separated;
        if is_opened {
            value += quote.bytes;
        }
        let end = match quote.byte {
            b'"' | b'\'' if is_opened => self.quoted_end(value, quote.byte),
            _ => self.run_end(value, ends_value),
        };
        let is_certain = is_certain || is_tight || (is_closed && is_opened);
        let run = &self.text[value..end];
        let masks = is_certain || run.contains(REDACTED) || run.split_whitespace().any(look::is_credential);
        if !masks && !is_opened && value > separated {
            return false;
        }
        self.copy_to(value);
        self.in_name = false;
        self.begin_word();
        if self.placeholder_end().is_some() {
            return true;
        }
        if masks {
            self.redact_to(end);
        }
        true
    }

    /// Where the text within quotes ends, without the backslashes before the closing one.
    fn quoted_end(&self, start: usize, quote: u8) -> usize {
        let rest = &self.text[start..];
        let backslashes = |end: usize| end - rest[..end].trim_end_matches('\\').len();
        let is_escaped = self.text[..start - 1].ends_with('\\');
        let mut closing = rest.match_indices(char::from(quote)).map(|(at, _)| (at, backslashes(at)));
        match closing.find(|(_, slashes)| is_escaped || slashes.is_multiple_of(2)) {
            Some((at, slashes)) => start + at - slashes,
            None => self.run_end(start, ends_value),
        }
    }

    /// `$(NAME)` is the kubelet's placeholder for a credential, not one.
    fn placeholder_end(&self) -> Option<usize> {
        let inner = self.text[self.at..].strip_prefix("$(")?;
        let length = inner.bytes().position(|byte| !(byte.is_ascii_alphanumeric() || byte == b'_'))?;
        let end = self.at + "$(".len() + length + ")".len();
        let is_whole = inner.as_bytes()[length] == b')'
            && (end == self.text.len() || ends_value(raw(self.text, end).byte));
        is_whole.then_some(end)
    }
}

fn ends_value(byte: u8) -> bool {
    is_boundary(byte) || ends_url(byte)
}

fn ends_credential(byte: u8) -> bool {
    ends_value(byte) || matches!(byte, b'\\' | b'(' | b'{' | b'[')
}
