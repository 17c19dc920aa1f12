//! One test run from its queueing to its last trace, and the figures in it.
//!
//! Owns what is read out of the world's records. Invariant: a run that has a fault, or did not end as it should, gives no
//! figures.

use std::collections::BTreeMap;
use std::time::Duration;

use sim::api::{Kind, call::Call};
use sim::cloud::{FINISHED, Route};
use sim::http::Method;
use sim::journal::{Door, Entry};
use sim::k6::Runner;
use sim::world::World;

use super::failed;
use super::scene::Scene;
use crate::cmd::Error;

/// For a run to be over and cleaned up.
const RUN_TIMEOUT: Duration = Duration::from_secs(120);
/// For requests that follow the last trace.
const SETTLE: Duration = Duration::from_millis(300);
/// How the agent names itself.
const USER_AGENT: &str = "plz-agent";

/// The figures of one run.
#[derive(Clone, Debug)]
pub(super) struct Sample {
    /// Requests from the poll's answer to the TestRun's creation, that included.
    pub(super) round_trips: usize,
    /// From the poll's answer to the TestRun's creation.
    pub(super) to_create: Duration,
    /// From the last runner's first "paused" to the last resume.
    pub(super) to_resume: Duration,
    /// Steps on that way, each as time since the last "paused".
    pub(super) steps: [(&'static str, Duration); 5],
    /// From the first resume to the last.
    pub(super) spread: Duration,
    /// From the last runner's end to the first sign that the agent knows.
    pub(super) to_seen: Duration,
    /// From the last runner's end to the finish call.
    pub(super) to_finish: Duration,
    /// From the poll's answer to the last resume.
    pub(super) listed_to_resumed: Duration,
    /// Requests to the API server, watches, their lists and those for Leases left out.
    pub(super) kubernetes_requests: u64,
    /// The same by verb and resource.
    pub(super) by_verb: BTreeMap<String, u64>,
}

/// Queues a run in a zone and waits until nothing is left of it.
pub(super) fn take(scene: &Scene, zone: &str, runners: u64) -> Result<Sample, Error> {
    let (id, before) = scene.world.with(|world, now| {
        world.journal.start();
        (world.queue_run(now, zone, runners), kubernetes_requests(world))
    });
    scene.wait(&format!("run {id} of {runners} is over"), RUN_TIMEOUT, |world| is_over(world, id))?;
    scene.rest(SETTLE);
    scene.world.with(|world, _| {
        let sample = read(world, id, &before);
        world.journal.stop();
        sample
    })
}

/// Whether a run is finished and nothing is left of it.
pub(super) fn is_over(world: &World, id: u64) -> bool {
    let is_finished = world.cloud.runs.get(&id).is_some_and(|run| !run.finishes.is_empty());
    let name = format!("plz-test-{id}");
    let is_left = |kind| {
        let mut objects = world.api.objects(kind, "");
        objects.any(|(key, _)| {
            key.name.strip_prefix(&name).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
        })
    };
    is_finished && ![Kind::TestRun, Kind::Job, Kind::Pod].into_iter().any(is_left)
}

fn read(world: &World, id: u64, before: &BTreeMap<String, u64>) -> Result<Sample, Error> {
    let what = format!("reading the figures of run {id}");
    let missing = |part: &str| failed(&what, format!("there is no {part}"));
    let faults = world.faults(id);
    if !faults.is_empty() {
        return Err(failed(&what, faults.join("; ")));
    }
    let run = &world.cloud.runs[&id];
    if run.status != FINISHED {
        return Err(failed(&what, format!("it ended with status {}: {:?}", run.status, run.events)));
    }
    let entries = world.journal.entries();
    let listed = run.listed.ok_or_else(|| missing("poll"))?;
    let poll = entries.iter().position(|entry| entry.at == listed && is_poll(entry));
    let poll = poll.ok_or_else(|| missing("poll"))?;
    let create = entries.iter().position(|entry| is_create(entry, id)).ok_or_else(|| missing("creation"))?;
    let round_trips = entries[poll + 1..=create].iter().filter(|entry| is_round_trip(entry)).count();

    let prefix = format!("plz-test-{id}-");
    let times = |of: fn(&Runner) -> Option<Duration>| -> Option<Vec<Duration>> {
        world.k6s.all(&prefix).map(|(_, runner)| of(runner)).collect()
    };
    let last = |of, part| times(of).and_then(|all| all.into_iter().max()).ok_or_else(|| missing(part));
    let paused = last(|runner| runner.shown_paused, "answer of every runner")?;
    let resumed = last(|runner| runner.resumed, "resume of every runner")?;
    let ended = last(Runner::ends_at, "end of every runner")?;
    let all = |of: fn(&Runner) -> Option<Duration>| {
        world.k6s.all(&prefix).filter_map(move |(_, runner)| of(runner))
    };
    let setup = |runner: &Runner| runner.setups.first().copied();
    // The runner that ran setup keeps what it returned; only what came after was put.
    let put = |runner: &Runner| runner.data_puts.last().map(|(at, _)| *at);
    let since = |at: Option<Duration>| at.unwrap_or_default().saturating_sub(paused);
    let steps = [
        ("setup", since(all(setup).min())),
        ("first data", since(all(put).min())),
        ("last data", since(all(put).max())),
        ("first resume", since(all(|runner| runner.resumed).min())),
        ("last resume", since(Some(resumed))),
    ];
    let spread = world.k6s.start_skew(&prefix).ok_or_else(|| missing("resume of every runner"))?;
    let teardown = world.k6s.all(&prefix).flat_map(|(_, runner)| &runner.teardowns).min().copied();
    let stopped = entries.iter().find(|entry| is_stopped(entry, id)).map(|entry| entry.at);
    let seen = [teardown, stopped].into_iter().flatten().min().ok_or_else(|| missing("sign of the end"))?;
    let finish = run.finishes.first().map(|(at, _)| *at).ok_or_else(|| missing("finish call"))?;

    let mut by_verb = kubernetes_requests(world);
    for (what, count) in &mut by_verb {
        *count -= before.get(what).copied().unwrap_or_default();
    }
    by_verb.retain(|_, count| *count > 0);
    Ok(Sample {
        round_trips,
        to_create: entries[create].at.saturating_sub(listed),
        to_resume: resumed.saturating_sub(paused),
        steps,
        spread,
        to_seen: seen.saturating_sub(ended),
        to_finish: finish.saturating_sub(ended),
        listed_to_resumed: resumed.saturating_sub(listed),
        kubernetes_requests: by_verb.values().sum(),
        by_verb,
    })
}

fn is_poll(entry: &Entry) -> bool {
    entry.door == Door::Cloud && Route::of(&entry.request).is_some_and(|(route, _)| route == Route::Poll)
}

/// Whether the agent had to wait for it on the way from a poll to a TestRun.
fn is_round_trip(entry: &Entry) -> bool {
    match entry.door {
        Door::Cloud => !is_poll(entry),
        Door::Api => {
            let call = Call::parse(&entry.request);
            call.is_some_and(|call| {
                let kind = call.resource.kind;
                !matches!(call.verb, "list" | "watch") && !matches!(kind, Kind::Event | Kind::Lease)
            })
        }
    }
}

fn is_create(entry: &Entry, id: u64) -> bool {
    let request = &entry.request;
    entry.door == Door::Api
        && request.method == Method::Post
        && request.path.ends_with("/testruns")
        && request.json().is_some_and(|run| run["metadata"]["name"] == format!("plz-test-{id}"))
}

fn is_stopped(entry: &Entry, id: u64) -> bool {
    let request = &entry.request;
    entry.door == Door::Api
        && request.method == Method::Patch
        && request.path.ends_with(&format!("/testruns/plz-test-{id}/status"))
        && request.json().is_some_and(|run| run["status"]["stage"] == "stopped")
}

/// The agent's own requests to the API server so far; what a watch or an election needs to go on is left out, as it is the
/// same with any number of runs.
fn kubernetes_requests(world: &World) -> BTreeMap<String, u64> {
    let mut requests = BTreeMap::new();
    for (counted, count) in &world.api.counts {
        let is_agent = counted.user_agent.starts_with(USER_AGENT);
        if is_agent && !matches!(counted.verb, "list" | "watch") && counted.resource != "leases" {
            let subresource = if counted.subresource.is_empty() { "" } else { "/" };
            let what = format!("{} {}{subresource}{}", counted.verb, counted.resource, counted.subresource);
            *requests.entry(what).or_default() += count;
        }
    }
    requests
}
