//! Is the tar whole, and is it one of k6?
//!
//! Pure: looks at the blocks as they pass by, and holds one header and the beginning of `metadata.json`. What is asked is
//! what k6 asks: a tar that its reader walks through to the end, with a `metadata.json` that is a JSON object. Names in
//! extended headers are passed over, since k6 writes none for that one.

use serde::de::IgnoredAny;

use super::archive::{BLOCK_BYTES, has_valid_checksum};

/// The file without which k6 has no test to run.
const METADATA: &str = "metadata.json";

/// Longest `metadata.json` that is parsed, in bytes; of a longer one the beginning is looked at.
const METADATA_BYTES_MAX: usize = 256 * 1024;

const NAME: std::ops::Range<usize> = 0..100;
const SIZE: std::ops::Range<usize> = 124..136;
const TYPE: usize = 156;

/// What is wrong with a tar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Problem {
    /// It ends in the middle of an entry, or without the block of zeros that ends a tar.
    Truncated,
    /// Something in the middle is no header.
    Damaged,
    /// It is whole, but k6 did not write it.
    NotOfK6(&'static str),
}

/// What has been seen of a tar.
#[derive(Debug)]
pub(super) struct Reader {
    header: Vec<u8>,
    /// Bytes of the entry, with its padding, that are still to come.
    left_bytes: u64,
    /// Of them those of `metadata.json`.
    metadata_left_bytes: u64,
    metadata: Option<Vec<u8>>,
    has_ended: bool,
}

impl Reader {
    pub(super) fn new() -> Reader {
        Reader {
            header: Vec::with_capacity(BLOCK_BYTES),
            left_bytes: 0,
            metadata_left_bytes: 0,
            metadata: None,
            has_ended: false,
        }
    }

    /// Takes the next bytes. What follows the end of a tar is padding.
    pub(super) fn feed(&mut self, mut bytes: &[u8]) -> Result<(), Problem> {
        while !bytes.is_empty() && !self.has_ended {
            let wanted = if self.left_bytes > 0 {
                usize::try_from(self.left_bytes).unwrap_or(usize::MAX)
            } else {
                BLOCK_BYTES - self.header.len()
            };
            let (taken, rest) = bytes.split_at(wanted.min(bytes.len()));
            bytes = rest;
            if self.left_bytes > 0 {
                self.content(taken);
                continue;
            }
            self.header.extend_from_slice(taken);
            if self.header.len() == BLOCK_BYTES {
                self.entry()?;
            }
        }
        Ok(())
    }

    /// After the last byte.
    pub(super) fn finish(&self) -> Result<(), Problem> {
        if !self.has_ended {
            return Err(Problem::Truncated);
        }
        let metadata = self.metadata.as_deref().ok_or(Problem::NotOfK6("it has no metadata.json"))?;
        let is_object = metadata.trim_ascii_start().starts_with(b"{");
        let is_whole = metadata.len() < METADATA_BYTES_MAX;
        if is_object && (!is_whole || serde_json::from_slice::<IgnoredAny>(metadata).is_ok()) {
            return Ok(());
        }
        Err(Problem::NotOfK6("its metadata.json is not a JSON object"))
    }

    fn content(&mut self, bytes: &[u8]) {
        let of_metadata = usize::try_from(self.metadata_left_bytes).unwrap_or(usize::MAX).min(bytes.len());
        if let Some(metadata) = self.metadata.as_mut().filter(|_| of_metadata > 0) {
            let room = METADATA_BYTES_MAX - metadata.len();
            metadata.extend_from_slice(&bytes[..of_metadata.min(room)]);
        }
        self.metadata_left_bytes -= of_metadata as u64;
        self.left_bytes -= bytes.len() as u64;
    }

    fn entry(&mut self) -> Result<(), Problem> {
        let Ok(block) = <&[u8; BLOCK_BYTES]>::try_from(&self.header[..]) else {
            return Err(Problem::Damaged);
        };
        if block.iter().all(|byte| *byte == 0) {
            self.has_ended = true;
            return Ok(());
        }
        if !has_valid_checksum(block) {
            return Err(Problem::Damaged);
        }
        let size = match block[TYPE] {
            // Links, devices and directories have no content, whatever their size says.
            b'1'..=b'6' => 0,
            _ => size(&block[SIZE]).ok_or(Problem::Damaged)?,
        };
        let name = block[NAME].split(|byte| *byte == 0).next().unwrap_or_default();
        if matches!(block[TYPE], b'0' | 0) && name == METADATA.as_bytes() {
            self.metadata = Some(Vec::new());
            self.metadata_left_bytes = size;
        }
        self.left_bytes = size.checked_next_multiple_of(BLOCK_BYTES as u64).ok_or(Problem::Damaged)?;
        self.header.clear();
        Ok(())
    }
}

/// Octal digits, or for sizes beyond them a number of base 256.
fn size(field: &[u8]) -> Option<u64> {
    if field.first().is_some_and(|first| first & 0x80 != 0) {
        let (high, low) = field.split_at(field.len() - 8);
        let is_small = high[0] == 0x80 && high[1..].iter().all(|byte| *byte == 0);
        return is_small.then(|| low.iter().fold(0, |size, byte| size << 8 | u64::from(*byte)));
    }
    let digits = std::str::from_utf8(field).ok()?.trim_matches(['\0', ' ']);
    if digits.is_empty() { Some(0) } else { u64::from_str_radix(digits, 8).ok() }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::fetch::archive::tests::header;

    /// An archive of these files with its end.
    pub(in crate::fetch) fn tar(files: &[(&str, u8, &[u8])]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (name, kind, content) in files {
            bytes.extend(header(name, *kind, content.len()));
            bytes.extend_from_slice(content);
            bytes.resize(bytes.len().next_multiple_of(BLOCK_BYTES), 0);
        }
        bytes.resize(bytes.len() + 2 * BLOCK_BYTES, 0);
        bytes
    }

    fn read(bytes: &[u8], step: usize) -> Result<(), Problem> {
        let mut reader = Reader::new();
        bytes.chunks(step).try_for_each(|chunk| reader.feed(chunk))?;
        reader.finish()
    }

    #[track_caller]
    fn check(bytes: &[u8], wanted: Result<(), Problem>) {
        for step in [1, 100, BLOCK_BYTES, 1 << 20] {
            assert_eq!(read(bytes, step), wanted, "{step} bytes at a time");
        }
    }

    #[test]
    fn archives_of_k6_pass() {
        let script = vec![b'x'; 3000];
        let files: &[(&str, u8, &[u8])] = &[
            ("PaxHeaders/long", b'x', b"30 path=a/long/name\n"),
            ("metadata.json", b'0', b" {\"type\":\"js\"}\n"),
            ("data", b'0', &script),
            ("file", b'5', b""),
            ("file/script.js", b'1', b""),
        ];
        check(&tar(files), Ok(()));
        let whole = tar(files);
        check(&whole[..whole.len() - BLOCK_BYTES], Ok(()));
        check(&[&whole[..], b"padding"].concat(), Ok(()));
        let long = format!("{{\"a\":\"{}\"}}", "x".repeat(METADATA_BYTES_MAX));
        check(&tar(&[("metadata.json", 0, long.as_bytes())]), Ok(()));
    }

    #[test]
    fn truncated_ones_are_told_wherever_they_end() {
        let whole = tar(&[("metadata.json", b'0', b"{}"), ("data", b'0', &[b'x'; 600])]);
        for end in [0, 100, BLOCK_BYTES, BLOCK_BYTES + 1, 1024, 1536, 2000, 2560, 2561, 3071] {
            check(&whole[..end], Err(Problem::Truncated));
        }
        let endless = tar(&[("metadata.json", b'0', b"{}")]);
        let mut endless = endless[..BLOCK_BYTES].to_vec();
        endless[124..136].copy_from_slice(&[0x80, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]);
        check(&endless, Err(Problem::Damaged));
    }

    #[test]
    fn others_are_told() {
        check(&tar(&[("a.txt", b'0', b"x")]), Err(Problem::NotOfK6("it has no metadata.json")));
        check(&tar(&[("dir/metadata.json", b'0', b"{}")]), Err(Problem::NotOfK6("it has no metadata.json")));
        check(&tar(&[("metadata.json", b'5', b"")]), Err(Problem::NotOfK6("it has no metadata.json")));
        for content in ["", "[]", "{", "<html>", "\0\0"] {
            let bytes = tar(&[("metadata.json", b'0', content.as_bytes())]);
            check(&bytes, Err(Problem::NotOfK6("its metadata.json is not a JSON object")));
        }
        let mut damaged = tar(&[("metadata.json", b'0', b"{}"), ("data", b'0', b"x")]);
        damaged[2 * BLOCK_BYTES] ^= 1;
        check(&damaged, Err(Problem::Damaged));
    }

    #[test]
    fn sizes() {
        assert_eq!(size(b"00000000017\0"), Some(15));
        assert_eq!(size(b"       17 \0\0"), Some(15));
        assert_eq!(size(&[0; 12]), Some(0));
        assert_eq!(size(&[0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0]), Some(256));
        assert_eq!(size(&[0xff; 12]), None);
        assert_eq!(size(b"-0000000017\0"), None);
    }
}
