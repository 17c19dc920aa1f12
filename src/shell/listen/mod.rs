//! The server of `/healthz`, `/readyz` and `/metrics`.
//!
//! ```text
//!   clients ──► accept thread ── a thread each, 8 at most ── asks (bounded) ──► loop
//!                                         ▲                                       │
//!                                         └──────── one answer (bounded) ─────────┘
//! ```
//! Owns sockets and limits. Leaves every number to the loop, which alone has them: that it answers at all is what `/healthz`
//! proves. The loop never waits here: it takes a few asks a turn, and an answer fits its channel or is dropped.
//!
//! Invariant: a client, however slow or hostile, costs at most a thread with a small stack and a few KiB for
//! [`CONNECTION_MAX`](connection::CONNECTION_MAX); of those there are never more than [`slots::CONNECTIONS_MAX`], and a newcomer
//! pushes out the oldest that is not being answered.

mod connection;
mod head;
mod process;
mod reply;
mod slots;

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded};

use super::StartError;
use crate::config::ListenAddress;
use crate::health::Watches;
use crate::metrics::{self, Calls};
use crate::threads;
use plz_core::controller::Core;
use plz_core::event::Now;
use reply::Status;
use slots::Slots;

/// How many questions may wait for the loop: one for each connection.
const ASKS_MAX: usize = slots::CONNECTIONS_MAX;
/// How long the loop may take to answer. A kubelet gives a probe 1 s.
const ANSWER_PATIENCE: Duration = Duration::from_millis(900);
/// A connection's thread recurses nowhere; untouched stack costs nothing.
const STACK_BYTES: usize = 128 * 1024;
/// After a failure to accept, for example for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// The status with which the head of a request is answered, its reason beside it; none as long as more of the head is awaited.
#[must_use]
pub fn answer_to(head: &[u8]) -> Option<&'static str> {
    head::read(head).map(|read| read.map_or_else(Status::words, |_| Status::Ok.words()))
}

/// What can be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Topic {
    /// Whether the loop turns.
    Health,
    /// Whether the agent is ready.
    Ready,
    /// The metrics, but for those of the process.
    Metrics,
}

/// What the loop answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    /// Whether all is well.
    pub(super) is_ok: bool,
    /// The body.
    pub(super) text: String,
}

/// A question, and where its answer goes.
#[derive(Debug)]
pub(super) struct Ask {
    /// What is asked.
    pub(super) topic: Topic,
    answer: Sender<Answer>,
}

impl Ask {
    /// Answers. Never blocks: there is room for one answer, and nobody minds if the asker is gone.
    pub(super) fn answer(self, answer: Answer) {
        let _ = self.answer.try_send(answer);
    }
}

/// The answer of a loop that turns, from what it has.
pub(super) fn answer(topic: Topic, now: Now, core: &Core, calls: &Calls, watches: &Watches) -> Answer {
    let role = core.role();
    match topic {
        Topic::Health => Answer { is_ok: true, text: "ok".to_owned() },
        Topic::Ready => match watches.readiness(role, core.lease_problem()) {
            Ok(text) => Answer { is_ok: true, text },
            Err(text) => Answer { is_ok: false, text },
        },
        Topic::Metrics => {
            let status = metrics::Status { census: &core.census(now), calls, watches, role };
            Answer { is_ok: true, text: metrics::render(&status).into_text() }
        }
    }
}

/// Where connections ask. Until the loop turns, they get an answer that says so.
#[derive(Clone, Debug)]
struct Desk {
    asks: Sender<Ask>,
    is_open: Arc<AtomicBool>,
    started: Duration,
}

impl Desk {
    /// Asks the loop. None if it does not answer in time.
    fn ask(&self, topic: Topic) -> Option<Answer> {
        if !self.is_open.load(Ordering::Relaxed) {
            return Some(starting(topic));
        }
        let (answer, answers) = bounded(1);
        self.asks.try_send(Ask { topic, answer }).ok()?;
        answers.recv_timeout(ANSWER_PATIENCE).ok()
    }
}

/// Before the loop turns the agent waits for nobody but the API server, with a limit on each try: it lives, and is not ready.
fn starting(topic: Topic) -> Answer {
    match topic {
        Topic::Health => Answer { is_ok: true, text: "ok: starting".to_owned() },
        Topic::Ready => Answer { is_ok: false, text: "starting: waiting for the API server".to_owned() },
        Topic::Metrics => Answer { is_ok: true, text: String::new() },
    }
}

/// A server that takes connections, and the loop's end of it.
#[derive(Debug)]
pub(super) struct Server {
    /// What is asked.
    pub(super) asks: Receiver<Ask>,
    address: SocketAddr,
    is_open: Arc<AtomicBool>,
}

impl Server {
    /// Binds the address and answers from now on. `started` is when the process started, as the time since 1970.
    pub(super) fn start(address: ListenAddress, started: Duration) -> Result<Self, StartError> {
        let failed = |cause| StartError::Listen { address, cause };
        let listener = bind(address).map_err(failed)?;
        let own_address = listener.local_addr().map_err(failed)?;
        let (asks_in, asks) = bounded(ASKS_MAX);
        let is_open = Arc::new(AtomicBool::new(false));
        let desk = Desk { asks: asks_in, is_open: is_open.clone(), started };
        threads::spawn("listen", STACK_BYTES, Box::new(move || accept(&listener, &desk)))
            .map_err(|cause| StartError::System { what: "a thread", cause })?;
        let server = Self { asks, address: own_address, is_open };
        log::info!("serving health and metrics on http://{}", server.address);
        Ok(server)
    }

    /// The loop turns from now on.
    pub(super) fn open(&self) {
        self.is_open.store(true, Ordering::Relaxed);
    }
}

/// Without an address both families, or IPv4 alone where the system has no IPv6.
fn bind(address: ListenAddress) -> io::Result<TcpListener> {
    match address {
        ListenAddress::At(address) => TcpListener::bind(address),
        ListenAddress::Any(port) => match TcpListener::bind((Ipv6Addr::UNSPECIFIED, port)) {
            Err(error) if error.kind() != io::ErrorKind::AddrInUse => {
                TcpListener::bind(SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)))
            }
            result => result,
        },
    }
}

/// Takes connections for as long as the process lives.
fn accept(listener: &TcpListener, desk: &Desk) {
    let slots = Arc::new(Slots::default());
    let mut is_failing = false;
    loop {
        let served = listener.accept().and_then(|(stream, _)| serve(stream, desk, &slots));
        let served = served.or_else(|error| if is_the_clients(&error) { Ok(()) } else { Err(error) });
        let failed = served.is_err();
        if let Err(error) = served {
            if !is_failing {
                log::warn!("cannot accept a connection for health or metrics, will retry: {error}");
            }
            // The connection waits in the system's queue; without a pause this would spin until there is room.
            thread::park_timeout(ACCEPT_PAUSE);
        }
        is_failing = failed;
    }
}

/// Whether only this one connection is lost, because its client has given it up.
fn is_the_clients(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset)
}

fn serve(stream: TcpStream, desk: &Desk, slots: &Arc<Slots>) -> io::Result<()> {
    let Some(slot) = Slots::take(slots, stream) else { return Ok(()) };
    let desk = desk.clone();
    threads::spawn("client", STACK_BYTES, Box::new(move || connection::serve(&slot, &desk)))
}

#[cfg(test)]
mod tests;
