//! The listeners of pods: an address of 127.0.0.0/8 for each, or `::1` for one, port 6565.
//!
//! Every world starts its search in a block of its own, by process and count, and goes on to the next address when one is
//! taken. Invariant: an address that was given out is bound until its pod is gone.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use super::server::{Outcome, Server, Service};
use super::{Family, Shared};
use crate::http::{Answer, Request};

/// The port that runners listen on.
const PORT: u16 = 6565;
/// Addresses of a block.
const BLOCK_LEN: u32 = 1024;
/// Blocks in 127.1.0.0 to 127.254.255.255.
const BLOCKS: u32 = 254 * 64;
const FIRST: u32 = 0x7f01_0000;
/// How many addresses are tried for one pod.
const TRIES_MAX: u32 = 10_000;

static WORLDS: AtomicU32 = AtomicU32::new(0);

/// The listeners of one world.
pub(super) struct PodServers {
    family: Family,
    next: AtomicU32,
    servers: Mutex<BTreeMap<String, Server>>,
}

impl PodServers {
    /// No listener yet.
    pub(super) fn new(family: Family) -> Self {
        let world = WORLDS.fetch_add(1, Ordering::Relaxed);
        let block = std::process::id().wrapping_mul(61).wrapping_add(world) % BLOCKS;
        Self { family, next: AtomicU32::new(block * BLOCK_LEN), servers: Mutex::default() }
    }

    /// Starts a listener at the next free address and returns that.
    pub(super) fn open(&self, shared: &Weak<Shared>) -> String {
        for _ in 0..TRIES_MAX {
            let offset = self.next.fetch_add(1, Ordering::Relaxed) % (BLOCKS * BLOCK_LEN);
            let ip = Ipv4Addr::from(FIRST + offset);
            // The first and last of each 256 would do on Linux, but look like mistakes in a log.
            if matches!(ip.octets()[3], 0 | 255) {
                continue;
            }
            let ip = match self.family {
                Family::V4 => IpAddr::from(ip),
                Family::V6 => Family::V6.localhost(),
            };
            let Ok(listener) = TcpListener::bind((ip, PORT)) else { continue };
            if let Ok(server) = Server::start(listener, None, Arc::new(PodService(Weak::clone(shared)))) {
                self.lock().insert(ip.to_string(), server);
                return ip.to_string();
            }
        }
        panic!("no address of loopback is free at port {PORT}");
    }

    /// Stops the listeners of pods that are gone.
    pub(super) fn close(&self, addresses: &[String]) {
        let closed: Vec<Server> = {
            let mut servers = self.lock();
            addresses.iter().filter_map(|address| servers.remove(address)).collect()
        };
        drop(closed);
    }

    /// Stops all listeners.
    pub(super) fn close_all(&self) {
        let closed = std::mem::take(&mut *self.lock());
        drop(closed);
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Server>> {
        self.servers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The REST API of whatever runs in the pod with the listener's address.
struct PodService(Weak<Shared>);

impl Service for PodService {
    fn serve(&self, local: SocketAddr, request: &Request) -> Outcome {
        let answer = match self.0.upgrade() {
            Some(shared) => shared.with(|world, now| world.serve_pod(now, &local.ip().to_string(), request)),
            None => Answer::Drop,
        };
        Outcome::Answer(answer)
    }
}
