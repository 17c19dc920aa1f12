//! A relay that counts: TCP in, TCP out, and how many bytes went by.
//!
//! Owns its threads, which live as long as the program. Invariant: what is counted has been read from one side, whole TLS
//! records, heads and all; headers of TCP and IP are not.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

const STACK_BYTES: usize = 128 * 1024;
const BUFFER_BYTES: usize = 32 * 1024;

/// What went through.
#[derive(Debug, Default)]
struct Counts {
    bytes: AtomicU64,
    connections: AtomicU64,
}

/// A relay to one address.
#[derive(Debug)]
pub(super) struct Relay {
    addr: SocketAddr,
    counts: Arc<Counts>,
}

impl Relay {
    /// Listens on a port of its own for connections to `target`.
    pub(super) fn start(target: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let addr = listener.local_addr()?;
        let counts = Arc::new(Counts::default());
        let shared = Arc::clone(&counts);
        spawn(move || {
            for stream in listener.incoming().flatten() {
                shared.connections.fetch_add(1, Ordering::Relaxed);
                // A connection that cannot be passed on is closed, which the client sees.
                drop(pass_on(stream, target, &shared));
            }
        })?;
        Ok(Self { addr, counts })
    }

    /// Where it listens.
    pub(super) fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Bytes so far, both directions together.
    pub(super) fn bytes(&self) -> u64 {
        self.counts.bytes.load(Ordering::Relaxed)
    }

    /// Connections so far.
    pub(super) fn connections(&self) -> u64 {
        self.counts.connections.load(Ordering::Relaxed)
    }
}

fn pass_on(client: TcpStream, target: SocketAddr, counts: &Arc<Counts>) -> io::Result<()> {
    let server = TcpStream::connect(target)?;
    for stream in [&client, &server] {
        stream.set_nodelay(true)?;
    }
    let (back, forth) = (Arc::clone(counts), Arc::clone(counts));
    let (client_out, server_out) = (client.try_clone()?, server.try_clone()?);
    spawn(move || copy(client, server_out, &forth))?;
    spawn(move || copy(server, client_out, &back))
}

fn copy(mut from: TcpStream, mut to: TcpStream, counts: &Counts) {
    let mut buffer = [0; BUFFER_BYTES];
    while let Ok(len @ 1..) = from.read(&mut buffer) {
        counts.bytes.fetch_add(len as u64, Ordering::Relaxed);
        if to.write_all(&buffer[..len]).is_err() {
            break;
        }
    }
    // Either side may have gone first.
    drop(to.shutdown(Shutdown::Write));
}

fn spawn(body: impl FnOnce() + Send + 'static) -> io::Result<()> {
    thread::Builder::new().name("relay".to_owned()).stack_size(STACK_BYTES).spawn(body).map(drop)
}
