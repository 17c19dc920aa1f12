//! `plz-agent check`: what it finds where all is well, and what it says of each thing that is not.

use std::net::TcpListener;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::*;

/// An authority that has signed nothing here.
const OTHER_CA: &[u8] = include_bytes!("../../../src/config/testdata/ca.pem");

/// How a check has ended.
struct Report {
    code: Option<i32>,
    /// Report and log.
    printed: String,
    report: Value,
}

impl Report {
    /// The findings of one check.
    fn of(&self, id: &str) -> Vec<&Value> {
        self.report["checks"].as_array().unwrap().iter().filter(|check| check["id"] == id).collect()
    }

    /// Ids of a verdict, each once.
    fn ids(&self, verdict: &str) -> Vec<&str> {
        let checks = self.report["checks"].as_array().unwrap().iter();
        let mut ids: Vec<&str> = checks
            .filter(|check| check["verdict"] == verdict)
            .map(|check| check["id"].as_str().unwrap())
            .collect();
        ids.dedup();
        ids
    }
}

/// Starts `check` with the arguments of an agent of this place, and `args`.
fn start(place: &Place, args: &[&str], env: &[(&str, &str)]) -> Agent {
    let log = place.scratch.file("check");
    drop(std::fs::remove_file(&log));
    let launch =
        Launch::new(Path::new(AGENT), &log).args(["check"]).against(&place.sim, &place.scratch).unwrap();
    let launch = launch.args(["--output", "json"]).args(args);
    env.iter().fold(launch, |launch, (name, value)| launch.env(name, value)).spawn().unwrap()
}

/// Waits for the end of a check.
fn ended(mut agent: Agent) -> Report {
    let status = agent.wait(TIMEOUT).expect("a check has an end");
    let printed = agent.log();
    let report = printed.lines().find(|line| line.starts_with("{\"checks\"")).unwrap_or("null");
    for secret in [CLOUD_TOKEN, BEARER_TOKEN, "s3cret"] {
        assert!(!printed.contains(secret), "{secret} shows: {printed}");
    }
    Report { code: status.code(), report: serde_json::from_str(report).unwrap(), printed }
}

fn checked(place: &Place, args: &[&str], env: &[(&str, &str)]) -> Report {
    ended(start(place, args, env))
}

/// Fails unless exactly the check `id` has failed, with a message that says `says` and a fix.
#[track_caller]
fn fails(place: &Place, args: &[&str], id: &str, says: &str) {
    let report = checked(place, args, &[]);
    assert_eq!(report.ids("failed"), [id], "{}", report.printed);
    assert_eq!((report.code, &report.report["ok"]), (Some(1), &json!(false)), "{}", report.printed);
    told(&report, id, says);
}

/// Fails unless a finding of `id` says `says`, in its message or its fix.
#[track_caller]
fn told(report: &Report, id: &str, says: &str) {
    let said = report.of(id).iter().any(|check| {
        let text = |field| check[field].as_str().unwrap_or_default();
        let has_fix = check["verdict"] != "failed" || !text("fix").is_empty();
        has_fix && format!("{} | {}", text("message"), text("fix")).contains(says)
    });
    assert!(said, "{id} does not say {says:?}: {}", report.printed);
}

/// Changes the right that matters: `verb` on `resource` is not granted any more.
fn revoke(place: &Place, resource: &str, verb: &str) {
    place.sim.with(|world, _| {
        let mut rules = rules();
        for rule in rules.iter_mut().filter(|rule| rule.resources.iter().any(|one| one == resource)) {
            rule.verbs.retain(|one| one != verb);
        }
        world.api.rules = Some(rules);
    });
}

#[test]
fn where_all_is_well_nothing_fails_and_nothing_is_changed() {
    let place = Place::new(Scheme::Https, &[]);
    let (version, registered) = place.sim.with(|world, _| (world.api.version(), world.cloud.zones.len()));
    let report = checked(&place, &["--namespace", NAMESPACE, "--lease", "load/plz-agent"], &[]);
    assert_eq!(report.code, Some(0), "{}", report.printed);
    assert_eq!(report.report["ok"], true);
    assert_eq!(report.report["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!((report.ids("failed"), report.ids("warning")), (vec![], vec![]), "{}", report.printed);
    for check in plz_agent::check::Check::ALL {
        let is_there = !report.of(check.id()).is_empty();
        // The token of this place has no end.
        assert_eq!(is_there, check.id() != "kubernetes.expiry", "{}: {}", check.id(), report.printed);
    }
    told(&report, "zones.token", "load/edge: GCk6 accepts its token");
    told(&report, "crds.fields", "keeps every field");
    told(&report, "lease", "nobody has held the Lease load/plz-agent yet");
    place.sim.with(|world, _| {
        assert_eq!(world.api.version(), version, "nothing was written");
        assert_eq!(world.cloud.zones.len(), registered);
        // Nothing else tells a good token from a bad one, and GCk6 does not mind.
        assert_eq!(world.cloud.complaints, ["Poll for \"edge\", which is not registered"]);
        assert_eq!(refused(&rules(), world.api.counts.keys()), Vec::<&sim::api::Counted>::new());
    });
}

#[test]
fn a_cluster_whose_tenants_may_make_test_runs_of_gck6_is_warned_of() {
    let place = Place::new(Scheme::Http, &[]);
    let report = checked(&place, &[], &[]);
    assert_eq!((report.code, report.ids("warning")), (Some(0), vec![]), "{}", report.printed);
    place.sim.with(|world, now| {
        let key = sim::api::Key::new(Kind::ValidatingAdmissionPolicyBinding, "", "plz-agent-test-runs");
        world.api.delete(now, &key, &sim::api::DeleteOptions::default()).unwrap();
    });
    let report = checked(&place, &[], &[]);
    assert_eq!(
        (report.code, report.ids("warning")),
        (Some(0), vec!["admission.policy"]),
        "{}",
        report.printed
    );
    told(&report, "admission.policy", "kubectl apply -k manifests/tenants");
    revoke(&place, "validatingadmissionpolicybindings", "get");
    let report = checked(&place, &[], &[]);
    assert_eq!(
        (report.code, report.ids("skipped")),
        (Some(0), vec!["admission.policy"]),
        "{}",
        report.printed
    );
}

#[test]
fn the_report_for_people_goes_to_stdout_and_a_summary_to_the_termination_log() {
    let place = Place::new(Scheme::Http, &[]);
    let words = place.scratch.file("words");
    let (log, kubeconfig) = (place.scratch.file("text"), place.scratch.file("kubeconfig"));
    let api = place.sim.cloud_api_url();
    let launch = Launch::new(Path::new(AGENT), &log)
        .args(["check", "--log", "off", "--cloud-api", &api, "--cloud-ingest", &api, "--kubeconfig"])
        .args([kubeconfig])
        .env("PLZ_TERMINATION_LOG", &words);
    let mut agent = launch.spawn().unwrap();
    assert_eq!(agent.wait(TIMEOUT).and_then(|status| status.code()), Some(1), "{}", agent.log());
    let report = agent.log();
    assert!(report.starts_with("Kubernetes\n  ✓ context \"sim\""), "{report}");
    let no_image = "  ✗ outside a cluster, the image of plz-agent must be named\n      --fetch-image IMAGE or \
        PLZ_FETCH_IMAGE\n";
    assert!(report.contains(no_image), "{report}");
    assert!(report.ends_with(" skipped\n"), "{report}");
    let words = std::fs::read_to_string(words).unwrap();
    assert!(words.starts_with("check: image.fetch: outside a cluster"), "{words}");
}

#[test]
fn an_api_server_that_is_not_reached() {
    let place = Place::new(Scheme::Https, &[]);
    let file = place.scratch.file("kubeconfig");
    let good = std::fs::read_to_string(&file).unwrap();
    let with = |place: &Place, from: &str, to: &str, args: &[&str]| {
        let bad = place.scratch.write("bad", &good.replace(from, to)).unwrap();
        checked(place, &[args, &["--kubeconfig", bad.to_str().unwrap()]].concat(), &[])
    };
    let check = |place: &Place, from: &str, to: &str, id: &str, says: &str| {
        let report = with(place, from, to, &[]);
        assert_eq!((report.code, report.ids("failed")), (Some(1), vec![id]), "{}", report.printed);
        told(&report, id, says);
        assert!(report.ids("skipped").contains(&"permissions"), "{}", report.printed);
        assert!(report.ids("ok").contains(&"cloud.api"), "GCk6 is asked all the same: {}", report.printed);
    };
    let url = place.sim.api_url();
    check(&place, "current-context: sim", "current-context: other", "kubernetes.configuration", "other");
    check(&place, &url, "https://127.77.1.1:1", "kubernetes.connection", "start the API server");
    check(&place, &url, "https://no-such-host.invalid:1", "kubernetes.connection", "DNS");
    check(&place, &url, &url.replace("https", "http"), "kubernetes.connection", "port");
    let own = good.lines().find(|line| line.contains("certificate-authority-data")).unwrap();
    let other = format!("    certificate-authority-data: {}", STANDARD.encode(OTHER_CA));
    check(&place, own, &other, "kubernetes.connection", "authority that is not trusted");
    check(&place, BEARER_TOKEN, "another", "kubernetes.credentials", "rejects the agent's credentials");
}

#[test]
fn a_kubeconfig_that_others_may_read_is_warned_of() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::new(Scheme::Https, &[]);
    let text = std::fs::read_to_string(place.scratch.file("kubeconfig")).unwrap();
    let authority = text.lines().find(|line| line.contains("certificate-authority-data")).unwrap();
    let open =
        place.scratch.write("open", &text.replace(authority, "    insecure-skip-tls-verify: yes")).unwrap();
    std::fs::set_permissions(&open, std::fs::Permissions::from_mode(0o644)).unwrap();
    let report = checked(&place, &["--kubeconfig", open.to_str().unwrap()], &[]);
    let wanted = (Some(0), vec!["kubernetes.configuration"]);
    assert_eq!((report.code, report.ids("warning")), wanted, "{}", report.printed);
    assert!(report.printed.contains("every user of this machine may read it"), "{}", report.printed);
    assert!(report.printed.contains("has insecure-skip-tls-verify"), "{}", report.printed);
}

#[test]
fn a_cluster_without_the_custom_resources_or_with_others() {
    let place = Place::new(Scheme::Http, &[]);
    place.sim.with(|world, _| world.api.absent.extend(["testruns", "privateloadzones"]));
    fails(&place, &[], "crds.installed", "kubectl apply -k manifests/crds");
    place.sim.with(|world, _| {
        world.api.absent.remove("privateloadzones");
    });
    fails(&place, &[], "crds.installed", "testruns, testruns/status");
    place.sim.with(|world, now| {
        world.api.absent.clear();
        let yaml = include_str!("../../../manifests/crds/testruns.yaml");
        let mut definition: Value = serde_yaml::from_str(yaml).unwrap();
        let schema = &mut definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
        schema["properties"]["spec"]["properties"].as_object_mut().unwrap().remove("args");
        world.api.create(now, Kind::CustomResourceDefinition, "", definition).unwrap();
    });
    fails(&place, &[], "crds.fields", "drops spec.args");
}

#[test]
fn rights_and_namespaces_that_are_missing() {
    let place = Place::new(Scheme::Http, &[]);
    revoke(&place, "jobs", "delete");
    fails(&place, &[], "permissions", "may not delete jobs.batch in all namespaces");
    revoke(&place, "pods/proxy", "patch");
    fails(&place, &[], "permissions", "kubectl apply -k manifests/outside");
    assert_eq!(checked(&place, &["--runner-access", "direct"], &[]).code, Some(0), "then it is not needed");
    revoke(&place, "leases", "patch");
    fails(
        &place,
        &["--lease", "load/plz-agent"],
        "permissions",
        "may not patch leases.coordination.k8s.io/plz-agent in load",
    );
    fails(
        &place,
        &["--lease", "load/other"],
        "permissions",
        "may not get, patch leases.coordination.k8s.io/other in load",
    );
    assert_eq!(checked(&place, &[], &[]).code, Some(0), "then it is not needed");
    revoke(&place, "events", "create");
    let report = checked(&place, &[], &[]);
    assert_eq!((report.code, report.ids("warning")), (Some(0), vec!["permissions"]), "{}", report.printed);
    revoke(&place, "", "");
    fails(&place, &["-n", "load,nowhere"], "namespaces.exist", "kubectl create namespace nowhere");
}

#[test]
fn zones_that_cannot_work() {
    let place = Place::new(Scheme::Https, &[]);
    let secret = place.sim.with(|world, _| {
        let zone = world.object(Kind::PrivateLoadZone, NAMESPACE, ZONE);
        sim::json::text(&zone, "spec.token").to_owned()
    });
    let put = |data: Value| {
        place.sim.with(|world, now| {
            let key = sim::api::Key::new(Kind::Secret, NAMESPACE, &secret);
            drop(world.api.delete(now, &key, &sim::api::DeleteOptions::default()));
            if !data.is_null() {
                let object = json!({"metadata": {"name": secret}, "data": data});
                world.api.create(now, Kind::Secret, NAMESPACE, object).unwrap();
            }
        });
    };
    put(json!({"other": "eA=="}));
    fails(&place, &[], "zones.secret", "has no key token");
    put(Value::Null);
    fails(&place, &[], "zones.secret", "does not exist");
    put(json!({"token": "d3Jvbmc="}));
    fails(&place, &[], "zones.token", "GCk6 rejects the token in Secret load/");
    place.sim.with(|world, now| world.apply_zone(now, "default", ZONE));
    put(Value::Null);
    let report = checked(&place, &[], &[]);
    told(&report, "zones.spec", "rename one of them");
}

#[test]
fn a_cloud_that_is_not_reached() {
    let place = Place::new(Scheme::Https, &[]);
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let hangs = format!("https://{}", silent.local_addr().unwrap());
    fails(&place, &["--cloud-ingest", "https://127.77.1.2:1"], "cloud.ingest", "set HTTPS_PROXY");
    fails(&place, &["--cloud-api", "https://no-such-host.invalid"], "cloud.api", "DNS");
    fails(&place, &["--cloud-api", &hangs], "cloud.api", "no answer in time");
    let ca = place.scratch.file("other.pem");
    std::fs::write(&ca, OTHER_CA).unwrap();
    let report = checked(&place, &["--ca-file", ca.to_str().unwrap()], &[]);
    assert_eq!(report.ids("failed"), ["cloud.api", "cloud.ingest"], "{}", report.printed);
    told(&report, "cloud.api", "--ca-file");
    told(&report, "zones.token", "GCk6 was not reached");
}

#[test]
fn a_proxy_that_refuses() {
    use std::io::{Read, Write};
    let place = Place::new(Scheme::Https, &[]);
    let proxy = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = proxy.local_addr().unwrap();
    let serving = std::thread::Builder::new().spawn(move || {
        for stream in proxy.incoming().take(2) {
            let mut stream = stream.unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                stream.read_exact(&mut byte).unwrap();
                head.extend(byte);
            }
            let answer = "HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
            stream.write_all(answer.as_bytes()).unwrap();
        }
    });
    let args =
        ["--cloud-api", "https://api.example.invalid", "--cloud-ingest", "https://ingest.example.invalid"];
    let report = checked(&place, &args, &[("HTTPS_PROXY", &format!("http://user:s3cret@{address}"))]);
    assert_eq!(report.ids("failed"), ["cloud.api", "cloud.ingest"], "{}", report.printed);
    told(&report, "cloud.api", "put the user and the password that it requires into HTTPS_PROXY");
    told(&report, "cloud.api", &address.to_string());
    serving.unwrap().join().unwrap();
}

#[test]
fn clocks_that_are_wrong() {
    let place = Place::new(Scheme::Http, &[]);
    place.sim.set_api_clock(-3600);
    fails(&place, &[], "kubernetes.clock", "ahead of that of the API server");
    place.sim.set_api_clock(60);
    place.sim.set_cloud_clock(120);
    let report = checked(&place, &[], &[]);
    let both = vec!["kubernetes.clock", "cloud.clock"];
    assert_eq!((report.code, report.ids("warning")), (Some(0), both), "{}", report.printed);
    place.sim.set_api_clock(0);
    place.sim.set_cloud_clock(900);
    fails(&place, &[], "cloud.clock", "behind that of GCk6");
}

#[test]
fn a_live_k6_operator() {
    let place = Place::new(Scheme::Http, &[]);
    let here = ["--operator-namespace=default"];
    let renew = |world: &mut World, now, time: &str| {
        let lease =
            json!({"metadata": {"name": "fcdfce80.io"}, "spec": {"holderIdentity": "op", "renewTime": time}});
        let key = sim::api::Key::new(Kind::Lease, "default", "fcdfce80.io");
        drop(world.api.delete(now, &key, &sim::api::DeleteOptions::default()));
        world.api.create(now, Kind::Lease, "default", lease).unwrap();
    };
    place.sim.with(|world, now| {
        renew(world, now, "2026-01-01T00:00:00.000000Z");
    });
    // Left behind by one that is gone.
    let report = checked(&place, &here, &[]);
    assert_eq!(report.code, Some(0), "{}", report.printed);
    told(&report, "k6-operator", "is not being renewed");
    // One that renews it between two looks.
    let lists = |world: &World| -> u64 {
        let lists = world.api.counts.iter().filter(|(counted, _)| counted.resource == "leases");
        lists.map(|(_, count)| count).sum()
    };
    let renewed = |args: &[&str], time: &str| {
        let before = place.sim.with(|world, _| lists(world));
        let agent = start(&place, args, &[]);
        assert!(place.sim.wait(TIMEOUT, |world| lists(world) > before), "it looks for the Lease");
        place.sim.with(|world, now| renew(world, now, time));
        ended(agent)
    };
    let report = renewed(&here, "2026-01-01T00:00:02.000000Z");
    assert_eq!((report.code, report.ids("failed")), (Some(1), vec!["k6-operator"]), "{}", report.printed);
    told(&report, "k6-operator", "kubectl -n default scale deployment");
    // Where it does not count, it is somebody's.
    let report = renewed(&[], "2026-01-01T00:00:04.000000Z");
    assert_eq!((report.code, report.ids("warning")), (Some(0), vec!["k6-operator"]), "{}", report.printed);
    told(&report, "k6-operator", "add --operator-namespace default if it is one");
}

#[test]
fn bad_input_is_usage() {
    let scratch = Scratch::new().unwrap();
    let check = |args: &[&str], says: &str| {
        let log = scratch.file("usage");
        drop(std::fs::remove_file(&log));
        let mut agent = Launch::new(Path::new(AGENT), &log).args(["check"]).args(args).spawn().unwrap();
        assert_eq!(agent.wait(TIMEOUT).and_then(|status| status.code()), Some(2), "{}", agent.log());
        assert!(agent.log().contains(says), "{}", agent.log());
    };
    check(&["--output", "yaml"], "is not one of text and json");
    check(&["--no-such-option"], "plz-agent check --help");
    check(&["--workers", "0"], "--workers");
    check(&["extra"], "unexpected argument");
}
