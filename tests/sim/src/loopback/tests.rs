//! Round trips over real sockets, with a client that knows no more than HTTP/1.1.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use serde_json::{Value, json};

use super::*;
use crate::api::Kind;
use crate::json::{list, text};
use crate::kube::{Delays, Mishap, PodPlan};

const TIMEOUT: Duration = Duration::from_secs(5);
const RUNS: &str = "/apis/k6.io/v1alpha1/namespaces/default/testruns";
const JOBS: &str = "/apis/batch/v1/namespaces/default/jobs";

fn start(scheme: Scheme) -> Loopback {
    let mut options = Options::default();
    let ms = Duration::from_millis(1);
    options.kube.delays = Delays {
        job: ms,
        schedule: ms,
        sandbox: ms,
        pull: ms,
        init: ms,
        ready: ms,
        gone: ms,
        ..Delays::default()
    };
    Loopback::start(options, scheme).unwrap()
}

fn authority(url: &str) -> &str {
    url.split("://").nth(1).unwrap()
}

fn connect(authority: &str) -> TcpStream {
    let stream = TcpStream::connect(authority).unwrap();
    stream.set_read_timeout(Some(TIMEOUT)).unwrap();
    stream
}

fn send(stream: &mut impl Write, method: &str, target: &str, body: &Value) {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    write!(
        stream,
        "{method} {target} HTTP/1.1\r\nHost: x\r\nAuthorization: Token sim-token\r\nUser-Agent: t\r\n\
         K6-Idempotency-Key: 0123456789abcdef\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
}

/// Reads one response: its status and its body, by Content-Length.
fn receive(reader: &mut impl BufRead) -> (u16, Vec<u8>) {
    let (status, length) = receive_head(reader);
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    (status, body)
}

fn receive_head(reader: &mut impl BufRead) -> (u16, usize) {
    let (mut status, mut length) = (0, 0);
    loop {
        let mut line = String::new();
        assert!(reader.read_line(&mut line).unwrap() > 0, "the connection broke");
        if let Some(rest) = line.strip_prefix("HTTP/1.1 ") {
            status = rest[..3].parse().unwrap();
        }
        if let Some(rest) = line.strip_prefix("Content-Length: ") {
            length = rest.trim().parse().unwrap();
        }
        if line == "\r\n" {
            return (status, length);
        }
    }
}

fn call(url: &str, method: &str, target: &str, body: &Value) -> (u16, Value) {
    let mut stream = connect(authority(url));
    send(&mut stream, method, target, body);
    let (status, body) = receive(&mut BufReader::new(stream));
    (status, serde_json::from_slice(&body).unwrap_or_default())
}

fn run(name: &str) -> Value {
    json!({"metadata": {"name": name}, "spec": {"parallelism": 1, "script": {}}})
}

fn job(name: &str) -> Value {
    let args = ["run", "a.js", "--paused", "--linger", "--address=0.0.0.0:6565"];
    let container = json!({"name": "k6", "image": "grafana/k6", "args": args});
    let template = json!({"spec": {"restartPolicy": "Never", "containers": [container]}});
    json!({"metadata": {"name": name}, "spec": {"backoffLimit": 0, "template": template}})
}

fn addresses(world: &World) -> Vec<String> {
    let pods = world.api.objects(Kind::Pod, "default");
    pods.filter(|(_, pod)| {
        list(pod, "status.conditions").iter().any(|c| c["type"] == "Ready" && c["status"] == "True")
    })
    .map(|(_, pod)| text(pod, "status.podIP").to_owned())
    .collect()
}

#[test]
fn a_connection_serves_many_requests_and_a_watch_streams() {
    let loopback = start(Scheme::Http);
    let url = loopback.api_url();
    let mut stream = connect(authority(&url));
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    for name in ["a", "b"] {
        send(&mut stream, "POST", RUNS, &run(name));
        assert_eq!(receive(&mut reader).0, 201);
    }
    send(&mut stream, "POST", RUNS, &run("a"));
    assert_eq!(receive(&mut reader).0, 409);
    send(&mut stream, "GET", &format!("{RUNS}?watch=1&timeoutSeconds=1"), &Value::Null);
    assert_eq!(receive_head(&mut reader).0, 200);
    call(&url, "DELETE", &format!("{RUNS}/a"), &Value::Null);
    let mut lines = Vec::new();
    loop {
        let mut size = String::new();
        reader.read_line(&mut size).unwrap();
        let size = usize::from_str_radix(size.trim(), 16).unwrap();
        let mut chunk = vec![0; size + 2];
        reader.read_exact(&mut chunk).unwrap();
        if size == 0 {
            break;
        }
        for line in String::from_utf8(chunk[..size].to_vec()).unwrap().lines() {
            let event: Value = serde_json::from_str(line).unwrap();
            lines.push(format!("{} {}", text(&event, "type"), text(&event, "object.metadata.name")));
        }
    }
    assert_eq!(lines, ["ADDED a", "ADDED b", "DELETED a"]);
    send(&mut stream, "GET", "/version", &Value::Null);
    assert_eq!(receive(&mut reader).0, 200, "the connection goes on after the watch");
}

#[test]
fn pods_answer_at_their_address_until_they_are_gone() {
    let loopback = start(Scheme::Http);
    let url = loopback.api_url();
    assert_eq!(call(&url, "POST", JOBS, &job("j-1")).0, 201);
    assert!(loopback.wait(TIMEOUT, |world| addresses(world).len() == 1));
    let address = loopback.with(|world, _| addresses(world)).remove(0);
    let is_paused = |(status, body): (u16, Value)| {
        assert_eq!((status, &body["data"]["attributes"]["status"]), (200, &json!(4)), "{body}");
    };
    let target = format!("http://{address}:6565");
    // Until the script is compiled the status is 1: ask until it is paused.
    loopback.wait(TIMEOUT, |world| {
        let now = world.now;
        world.k6s.all("").all(|(_, runner)| runner.status(now) == 4)
    });
    is_paused(call(&target, "GET", "/v1/status", &Value::Null));
    let pod =
        loopback.with(|world, _| world.api.objects(Kind::Pod, "default").next().unwrap().0.name.clone());
    let proxied = format!("/api/v1/namespaces/default/pods/{pod}:6565/proxy/v1/status");
    is_paused(call(&url, "GET", &proxied, &Value::Null));
    let background = json!({"propagationPolicy": "Background"});
    assert_eq!(call(&url, "DELETE", &format!("{JOBS}/j-1"), &background).0, 200);
    assert!(loopback.wait(TIMEOUT, |world| world.api.objects(Kind::Pod, "default").next().is_none()));
    assert!(
        loopback.wait(TIMEOUT, |_| TcpStream::connect((address.as_str(), 6565)).is_err()),
        "the listener is closed"
    );
}

#[test]
fn https_is_spoken_by_a_certificate_of_the_ca() {
    let loopback = start(Scheme::Https);
    let ca =
        rustls::pki_types::CertificateDer::from_pem_slice(loopback.ca_pem().unwrap().as_bytes()).unwrap();
    let mut roots = rustls::RootCertStore::empty();
    roots.add(ca).unwrap();
    let config =
        rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
    let name = "127.0.0.1".try_into().unwrap();
    let connection = rustls::ClientConnection::new(Arc::new(config), name).unwrap();
    let socket = connect(authority(&loopback.cloud_api_url()));
    let mut stream = rustls::StreamOwned::new(connection, socket);
    let zone = json!({"k6_load_zone_id": "z", "provider_id": "p", "pod_tiers": {"cpu": "1", "memory": "1"}});
    send(&mut stream, "POST", "/cloud-resources/v1/load-zones", &zone);
    assert_eq!(receive(&mut BufReader::new(stream)).0, 200);
    loopback.with(|world, _| assert!(world.cloud.zones.contains_key("z")));
    assert!(loopback.kubeconfig().contains("certificate-authority-data"));
}

#[test]
fn the_bucket_serves_what_was_signed() {
    let loopback = start(Scheme::Http);
    let url = loopback.with(|world, now| {
        let archive = world.archive.clone();
        world.s3.store(now, "1.tar", archive)
    });
    let target = url.strip_prefix(&loopback.bucket_url()).expect("the URL leads to the bucket").to_owned();
    let mut stream = connect(authority(&url).split('/').next().unwrap());
    send(&mut stream, "GET", &target, &Value::Null);
    let (status, body) = receive(&mut BufReader::new(stream));
    assert_eq!((status, body), (200, loopback.with(|world, _| world.archive.clone())));
    assert_eq!(call(&loopback.bucket_url(), "GET", "/archives/1.tar", &Value::Null).0, 403);
}

#[test]
fn wrong_bearers_are_refused_and_rude_clients_harmless() {
    let loopback = start(Scheme::Http);
    loopback.require_bearer(Some("right"));
    let url = loopback.api_url();
    assert_eq!(call(&url, "GET", RUNS, &Value::Null).0, 401);
    assert!(loopback.kubeconfig().contains("token: right"));
    loopback.require_bearer(None);
    for rude in [
        "",
        "GET",
        "NONSENSE\r\n\r\n",
        "POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\nx",
        "HEAD / HTTP/1.1\r\n\r\n",
    ] {
        connect(authority(&url)).write_all(rude.as_bytes()).unwrap();
    }
    assert_eq!(call(&url, "GET", RUNS, &Value::Null).0, 200);
}

#[test]
fn dropped_answers_break_the_connection() {
    let loopback = start(Scheme::Http);
    loopback.with(|world, _| world.cloud.trouble(None, crate::cloud::Trouble::Down, 1));
    let mut stream = connect(authority(&loopback.cloud_ingest_url()));
    send(&mut stream, "POST", "/v1/tests/101", &json!({}));
    let mut rest = Vec::new();
    assert!(matches!(stream.read_to_end(&mut rest), Ok(0) | Err(_)));
}

#[test]
fn hundreds_of_pods_answer() {
    const PODS: usize = 300;
    let loopback = start(Scheme::Http);
    loopback.with(|world, now| {
        world.kube.config.prefer("no-*", PodPlan::mishap(Mishap::Unschedulable("no".to_owned())));
        for n in 0..PODS {
            world.api.create(now, Kind::Job, "default", job(&format!("j-{n}"))).unwrap();
        }
    });
    assert!(loopback.wait(2 * TIMEOUT, |world| addresses(world).len() == PODS));
    for address in loopback.with(|world, _| addresses(world)) {
        assert_eq!(call(&format!("http://{address}:6565"), "GET", "/v1/status", &Value::Null).0, 200);
    }
}
