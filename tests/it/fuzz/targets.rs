//! The parsers of what comes from outside, by name.

use std::ffi::OsString;
use std::fmt::Debug;
use std::fs;
use std::io::{self, Read, Write};
use std::str::FromStr;
use std::time::Duration;

use k8s::config::{ExecPlugin, Server, Source};
use k8s::proxy::socks::negotiate;
use k8s::watch::{Cut, Watcher};
use k8s::{AccessReview, Pod, WatchSpec};
use plz_agent::config;
use plz_agent::net::proxy::Target as Host;
use plz_agent::net::{ExtraCa, NoProxy, ProxyUrl};
use plz_agent::{fetch, shell};
use plz_core::api::quantity;
use plz_core::api::run::TestRun;
use plz_core::api::zone::PrivateLoadZone;
use plz_core::archive;
use plz_core::cloud::{RunId, reply};
use plz_core::event::ObjectKey;
use plz_core::lease::record::Record;
use plz_core::testrun::pod::RunnerPod;
use plz_core::testrun::template;
use plz_core::{excerpt, redact, runner, testrun, token};

use super::corpus;

/// A parser: what it is fed with, and how many bytes it gives back.
pub(super) struct Target {
    pub(super) name: &'static str,
    pub(super) corpus: &'static [&'static [u8]],
    pub(super) parse: fn(&[u8]) -> usize,
}

const fn target(name: &'static str, corpus: &'static [&'static [u8]], parse: fn(&[u8]) -> usize) -> Target {
    Target { name, corpus, parse }
}

/// What is shown of a value counts for its size.
fn size(value: &impl Debug) -> usize {
    format!("{value:?}").len()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[rustfmt::skip]
pub(super) const TARGETS: &[Target] = &[
    // Kubernetes.
    target("kubeconfig",         corpus::KUBECONFIGS,     kubeconfig),
    target("exec-credential",    corpus::EXEC_CREDENTIALS, exec_credential),
    target("server",             corpus::SERVERS,         |bytes| size(&Server::parse(&text(bytes)))),
    target("watch",              corpus::WATCHES,         watch),
    target("status",             corpus::STATUSES,        |bytes| size(&k8s::status::interpret(409, None, bytes.to_vec()))),
    target("access-review",      corpus::STATUSES,        |bytes| size(&AccessReview::parse(bytes))),
    target("http-date",          corpus::TIMES,           |bytes| size(&k8s::parse_http_date(&text(bytes)))),
    target("time",               corpus::TIMES,           |bytes| size(&k8s::parse_time(&text(bytes)))),
    target("zone",               corpus::ZONES,           |bytes| size(&serde_json::from_slice::<PrivateLoadZone>(bytes))),
    target("run",                corpus::RUNS,            |bytes| size(&serde_json::from_slice::<TestRun>(bytes))),
    target("pod",                corpus::PODS,            |bytes| size(&serde_json::from_slice::<Pod>(bytes).map(|pod| RunnerPod::read(&pod)))),
    target("lease",              corpus::LEASES,          |bytes| size(&Record::read(bytes))),
    target("lease-list",         corpus::LEASES,          |bytes| size(&Record::read_list(bytes))),
    target("secret",             corpus::SECRETS,         |bytes| size(&token::read(&ObjectKey::new("load", "k6-token"), Ok(bytes.to_vec())))),
    target("quantity",           corpus::QUANTITIES,      |bytes| quantity::canonical(&text(bytes)).len()),
    // Grafana Cloud k6.
    target("cloud-list",         corpus::CLOUD_LISTS,     |bytes| size(&reply::listed_runs(bytes))),
    target("cloud-data",         corpus::CLOUD_DATA,      cloud_data),
    target("cloud-state",        corpus::CLOUD_STATES,    |bytes| size(&reply::test_run_state(bytes))),
    target("cloud-error",        corpus::CLOUD_ERRORS,    |bytes| size(&reply::interpret(400, None, bytes))),
    target("run-id",             corpus::IDS,             |bytes| size(&RunId::from_str(&text(bytes)))),
    // Runners.
    target("runner-status",      corpus::RUNNER_STATUSES, |bytes| size(&runner::status_reply(bytes))),
    target("runner-setup",       corpus::RUNNER_SETUPS,   |bytes| size(&runner::setup_reply(bytes.to_vec()))),
    target("runner-error",       corpus::RUNNER_ERRORS,   |bytes| size(&runner::interpret(500, bytes))),
    // The network, and what a person configures.
    target("proxy",              corpus::PROXIES,         |bytes| size(&ProxyUrl::parse(&text(bytes)))),
    target("socks",              corpus::SOCKS,           socks),
    target("no-proxy",           corpus::NO_PROXIES,      no_proxy),
    target("authority",          corpus::PEMS,            |bytes| ExtraCa::from_pem(bytes).map_or_else(|error| size(&error), |ca| ca.certificates().len())),
    target("arguments",          corpus::ARGUMENTS,       arguments),
    target("flag",               corpus::ARGUMENTS,       |bytes| size(&testrun::argv::flag(&text(bytes)))),
    // The archive.
    target("archive-head",       corpus::TARS,            |bytes| size(&fetch::archive::check_head(&bytes[..bytes.len().min(fetch::archive::BLOCK_BYTES)]))),
    target("archive-error",      corpus::TARS,            |bytes| size(&fetch::archive::s3_error(bytes))),
    target("archive-outcome",    corpus::TERMINATIONS,    |bytes| size(&archive::outcome(13, &text(bytes)))),
    // Probes, scrapers, and whoever else reaches the port.
    target("request-head",       corpus::HEADS,           request_head),
    // What leaves the process.
    target("scrub",              corpus::TEXTS,           scrub),
    target("excerpt",            corpus::CLOUD_ERRORS,    |bytes| excerpt::of_body(bytes).len()),
];

/// Read from a file, as it is; no file that it names is there.
fn kubeconfig(bytes: &[u8]) -> usize {
    let name = format!("plz-agent-fuzz-{}-{:?}", std::process::id(), std::thread::current().id());
    let path = std::env::temp_dir().join(name);
    fs::write(&path, bytes).unwrap();
    let read = k8s::Config::infer(&Source { kubeconfig: Some(path.clone()), ..Source::default() });
    fs::remove_file(path).unwrap();
    read.map_or_else(|error| error.to_string().len(), |config| size(&config))
}

/// What a plugin prints goes into no message.
fn exec_credential(bytes: &[u8]) -> usize {
    let plugin = ExecPlugin {
        api_version: "client.authentication.k8s.io/v1".to_owned(),
        command: "plugin".into(),
        args: Vec::new(),
        env: Vec::new(),
        cluster: None,
        install_hint: String::new(),
        user: "u".to_owned(),
    };
    let read = k8s::exec::parse(&plugin, bytes);
    let shown = format!("{read:?}");
    assert!(!shown.contains(corpus::PLANTED), "{shown}");
    shown.len()
}

/// As it comes: what is answered once is answered, whatever follows.
fn request_head(bytes: &[u8]) -> usize {
    let mut answered = None;
    for end in (0..bytes.len()).step_by(7).chain([bytes.len()]) {
        let now = shell::answer_to(&bytes[..end]);
        assert!(answered.is_none() || now.is_some(), "{end}");
        answered = answered.or(now);
    }
    assert!(bytes.len() < 4096 || answered.is_some());
    answered.map_or(0, str::len)
}

/// A list and then a watch, in pieces.
fn watch(bytes: &[u8]) -> usize {
    let mut watcher = Watcher::<Pod>::new(WatchSpec::new(k8s::PODS, None));
    let mut told = Vec::new();
    for _ in 0..2 {
        let _ = watcher.opened(Ok(()), &mut told);
        for chunk in bytes.chunks(501) {
            let _ = watcher.read(chunk, &mut told);
        }
        let _ = watcher.cut(Cut::End, &mut told);
    }
    size(&told)
}

/// With the test run that is made of it.
fn cloud_data(bytes: &[u8]) -> usize {
    let zone: PrivateLoadZone = serde_json::from_slice(corpus::ZONES[0]).unwrap();
    let settings = sim::drive::settings(1).template;
    match reply::test_run_data(bytes) {
        Ok(data) => template::test_run(&zone, RunId(101), &data, &settings)
            .map_or_else(|error| size(&error), |run| size(&run)),
        Err(error) => size(&error),
    }
}

/// The answers of a SOCKS proxy.
fn socks(bytes: &[u8]) -> usize {
    struct Answers<'a>(&'a [u8]);
    impl Read for Answers<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.0.read(buffer)
        }
    }
    impl Write for Answers<'_> {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let proxy = k8s::proxy::parse("socks5://u:p@h").unwrap();
    size(&negotiate(&mut Answers(bytes), &proxy, "api.internal", 443))
}

fn no_proxy(bytes: &[u8]) -> usize {
    let list = NoProxy::parse(&text(bytes));
    let hosts =
        ["http://10.1.2.3", "https://a.b.cluster.local:6443/x", "http://[fd00::1]:80", "http://localhost"];
    let matched = hosts.into_iter().filter_map(Host::parse).filter(|host| list.matches(host)).count();
    matched + list.vain().map(str::len).sum::<usize>() + size(&Host::parse(&text(bytes)))
}

fn arguments(bytes: &[u8]) -> usize {
    let words: Vec<OsString> = text(bytes).split('\n').map(OsString::from).collect();
    let env = [("PLZ_ARCHIVE_URL", text(bytes)), ("NO_PROXY", text(bytes)), ("HTTPS_PROXY", text(bytes))]
        .into_iter()
        .collect();
    let _ = k8s::parse_retry_after(&text(bytes), std::time::SystemTime::UNIX_EPOCH + Duration::from_secs(1));
    config::parse(words.into_iter(), &env).map_or_else(|error| error.message.len(), |_| 0)
}

/// Twice, since nothing may change the second time.
fn scrub(bytes: &[u8]) -> usize {
    let text = text(bytes);
    let once = redact::scrub(&text, &["0f9a"]);
    assert_eq!(redact::scrub(&once, &["0f9a"]), once);
    let line = redact::scrubbed_line(&text, 300);
    assert_eq!(redact::scrubbed_line(&line, 300), line);
    assert!(line.len() <= 300);
    once.len()
}
