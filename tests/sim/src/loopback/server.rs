//! A listener with a thread per connection, and its orderly end.
//!
//! Owns sockets and threads. What a request means is the [`Service`]'s. Invariant: when a [`Server`] has been dropped, its
//! threads are gone or about to be: every socket is shut down, every pause is over.

#![expect(
    clippy::disallowed_methods,
    reason = "a driver: it has the clock and the threads that models must not have"
)]

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::http1::{self, After, Buffer};
use crate::http::{Answer, Request, Response};

/// Stack of a connection's thread; the deepest thing on it is a JSON document.
const STACK_BYTES: usize = 256 * 1024;
/// Stack of an accepting thread.
const ACCEPT_STACK_BYTES: usize = 64 * 1024;
/// How long a dropped server waits for its threads.
const STOP_TIMEOUT: Duration = Duration::from_secs(2);

/// What a server does with requests. Called on many threads at once.
pub trait Service: Send + Sync + 'static {
    /// Serves a request that came in on the listener at `local`.
    fn serve(&self, local: SocketAddr, request: &Request) -> Outcome;
}

/// What a service gives.
pub enum Outcome {
    /// An answer.
    Answer(Answer),
    /// Status 200 and a chunked body: called for one piece after the other, see [`Piece`].
    Stream(Box<dyn FnMut() -> Piece + Send>),
}

/// A piece of a streamed body.
#[derive(Debug)]
pub enum Piece {
    /// Bytes to send; empty to have the connection looked at.
    Data(Vec<u8>),
    /// The last bytes, then the regular end of the body.
    Last(Vec<u8>),
}

/// TLS of a server.
pub type Tls = Option<Arc<rustls::ServerConfig>>;

/// A running server. Dropping it stops it.
pub struct Server {
    addr: SocketAddr,
    control: Arc<Control>,
    accepting: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Control {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    is_stopping: bool,
    next: u64,
    open: BTreeMap<u64, Weak<TcpStream>>,
}

impl Server {
    /// Serves on a listener.
    pub fn start(listener: TcpListener, tls: Tls, service: Arc<dyn Service>) -> io::Result<Self> {
        let addr = listener.local_addr()?;
        let control = Arc::new(Control::default());
        let shared = Arc::clone(&control);
        let accepting = thread::Builder::new()
            .name(format!("accept {addr}"))
            .stack_size(ACCEPT_STACK_BYTES)
            .spawn(move || accept(&listener, &tls, &service, &shared))?;
        Ok(Self { addr, control, accepting: Some(accepting) })
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// How many connections there have been.
    pub fn connections(&self) -> u64 {
        self.control.lock().next
    }

    /// Breaks every open connection: what a restart of the server looks like to its clients.
    pub fn cut(&self) {
        self.control.shut_all();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.control.lock().is_stopping = true;
        self.control.changed.notify_all();
        self.control.shut_all();
        // The accepting thread wakes up by one more connection, and sees that it is over.
        drop(TcpStream::connect(self.addr));
        if let Some(accepting) = self.accepting.take() {
            drop(accepting.join());
        }
        self.control.shut_all();
        let deadline = Instant::now() + STOP_TIMEOUT;
        let mut state = self.control.lock();
        while !state.open.is_empty() {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            state = self.control.wait(state, left);
        }
    }
}

impl Control {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State>, at_most: Duration) -> MutexGuard<'a, State> {
        let waited = self.changed.wait_timeout(state, at_most);
        waited.map_or_else(|poisoned| poisoned.into_inner().0, |(state, _)| state)
    }

    fn shut_all(&self) {
        for stream in self.lock().open.values().filter_map(Weak::upgrade) {
            drop(stream.shutdown(Shutdown::Both));
        }
    }

    /// Waits; false when the server is being stopped.
    fn pause(&self, duration: Duration) -> bool {
        let deadline = Instant::now() + duration;
        let mut state = self.lock();
        while !state.is_stopping {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return true;
            }
            state = self.wait(state, left);
        }
        false
    }
}

fn accept(listener: &TcpListener, tls: &Tls, service: &Arc<dyn Service>, control: &Arc<Control>) {
    for stream in listener.incoming() {
        if control.lock().is_stopping {
            return;
        }
        let Ok(stream) = stream.map(Arc::new) else {
            // Out of descriptors: whoever waits will try again; do not spin meanwhile.
            control.pause(Duration::from_millis(20));
            continue;
        };
        let id = {
            let mut state = control.lock();
            state.next += 1;
            let id = state.next;
            state.open.insert(id, Arc::downgrade(&stream));
            id
        };
        let (tls, service, shared) = (tls.clone(), Arc::clone(service), Arc::clone(control));
        let connection = move || {
            // A client that goes away in the middle is no concern of the server's.
            drop(converse(&stream, tls, service.as_ref(), &shared));
            drop(stream);
            shared.lock().open.remove(&id);
            shared.changed.notify_all();
        };
        let thread =
            thread::Builder::new().name("connection".to_owned()).stack_size(STACK_BYTES).spawn(connection);
        if thread.is_err() {
            control.lock().open.remove(&id);
        }
    }
}

fn converse(socket: &Arc<TcpStream>, tls: Tls, service: &dyn Service, control: &Control) -> io::Result<()> {
    socket.set_nodelay(true)?;
    match tls {
        None => talk(&mut &**socket, socket, service, control),
        Some(config) => {
            let connection = rustls::ServerConnection::new(config).map_err(io::Error::other)?;
            let mut stream = rustls::StreamOwned::new(connection, &**socket);
            let result = talk(&mut stream, socket, service, control);
            if result.is_ok() {
                stream.conn.send_close_notify();
                stream.flush()?;
            }
            result
        }
    }
}

/// Serves one request after the other. An error means that the connection is to break.
fn talk(
    stream: &mut (impl Read + Write),
    socket: &TcpStream,
    service: &dyn Service,
    control: &Control,
) -> io::Result<()> {
    let local = socket.local_addr()?;
    let mut buffer = Buffer::default();
    while let Some(incoming) = buffer.read_request(stream)? {
        let Some(request) = incoming.request else {
            let refusal = Response::text(405, "method not allowed");
            stream.write_all(&http1::response_bytes(&refusal, usize::MAX, After::Close))?;
            return stream.flush();
        };
        let answer = match service.serve(local, &request) {
            Outcome::Answer(answer) => answer,
            Outcome::Stream(pieces) => {
                send_stream(stream, socket, pieces)?;
                continue;
            }
        };
        let response = match answer {
            Answer::Now(response) => response,
            Answer::After(after, response) => {
                if !control.pause(after) {
                    return Err(io::ErrorKind::Interrupted.into());
                }
                response
            }
            Answer::Drop => return broken(socket),
            Answer::Truncated(response, sent) => {
                stream.write_all(&http1::response_bytes(&response, sent, After::Close))?;
                stream.flush()?;
                return broken(socket);
            }
        };
        stream.write_all(&http1::response_bytes(&response, usize::MAX, incoming.after))?;
        stream.flush()?;
        if incoming.after == After::Close {
            break;
        }
    }
    Ok(())
}

fn broken(socket: &TcpStream) -> io::Result<()> {
    socket.shutdown(Shutdown::Both)?;
    Err(io::ErrorKind::ConnectionReset.into())
}

fn send_stream(
    stream: &mut (impl Read + Write),
    socket: &TcpStream,
    mut pieces: Box<dyn FnMut() -> Piece + Send>,
) -> io::Result<()> {
    stream.write_all(&http1::stream_head())?;
    stream.flush()?;
    loop {
        match pieces() {
            Piece::Data(data) if data.is_empty() => {
                if is_left(socket)? {
                    return Err(io::ErrorKind::ConnectionReset.into());
                }
            }
            Piece::Data(data) => {
                stream.write_all(&http1::chunk(&data))?;
                stream.flush()?;
            }
            Piece::Last(data) => {
                if !data.is_empty() {
                    stream.write_all(&http1::chunk(&data))?;
                }
                stream.write_all(&http1::chunk(&[]))?;
                return stream.flush();
            }
        }
    }
}

/// Whether the client of a stream has gone: while it listens it sends nothing, so anything to read is its end.
fn is_left(socket: &TcpStream) -> io::Result<bool> {
    socket.set_nonblocking(true)?;
    let peeked = socket.peek(&mut [0]);
    socket.set_nonblocking(false)?;
    match peeked {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
        _ => Ok(true),
    }
}
