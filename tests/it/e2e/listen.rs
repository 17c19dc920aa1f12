//! Health and metrics of an agent at work: probes, scrapes, and clients who mean no good.

use std::io::Write as _;
use std::net::{SocketAddr, TcpStream};

use sim::api::Fault;
use sim::scrape::{self, Samples};

use super::*;

/// More than are served at once.
const CROWD: usize = 40;

/// What the agent is started with.
pub(super) const ARGS: [&str; 4] = ["--runner-access", "direct", "--listen", "127.0.0.1:0"];

/// Where the agent listens, as soon as it says so.
pub(super) fn address(place: &mut Place) -> SocketAddr {
    let mut found = None;
    let look = Duration::from_millis(20);
    let looks = TIMEOUT.as_millis() / look.as_millis();
    for _ in 0..looks {
        found = place.agent().listens();
        if found.is_some() || place.agent().wait(look).is_some() {
            break;
        }
    }
    found.unwrap_or_else(|| panic!("it does not listen: {}", place.agent().log_tail(LOG_TAIL_LINES)))
}

#[track_caller]
fn check(address: SocketAddr, path: &str, code: u16, body: &str) {
    let answer = scrape::get(address, path).unwrap();
    assert_eq!((answer.0, answer.1.trim_end()), (code, body), "{path}");
}

const READY: &str = "ready: active";

#[test]
fn ready_with_the_first_lists_and_healthy_all_along() {
    let mut place = Place::new(Scheme::Http, &ARGS);
    place.sim.with(|world, _| world.api.faults = Some(Box::new(|_, _, _| Fault::DropBefore)));
    place.start();
    let address = address(&mut place);
    place.until("the watches have failed", |_| {
        let samples = Samples::fetch(address).unwrap();
        samples.sum("plz_agent_watch_failing", "") == 4.0
    });
    check(address, "/healthz", 200, "ok");
    let all = "privateloadzones, testruns, pods";
    let waiting = format!(
        "waiting for the API server to list {all}; currently blind, see the log: the watch on {all}, leases"
    );
    check(address, "/readyz", 503, &waiting);

    place.sim.with(|world, _| world.api.faults = None);
    place.until("the agent is ready", |_| scrape::get(address, "/readyz").unwrap().0 == 200);
    place.until("all watches see", |_| scrape::get(address, "/readyz").unwrap().1.trim_end() == READY);
    check(address, "/healthz", 200, "ok");

    place.sim.with(|world, _| world.api.faults = Some(Box::new(|_, _, _| Fault::DropBefore)));
    place.sim.cut_api();
    place.until("a blind watch is said", |_| {
        let (code, body) = scrape::get(address, "/readyz").unwrap();
        assert_eq!(code, 200, "{body}");
        body.contains("currently blind")
    });
    place.sim.with(|world, _| world.api.faults = None);
    place.until("all watches see again", |_| scrape::get(address, "/readyz").unwrap().1.trim_end() == READY);
    place.stop(Signal::Term);
    assert!(TcpStream::connect(address).is_err(), "it still listens");
}

/// How often the API server was asked with this verb.
fn asked(world: &World, verb: &str) -> u64 {
    world.api.counts.iter().filter(|(what, _)| what.verb == verb).map(|(_, count)| count).sum()
}

#[test]
fn the_metrics_of_a_run_are_what_the_world_has_seen() {
    let mut place = Place::new(Scheme::Http, &ARGS);
    place.start();
    let address = address(&mut place);
    let zone = |name: &str| format!("{name}{{namespace=\"{NAMESPACE}\",zone=\"{ZONE}\"}}");
    place.until("the zone is registered", |_| {
        let samples = Samples::fetch(address).unwrap();
        samples.value(&zone("plz_agent_zone_registered")) == Some(1.0)
    });
    let done = place.queue(3);
    place.over(done, 3);
    let endless = Script { duration: Duration::from_secs(600), ..Script::default() };
    place.sim.with(|world, _| world.kube.config.prefer("*", PodPlan::script(endless)));
    let aborted = place.queue(2);
    place.until("the second run is on the page", |_| {
        let samples = Samples::fetch(address).unwrap();
        samples.value("plz_agent_test_runs{stage=\"started\"}") == Some(1.0)
    });
    place.sim.with(|world, _| world.cloud.abort(aborted));
    place.over(aborted, 5);

    place.until("the page agrees with the world", |world| {
        let samples = Samples::fetch(address).unwrap();
        let kubernetes = ["get", "create", "patch", "delete"].iter().all(|verb| {
            let told =
                samples.sum("plz_agent_requests_total", &format!("target=\"kubernetes\",verb=\"{verb}\""));
            told == asked(world, verb) as f64
        });
        let polls = samples.value("plz_agent_polls_total{result=\"ok\"}");
        // The end of the second TestRun comes by the watch, after the answer to its deletion.
        let are_gone = samples.sum("plz_agent_test_runs", "") == 0.0;
        kubernetes && are_gone && polls == Some(world.cloud.zones[ZONE].polls as f64)
    });
    let samples = Samples::fetch(address).unwrap();
    let check = |sample: &str, expected: f64| assert_eq!(samples.value(sample), Some(expected), "{sample}");
    check(&format!("plz_agent_build_info{{version=\"{}\"}}", env!("CARGO_PKG_VERSION")), 1.0);
    check("plz_agent_role{role=\"active\"}", 1.0);
    check("plz_agent_zones{state=\"registered\"}", 1.0);
    check("plz_agent_test_runs_ended_total{outcome=\"finished\",cause=\"\"}", 1.0);
    check("plz_agent_test_runs_ended_total{outcome=\"aborted\",cause=\"AbortedByUser\"}", 1.0);
    assert_eq!(samples.sum("plz_agent_test_runs_ended_total", ""), 2.0);
    check("plz_agent_test_run_start_skew_seconds_count", 2.0);
    check(&zone("plz_agent_zone_poll_failures"), 0.0);
    let started = samples.value("process_start_time_seconds").unwrap();
    let polled = samples.value(&zone("plz_agent_zone_last_successful_poll_timestamp_seconds")).unwrap();
    assert!(started > 1.6e9 && polled > started && polled < started + 600.0, "{started}, {polled}");
    // A runner that does not listen yet gives no answer, the others do.
    for target in ["kubernetes", "gck6"] {
        for verb in ["get", "create", "patch", "post", "delete"] {
            let call = format!("target=\"{target}\",verb=\"{verb}\",code=\"error\"");
            assert_eq!(samples.sum("plz_agent_requests_total", &call), 0.0, "{call}");
        }
    }
    let (calls, timed) = ("plz_agent_requests_total", "plz_agent_request_duration_seconds_count");
    let resumed = samples.sum(timed, "target=\"runner\",verb=\"patch\"");
    assert!(resumed >= 5.0, "each runner was let go: {resumed}");
    assert_eq!(samples.sum(calls, ""), samples.sum(timed, ""));
    assert!(samples.sum("process_resident_memory_bytes", "") > 1e5);
}

#[test]
fn a_token_that_is_refused_shows() {
    let mut place = Place::new(Scheme::Http, &ARGS);
    place.start();
    let address = address(&mut place);
    place.until("the zone is polled", |world| world.cloud.zones.get(ZONE).is_some_and(|zone| zone.polls > 0));
    place.sim.with(|world, _| world.cloud.token = "another".to_owned());
    place.until("the refusal shows", |_| {
        let samples = Samples::fetch(address).unwrap();
        samples.sum("plz_agent_zone_token_refused", "") == 1.0
            && samples.value("plz_agent_zones{state=\"token_refused\"}") == Some(1.0)
            && samples.sum("plz_agent_polls_total", "refused") >= 1.0
            && samples.sum("plz_agent_requests_total", "target=\"gck6\",verb=\"get\",code=\"401\"") >= 1.0
            && samples.sum("plz_agent_zone_poll_failures", "") >= 1.0
    });
    let metrics = scrape::get(address, "/metrics").unwrap().1;
    for secret in [CLOUD_TOKEN, BEARER_TOKEN, "another"] {
        assert!(!metrics.contains(secret), "{secret}");
    }
}

#[test]
fn a_crowd_of_slow_clients_keeps_out_no_probe_and_costs_no_more_than_its_places() {
    let mut place = Place::new(Scheme::Http, &ARGS);
    place.start();
    let address = address(&mut place);
    place.until("the agent is ready", |_| scrape::get(address, "/readyz").unwrap().0 == 200);
    let threads = || Samples::fetch(address).unwrap().sum("process_threads", "");
    let before = threads();
    let mut crowd: Vec<TcpStream> = (0..CROWD).map(|_| TcpStream::connect(address).unwrap()).collect();
    for stream in crowd.iter_mut().step_by(2) {
        // Some are pushed out already.
        let _ = stream.write_all(b"GET /metrics HTTP/1.1\r\nX-Slow: ");
    }
    check(address, "/healthz", 200, "ok");
    check(address, "/readyz", 200, READY);
    let during = threads();
    // A worker or two may have come to be meanwhile.
    assert!(during <= before + 8.0 + 4.0, "{before} threads, then {during}");
    let id = place.queue(1);
    place.over(id, 3);
    check(address, "/healthz", 200, "ok");
    place.stop(Signal::Term);
}

#[test]
fn an_agent_whose_port_is_taken_does_not_start() {
    let mut place = Place::new(Scheme::Http, &ARGS);
    place.start();
    let address = address(&mut place);
    let launch = place.launch.clone().args(["--listen", &address.to_string()]);
    let status = launch.spawn().unwrap().wait(TIMEOUT).expect("it ends by itself");
    assert_eq!(status.code(), Some(1));
    let log = place.agent().log();
    assert!(log.contains(&format!("cannot listen on {address}: ")), "{log}");
}

#[test]
fn a_standby_is_ready_and_says_who_is_active() {
    const HOME: &str = "plz-agent-system";
    let lease = format!("{HOME}/plz-agent");
    let args = [&ARGS[..], &["--lease", &lease]].concat();
    let mut place = Place::new(Scheme::Http, &args);
    place.sim.with(|world, now| {
        world.api.create(now, Kind::Namespace, "", json!({"metadata": {"name": HOME}})).unwrap();
    });
    place.start();
    let active = address(&mut place);
    place.until("the first agent acts", |_| scrape::get(active, "/readyz").unwrap().1.trim_end() == READY);

    let log = place.scratch.file("standby.log");
    let launch = Launch::new(Path::new(AGENT), &log).against(&place.sim, &place.scratch).unwrap().args(&args);
    let standby = launch.spawn().unwrap();
    place.until("the second agent is ready", |_| {
        standby.listens().is_some_and(|address| scrape::get(address, "/readyz").unwrap().0 == 200)
    });
    let address = standby.listens().unwrap();
    let (_, said) = scrape::get(address, "/readyz").unwrap();
    assert!(said.starts_with("ready: standby, ") && said.trim_end().ends_with(" is active"), "{said}");
    place.until("the zone is registered", |world| registered(world).0 == "True");
    let (first, second) = (Samples::fetch(active).unwrap(), Samples::fetch(address).unwrap());
    let zones = "plz_agent_zone_registered";
    assert_eq!((first.sum(zones, ""), second.sum(zones, "")), (1.0, 0.0));
    for (samples, role) in [(&first, "active"), (&second, "standby")] {
        assert_eq!(samples.sum("plz_agent_role", ""), 1.0);
        assert_eq!(samples.sum("plz_agent_role", &format!("role=\"{role}\"")), 1.0);
    }
    check(address, "/healthz", 200, "ok");
}
