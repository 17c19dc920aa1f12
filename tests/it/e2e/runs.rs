//! Runs that nothing disturbs, by every way to the API server, GCk6 and the runners.

use super::*;

#[track_caller]
fn a_run_goes_well(scheme: Scheme, access: &str) -> Place {
    let mut place = Place::new(scheme, &["--runner-access", access]);
    let id = place.queue(3);
    place.start();
    place.over(id, 3);
    place.sim.with(|world, _| {
        for (_, runner) in world.k6s.all("plz-test-") {
            let data = runner.data_puts.last().and_then(|(_, data)| data.clone());
            assert_eq!(data, Some(json!({"user": "e2e"})), "the data of the one setup");
            assert_eq!(runner.stopped, None);
        }
    });
    place
}

fn proxied(place: &Place) -> u64 {
    place.sim.with(|world, _| {
        let counts = world.api.counts.iter().filter(|(what, _)| what.subresource == "proxy");
        counts.map(|(_, count)| count).sum()
    })
}

#[test]
fn runners_are_reached_at_their_pod_ip_over_https() {
    let mut place = a_run_goes_well(Scheme::Https, "direct");
    assert_eq!(proxied(&place), 0);
    place.stop(Signal::Term);
}

#[test]
fn runners_are_reached_through_the_api_server_over_https() {
    let mut place = a_run_goes_well(Scheme::Https, "proxy");
    assert!(proxied(&place) >= 3 * 4, "{} calls: state, data, start and end of each runner", proxied(&place));
    place.stop(Signal::Interrupt);
}

#[test]
fn outside_of_the_cluster_the_api_server_is_the_way_to_runners() {
    let place = a_run_goes_well(Scheme::Http, "auto");
    assert!(proxied(&place) > 0);
}

#[test]
fn a_user_aborts_and_deletes_the_zone() {
    let mut place = Place::new(Scheme::Http, &["--runner-access", "direct"]);
    let endless = Script { duration: Duration::from_secs(600), ..Script::default() };
    place.sim.with(|world, _| world.kube.config.prefer("*", PodPlan::script(endless)));
    let id = place.queue(2);
    place.start();
    place.until("the run is started", |world| stage(world, id) == "started");
    place.sim.with(|world, now| {
        world.cloud.abort(id);
        let zone = sim::api::Key::new(Kind::PrivateLoadZone, NAMESPACE, ZONE);
        world.api.delete(now, &zone, &sim::api::DeleteOptions::default()).map(drop).unwrap();
    });
    place.over(id, 5);
    place.until("the zone is gone", |world| world.object(Kind::PrivateLoadZone, NAMESPACE, ZONE).is_null());
    place.sim.with(|world, _| assert_eq!(world.cloud.deregistered, [ZONE]));
}

#[test]
fn only_the_namespaces_that_are_named_are_served() {
    let args = ["--namespace", NAMESPACE, "--namespace", "spare", "--runner-access", "direct"];
    let mut place = Place::new(Scheme::Http, &args);
    place.sim.with(|world, now| {
        for (namespace, zone) in [("spare", "second"), ("foreign", "third")] {
            world.api.create(now, Kind::Namespace, "", json!({"metadata": {"name": namespace}})).unwrap();
            world.apply_zone(now, namespace, zone);
        }
    });
    let id = place.queue(1);
    place.start();
    place.over(id, 3);
    place.until("the zone in the second namespace is registered", |world| {
        world.cloud.zones.contains_key("second")
    });
    place.sim.with(|world, _| {
        assert!(!world.cloud.zones.contains_key("third"));
        let third = world.object(Kind::PrivateLoadZone, "foreign", "third");
        assert_eq!((&third["status"], &third["metadata"]["finalizers"]), (&Value::Null, &Value::Null));
        let is_beyond = |what: &&sim::api::Counted| ![NAMESPACE, "spare"].contains(&what.namespace.as_str());
        let beyond = world.api.counts.keys().filter(is_beyond).map(|what| (what.verb, what.name.as_str()));
        let lookout = [("list", "fcdfce80.io"), ("watch", "fcdfce80.io")];
        assert_eq!(beyond.collect::<Vec<_>>(), lookout, "requests beyond the two namespaces");
    });
}
