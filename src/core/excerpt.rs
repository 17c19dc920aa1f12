//! Excerpts of replies, fit for a condition, a log line or an event.
//!
//! Owns how much of somebody else's text is shown. It leaves alone what a credential looks like ([`crate::redact`]).
//! Its invariant: an excerpt is one scrubbed line of at most [`EXCERPT_BYTES_MAX`] bytes.

use crate::redact;

/// Bytes an excerpt has at most, the ellipsis included.
pub const EXCERPT_BYTES_MAX: usize = 300;

/// Bytes of a body that are looked at: an error page may be as long as it likes.
const BODY_BYTES_MAX: usize = 16 * 1024;

/// `text` on one line, scrubbed and cut.
pub fn one_line(text: &str) -> String {
    redact::scrubbed_line(text, EXCERPT_BYTES_MAX)
}

/// The excerpt of a reply's body: of a page its title, of anything else its beginning.
pub fn of_body(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(&body[..body.len().min(BODY_BYTES_MAX)]);
    let title = text.split_once("<title>").and_then(|(_, rest)| rest.split_once("</title>"));
    one_line(title.map_or(&*text, |(title, _)| title))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_body() {
        let check = |body: &[u8], wanted: &str| assert_eq!(of_body(body), wanted);
        check(b" two\r\nlines ", "two lines");
        check(b"<html><title> Bad\nGateway</title><p>more</html>", "Bad Gateway");
        check(b"<html><title>never closed", "<html><title>never closed");
        check(b"get https://u:p@s3/a?X-Amz-Signature=abc", "get https://<redacted>@s3/a?<redacted>");
        check(b"", "");
        assert_eq!(of_body(&[0xff; 1 << 20]).len(), EXCERPT_BYTES_MAX);
    }
}
