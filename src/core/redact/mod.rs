//! What may leave the process: masking of credentials in text, and one-line messages.
//!
//! Owns the rule of what a credential looks like. Knows nothing of where the text goes: log lines, conditions,
//! Kubernetes Events and messages to GCk6 all pass through [`scrub`].
//!
//! Invariants: what [`scrub`] does not recognise as harmless inside a query, a userinfo or an `Authorization` value is
//! masked whole; scrubbing twice gives what scrubbing once gave; the time is linear in the text, of which a bounded part is
//! looked at; and no cut leaves half of a credential.

mod look;
mod scan;
mod unit;

use std::borrow::Cow;

pub use k8s::secret::{REDACTED, Secret};

/// What stands where text was cut.
const ELLIPSIS: &str = "…";

/// Bytes of a text that are looked at: no message is as long, and what somebody else has said may be.
const TEXT_BYTES_MAX: usize = 64 * 1024;

/// Passes over a text; the second mostly finds that nothing is left to do.
const ROUNDS_MAX: usize = 6;

/// Masks in `text`: each of `secrets` wherever it stands, the name and password and the query of every URL, the parameters
/// of a presigned URL, and the credential after `Authorization`, `Token`, `Bearer` and their like, plain or encoded.
pub fn scrub(text: &str, secrets: &[&str]) -> String {
    let (text, was_cut) = bounded(mask_exact(text, secrets));
    settled(text, was_cut, TEXT_BYTES_MAX)
}

/// What somebody else has said, fit to leave the process: scrubbed, and on one line of at most `bytes_max` bytes.
pub fn scrubbed_line(text: &str, bytes_max: usize) -> String {
    scrubbed_line_without(&[], text, bytes_max)
}

/// The same with each of `secrets` masked wherever it stands.
pub fn scrubbed_line_without(secrets: &[&str], text: &str, bytes_max: usize) -> String {
    let (text, was_cut) = bounded(mask_exact(text, secrets));
    // One line first: what divides a credential from its announcement is a blank, whatever it was.
    settled(folded(&text), was_cut, bytes_max)
}

/// What is looked at of `text`, and whether that is less than all.
fn bounded(text: Cow<'_, str>) -> (String, bool) {
    let end = text.floor_char_boundary(TEXT_BYTES_MAX);
    let was_cut = end < text.len();
    let mut text = text.into_owned();
    text.truncate(end);
    (text, was_cut)
}

/// Masks and cuts until nothing changes: a mask may bring together what an announcement and its credential were kept apart
/// by. What does not settle was made to, and is masked whole.
fn settled(mut text: String, mut was_cut: bool, bytes_max: usize) -> String {
    for _ in 0..ROUNDS_MAX {
        let next = cut_line(scan::mask(&text, was_cut), was_cut, bytes_max);
        if next == text {
            return next;
        }
        (text, was_cut) = (next, false);
    }
    cut_line(REDACTED.to_owned(), false, bytes_max)
}

/// White space and control characters as single spaces.
fn folded(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for word in text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty()) {
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    line
}

/// Cuts scrubbed text to at most `bytes_max` bytes, on a character's boundary and so that it still is scrubbed text; what
/// was cut, here or before, ends in `…`.
fn cut_line(mut line: String, was_cut: bool, bytes_max: usize) -> String {
    if line.len() <= bytes_max && !was_cut {
        return line;
    }
    let mut end = line.floor_char_boundary(bytes_max.saturating_sub(ELLIPSIS.len()));
    // Not within a mask, and not within a host, which could be half of a name and password.
    let last = line[..line.floor_char_boundary(end + REDACTED.len() - 1)].rfind(REDACTED);
    end = last.filter(|start| (*start..start + REDACTED.len()).contains(&end)).unwrap_or(end);
    let authority = line[..end].rfind("://").map_or(end, |at| at + "://".len());
    if !line[authority..end].contains(|c: char| "/?#".contains(c) || c.is_whitespace()) {
        end = authority;
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

/// Longest first, so that a secret that is part of another does not leave the other's remainder standing. What is masked
/// already is no place to look for one.
fn mask_exact<'a>(text: &'a str, secrets: &[&str]) -> Cow<'a, str> {
    let mut secrets: Vec<&str> = secrets.iter().copied().filter(|secret| text.contains(*secret)).collect();
    secrets.retain(|secret| !secret.is_empty());
    secrets.sort_unstable_by_key(|secret| std::cmp::Reverse(secret.len()));
    secrets.iter().fold(Cow::Borrowed(text), |text, secret| {
        let parts: Vec<String> = text.split(REDACTED).map(|part| part.replace(secret, REDACTED)).collect();
        Cow::Owned(parts.join(REDACTED))
    })
}

#[cfg(test)]
mod tests;
