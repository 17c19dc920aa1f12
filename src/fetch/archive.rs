//! Is it a tar? And if not, what is it?
//!
//! Pure: looks at the first block of a body, and leaves the rest to `tar`. k6 writes and reads plain tar (its archive reader takes no gzip), so
//! nothing else is an archive.

/// Bytes of a tar block; the header of the first entry is one.
pub const BLOCK_BYTES: usize = 512;

const MAGIC: std::ops::Range<usize> = 257..262;
const CHECKSUM: std::ops::Range<usize> = 148..156;

/// Checks the first [`BLOCK_BYTES`] of a body, or all of it if it is shorter. An error says what came instead.
pub fn check_head(head: &[u8]) -> Result<(), &'static str> {
    match <&[u8; BLOCK_BYTES]>::try_from(head) {
        Ok(block) if &block[MAGIC] == b"ustar" || has_valid_checksum(block) => Ok(()),
        _ => Err(describe(head)),
    }
}

/// The oldest tars have no magic, only the sum of the header's bytes with its own field taken as blanks.
pub(super) fn has_valid_checksum(block: &[u8; BLOCK_BYTES]) -> bool {
    let field = String::from_utf8_lossy(&block[CHECKSUM]);
    let digits = field.trim_matches(|c: char| c == ' ' || c == '\0');
    let Ok(stored) = u32::from_str_radix(digits, 8) else { return false };
    let blanks = u32::from(b' ') * CHECKSUM.len() as u32;
    let others = block.iter().enumerate().filter(|(at, _)| !CHECKSUM.contains(at));
    let (mut sum, mut signed) = (blanks, i64::from(blanks));
    for (_, byte) in others {
        sum += u32::from(*byte);
        signed += i64::from(i8::from_ne_bytes([*byte]));
    }
    // Some of the oldest took the bytes for signed.
    sum == stored || signed == i64::from(stored)
}

fn describe(head: &[u8]) -> &'static str {
    let text = head.trim_ascii_start();
    let starts =
        |prefix: &[u8]| text.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix));
    if head.is_empty() {
        "an empty answer"
    } else if starts(b"<!doctype html") || starts(b"<html") {
        "an HTML page, as proxies and login portals send"
    } else if starts(b"<") {
        "an XML document, as S3 sends for errors"
    } else if starts(b"{") || starts(b"[") {
        "a JSON document"
    } else if head.starts_with(&[0x1f, 0x8b]) {
        "a gzip file; k6 archives are plain tar"
    } else if head.starts_with(b"PK\x03\x04") {
        "a zip file; k6 archives are plain tar"
    } else if head.iter().all(|byte| *byte == 0) {
        "an empty archive"
    } else if head.len() < BLOCK_BYTES {
        "too short to be one"
    } else {
        "something else"
    }
}

/// `<Code>` and `<Message>` of an S3 error document, empty where it has none.
pub fn s3_error(body: &[u8]) -> (String, String) {
    let text = String::from_utf8_lossy(body);
    let element = |open: &str, close: &str| {
        let inner =
            text.split_once(open).and_then(|(_, rest)| rest.split_once(close)).map(|(inner, _)| inner);
        inner.unwrap_or_default().trim().to_owned()
    };
    (element("<Code>", "</Code>"), element("<Message>", "</Message>"))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A header as the oldest tars have it: name, type, size, checksum, no magic.
    pub(in crate::fetch) fn header(name: &str, kind: u8, size: usize) -> [u8; BLOCK_BYTES] {
        let mut block = [0; BLOCK_BYTES];
        block[..name.len()].copy_from_slice(name.as_bytes());
        block[124..135].copy_from_slice(format!("{size:011o}").as_bytes());
        block[156] = kind;
        block[CHECKSUM].fill(b' ');
        let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
        block[CHECKSUM].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        block
    }

    #[test]
    fn tars_pass() {
        assert_eq!(check_head(&header("metadata.json", b'0', 0)), Ok(()));
        let mut ustar = [1; BLOCK_BYTES];
        ustar[MAGIC].copy_from_slice(b"ustar");
        assert_eq!(check_head(&ustar), Ok(()));
    }

    #[test]
    fn everything_else_is_named() {
        let check = |head: &[u8], named: &str| {
            let what = check_head(head).unwrap_err();
            assert!(what.contains(named), "{what}");
        };
        let long = |start: &[u8]| [start, &[b'x'; BLOCK_BYTES][start.len()..]].concat();
        check(b"", "empty answer");
        check(b"\n<!DOCTYPE HTML><p>", "HTML");
        check(&long(b"<?xml version='1.0'?><Error>"), "XML");
        check(&long(b"{\"error\":1}"), "JSON");
        check(&long(&[0x1f, 0x8b, 8]), "gzip");
        check(&long(b"PK\x03\x04"), "zip");
        check(&[0; BLOCK_BYTES], "empty archive");
        check(b"short", "too short");
        check(&long(b"export default"), "something else");
        let mut damaged = header("metadata.json", b'0', 0);
        damaged[0] = b'M';
        check(&damaged, "something else");
        check(&header("a", b'0', 0)[..BLOCK_BYTES - 1], "too short");
    }

    #[test]
    fn s3_errors() {
        let body = b"<?xml?><Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>";
        assert_eq!(s3_error(body), ("AccessDenied".into(), "Request has expired".into()));
        assert_eq!(s3_error(b"<Code>open"), Default::default());
    }
}
