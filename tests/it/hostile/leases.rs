//! Leases like that of k6-operator, made by tenants: they hold up nobody, however many there are and however they look.
//!
//! Owns the forgeries. Invariant of what is tested: the agent acts, the zone of somebody else is served, what there is is told,
//! and the process stays under the memory limit of the shipped Deployment.

use std::time::Duration;

use plz_core::budget::MEMORY_LIMIT_BYTES;
use plz_core::lease::elsewhere::KNOWN_MAX;
use serde_json::json;
use sim::agent::Signal;
use sim::api::{Key, Kind, Part};
use sim::loopback::Scheme;
use sim::loopback::flood::Flood;
use sim::scrape::Samples;

use super::objects::{PATIENCE, peak_bytes, serves};
use crate::e2e::{Place, ZONE};

const LISTEN: [&str; 2] = ["--listen", "127.0.0.1:0"];

/// The same as a k6-operator would hold, but for its place.
fn lease(namespace: &str, renewal: u64, notes: &str) -> String {
    json!({
        "metadata": {"namespace": namespace, "name": "fcdfce80.io", "uid": format!("uid-{namespace}"),
            "resourceVersion": renewal.to_string(), "annotations": {"notes": notes}},
        "spec": {"holderIdentity": format!("op-{notes}"), "leaseDurationSeconds": 15,
            "renewTime": format!("2026-01-01T00:00:00.{:06}Z", renewal % 1_000_000)},
    })
    .to_string()
}

fn ignored(place: &mut Place) -> f64 {
    let address = place.agent().listens().expect("it listens");
    Samples::fetch(address).unwrap().sum("plz_agent_operator_leases_ignored", "")
}

fn warnings(place: &mut Place) -> Vec<String> {
    let log = place.agent().log();
    log.lines().filter(|line| line.contains("is ignored because")).map(str::to_owned).collect()
}

#[test]
fn a_lease_that_a_tenant_renews() {
    let mut place = Place::new(Scheme::Http, &LISTEN);
    place.sim.with(|world, now| {
        world.api.create(now, Kind::Namespace, "", json!({"metadata": {"name": "team"}})).unwrap();
        let mut lease: serde_json::Value = serde_json::from_str(&lease("team", 1, "")).unwrap();
        lease["metadata"] = json!({"name": "fcdfce80.io"});
        world.api.create(now, Kind::Lease, "team", lease).unwrap();
    });
    place.start();
    place.within(PATIENCE, "the zone is polled", |world| {
        world.cloud.zones.get(ZONE).is_some_and(|zone| zone.polls > 0)
    });
    let id = place.queue(2);
    for renewal in 2..5 {
        place.sim.with(|world, _| {
            let key = Key::new(Kind::Lease, "team", "fcdfce80.io");
            world.api.modify(&key, Part::Main, |lease| lease["spec"]["leaseTransitions"] = json!(renewal));
        });
        assert_eq!(ignored(&mut place), 1.0);
    }
    place.over(id, 3);
    let said = warnings(&mut place);
    assert!(said.len() == 1 && said[0].contains("in namespace team, held by op-"), "{said:?}");
    place.stop(Signal::Term);
}

#[test]
fn a_flood_of_leases_and_of_their_renewals() {
    let notes = "x".repeat(1_200_000);
    let mut place = Place::new(Scheme::Http, &LISTEN);
    place.sim.flood(Flood::list("leases", 100_000, |n| lease(&format!("team-{n}"), 1, "")));
    let line = move |n: u64| {
        let notes = if n.is_multiple_of(20) { notes.as_str() } else { "" };
        format!(r#"{{"type":"MODIFIED","object":{}}}"#, lease(&format!("team-{}", n % 1000), n + 1, notes))
    };
    place.sim.flood(Flood::watch("leases", Duration::from_millis(10), line));
    place.start();
    serves(&mut place);
    assert!(ignored(&mut place) <= KNOWN_MAX as f64);
    let said = warnings(&mut place);
    assert!((1..=3).contains(&said.len()) && said.iter().all(|line| line.len() < 1000), "{said:?}");
    let peak = peak_bytes(&mut place);
    assert!(peak < MEMORY_LIMIT_BYTES, "{peak} bytes");
    place.stop(Signal::Term);
}
