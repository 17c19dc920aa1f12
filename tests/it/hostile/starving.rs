//! Tenants whose runners, zones, scripts and webhooks do not answer, or answer beyond measure: and the neighbour's run.
//!
//! Owns what they do. Invariant of what is tested: the neighbour's run of three starts as if they were not there, or less than a
//! second later; and the process stays under the memory limit of the shipped Deployment.

use std::collections::BTreeSet;
use std::time::Duration;

use plz_agent::net::HttpClient;
use plz_core::budget::MEMORY_LIMIT_BYTES;
use serde_json::{Value, json};
use sim::agent::Signal;
use sim::api::{Call, Fault, Kind};
use sim::k6::{Manners, Script};
use sim::kube::PodPlan;
use sim::loopback::Scheme;
use sim::world::World;

use super::objects::peak_bytes;
use super::{endless, serve};
use crate::e2e::{Place, ZONE};

pub(super) const BAD: &str = "bad";
/// Longer than anybody waits.
pub(super) const NEVER: Duration = Duration::from_secs(3600);
/// How much later a run may start because of others.
const DELAY_MAX: Duration = Duration::from_millis(1000);
/// Until a crowd has come to where it hurts; a busy machine takes its time for a hundred pods.
pub(super) const PATIENCE: Duration = Duration::from_secs(120);

/// The two ways to runners.
const WAYS: [&str; 2] = ["direct", "proxy"];

fn place(way: &str) -> Place {
    Place::new(Scheme::Http, &["--runner-access", way])
}

pub(super) fn short() -> Script {
    Script { duration: Duration::from_secs(1), ..Script::default() }
}

pub(super) fn silent() -> Script {
    Script { manners: Manners::Slow(NEVER), ..Script::default() }
}

/// Another tenant, with a zone of the same name as its namespace.
pub(super) fn tenant(place: &Place, name: &str) {
    place.sim.with(|world, now| {
        world.api.create(now, Kind::Namespace, "", json!({"metadata": {"name": name}})).unwrap();
        world.apply_zone(now, name, name);
    });
}

/// Queues runs of a zone, whose runners have this script.
pub(super) fn queue(place: &Place, zone: &str, runs: usize, instances: u64, script: &Script) -> Vec<u64> {
    place.sim.with(|world, now| {
        let queue = |world: &mut World| {
            let pods = format!("plz-test-{}-*", world.cloud.upcoming());
            world.kube.config.prefer(&pods, PodPlan::script(script.clone()));
            world.queue_run(now, zone, instances)
        };
        (0..runs).map(|_| queue(world)).collect()
    })
}

fn runners(world: &World, id: u64) -> usize {
    world.k6s.all(&format!("plz-test-{id}-")).count()
}

/// Starts a run of three; how long it took from when it was listed until the last one was resumed.
#[track_caller]
fn start_time(place: &mut Place, zone: &str) -> Duration {
    let id = queue(place, zone, 1, 3, &short())[0];
    resumed(place, id)
}

#[track_caller]
pub(super) fn resumed(place: &mut Place, id: u64) -> Duration {
    let prefix = format!("plz-test-{id}-");
    place.within(PATIENCE, &format!("run {id} is resumed"), |world| {
        runners(world, id) > 0 && world.k6s.start_skew(&prefix).is_some()
    });
    place.sim.with(|world, _| {
        let resumed = world.k6s.all(&prefix).filter_map(|(_, runner)| runner.resumed).max();
        resumed.unwrap() - world.cloud.runs[&id].listed.unwrap()
    })
}

/// How long such a run takes where nobody disturbs it.
#[track_caller]
fn undisturbed(place: &mut Place) -> Duration {
    place.start();
    let took = [start_time(place, ZONE), start_time(place, ZONE)];
    took.into_iter().max().unwrap()
}

#[track_caller]
fn starts_in_time(place: &mut Place, zone: &str, alone: Duration) {
    let took = start_time(place, zone);
    assert!(took <= alone + DELAY_MAX, "a run of zone {zone}: {took:?} instead of {alone:?}");
}

#[track_caller]
fn ends_small(mut place: Place) {
    let peak = peak_bytes(&mut place);
    assert!(peak < MEMORY_LIMIT_BYTES, "{peak} bytes");
    place.stop(Signal::Term);
}

#[track_caller]
fn nobody_is_delayed_by_silence(way: &str, runs: usize, instances: u64) {
    let mut place = place(way);
    let alone = undisturbed(&mut place);
    tenant(&place, BAD);
    let ids = queue(&place, BAD, runs, instances, &silent());
    place.within(PATIENCE, "the silent are there", |world| {
        ids.iter().map(|id| runners(world, *id)).sum::<usize>() >= 90
    });
    for _ in 0..3 {
        starts_in_time(&mut place, ZONE, alone);
    }
    starts_in_time(&mut place, BAD, alone);
    ends_small(place);
}

#[test]
fn a_hundred_runners_of_one_run_never_answer() {
    WAYS.iter().for_each(|way| nobody_is_delayed_by_silence(way, 1, 100));
}

#[test]
fn a_hundred_runs_never_answer() {
    nobody_is_delayed_by_silence("direct", 100, 1);
}

#[test]
fn polls_of_forty_zones_hang() {
    let mut place = place("direct");
    let zones: Vec<String> = (0..40).map(|n| format!("bad-{n}")).collect();
    tenant(&place, BAD);
    place.sim.with(|world, now| zones.iter().for_each(|zone| world.apply_zone(now, BAD, zone)));
    place.start();
    place.within(PATIENCE, "all zones are registered", |world| world.cloud.zones.len() == zones.len() + 2);
    place.sim.with(|world, _| world.cloud.slow_polls.extend(zones.into_iter().map(|zone| (zone, NEVER))));
    for _ in 0..5 {
        let polls = |world: &World| world.cloud.zones[ZONE].polls;
        let (before, begin) = place.sim.with(|world, now| (polls(world), now));
        place.until("the zone is polled", |world| polls(world) >= before + 3);
        let took = place.sim.now() - begin;
        // Once a second each.
        assert!(took <= Duration::from_secs(3) + 3 * DELAY_MAX, "{took:?} for three polls");
    }
    ends_small(place);
}

/// Secrets, Jobs and status writes: a webhook or a storage that hangs for one namespace.
#[test]
fn all_calls_for_one_namespace_hang() {
    let mut place = place("direct");
    let alone = undisturbed(&mut place);
    tenant(&place, BAD);
    place.until("its zone is registered", |world| world.cloud.zones.contains_key(BAD));
    place.sim.with(|world, now| {
        for n in 0..30 {
            world.apply_zone(now, BAD, &format!("worse-{n}"));
        }
        let hang = |_: Duration, call: &Call, _: &Value| match call.verb {
            "list" | "watch" => Fault::None,
            _ if call.namespace == BAD => Fault::Late(NEVER),
            _ => Fault::None,
        };
        world.api.faults = Some(Box::new(hang));
    });
    queue(&place, BAD, 30, 10, &short());
    place.until("runs of it are listed", |world| {
        world.cloud.runs.values().filter(|run| run.spec.zone == BAD && run.listed.is_some()).count() == 30
    });
    for _ in 0..5 {
        starts_in_time(&mut place, ZONE, alone);
    }
    ends_small(place);
}

#[test]
fn two_large_jobs_hang() {
    let mut place = place("direct");
    let alone = undisturbed(&mut place);
    for name in [BAD, "worse"] {
        tenant(&place, name);
        place.sim.with(|world, now| {
            let fill = "x".repeat(110_000);
            let environment = json!({"A": fill, "B": fill, "C": fill, "D": fill});
            let data = json!({"k8s_load_zones_config": {"environment": environment}});
            world.queue_run_with(now, name, 8, data);
        });
    }
    place.sim.with(|world, _| {
        let hang = |_: Duration, call: &Call, body: &Value| match call.verb {
            "create" if call.namespace != "load" && body["kind"] == "Job" => Fault::Late(NEVER),
            _ => Fault::None,
        };
        world.api.faults = Some(Box::new(hang));
    });
    let jobs = |world: &World| {
        let jobs =
            world.api.counts.iter().filter(|(what, _)| what.verb == "create" && what.resource == "jobs");
        let namespaces: BTreeSet<&str> = jobs.map(|(what, _)| what.namespace.as_str()).collect();
        namespaces.len()
    };
    place.within(PATIENCE, "Jobs of both are on their way", |world| jobs(world) == 3);
    for _ in 0..3 {
        starts_in_time(&mut place, ZONE, alone);
    }
    ends_small(place);
}

#[test]
fn thirty_two_setups_hang() {
    let mut place = place("direct");
    let alone = undisturbed(&mut place);
    tenant(&place, BAD);
    let ids = queue(&place, BAD, 32, 1, &Script { setup: NEVER, ..Script::default() });
    let setups = |world: &World| {
        let of_run =
            |id: &u64| world.k6s.all(&format!("plz-test-{id}-")).any(|(_, k6)| !k6.setups.is_empty());
        ids.iter().filter(|id| of_run(id)).count()
    };
    place.within(PATIENCE, "a namespace's setups run", |world| setups(world) == 18);
    place.within(PATIENCE, "the others say what they wait for", |world| {
        let says = |id: &u64| {
            let run = world.object(Kind::TestRun, BAD, &format!("plz-test-{id}"));
            run.to_string()
                .contains("setup() is waiting for its turn: 18 setup() and teardown() functions are running")
        };
        ids.iter().filter(|id| says(id)).count() == 14
    });
    starts_in_time(&mut place, ZONE, alone);
    ends_small(place);
}

#[test]
fn statuses_of_four_megabytes() {
    for way in WAYS {
        let mut place = place(way);
        let alone = undisturbed(&mut place);
        tenant(&place, BAD);
        queue(&place, BAD, 1, 20, &Script { manners: Manners::Verbose(4 << 20), ..Script::default() });
        let is_asked = |world: &World| world.k6s.all("plz-test-").filter(|(_, k6)| k6.calls > 2).count() > 25;
        place.within(PATIENCE, "they are asked", is_asked);
        assert!(place.agent().log().contains("status is larger than 64 KiB"), "{way}");
        assert!(!place.agent().log().contains("setup() returned"), "{way}");
        starts_in_time(&mut place, ZONE, alone);
        ends_small(place);
    }
}

#[test]
fn ninety_megabytes_of_setup_data() {
    for way in WAYS {
        let mut place = place(way);
        let script = Script { setup_data: json!("x".repeat(90_000_000)), ..short() };
        let id = queue(&place, ZONE, 1, 2, &script)[0];
        place.start();
        place.over(id, 7);
        let (told, setups) = place.sim.with(|world, _| {
            let events = json!(world.cloud.runs[&id].events_of("TestRunErrorEvent").collect::<Vec<_>>());
            let prefix = format!("plz-test-{id}-");
            let k6s = world.k6s.all(&prefix);
            (events.to_string(), k6s.map(|(_, k6)| k6.setups.len()).sum::<usize>())
        });
        assert!(
            told.contains("more than the 4 MiB that can be passed on") && told.contains("8030"),
            "{way}: {told}"
        );
        assert_eq!(setups, 1, "{way}");
        ends_small(place);
    }
}

#[test]
fn eight_runs_with_much_setup_data() {
    for way in WAYS {
        let mut place = place(way);
        place.start();
        let script =
            Script { setup_data: json!("x".repeat(3_900_000)), duration: NEVER, ..Script::default() };
        let ids = queue(&place, ZONE, 8, 3, &script);
        for id in ids {
            resumed(&mut place, id);
        }
        ends_small(place);
    }
}

/// A runner, or what speaks for it, that says "100 Continue" for ever: it is given up long before its time is over, which is
/// longer than this test can take.
#[test]
fn no_end_of_continues() {
    let url = || format!("http://{}", serve(endless("", b"HTTP/1.1 100 Continue\r\n\r\n")));
    let direct = HttpClient::runners().open("GET", &url(), &[], b"", NEVER);
    assert!(direct.is_err());
    let client = k8s::Client::new(k8s::Config::plain(&url()).unwrap());
    let call = k8s::resource::pod_proxy(k8s::Method::Get, "ns", "pod", 6565, "/v1/status", None, Vec::new());
    assert!(client.open_pod(&call, b"", NEVER).is_err());
    assert!(client.send(&k8s::PODS.get(Some("ns"), "pod")).is_err());
}
