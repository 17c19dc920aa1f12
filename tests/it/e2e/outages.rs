//! The API server is away: before the agent begins, and in the middle of a run.

use std::net::TcpListener;

use sim::api::Fault;

use super::*;

/// How an agent is started whose API server is at `server`.
pub(super) fn launch_for(server: &str, scratch: &Scratch) -> Launch {
    let kubeconfig = format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: c\nclusters:\n- {{name: c, cluster: {{server: '{server}'}}}}\n\
         users:\n- {{name: c, user: {{token: {BEARER_TOKEN}}}}}\ncontexts:\n- {{name: c, context: {{cluster: c, user: c}}}}\n"
    );
    let kubeconfig = scratch.write("kubeconfig", &kubeconfig).unwrap();
    let launch = Launch::new(Path::new(AGENT), &scratch.file("log"));
    launch.args(["--fetch-image", "plz-agent:sim", "--log", "debug", "--kubeconfig"]).args([kubeconfig])
}

#[track_caller]
fn ends_by_sigterm(server: &str, once_logged: &str) {
    let scratch = Scratch::new().unwrap();
    let mut agent = launch_for(server, &scratch).spawn().unwrap();
    let look = Duration::from_millis(20);
    let mut looks = TIMEOUT.as_millis() / look.as_millis();
    while !agent.log().contains(once_logged) {
        assert_eq!(agent.wait(look), None, "{}", agent.log());
        looks -= 1;
        assert!(looks > 0, "the log never says {once_logged:?}: {}", agent.log());
    }
    agent.signal(Signal::Term).unwrap();
    let status = agent.wait(STOP_TIMEOUT);
    assert_eq!(status.and_then(|status| status.code()), Some(0), "{}", agent.log());
    assert!(!agent.log().contains(BEARER_TOKEN));
}

#[test]
fn sigterm_ends_an_agent_whose_api_server_refuses_connections() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    // Port 1 of an address of its own: nobody listens there, and nobody will meanwhile.
    ends_by_sigterm(&format!("http://127.77.{}.{}:1", address.port() >> 8, address.port() & 0xff), "refused");
}

#[test]
fn sigterm_ends_an_agent_whose_api_server_never_answers() {
    // The system takes connections on behalf of a listener that never accepts them.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    ends_by_sigterm(&format!("https://{}", silent.local_addr().unwrap()), "for the API server at");
}

fn take_away(place: &Place) {
    place.sim.with(|world, _| world.api.faults = Some(Box::new(|_, _, _| Fault::DropBefore)));
    place.sim.cut_api();
}

fn bring_back(place: &Place) {
    place.sim.with(|world, _| world.api.faults = None);
}

#[test]
fn a_run_goes_on_without_the_api_server_and_ends_with_it() {
    let mut place = Place::new(Scheme::Http, &["--runner-access", "direct"]);
    let id = place.queue(2);
    place.start();
    place.until("the run is started", |world| stage(world, id) == "started");
    take_away(&place);
    place.until("the scripts have come to their end", |world| {
        world
            .k6s
            .all("")
            .all(|(_, runner)| runner.ends_at().is_some_and(|end| end + SCRIPT_DURATION <= world.now))
    });
    bring_back(&place);
    place.over(id, 3);
    place.sim.with(|world, _| {
        assert!(world.cloud.runs[&id].events.is_empty(), "{:?}", world.cloud.runs[&id].events);
        assert!(world.k6s.all("").all(|(_, runner)| runner.stopped.is_none()));
    });
}

#[test]
fn an_agent_that_begins_without_the_api_server_begins_when_it_comes() {
    let mut place = Place::new(Scheme::Https, &["--runner-access", "direct"]);
    take_away(&place);
    let id = place.queue(1);
    place.start();
    place.until("it asks several times", |world| world.api.requests() > 6);
    bring_back(&place);
    place.over(id, 3);
}

#[test]
fn watches_that_break_again_and_again_do_not_disturb_a_run() {
    let mut place = Place::new(Scheme::Http, &["--runner-access", "direct"]);
    let id = place.queue(2);
    place.start();
    for station in ["created", "started", "stopped"] {
        place.until(station, |world| {
            stage(world, id) == station || test_run(world, id).is_null() && station == "stopped"
        });
        place.sim.cut_api();
    }
    place.over(id, 3);
}

#[test]
fn gck6_with_an_unknown_certificate_shows_on_the_zone() {
    let mut place = Place::new(Scheme::Https, &[]);
    let (api, ingest) = (place.sim.cloud_api_url(), place.sim.cloud_ingest_url());
    let log = place.scratch.file("log");
    place.launch = Launch::new(Path::new(AGENT), &log)
        .args(["--kubeconfig"])
        .args([place.scratch.file("kubeconfig")])
        .args(["--cloud-api", &api, "--cloud-ingest", &ingest, "--fetch-image", "plz-agent:sim"]);
    place.start();
    place.until("the zone says why it is not registered", |world| {
        let (status, message) = registered(world);
        status == "False" && message.contains("certificate")
    });
    place.is_discreet();
}
