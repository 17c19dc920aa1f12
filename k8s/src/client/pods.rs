//! Calls that the API server passes on to a pod.
//!
//! Owns their connections, of which a burst may open many, and which are closed when it is over. Leaves to the caller how
//! much of an answer is read: its length is up to whoever runs in the pod. Invariant: no other call waits for them.

use std::io::Read as _;
use std::time::Duration;

use super::{Client, Stream};
use crate::request::Request;
use crate::status::Error;

/// An answer whose body is still to be read.
pub struct PodAnswer {
    /// The HTTP status.
    pub code: u16,
    client: Client,
    body: Stream,
}

impl Client {
    /// Sends a request with this body, and leaves the answer's to be read. `wait` is how long until the answer begins, and
    /// again how long until it ends.
    pub fn open_pod(&self, request: &Request, body: &[u8], wait: Duration) -> Result<PodAnswer, Error> {
        let answer = self.open_with(&self.shared.pods, request, body, Some(wait))?;
        let code = answer.status().as_u16();
        let body = Stream { reader: Box::new(answer.into_body().into_reader()) };
        Ok(PodAnswer { code, client: self.clone(), body })
    }

    /// Closes the connections that are kept for calls to pods; those in use are closed after their call.
    pub fn rest_pods(&self) {
        self.shared.pods.close();
    }
}

impl PodAnswer {
    /// Reads on; 0 is the end.
    pub fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Error> {
        let client = &self.client;
        let read = self.body.reader.read(buffer);
        read.map_err(|error| client.failure(&client.shared.pods, &ureq::Error::from(error)))
    }
}
