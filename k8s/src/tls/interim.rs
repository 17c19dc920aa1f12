//! A bound on interim answers: the HTTP library passes over any number of `100 Continue`.
//!
//! Owns the count, per connection. Invariant: a server that sends nothing but interim answers is given up long before the
//! time that its answer is given, which may be a quarter of an hour, has passed with a thread that spins.

use std::io;

use ureq::Error;
use ureq::unversioned::transport::{Buffers, ConnectionDetails, Connector, NextTimeout, Transport};

/// How many reads in a row may begin with an interim answer.
const READS_MAX: u32 = 64;
/// `HTTP/1.1 1`: how an interim answer begins.
const BEGIN_LEN: usize = 10;

/// Puts the bound on each connection: the last link of a chain of connectors.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct InterimBound;

/// A connection with the bound.
#[derive(Debug)]
pub(crate) struct Bounded<T> {
    inner: T,
    reads: u32,
}

impl<T: Transport> Connector<T> for InterimBound {
    type Out = Bounded<T>;

    fn connect(&self, _: &ConnectionDetails, chained: Option<T>) -> Result<Option<Bounded<T>>, Error> {
        Ok(chained.map(|inner| Bounded { inner, reads: 0 }))
    }
}

impl<T: Transport> Transport for Bounded<T> {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self.inner.buffers()
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        self.reads = 0;
        self.inner.transmit_output(amount, timeout)
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        let has_more = self.inner.await_input(timeout)?;
        self.reads = counted(self.reads, self.inner.buffers().input());
        if self.reads > READS_MAX {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "endless interim answers").into());
        }
        Ok(has_more)
    }

    fn is_open(&mut self) -> bool {
        self.inner.is_open()
    }

    fn is_tls(&self) -> bool {
        self.inner.is_tls()
    }
}

/// The count after a read that has left this to be looked at. What is too short to tell leaves the count as it is, and a
/// body that happens to look like this in one place does not in all.
fn counted(reads: u32, input: &[u8]) -> u32 {
    match input.get(..BEGIN_LEN) {
        None => reads,
        Some(begin) if begin.starts_with(b"HTTP/1.") && begin.ends_with(b" 1") => reads + 1,
        Some(_) => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_counts() {
        assert_eq!(counted(3, b"HTTP/1.1 100 Continue\r\n\r\n"), 4);
        assert_eq!(counted(3, b"HTTP/1.0 103 Early Hints\r\n"), 4);
        assert_eq!(counted(3, b"HTTP/1.1 "), 3);
        assert_eq!(counted(3, b""), 3);
        assert_eq!(counted(3, b"HTTP/1.1 200 OK\r\n"), 0);
        assert_eq!(counted(3, b"{\"data\":{\"type\""), 0);
    }
}
