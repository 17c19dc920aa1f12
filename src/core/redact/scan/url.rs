//! Credentials in URLs: name and password before the host.
//!
//! Owns where a URL's authority and the URL itself end, however it is encoded. Leaves alone its query and fragment (the walk).

use super::Scan;
use crate::redact::unit::{Unit, raw, unescaped, unit};
use crate::redact::{ELLIPSIS, REDACTED};

impl Scan<'_> {
    /// Where the `://` ends that begins at `at`, and how it is written.
    pub(super) fn marker(&self, at: usize) -> Option<(usize, Encoding)> {
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
    pub(super) fn url(&mut self, encoding: Encoding) {
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
}

/// How a URL is written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
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

/// A backslash does not end a URL: JSON writers spell `&` as `\u0026`, and what follows it is still the query.
pub(super) fn ends_url(byte: u8) -> bool {
    matches!(byte, b' ' | b'"' | b'<' | b'>' | b'`')
}
