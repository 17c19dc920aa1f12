//! What may leave the process: masking of credentials in text, and one-line messages.
//!
//! Owns the rule of what a credential looks like. Knows nothing of where the text goes: log lines, conditions,
//! Kubernetes Events and messages to GCk6 all pass through [`scrub`].
//!
//! Invariant: [`scrub`] never lengthens a credential's life: what it does not recognise as harmless inside a query, a
//! userinfo or an `Authorization` value is masked whole, and scrubbing twice gives what scrubbing once gave.

use std::fmt;

/// What stands where a credential stood.
pub const REDACTED: &str = "<redacted>";

/// Query parameters of a presigned URL that are masked even when the URL around them was cut off.
const PRESIGNED_PARAMETERS: [&str; 3] = ["X-Amz-Signature=", "X-Amz-Credential=", "X-Amz-Security-Token="];

/// The words before a credential in an `Authorization` header.
const AUTHORIZATION_SCHEMES: [&str; 3] = ["Token", "Bearer", "Basic"];

/// Longest run of lower-case letters after `Token` that is taken for prose ("Token rejected by …").
const PROSE_WORD_BYTES_MAX: usize = 12;

/// A value that must not be seen: a token or a presigned URL. `Debug` and `Display` print `<redacted>`.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Secret(String);

impl Secret {
    /// Wraps a value; white space around it is kept.
    pub fn new(value: impl Into<String>) -> Secret {
        Secret(value.into())
    }

    /// The value itself, for the one place that sends it.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<String> for Secret {
    fn from(value: String) -> Secret {
        Secret(value)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(REDACTED)
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(REDACTED)
    }
}

/// Masks in `text`: each of `secrets` wherever it stands, the query and the userinfo of every URL, the parameters of
/// a presigned URL, and the credential after `Token`, `Bearer` or `Basic`.
pub fn scrub(text: &str, secrets: &[&str]) -> String {
    let mut text = mask_exact(text, secrets);
    if text.contains("://") {
        text = mask_urls(&text);
    }
    for parameter in PRESIGNED_PARAMETERS {
        text = mask_after(&text, parameter, |c| c == '&' || ends_url(c));
    }
    mask_authorization(&text)
}

/// What somebody else has said, fit to leave the process: scrubbed, and on one line of at most `bytes_max` bytes.
pub fn scrubbed_line(text: &str, bytes_max: usize) -> String {
    one_line(&scrub(text, &[]), bytes_max)
}

/// Folds white space and control characters into single spaces and cuts to at most `bytes_max` bytes on a character
/// boundary; what was cut ends in `…`.
pub fn one_line(text: &str, bytes_max: usize) -> String {
    const ELLIPSIS: &str = "…";
    let mut line = String::with_capacity(text.len().min(bytes_max));
    for word in text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty()) {
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    if line.len() <= bytes_max {
        return line;
    }
    let mut end = bytes_max.saturating_sub(ELLIPSIS.len());
    while !line.is_char_boundary(end) {
        end -= 1;
    }
    line.truncate(end);
    if bytes_max >= ELLIPSIS.len() {
        line.push_str(ELLIPSIS);
    }
    line
}

/// `scheme://host[:port]/path` of a URL: what may be shown of it. Userinfo, query and fragment are dropped.
pub fn without_query(url: &str) -> String {
    let end = url.find(['?', '#']).unwrap_or(url.len());
    let bare = &url[..end];
    let Some((scheme, rest)) = bare.split_once("://") else { return bare.to_owned() };
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let host = authority.rsplit('@').next().unwrap_or(authority);
    format!("{scheme}://{host}{path}")
}

/// Longest first, so that a secret that is part of another does not leave the other's remainder standing.
fn mask_exact(text: &str, secrets: &[&str]) -> String {
    let mut secrets: Vec<&str> = secrets.iter().copied().filter(|secret| !secret.is_empty()).collect();
    secrets.sort_unstable_by_key(|secret| std::cmp::Reverse(secret.len()));
    secrets.iter().fold(text.to_owned(), |text, secret| text.replace(secret, REDACTED))
}

/// A backslash does not end a URL: JSON writers spell `&` as `\u0026`, and what follows it is still the query.
fn ends_url(c: char) -> bool {
    c.is_whitespace() || c.is_control() || matches!(c, '"' | '<' | '>' | '`')
}

fn mask_urls(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (before, after) = rest.split_at(at + "://".len());
        out.push_str(before);
        let (url, tail) = after.split_at(after.find(ends_url).unwrap_or(after.len()));
        rest = push_masked_url(&mut out, url, tail);
    }
    out.push_str(rest);
    out
}

/// Pushes what may be shown of `url` (its part after `://`) and returns what is still to be scanned.
fn push_masked_url<'a>(out: &mut String, url: &'a str, tail: &'a str) -> &'a str {
    let (authority, path) = url.split_at(url.find(['/', '?', '#']).unwrap_or(url.len()));
    match authority.rsplit_once('@') {
        Some((userinfo, host)) if !userinfo.is_empty() => {
            out.push_str(REDACTED);
            out.push('@');
            out.push_str(host);
        }
        _ => out.push_str(authority),
    }
    let Some((path, _query)) = path.split_once('?') else {
        out.push_str(path);
        return tail;
    };
    out.push_str(path);
    out.push('?');
    out.push_str(REDACTED);
    tail.strip_prefix(REDACTED).unwrap_or(tail)
}

/// Masks what stands between each `marker` and the next character for which `ends` holds.
fn mask_after(text: &str, marker: &str, ends: impl Fn(char) -> bool) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(marker) {
        let (before, after) = rest.split_at(at + marker.len());
        out.push_str(before);
        out.push_str(REDACTED);
        let tail = &after[after.find(&ends).unwrap_or(after.len())..];
        rest = tail.strip_prefix(REDACTED).unwrap_or(tail);
    }
    out.push_str(rest);
    out
}

fn mask_authorization(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((at, scheme)) = next_scheme(rest) {
        let (before, after) = rest.split_at(at + scheme.len());
        let in_header = rest[..at].trim_end_matches(['"', '\'', ' ', ':', '=']).to_ascii_lowercase();
        out.push_str(before);
        let blank = after.len() - after.trim_start_matches(' ').len();
        let (space, value) = after.split_at(blank);
        let end = value.find(|c: char| ends_url(c) || matches!(c, ',' | ';' | '\'')).unwrap_or(value.len());
        let (credential, tail) = value.split_at(end);
        out.push_str(space);
        if is_credential(scheme, credential, in_header.ends_with("authorization")) {
            out.push_str(REDACTED);
        } else {
            out.push_str(credential);
        }
        rest = tail;
    }
    out.push_str(rest);
    out
}

/// The next authorization scheme that stands as a word and is followed by a blank.
fn next_scheme(text: &str) -> Option<(usize, &'static str)> {
    AUTHORIZATION_SCHEMES.iter().filter_map(|scheme| find_scheme(text, scheme).map(|at| (at, *scheme))).min()
}

fn find_scheme(text: &str, scheme: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    (0..bytes.len().checked_sub(scheme.len())?).find(|&at| {
        let end = at + scheme.len();
        let word_starts = at == 0 || !(bytes[at - 1].is_ascii_alphanumeric() || bytes[at - 1] == b'_');
        // `token …` in lower case is prose far more often than a header; `bearer …` hardly ever is.
        let matches = match scheme {
            "Bearer" => bytes[at..end].eq_ignore_ascii_case(scheme.as_bytes()),
            _ => &bytes[at..end] == scheme.as_bytes(),
        };
        word_starts && matches && bytes[end] == b' '
    })
}

/// `$(NAME)` is the kubelet's placeholder for a credential, not one.
fn is_credential(scheme: &str, word: &str, in_header: bool) -> bool {
    if word.is_empty() || word.starts_with("$(") {
        return false;
    }
    let prose = word.len() <= PROSE_WORD_BYTES_MAX
        && word.trim_end_matches(['.', ':', ')']).bytes().all(|byte| byte.is_ascii_lowercase());
    in_header || scheme == "Bearer" || !prose
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        let scrubbed = scrub(text, &["s3cret"]);
        assert_eq!(scrubbed, expected);
        assert_eq!(scrub(&scrubbed, &["s3cret"]), expected, "scrubbing twice");
    }

    #[test]
    fn masks_credentials_and_keeps_the_rest() {
        check("token was s3cret, twice s3cret", "token was <redacted>, twice <redacted>");
        check(
            "GET https://b.s3.amazonaws.com/a.tar?X-Amz-Signature=1&b='2' failed",
            "GET https://b.s3.amazonaws.com/a.tar?<redacted> failed",
        );
        check(r#"{"url":"http://h/p?a=1\u0026b=2","x":1}"#, r#"{"url":"http://h/p?<redacted>","x":1}"#);
        check("proxy http://user:pass@proxy:3128 is down", "proxy http://<redacted>@proxy:3128 is down");
        check("http://u:p@h/p?q https://k/?z", "http://<redacted>@h/p?<redacted> https://k/?<redacted>");
        check("cut: a.tar?X-Amz-Expires=300&X-Amz-Signature=ab&c=d", {
            "cut: a.tar?X-Amz-Expires=300&X-Amz-Signature=<redacted>&c=d"
        });
        check("Authorization: Token abc", "Authorization: Token <redacted>");
        check(
            "header \"Authorization\": \"bearer abc.def\"",
            "header \"Authorization\": \"bearer <redacted>\"",
        );
        check("sent Token 0f9a8b7c6d and Basic dXNlcjpw", "sent Token <redacted> and Basic <redacted>");
        check("see https://grafana.com/docs/k6 for more", "see https://grafana.com/docs/k6 for more");
    }

    #[test]
    fn leaves_prose_and_placeholders() {
        check("Token rejected by GCk6: token is empty", "Token rejected by GCk6: token is empty");
        check("header.Authorization=Token $(K6_CLOUD_TOKEN)", "header.Authorization=Token $(K6_CLOUD_TOKEN)");
        check("a Token", "a Token");
    }

    #[test]
    fn a_secret_within_a_secret_leaves_no_remainder() {
        assert_eq!(scrub("abcdef", &["", "abc", "abcdef"]), "<redacted>");
    }

    #[test]
    fn secret_prints_nothing() {
        let secret = Secret::new("s3cret");
        assert_eq!(
            format!("{secret} {secret:?} {:?}", Some(&secret)),
            "<redacted> <redacted> Some(<redacted>)"
        );
        assert_eq!(secret.expose(), "s3cret");
    }

    #[test]
    fn one_line_folds_and_cuts_on_a_boundary() {
        assert_eq!(one_line(" a\n\tb\u{0} c ", 99), "a b c");
        assert_eq!(one_line("ééé", 5), "é…");
        assert_eq!(one_line("abc", 3), "abc");
        assert_eq!(one_line("abcd", 2), "");
    }

    #[test]
    fn without_query_shows_host_and_path() {
        assert_eq!(without_query("https://u:p@h:1/a/b?x=/y@z#f"), "https://h:1/a/b");
        assert_eq!(without_query("/p?x"), "/p");
    }
}
