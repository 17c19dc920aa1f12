//! Cuts a stream of bytes into lines, whatever the sizes in which it arrives.
//!
//! Invariant: never holds more than [`LINE_BYTES_MAX`] bytes, and gives a large buffer back once its line is done.

/// The longest line of a watch, in bytes. etcd holds objects of up to 1.5 MiB; as JSON they can be a few times that.
pub const LINE_BYTES_MAX: usize = 8 * 1024 * 1024;

/// A buffer that has grown beyond this is given back when its line is done.
const KEPT_BYTES_MAX: usize = 64 * 1024;

/// The line that is being received.
#[derive(Debug)]
pub struct Lines {
    partial: Vec<u8>,
    line_bytes_max: usize,
}

/// A line grew beyond the limit; what follows in the stream has no beginning and is of no use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLong;

impl Default for Lines {
    fn default() -> Self {
        Self::new(LINE_BYTES_MAX)
    }
}

impl Lines {
    /// Lines of at most so many bytes.
    #[must_use]
    pub fn new(line_bytes_max: usize) -> Self {
        Self { partial: Vec::new(), line_bytes_max }
    }

    /// Takes in `bytes` and hands each line that is complete, without its end, to `each`. Empty lines are skipped.
    pub fn feed(&mut self, mut bytes: &[u8], mut each: impl FnMut(&[u8])) -> Result<(), TooLong> {
        while let Some(end) = bytes.iter().position(|&byte| byte == b'\n') {
            let (head, rest) = (&bytes[..end], &bytes[end + 1..]);
            bytes = rest;
            self.bound(head)?;
            if self.partial.is_empty() {
                emit(head, &mut each);
                continue;
            }
            self.partial.extend_from_slice(head);
            emit(&self.partial, &mut each);
            self.forget();
        }
        self.bound(bytes)?;
        self.partial.extend_from_slice(bytes);
        Ok(())
    }

    /// Drops what has come of an unfinished line.
    pub fn forget(&mut self) {
        self.partial.clear();
        if self.partial.capacity() > KEPT_BYTES_MAX {
            self.partial = Vec::new();
        }
    }

    fn bound(&mut self, more: &[u8]) -> Result<(), TooLong> {
        if self.partial.len() + more.len() <= self.line_bytes_max {
            return Ok(());
        }
        self.forget();
        Err(TooLong)
    }
}

fn emit(line: &[u8], each: &mut impl FnMut(&[u8])) {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    if !line.is_empty() {
        each(line);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines_of(chunks: &[&str], line_bytes_max: usize) -> (Vec<String>, Result<(), TooLong>) {
        let mut lines = Lines::new(line_bytes_max);
        let mut seen = Vec::new();
        for chunk in chunks {
            let result =
                lines.feed(chunk.as_bytes(), |line| seen.push(String::from_utf8_lossy(line).into_owned()));
            if result.is_err() {
                return (seen, result);
            }
        }
        (seen, Ok(()))
    }

    #[test]
    fn any_cutting_gives_the_same_lines() {
        let text = "one\ntwo\r\n\n\nthrée\nunfinished";
        for first in 0..text.len() {
            for second in first..text.len() {
                let bytes = text.as_bytes();
                let mut lines = Lines::default();
                let mut seen = Vec::new();
                for chunk in [&bytes[..first], &bytes[first..second], &bytes[second..]] {
                    lines.feed(chunk, |line| seen.push(line.to_vec())).unwrap();
                }
                assert_eq!(seen, ["one".as_bytes(), b"two", "thrée".as_bytes()], "{first} {second}");
            }
        }
    }

    #[test]
    fn long_lines_are_refused() {
        let check = |chunks: &[&str], seen: &[&str], result| {
            assert_eq!(
                lines_of(chunks, 4),
                (seen.iter().map(|&line| line.to_owned()).collect(), result),
                "{chunks:?}"
            );
        };
        check(&["abcd\n", "ab", "cd", "\n"], &["abcd", "abcd"], Ok(()));
        check(&["a\nabcde\n"], &["a"], Err(TooLong));
        check(&["abc", "de"], &[], Err(TooLong));
        check(&["abc", "d", "e"], &[], Err(TooLong));
    }
}
