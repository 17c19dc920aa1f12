//! Objects of ours that are too large: what their owners hear of it, and that everybody else goes on.

use super::*;

fn events_on(drive: &Drive, kind: &str, name: &str) -> Vec<String> {
    let events = drive.world.api.objects(Kind::Event, NAMESPACE).map(|(_, event)| event);
    let about = |event: &&_| {
        let about = |field| sim::json::text(event, &format!("involvedObject.{field}")).to_owned();
        about("kind") == kind && about("name") == name
    };
    events
        .filter(|event| about(&&***event))
        .map(|event| format!("{}: {}", sim::json::text(event, "reason"), sim::json::text(event, "message")))
        .collect()
}

#[test]
fn a_zone_that_is_too_large_is_told_by_an_event_on_it() {
    let mut story = Story::new();
    let spec = json!({
        "token": "big-token",
        "resources": {"limits": {"cpu": "200m", "memory": "256Mi"}},
        "podTemplate": {"metadata": {"annotations": {"a": "x".repeat(200_000)}}},
    });
    let zone = json!({"metadata": {"name": "big"}, "spec": spec});
    let now = story.drive.now;
    story.drive.world.api.create(now, Kind::PrivateLoadZone, NAMESPACE, zone).unwrap();
    story.until(s(10), "an Event says so", |drive| !events_on(drive, "PrivateLoadZone", "big").is_empty());
    assert_eq!(
        events_on(&story.drive, "PrivateLoadZone", "big"),
        [
            "TooLarge: privateloadzones load/big is too large and is ignored in its current form: with spec.podTemplate an object of 196 KiB \
          is longer than 131072 bytes; make it smaller"
        ]
    );
    let id = story.run(1);
    story.over(id, s(120), FINISHED);
}

#[test]
fn a_run_that_would_be_too_large_is_refused_before_it_is_made() {
    let mut story = Story::new();
    // The kubelet has every `$` twice.
    let variables: BTreeMap<String, String> = (0..5).map(|n| (format!("V{n}"), "$".repeat(60_000))).collect();
    let id = story.run_with(1, json!({"k8s_load_zones_config": {"environment": variables}}));
    story.until(s(60), "GCk6 is told", |drive| !drive.world.cloud.runs[&id].events.is_empty());
    let run = &story.drive.world.cloud.runs[&id];
    assert_eq!(told(run), (vec![8050], 1));
    let said = detail(run);
    assert!(
        said.contains("make a TestRun of 588 KiB, but the agent reads at most 544 KiB; shorten them"),
        "{said}"
    );
    assert!(test_run(&story.drive, id).is_null());
    let next = story.run(1);
    story.over(next, s(120), FINISHED);
}

/// What one namespace may hold of their data is less than all of them together.
#[test]
fn many_large_runs_are_made_one_after_the_other() {
    let mut story = Story::new();
    let variables: BTreeMap<String, String> = (0..4).map(|n| (format!("V{n}"), "x".repeat(90_000))).collect();
    let data = json!({"k8s_load_zones_config": {"environment": variables}});
    let now = story.drive.now;
    let ids: Vec<u64> =
        (0..8).map(|_| story.drive.world.queue_run_with(now, ZONE, 1, data.clone())).collect();
    for id in ids {
        story.over(id, s(300), FINISHED);
    }
}
