//! Each action as a call: whom it asks what, and what it needs for that.

use super::*;
use crate::announce::Announcement;
use crate::call::Call;
use crate::cloud::Host;
use crate::zone::calls::build;

/// What a call sends, as `METHOD path` and its body.
fn sent(world: &World, action: Action) -> Option<(String, Value)> {
    let (line, body) = match build(&world.facts(), action)? {
        Call::Kubernetes(request) => (format!("{} {}", request.method, request.target), request.body),
        Call::Cloud { request, token } => {
            assert_eq!(token.expose(), TOKEN);
            let host = match request.host {
                Host::Api => "api",
                Host::Ingest => "ingest",
            };
            (format!("{} {host} {}", request.method, request.path), request.body.unwrap_or_default())
        }
        Call::Runner { .. } => panic!("a zone calls no runner"),
    };
    let body = if body.is_empty() { Value::Null } else { serde_json::from_slice(&body).unwrap() };
    Some((line, body))
}

#[track_caller]
fn check(world: &World, action: Action, line: &str, body: &Value) {
    assert_eq!(sent(world, action), Some((line.to_owned(), body.clone())), "{action}");
}

const ZONE: &str = "/apis/k6.io/v1alpha1/namespaces/ns/privateloadzones/edge";

#[test]
fn adopting_adds_to_the_finalizers_of_others_on_the_version_that_was_read() {
    let mut world = World::pending();
    world.without_finalizer();
    world.zone.metadata.annotations.clear();
    let line = format!("PATCH {ZONE}");
    let wanted = |finalizers: &[&str], provider: &str| {
        json!({"metadata": {"resourceVersion": "7", "finalizers": finalizers,
            "annotations": {"privateloadzones.k6.io/plz-uid": provider}}})
    };
    check(&world, Action::Adopt, &line, &wanted(&["example.com/other", FINALIZER], "zone-uid"));
    check(&World::pending(), Action::Adopt, &line, &wanted(&["example.com/other", FINALIZER], "provider-1"));
}

#[test]
fn releasing_leaves_the_finalizers_of_others_on_the_version_that_was_read() {
    let body = json!({"metadata": {"resourceVersion": "7", "finalizers": ["example.com/other"]}});
    check(&World::leaving(), Action::Release, &format!("PATCH {ZONE}"), &body);
}

#[test]
fn the_status_is_written_to_its_subresource_for_this_uid() {
    let mut world = World::pending();
    assert_eq!(sent(&world, Action::WriteStatus), None, "there is nothing to say");
    world.zone.spec.token.clear();
    let (line, body) = sent(&world, Action::WriteStatus).unwrap();
    assert_eq!(line, format!("PATCH {ZONE}/status"));
    assert_eq!(body["metadata"], json!({"uid": "zone-uid"}));
    assert_eq!(body["status"]["conditions"][0]["reason"], "InvalidSpec");
    assert_eq!(body["status"].as_object().unwrap().len(), 1, "nothing but conditions");
}

#[test]
fn gck6_is_asked_with_the_token() {
    let mut world = World::pending();
    world.zone.spec.image = "k6:2".to_owned();
    let registration = json!({"k6_load_zone_id": "edge", "pod_tiers": {"cpu": "200m", "memory": "256Mi"},
        "config": {"load_runner_image": "k6:2"}, "provider_id": "provider-1"});
    check(&world, Action::Register, "POST api /cloud-resources/v1/load-zones", &registration);
    check(&world, Action::Deregister, "DELETE api /cloud-resources/v1/load-zones/edge", &Value::Null);
    check(&world, Action::Poll, "GET api /v4/plz-test-runs?plz_name=edge", &Value::Null);
    let (line, _) = sent(&world, Action::FetchData(ID)).unwrap();
    assert!(
        line.starts_with("GET api /loadtests/v4/test_runs(101)?$select=id,run_status,k8s_load_zones_config,")
    );
    world.state.listed.insert(ID, Listed::Refused("too many".to_owned()));
    let events = json!([
        {"event_type": "TestRunErrorEvent",
            "event": {"error_code": 8050, "error_detail": "too many", "error_detail_public": "too many"}},
        {"event_type": "TestRunAbortEvent", "event": {"origin": "user"}},
    ]);
    check(&world, Action::Refuse(ID), "POST ingest /orchestrator/v1/testruns/101/events", &events);
    for token in [None, Some(TokenState::default())] {
        world.token = token;
        for action in
            [Action::Register, Action::Deregister, Action::Poll, Action::FetchData(ID), Action::Refuse(ID)]
        {
            assert_eq!(sent(&world, action), None, "{action} without a token");
        }
    }
}

#[test]
fn a_test_run_is_made_of_the_data_that_are_there() {
    let runs = "/apis/k6.io/v1alpha1/namespaces/ns/testruns";
    let mut world = World::registered();
    for listed in [Listed::NEW, Listed::Refused("no".to_owned()), Listed::Unclear { since: NOW, told: false }]
    {
        world.state.listed.insert(ID, listed);
        assert_eq!(sent(&world, Action::CreateTestRun(ID)), None);
    }
    world.state.listed.insert(ID, ready(NOW));
    let (line, run) = sent(&world, Action::CreateTestRun(ID)).unwrap();
    assert_eq!(line, format!("POST {runs}"));
    assert_eq!(
        (&run["metadata"]["name"], &run["spec"]["testRunId"]),
        (&json!("plz-test-101"), &json!("101"))
    );
    assert_eq!(run["metadata"]["ownerReferences"][0]["uid"], "zone-uid");
    check(&world, Action::InspectTestRun(ID), &format!("GET {runs}/plz-test-101"), &Value::Null);
    // An edit of the zone changes nothing about what was made.
    world.zone.spec.image = "other".to_owned();
    world.zone.spec.resources = Default::default();
    assert_eq!(sent(&world, Action::CreateTestRun(ID)), Some((line, run)));
}

#[test]
fn what_is_not_there_is_not_called_for() {
    let mut world = World::pending();
    for action in [Action::Refuse(ID), Action::CreateTestRun(ID), Action::Announce] {
        assert_eq!(sent(&world, action), None, "{action}");
    }
    world.state.listed.insert(ID, ready(NOW));
    assert_eq!(sent(&world, Action::Refuse(ID)), None, "it is not refused");
    world.zone.spec.resources.limits.clear();
    assert_eq!(sent(&world, Action::Register), None, "there is nothing to register");
}

#[test]
fn the_first_event_is_posted_beside_the_zone() {
    let mut world = World::pending();
    world
        .state
        .announcements
        .extend([Announcement::warning("First", "m"), Announcement::normal("Second", "n")]);
    let (line, event) = sent(&world, Action::Announce).unwrap();
    assert_eq!(line, "POST /api/v1/namespaces/ns/events");
    assert_eq!((&event["reason"], &event["type"]), (&json!("First"), &json!("Warning")));
    let about = json!({"apiVersion": "k6.io/v1alpha1", "kind": "PrivateLoadZone", "namespace": "ns",
        "name": "edge", "uid": "zone-uid"});
    assert_eq!(event["involvedObject"], about);
}

/// GCk6 takes calls with equal keys for one.
#[test]
fn a_retry_has_the_key_of_the_first_try_and_a_new_registration_has_another() {
    let key = |world: &World, action| match build(&world.facts(), action) {
        Some(Call::Cloud { request, .. }) => request.idempotency_key,
        _ => None,
    };
    let plain = key(&World::pending(), Action::Register);
    assert!(plain.is_some());
    assert_eq!(key(&World::pending(), Action::Register), plain, "a retry");
    for change in [
        (|world| world.state.registration_salt += 1) as fn(&mut World),
        |world| world.zone.metadata.generation += 1,
        |world| world.zone.metadata.uid = "another".to_owned(),
    ] {
        let mut world = World::pending();
        change(&mut world);
        assert_ne!(key(&world, Action::Register), plain);
    }
    let mut other = World::pending();
    other.zone.metadata.uid = "another".to_owned();
    assert_ne!(key(&other, Action::Deregister), key(&World::pending(), Action::Deregister));
}
