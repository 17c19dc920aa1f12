//! The core, told anything in any order.

use std::time::{Duration, SystemTime};

use k8s::{Pod, WatchEvent};
use plz_core::api::run::TestRun;
use plz_core::api::zone::PrivateLoadZone;
use plz_core::cloud::reply;
use plz_core::controller::Core;
use plz_core::event::{Call, Event, Now, ObjectKey, Reply, Report, Seen, Task};
use plz_core::lease::record::Lease;
use plz_core::runner;
use serde::de::DeserializeOwned;
use sim::rng::Rng;

use super::corpus;
use super::mutate::mutated;

/// Events that one core is told.
const EVENTS: u64 = 120;

/// Most calls that a core hands out at once, for the few objects that there are.
const TASKS_MAX: usize = 2000;

/// One core's life.
pub(super) fn live(seed: u64) {
    let mut random = Rng::new(seed);
    let mut core = Core::new(sim::drive::settings(seed));
    let mut tasks: Vec<Task> = Vec::new();
    let mut mono = Duration::from_secs(1);
    for _ in 0..EVENTS {
        let now = Now { mono, wall: SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000) + mono };
        match random.below(8) {
            0..=2 => core.absorb(now, Event::Seen { scope: None, what: Box::new(seen(&mut random)) }),
            3..=5 if !tasks.is_empty() => {
                let at = usize::try_from(random.below(tasks.len() as u64)).unwrap();
                let Task { id, call, .. } = tasks.swap_remove(at);
                let event = match random.below(8) {
                    0 => Event::Unsent(id),
                    _ => Event::Done(Report { id, reply: answer(&mut random, &call) }),
                };
                core.absorb(now, event);
            }
            6 => mono += Duration::from_millis(random.below(100_000)),
            _ => mono += Duration::from_millis(random.below(100)),
        }
        tasks.extend(core.turn(now));
        assert!(tasks.len() <= TASKS_MAX, "{} calls at once", tasks.len());
        let _ = core.next_deadline();
    }
}

fn seen(random: &mut Rng) -> Seen {
    match random.below(7) {
        0 => Seen::Operator(told::<Lease>(random, corpus::OPERATORS)),
        1 | 2 => Seen::Zone(told::<PrivateLoadZone>(random, corpus::ZONES)),
        3 | 4 => Seen::Run(told::<TestRun>(random, corpus::RUNS)),
        _ => Seen::Pod(told::<Pod>(random, corpus::PODS)),
    }
}

/// Honest objects are told as well: what is refused at once leads nowhere.
fn told<T: DeserializeOwned>(random: &mut Rng, corpus: &[&[u8]]) -> WatchEvent<T> {
    let mut object = || {
        let honest = random.below(3) == 0;
        let bytes = if honest { corpus[0].to_vec() } else { mutated(random, corpus) };
        serde_json::from_slice::<T>(&bytes).or_else(|_| serde_json::from_slice(corpus[0])).unwrap()
    };
    let first = object();
    match random.below(8) {
        0..=2 => WatchEvent::Applied(first),
        3 => WatchEvent::Deleted(first),
        4 => WatchEvent::Listing,
        5 => WatchEvent::Listed { resource_version: "9".to_owned() },
        6 => WatchEvent::Malformed {
            key: ObjectKey::new("load", "edge"),
            uid: "pod-uid".to_owned(),
            error: refused(random),
            deleted: random.below(2) == 0,
        },
        _ => WatchEvent::Recovered,
    }
}

fn code(random: &mut Rng) -> u16 {
    [400, 401, 403, 404, 409, 410, 413, 422, 429, 500, 503][usize::try_from(random.below(11)).unwrap()]
}

fn refused(random: &mut Rng) -> k8s::Error {
    let body = mutated(random, corpus::STATUSES);
    k8s::status::interpret(code(random), None, body).unwrap_err()
}

fn answer(random: &mut Rng, call: &Call) -> Reply {
    let fails = random.below(3) == 0;
    match call {
        Call::Kubernetes(_) if fails => Reply::Kubernetes(Err(refused(random))),
        Call::Kubernetes(_) => Reply::Kubernetes(Ok(mutated(random, corpus::ALL_OF_KUBERNETES))),
        Call::Cloud { .. } if fails => {
            let body = mutated(random, corpus::CLOUD_ERRORS);
            Reply::Cloud(Err(reply::interpret(code(random), None, &body).unwrap_err()))
        }
        Call::Cloud { .. } => Reply::Cloud(Ok(mutated(random, corpus::ALL_OF_CLOUD))),
        Call::Runner { .. } if fails => {
            let body = mutated(random, corpus::RUNNER_ERRORS);
            Reply::Runner(Err(runner::interpret(code(random), &body).unwrap_err()))
        }
        Call::Runner { .. } => Reply::Runner(Ok(mutated(random, corpus::ALL_OF_RUNNERS))),
    }
}
