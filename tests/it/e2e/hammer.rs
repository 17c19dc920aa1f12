//! Health and metrics under a hail of connections: nothing grows, no probe goes without its answer, and the agent's own work
//! keeps its pace.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};

use sim::rng::Rng;
use sim::scrape::{self, PROBE_TIMEOUT};

use super::listen::{ARGS, address};
use super::*;

/// Connections of each sort.
const ROUNDS: u64 = 1500;
/// After so many of them a probe has to be answered.
const PROBE_EVERY: u64 = 100;
/// More than this is a leak: 1500 connections that left a KiB each would show.
const GROWTH_KIB_MAX: u64 = 1024;
/// What a few workers, watches and connections may take beside each other.
const SPARE: usize = 16;

/// What a process takes: threads, open files, resident KiB.
#[derive(Clone, Copy, Debug)]
struct Takes {
    threads: usize,
    files: usize,
    resident_kib: u64,
}

impl Takes {
    fn of(place: &mut Place) -> Self {
        let proc = format!("/proc/{}", place.agent().id());
        let count = |what: &str| fs::read_dir(format!("{proc}/{what}")).unwrap().count();
        let status = fs::read_to_string(format!("{proc}/status")).unwrap();
        let resident =
            status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB"));
        Self { threads: count("task"), files: count("fd"), resident_kib: resident.unwrap().parse().unwrap() }
    }
}

/// One connection that means no good.
fn blow(rng: &mut Rng, address: SocketAddr) {
    // The queue of the listener may be full for a moment; that is the client's loss.
    let Ok(mut stream) = TcpStream::connect_timeout(&address, PROBE_TIMEOUT) else { return };
    let sent = match rng.below(6) {
        // Nothing at all, or half a request, and away.
        0 => Ok(()),
        1 => stream.write_all(b"GET /metr"),
        // A close with bytes unread is a reset, in the middle of the answer or before it.
        2 => stream.write_all(b"GET /metrics HTTP/1.1\r\n\r\n"),
        3 => {
            stream.write_all(b"GET /metrics HTTP/1.1\r\n\r\n").and_then(|()| stream.read_exact(&mut [0; 64]))
        }
        4 => {
            let bytes: Vec<u8> = (0..rng.below(9000)).map(|_| (rng.bits() & 0xff) as u8).collect();
            stream.write_all(&bytes)
        }
        _ => scrape::get(address, "/readyz").map(drop),
    };
    // A connection that was pushed out is refused its bytes.
    drop(sent);
}

/// What a kubelet's probe comes to, which takes three failures in a row for one.
#[track_caller]
fn probe(address: SocketAddr, when: &str) {
    let mut failures = Vec::new();
    while failures.len() < 3 {
        match scrape::get(address, "/healthz") {
            Ok((code, said)) => return assert_eq!((code, said.trim_end()), (200, "ok"), "{when}"),
            Err(error) => failures.push(error),
        }
    }
    panic!("{when}: {failures:?}");
}

#[test]
fn a_hail_of_connections_leaves_no_trace_and_slows_nothing_down() {
    let mut place = Place::new(Scheme::Http, &[&ARGS[..], &["--poll-interval", "1s"]].concat());
    place.start();
    let address = address(&mut place);
    place.until("the zone is polled", |world| world.cloud.zones.get(ZONE).is_some_and(|zone| zone.polls > 0));
    let mut rng = Rng::new(11);
    // What is made once and kept is there after these.
    (0..PROBE_EVERY).for_each(|_| blow(&mut rng, address));
    let before = Takes::of(&mut place);
    let polls = |world: &World| world.cloud.zones[ZONE].polls;
    let (began, polls_then) = place.sim.with(|world, now| (now, polls(world)));
    let id = place.queue(2);
    for round in 0..ROUNDS {
        blow(&mut rng, address);
        if round % PROBE_EVERY == 0 {
            probe(address, &format!("round {round}"));
        }
    }
    place.over(id, 3);
    let crowd: Vec<TcpStream> =
        (0..ROUNDS / 10).filter_map(|_| TcpStream::connect_timeout(&address, PROBE_TIMEOUT).ok()).collect();
    probe(address, "in a crowd");
    drop(crowd);
    // One poll a second; half of that is granted to a busy machine.
    let (took, polled) = place.sim.with(|world, now| (now - began, polls(world) - polls_then));
    assert!(polled >= took.as_secs() / 2, "{polled} polls in {took:?}");
    place.until("it polls on", |world| polls(world) >= polls_then + polled + 2);
    let after = Takes::of(&mut place);
    let told = format!("{before:?}, then {after:?}; {polled} polls in {took:?}");
    assert!(after.threads <= before.threads + SPARE, "{told}");
    assert!(after.files <= before.files + SPARE, "{told}");
    assert!(after.resident_kib <= before.resident_kib + GROWTH_KIB_MAX, "{told}");
    place.stop(Signal::Term);
}
