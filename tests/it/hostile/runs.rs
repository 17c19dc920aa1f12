//! Test runs that a tenant writes by hand, and as many runners as there may be, against the agent's own binary.
//!
//! Owns what he writes. Invariant of what is tested: of what GCk6 has not given to the tenant's own zone nothing reaches a Job, a
//! Secret or GCk6, and the other tenant's test run beside it comes to its end; and the process stays under the memory limit of the
//! shipped Deployment.
//!
//! ```text
//!   RUNNERS=1000 cargo test --test it hostile::runs -- --nocapture   as many in each of four test runs; a release build has that anyway
//! ```

#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a variable names how many runners there are, and what they have taken is told"
)]

use std::collections::BTreeSet;
use std::env;
use std::time::Duration;

use plz_core::api::run::RUNNERS_MAX;
use plz_core::budget::MEMORY_LIMIT_BYTES;
use serde_json::{Value, json};
use sim::agent::Signal;
use sim::api::Kind;
use sim::cloud::Cloud;
use sim::cloud::rest::Route;
use sim::journal::Door;
use sim::k6::Script;
use sim::kube::PodPlan;
use sim::loopback::Scheme;
use sim::world::World;

use super::objects::peak_bytes;
use crate::e2e::{NAMESPACE, Place, TIMEOUT, ZONE};

const EVIL: &str = "evil";
const EVIL_ZONE: &str = "evil-zone";
const EVIL_TOKEN: &str = "glc_evil-0b5e1d8c44";
/// Until thousands of runners have come and gone in a debug build, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(570);

/// A tenant with a zone in an organisation of his own, and a Secret that is nobody's business.
fn tenant(place: &Place) {
    place.sim.with(|world, now| {
        world.api.create(now, Kind::Namespace, "", json!({"metadata": {"name": EVIL}})).unwrap();
        world.cloud.others.push(Cloud::new(EVIL_TOKEN));
        for (name, token) in [("evil-token", EVIL_TOKEN), ("somebodys-secret", "glc_somebody-7d1f")] {
            let secret = json!({"metadata": {"name": name}, "stringData": {"token": token}});
            world.api.create(now, Kind::Secret, EVIL, secret).unwrap();
        }
        let spec = json!({"token": "evil-token", "resources": {"limits": {"cpu": "1", "memory": "1Gi"}}});
        let zone = json!({"metadata": {"name": EVIL_ZONE}, "spec": spec});
        world.api.create(now, Kind::PrivateLoadZone, EVIL, zone).unwrap();
    });
}

/// A test run as the agent makes it, for an id, with whatever its maker would like to have done by somebody else.
fn forged(world: &World, (namespace, zone): (&str, &str), id: u64, spec: &Value) -> Value {
    let uid = world.object(Kind::PrivateLoadZone, namespace, zone)["metadata"]["uid"].clone();
    let owner = json!({"apiVersion": "k6.io/v1alpha1", "kind": "PrivateLoadZone", "name": zone, "uid": uid, "controller": true});
    let mut run = json!({
        "metadata": {"name": format!("plz-test-{id}"), "ownerReferences": [owner]},
        "spec": {
            "testRunId": id.to_string(), "token": "evil-token", "parallelism": 1, "script": {"localFile": "/x.js"},
            "runner": {"image": "evil", "serviceAccountName": "admin",
                "containerSecurityContext": {"privileged": true},
                "volumes": [{"name": "host", "hostPath": {"path": "/"}}],
                "volumeMounts": [{"name": "host", "mountPath": "/host"}]},
        },
    });
    for (field, value) in spec.as_object().unwrap() {
        run["spec"][field] = value.clone();
    }
    run
}

/// The ids that GCk6 was told or asked anything of, and by what.
fn asked_of_runs(cloud: &Cloud) -> BTreeSet<Route> {
    let of_runs = |route: &Route| !matches!(route, Route::Register | Route::Poll);
    cloud.counts.keys().copied().filter(of_runs).collect()
}

#[test]
fn what_is_written_by_hand_reaches_no_job_no_secret_and_not_gck6() {
    let mut place = Place::new(Scheme::Http, &["--runner-access", "direct"]);
    let script = Script { duration: Duration::from_secs(8), ..Script::default() };
    place.sim.with(|world, _| world.kube.config.prefer("*", PodPlan::script(script)));
    tenant(&place);
    place.sim.with(|world, _| world.journal.start());
    place.start();
    place.until("both zones are registered", |world| {
        world.cloud.zones.contains_key(ZONE) && world.cloud.others[0].zones.contains_key(EVIL_ZONE)
    });
    let id = place.queue(2);
    place.until("the victim's run has started", |world| {
        world.object(Kind::TestRun, NAMESPACE, &format!("plz-test-{id}"))["status"]["stage"] == "started"
    });
    let his = (EVIL, EVIL_ZONE);
    let mut names = Vec::new();
    place.sim.with(|world, now| {
        let of_nobody = |mut run: Value, name: &str| {
            run["metadata"] = json!({"name": name});
            run
        };
        let runs = [
            // As large as a number can be.
            of_nobody(forged(world, his, 9001, &json!({"parallelism": 100_000})), "plz-test-9001"),
            of_nobody(forged(world, his, 9002, &json!({"parallelism": 2_147_483_647})), "huge"),
            forged(world, his, 9003, &json!({"parallelism": 5_000})),
            forged(world, his, 9004, &json!({"parallelism": 100_000})),
            // With the id of somebody else's run, to have that one ended.
            forged(world, his, id, &json!({"parallelism": 0})),
            // With somebody else's zone.
            forged(world, (NAMESPACE, ZONE), 9005, &json!({})),
            // With somebody else's Secret.
            forged(world, his, 9006, &json!({"token": "somebodys-secret"})),
            forged(world, his, 9007, &json!({"token": format!("{ZONE}-token")})),
        ];
        for run in runs {
            names.push(run["metadata"]["name"].as_str().unwrap().to_owned());
            world.api.create(now, Kind::TestRun, EVIL, run).unwrap();
        }
    });
    place.over(id, 3);
    place.within(2 * TIMEOUT, "each is refused in words", |world| {
        names.iter().all(|name| {
            let run = world.object(Kind::TestRun, EVIL, name);
            let conditions = sim::json::list(&run, "status.conditions");
            conditions.iter().any(|condition| {
                condition["reason"] == "NotMadeByAgent" || condition["reason"] == "NotOfZone"
            })
        })
    });
    place.sim.with(|world, _| {
        for kind in [Kind::Job, Kind::Pod] {
            assert_eq!(world.api.objects(kind, EVIL).count(), 0, "{kind:?}");
        }
        for entry in world.journal.entries() {
            let path = &entry.request.path;
            assert!(!path.contains("somebodys"), "{path}");
            let his = path.contains(&format!("/namespaces/{EVIL}/"));
            let reads_secret = his && path.contains("/secrets/");
            assert!(!reads_secret || path.ends_with("/secrets/evil-token"), "{path}");
            let body = String::from_utf8_lossy(&entry.request.body);
            for part in ["privileged\":true", "hostPath", "\"evil\"", "admin"] {
                let is_of_jobs = entry.door == Door::Api && path.contains("/jobs");
                assert!(!(is_of_jobs && body.contains(part)), "{part} in {path}");
            }
            let of_9000 = ["(900", "/900"].iter().any(|part| path.contains(part));
            assert!(entry.door == Door::Api || !of_9000 || entry.request.method.name() == "GET", "{path}");
        }
        let victim = &world.cloud.runs[&id];
        assert_eq!(
            (victim.events.len(), victim.finishes.len()),
            (0, 1),
            "GCk6 hears of it from its own zone"
        );
        assert_eq!(asked_of_runs(&world.cloud.others[0]), BTreeSet::from([Route::Data]), "whose are they?");
    });
    let peak = peak_bytes(&mut place);
    assert!(peak < MEMORY_LIMIT_BYTES, "{peak} bytes");
    place.stop(Signal::Term);
}

/// Four test runs at once of `runners` each, with 400 KB of environment.
fn four_large_runs(runners: u64, access: &str) {
    let mut place = Place::new(Scheme::Http, &["--runner-access", access, "--start-deadline", "20m"]);
    let text = "v".repeat(100_000);
    place.sim.abbreviate(&text, "@long@");
    let script = Script { duration: Duration::from_secs(5), ..Script::default() };
    place.sim.with(|world, _| world.kube.config.prefer("*", PodPlan::script(script)));
    place.start();
    let environment = json!({"A": text, "B": text, "C": text, "D": text});
    let data = json!({"k8s_load_zones_config": {"environment": environment}});
    let ids: Vec<u64> = (0..4)
        .map(|_| place.sim.with(|world, now| world.queue_run_with(now, ZONE, runners, data.clone())))
        .collect();
    place.within(PATIENCE, "all are over", |world| {
        ids.iter().all(|id| {
            let is_gone = world.object(Kind::TestRun, NAMESPACE, &format!("plz-test-{id}")).is_null();
            is_gone && !world.cloud.runs[id].finishes.is_empty()
        })
    });
    for id in ids {
        place.over(id, 3);
    }
    let peak = peak_bytes(&mut place);
    println!(
        "4 runs of {runners} runners with 400 KB of environment, {access}: {} KiB at the most",
        peak / 1024
    );
    assert!(peak < MEMORY_LIMIT_BYTES, "{peak} bytes");
    place.stop(Signal::Term);
}

/// As many runners as there may be in each, where nobody has to wait for debug builds to make them.
#[test]
fn four_large_runs_at_once() {
    let asked = env::var("RUNNERS").ok().and_then(|runners| runners.parse().ok());
    let runners = asked.unwrap_or(if cfg!(debug_assertions) { 40 } else { u64::from(RUNNERS_MAX) });
    four_large_runs(runners, "direct");
}
