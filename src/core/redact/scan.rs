//! The walk over a text that masks credentials.
//!
//! Owns where a credential begins and ends, in URLs, beside names and after `Bearer` and its like, plain, percent-encoded
//! and escaped as in JSON. Leaves alone what one looks like ([`super::look`]).
//!
//! Invariants: the walk only goes forward, and each look ahead either is bounded or covers what no later one covers again,
//! so that the time is linear in the text; what is masked already counts as one character that ends nothing.

use super::look::{self, Word};
use super::unit::{Unit, is_boundary, raw, unescaped, unit};
use super::{ELLIPSIS, REDACTED};

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

    /// Where the `://` ends that begins at `at`, and how it is written.
    fn marker(&self, at: usize) -> Option<(usize, Encoding)> {
        let colon = unit(self.text, at);
        if colon.byte != b':' {
            return None;
        }
        let first = unit(self.text, at + colon.bytes);
        let second = unit(self.text, at + colon.bytes + first.bytes);
        let end = match (first, second) {
            (Unit { byte: b'/', .. }, Unit { byte: b'/', .. }) => {
                at + colon.bytes + first.bytes + second.bytes
            }
            (Unit { byte: b'\\', bytes: 2.. }, _) => at + colon.bytes + first.bytes,
            _ => return None,
        };
        let is_percent = self.text.as_bytes()[at..end].contains(&b'%');
        Some((end, if is_percent { Encoding::Percent } else { Encoding::Plain }))
    }

    /// What follows `://`: name and password are masked, whatever the password is made of.
    fn url(&mut self, encoding: Encoding) {
        if self.at >= self.url_end {
            self.url_end = self.run_end(self.at, ends_url);
        }
        self.begin_word();
        let authority = self.authority(encoding);
        self.authority_end = authority.end;
        let text = &self.text[self.at..authority.end];
        let is_cut = self.text[..self.at].ends_with("://")
            && !text.is_empty()
            && self.text[authority.end..].starts_with(ELLIPSIS);
        let end = match (authority.has_userinfo, authority.last_in_url, authority.last_in_word) {
            (true, Some(last), _) => last,
            _ if !is_password(text, encoding) && !is_cut => return,
            (_, _, Some(last)) => last,
            _ => authority.end,
        };
        self.redact_to(end);
        self.in_name = false;
        if self.at >= self.url_end {
            self.url_end = self.run_end(self.at, ends_url);
        }
        self.begin_word();
    }

    /// Looks as far as the next URL or the end of the word.
    fn authority(&self, encoding: Encoding) -> Authority {
        let mut found =
            Authority { end: self.text.len(), has_userinfo: false, last_in_url: None, last_in_word: None };
        let mut is_over = false;
        let mut at = self.at;
        while at < self.text.len() {
            if self.is_redacted(at) {
                at += REDACTED.len();
                continue;
            }
            let Unit { byte, bytes } = match encoding {
                Encoding::Percent => unit(self.text, at),
                Encoding::Plain => unescaped(self.text, at),
            };
            let is_end = raw(self.text, at).byte == b' ' || self.marker(at).is_some();
            let is_delimiter = match byte {
                b'/' | b'?' | b'#' | b'"' => true,
                b'&' => encoding == Encoding::Percent,
                _ => at >= self.url_end,
            };
            if !is_over && (is_end || is_delimiter) {
                (is_over, found.end) = (true, at);
            }
            if is_end {
                break;
            }
            if byte == b'@' {
                found.has_userinfo |= !is_over;
                found.last_in_word = Some(at);
                if at < self.url_end {
                    found.last_in_url = Some(at);
                }
            }
            at += bytes;
        }
        found
    }

    /// A word, and what it announces.
    fn name(&mut self) {
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

    fn credential_after_gap(&mut self, is_certain: bool) {
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

/// How a URL is written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Encoding {
    Plain,
    Percent,
}

/// What follows `://`.
struct Authority {
    /// Where host and port end.
    end: usize,
    /// Whether there is an `@` before.
    has_userinfo: bool,
    /// The last `@` of the URL, which a password with a `/` in it moves behind the end.
    last_in_url: Option<usize>,
    /// The last `@` of the word, for a password with a quote in it.
    last_in_word: Option<usize>,
}

/// Whether what stands after the colon of `authority` is a password and no port.
fn is_password(authority: &str, encoding: Encoding) -> bool {
    let colon = match encoding {
        Encoding::Plain => authority.split_once(':'),
        Encoding::Percent => authority.split_once("%3A").or_else(|| authority.split_once("%3a")),
    };
    if authority.starts_with('[') {
        return false;
    }
    let Some((_, port)) = colon else { return false };
    let word = port.trim_start_matches(|c: char| c.is_ascii_digit());
    let is_number = word.len() < port.len() && !word.starts_with(char::is_alphanumeric);
    let is_name = port.strip_prefix("port").is_some_and(|rest| !rest.starts_with(char::is_alphanumeric));
    !(is_number || is_name || !port.contains(char::is_alphanumeric) || port.starts_with(['{', '$', ':', '<']))
}

fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')
}

/// A backslash does not end a URL: JSON writers spell `&` as `\u0026`, and what follows it is still the query.
fn ends_url(byte: u8) -> bool {
    matches!(byte, b' ' | b'"' | b'<' | b'>' | b'`')
}

fn ends_value(byte: u8) -> bool {
    is_boundary(byte) || ends_url(byte)
}

fn ends_credential(byte: u8) -> bool {
    ends_value(byte) || matches!(byte, b'\\' | b'(' | b'{' | b'[')
}
