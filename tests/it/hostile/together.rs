//! Everything at once, under the memory limit of the shipped Deployment, and beside it the zone of somebody who means well.
//!
//! Owns the crowd and the limit: a control group where the machine gives one, and what the kernel says that the process has held
//! at the most in any case. Invariant of what is tested: the zone of the other tenant is registered and polled all the time, and
//! each of his test runs starts and comes to its end.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use plz_core::budget::MEMORY_LIMIT_BYTES;
use serde_json::{Value, json};
use sim::agent::Signal;
use sim::api::{Call, Fault, Kind};
use sim::k6::{Manners, Script};
use sim::loopback::Scheme;
use sim::loopback::flood::Flood;

use super::objects::peak_bytes;
use super::starving::{BAD, NEVER, PATIENCE, queue, resumed, short, silent, tenant};
use crate::e2e::{Place, ZONE};

/// How long one of his runs may take to start on a machine that does all of this at once.
const START_MAX: Duration = Duration::from_secs(15);

/// A control group with a limit on memory, for one process; it goes with that.
struct Group(PathBuf);

impl Group {
    /// Where each version of control groups has it, and how the limit is called there.
    const HIERARCHIES: [(&'static str, &'static str); 2] =
        [("/sys/fs/cgroup/memory", "memory.limit_in_bytes"), ("/sys/fs/cgroup", "memory.max")];

    /// None where this process may not make one.
    fn around(process: u32) -> Option<Self> {
        Self::HIERARCHIES.iter().find_map(|(root, limit)| {
            let group = Self(Path::new(root).join(format!("plz-agent-test-{process}")));
            fs::create_dir(&group.0).ok()?;
            // Dropping it takes the directory away where it is no use.
            fs::write(group.0.join(limit), MEMORY_LIMIT_BYTES.to_string()).ok()?;
            fs::write(group.0.join("cgroup.procs"), process.to_string()).ok()?;
            Some(group)
        })
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        drop(fs::remove_dir(&self.0));
    }
}

/// Test runs that nobody has made who may: by the thousand, with other tenants' ids, with anybody's labels and owners.
fn forged(n: u64) -> String {
    let owner = json!({"apiVersion": "k6.io/v1alpha1", "kind": "PrivateLoadZone", "name": ZONE, "uid": format!("u{n}"), "controller": true});
    let metadata = json!({"namespace": "greedy", "name": format!("plz-test-{n}"), "uid": format!("greedy-{n}"), "resourceVersion": "1",
        "ownerReferences": [owner]});
    let spec = json!({"parallelism": 100_000, "testRunId": n.to_string(), "token": "edge-token", "arguments": "x".repeat(2000)});
    json!({"metadata": metadata, "spec": spec}).to_string()
}

fn large_pod(n: u64) -> String {
    let labels = json!({"k6_cr": "plz-test-101", "runner": "true", "job-name": format!("plz-test-101-{}", u64::MAX - n)});
    let metadata = json!({"namespace": "greedy", "name": format!("p-{n}"), "uid": format!("p-{n}"), "resourceVersion": "1",
        "labels": labels, "annotations": {"a": "x".repeat(50_000)}});
    json!({"metadata": metadata}).to_string()
}

/// All that one tenant can do with the runs of his own zones.
fn crowd(place: &Place) {
    let script = Script::default;
    queue(place, BAD, 1, 100, &silent());
    queue(place, BAD, 20, 1, &silent());
    queue(place, BAD, 1, 10, &Script { manners: Manners::Verbose(4 << 20), ..script() });
    queue(place, BAD, 20, 1, &Script { setup: NEVER, ..script() });
    let long = |bytes| Script { setup_data: json!("x".repeat(bytes)), ..script() };
    queue(place, BAD, 6, 2, &Script { duration: NEVER, ..long(3_900_000) });
    queue(place, BAD, 2, 2, &long(30_000_000));
    // What is made of much environment, and written where a webhook hangs.
    let fill = "x".repeat(110_000);
    let data =
        json!({"k8s_load_zones_config": {"environment": {"A": fill, "B": fill, "C": fill, "D": fill}}});
    place.sim.with(|world, now| {
        for _ in 0..4 {
            world.queue_run_with(now, "worse", 20, data.clone());
        }
        world.cloud.slow_polls.extend((0..20).map(|n| (format!("worse-{n}"), NEVER)));
        let hang = |_: Duration, call: &Call, _: &Value| match call.verb {
            "list" | "watch" => Fault::None,
            _ if call.namespace == "worse" && call.resource.kind == Kind::Job => Fault::Late(NEVER),
            _ => Fault::None,
        };
        world.api.faults = Some(Box::new(hang));
    });
}

#[test]
fn everything_at_once() {
    // Before the place: a group with a process in it stays.
    let _group;
    let mut place = Place::new(Scheme::Http, &["--runner-access", "proxy"]);
    place.sim.flood(Flood::list("testruns", 20_000, forged));
    place.sim.flood(Flood::list("pods", 2_000, large_pod));
    for name in [BAD, "worse"] {
        tenant(&place, name);
    }
    place.sim.with(|world, now| (0..20).for_each(|n| world.apply_zone(now, "worse", &format!("worse-{n}"))));
    place.start();
    let process = place.agent().id();
    _group = Group::around(process);
    place.within(PATIENCE, "all zones are registered", |world| world.cloud.zones.len() == 23);
    crowd(&place);
    place.within(PATIENCE, "the crowd is there", |world| world.k6s.all("plz-test-").count() >= 150);
    for _ in 0..4 {
        let polls = |place: &Place| place.sim.with(|world, _| world.cloud.zones[ZONE].polls);
        let (before, begin) = (polls(&place), place.sim.now());
        let id = queue(&place, ZONE, 1, 3, &short())[0];
        let took = resumed(&mut place, id);
        assert!(took <= START_MAX, "{took:?}");
        place.over(id, 3);
        let passed = (place.sim.now() - begin).as_secs();
        assert!(polls(&place) - before >= passed / 3, "{} polls in {passed} s", polls(&place) - before);
    }
    let peak = peak_bytes(&mut place);
    assert!(peak < MEMORY_LIMIT_BYTES, "{peak} bytes");
    place.stop(Signal::Term);
}
