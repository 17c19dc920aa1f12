//! One connection: read a head, ask, answer, close.
//!
//! Invariant: everything together ends at one deadline, however the client drips its bytes, and after it nothing is kept.

#![expect(clippy::disallowed_methods, reason = "a connection has a deadline by the clock")]

use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use super::head::{self, HEAD_BYTES_MAX, PATHS, Request, Target};
use super::reply::{Reply, Status};
use super::slots::{Phase, Slot};
use super::{Desk, Topic, process};

/// How long a connection may last, from the first byte to the last.
pub(super) const CONNECTION_MAX: Duration = Duration::from_secs(3);
/// How much of this the client may take to send its head; the rest is for the answer.
const HEAD_MAX: Duration = Duration::from_secs(2);
/// How much is read and dropped after the answer, so that a client that still sends gets to read it.
const DRAINED_BYTES_MAX: usize = 64 * 1024;

/// Serves the connection to its end.
pub(super) fn serve(slot: &Slot, desk: &Desk) {
    let begin = Instant::now();
    let line = Line { stream: &slot.stream, deadline: begin + CONNECTION_MAX };
    let request = match line.head(begin + HEAD_MAX) {
        Ok(Some(request)) => request,
        Ok(None) | Err(_) => return,
    };
    slot.enter(Phase::Asking);
    let (reply, is_head) = match request {
        Ok(request) => (answer(request.target, desk), request.is_head),
        Err(status) => (Reply::of(status), false),
    };
    slot.enter(Phase::Writing);
    if line.write(&reply.into_bytes(is_head)).is_ok() {
        slot.enter(Phase::Reading);
        line.drain();
    }
}

fn answer(target: Target, desk: &Desk) -> Reply {
    let Target::Of(topic) = target else {
        let paths: Vec<&str> = PATHS.iter().skip(1).map(|(path, _)| *path).collect();
        return Reply::sentence(Status::Ok, &paths.join("\n"));
    };
    match desk.ask(topic) {
        None => Reply::sentence(Status::Unavailable, "the agent's loop is stuck"),
        Some(answer) if topic == Topic::Metrics => {
            Reply::metrics(answer.text + &process::page(desk.started).into_text())
        }
        Some(answer) => {
            let status = if answer.is_ok { Status::Ok } else { Status::Unavailable };
            Reply::sentence(status, &answer.text)
        }
    }
}

/// The connection and the end of its time.
struct Line<'a> {
    stream: &'a TcpStream,
    deadline: Instant,
}

impl Line<'_> {
    /// The request. None if the client has sent nothing that could be answered.
    fn head(&self, deadline: Instant) -> io::Result<Option<Result<Request, Status>>> {
        let mut buffer = [0; HEAD_BYTES_MAX];
        let mut filled = 0;
        loop {
            if let Some(request) = head::read(&buffer[..filled]) {
                return Ok(Some(request));
            }
            let refused = (filled > 0).then_some(filled);
            match self.read(&mut buffer[filled..], deadline) {
                Ok(0) => return Ok(refused.map(|_| Err(Status::BadRequest))),
                Ok(count) => filled += count,
                Err(error) if is_timeout(&error) => return Ok(refused.map(|_| Err(Status::Timeout))),
                Err(error) => return Err(error),
            }
        }
    }

    fn read(&self, buffer: &mut [u8], deadline: Instant) -> io::Result<usize> {
        loop {
            self.stream.set_read_timeout(Some(left(deadline)?))?;
            match (&mut &*self.stream).read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => return result,
            }
        }
    }

    fn write(&self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            self.stream.set_write_timeout(Some(left(self.deadline)?))?;
            match (&mut &*self.stream).write(bytes) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => bytes = &bytes[count..],
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Reads what is left of the request until the client closes: to close a socket with unread bytes in it tears the answer
    /// from the client's hands.
    fn drain(&self) {
        if self.stream.shutdown(Shutdown::Write).is_err() {
            return;
        }
        let mut buffer = [0; 1024];
        let mut drained = 0;
        while drained < DRAINED_BYTES_MAX {
            match self.read(&mut buffer, self.deadline) {
                Ok(0) | Err(_) => return,
                Ok(count) => drained += count,
            }
        }
    }
}

/// A socket takes no timeout of zero.
fn left(deadline: Instant) -> io::Result<Duration> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(left) }
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}
