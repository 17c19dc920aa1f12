//! The agent at sites with little network: through a proxy, on IPv6 alone, on one connection, and without its line.

use super::*;
use sim::cloud::rest::Route;

const API: &str = "api.gck6.test";
const INGEST: &str = "ingest.gck6.test";

#[test]
fn polls_share_one_connection() {
    let mut place = Place::new(Scheme::Https, &[]);
    place.start();
    place.until("it has polled often", |world| {
        world.cloud.zones.get(ZONE).is_some_and(|zone| zone.polls >= 4)
    });
    // Public authorities and the extra CA are believed alike: no handshake is in vain.
    assert_eq!(place.sim.cloud_api_connections(), 1);
    place.stop(Signal::Term);
}

fn gck6_is_reached_over_tunnels_that_are_kept(url: fn(&Proxy) -> String) {
    let mut place = Place::new(Scheme::Http, &["--runner-access", "direct"]);
    let [api, ingest, _] = place.sim.wan();
    let proxy = Proxy::start([(API.to_owned(), api), (INGEST.to_owned(), ingest)].into()).unwrap();
    let urls = [API, INGEST].map(|host| format!("http://{host}"));
    // The API server and the runners are reached all the same: the proxy does not know them.
    place.launch = place
        .launch
        .args(["--cloud-api", &urls[0], "--cloud-ingest", &urls[1]])
        .env("HTTP_PROXY", url(&proxy));
    let id = place.queue(2);
    place.start();
    place.over(id, 3);
    place.until("it has polled often", |world| world.cloud.zones[ZONE].polls >= 6);
    let calls = place.sim.with(|world, _| world.cloud.requests());
    let tunnels = [proxy.tunnels(API), proxy.tunnels(INGEST)];
    assert!(
        tunnels[0] >= 1 && tunnels[1] >= 1 && tunnels[0] + tunnels[1] <= 4,
        "{tunnels:?} for {calls} calls"
    );
    assert!(!place.agent().log().contains("pa55"));
    assert!(place.agent().log().contains("runner pods do not get the agent's proxy"));
}

#[test]
fn gck6_is_reached_through_a_proxy() {
    gck6_is_reached_over_tunnels_that_are_kept(|proxy| proxy.url().replace("http://", "http://user:pa55@"));
}

#[test]
fn gck6_is_reached_through_a_socks_proxy() {
    gck6_is_reached_over_tunnels_that_are_kept(Proxy::socks_url);
}

#[test]
fn a_run_goes_well_on_ipv6_alone() {
    for access in ["direct", "proxy"] {
        let mut place = Place::new_on(Family::V6, Scheme::Https, &["--runner-access", access]);
        let id = place.queue(1);
        place.start();
        place.over(id, 3);
        place.sim.with(|world, _| {
            let pods = world.k6s.all("plz-test-").count();
            assert_eq!(pods, 1);
        });
        assert!(place.sim.api_url().starts_with("https://[::1]:"));
    }
}

#[test]
fn a_line_that_is_gone_is_told_once_and_the_run_goes_on() {
    let mut place = Place::new(Scheme::Http, &["--runner-access", "direct", "--log", "info"]);
    let id = place.queue(2);
    place.start();
    place.until("the run is started", |world| stage(world, id) == "started");
    place.sim.with(|world, _| world.cloud.trouble(None, sim::cloud::Trouble::Down, u32::MAX));
    place.until("its end is recorded", |world| stage(world, id) == "stopped");
    // A call that was cut is made once more at once; the third is the next try.
    place.until("GCk6 is to be told", |world| world.cloud.counts.get(&Route::Finish) >= Some(&3));
    place.sim.with(|world, _| world.cloud.plagues.clear());
    place.over(id, 3);
    let polls = place.sim.with(|world, _| world.cloud.zones[ZONE].polls);
    place.until("it polls again", |world| world.cloud.zones[ZONE].polls >= polls + 2);
    let log = place.agent().log();
    for line in [
        "GCk6 is unreachable",
        "GCk6 answers again",
        "GCk6's ingest is unreachable",
        "GCk6's ingest answers again",
    ] {
        assert_eq!(log.matches(line).count(), 1, "{line}: {log}");
    }
}
