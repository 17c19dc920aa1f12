//! Calls of whose answers only a part is kept.
//!
//! Owns the reading, piece by piece. Leaves to [`intake`](crate::intake) what is kept. Invariant: no answer is held as it came.

use std::io::Read as _;
use std::time::Duration;

use super::{Client, retry_after};
use crate::intake::{Intake, Keep};
use crate::request::Request;
use crate::status::{Error, Response};

/// How much is taken at a time.
const READ_BYTES: usize = 4 * 1024;

impl Client {
    /// Sends a request and keeps of its answer what `keep` says. `wait` is how long until the answer begins,
    /// and again how long until it ends, in place of the limits of the configuration. `grows` is told how much is held, in bytes, whenever more has come, and may wait until there is room for it.
    pub fn send_keeping(
        &self,
        request: &Request,
        wait: Option<Duration>,
        keep: &Keep,
        grows: &mut dyn FnMut(usize),
    ) -> Result<Response, Error> {
        let wire = &self.shared.calls;
        let answer = self.open(wire, request, wait)?;
        let (code, retry_after) = (answer.status().as_u16(), retry_after(&answer));
        let mut intake = Intake::new(code, keep);
        let (mut reader, mut buffer) = (answer.into_body().into_reader(), [0; READ_BYTES]);
        loop {
            let read = reader.read(&mut buffer);
            match read.map_err(|error| self.failure(wire, &ureq::Error::from(error)))? {
                0 => break,
                count => intake.feed(&buffer[..count])?,
            }
            grows(intake.held_bytes());
        }
        Ok(Response { code, retry_after, date: None, body: intake.into_body() })
    }
}
