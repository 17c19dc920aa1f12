//! Requests and answers over a plain connection.

use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;
use std::{io, net::Shutdown};

use k8s::config::Credentials;
use k8s::intake::{Keep, Partial};
use k8s::resource::{JOBS, PODS, SECRETS, pod_proxy};
use k8s::shape::{Picks, Shape};
use k8s::watch::OBJECT_LIMITS;
use k8s::{Client, Config, Error, Method, Retry, Secret};

use crate::server::{After, Server, receive};
use crate::{AskVersion as _, config};

fn version_server() -> Server {
    Server::plain(|_, connection| {
        connection.answer(200, "", r#"{"major":"1","minor":"36","gitVersion":"v1.36.2"}"#)?;
        Ok(After::Keep)
    })
}

#[test]
fn a_request_arrives_as_it_was_meant() {
    let server = version_server();
    let token = Credentials::Token(Secret::new("t0"));
    let client = Client::new(Config { credentials: token, ..config(&server.url()) }.with_user_agent("me/1"));
    client.call(&JOBS.merge_patch(Some("ns"), "j", &serde_json::json!({"a": 1}))).unwrap();
    client.call(&JOBS.delete(Some("ns"), "j", None)).unwrap();
    client
        .call(&pod_proxy(Method::Put, "ns", "p", 80, "/v1/setup", Some("application/json"), vec![]))
        .unwrap();
    client.call(&PODS.get(Some("ns"), "p")).unwrap();

    let seen = server.seen();
    let patch = &seen[0];
    assert_eq!((patch.method.as_str(), patch.body.as_slice()), ("PATCH", br#"{"a":1}"#.as_slice()));
    assert_eq!(patch.target, "/apis/batch/v1/namespaces/ns/jobs/j");
    assert_eq!(patch.header("content-type"), "application/merge-patch+json");
    assert_eq!(patch.header("authorization"), "Bearer t0");
    assert_eq!(patch.header("user-agent"), "me/1");
    assert_eq!(patch.header("host"), server.authority);
    assert!(!patch.headers.contains_key("accept-encoding"));
    assert_eq!((seen[1].method.as_str(), seen[1].body.is_empty()), ("DELETE", false));
    assert_eq!((seen[2].method.as_str(), seen[2].header("content-length")), ("PUT", "0"));
    assert!(!seen[3].headers.contains_key("content-type"));
}

#[test]
fn a_path_before_the_api_is_kept() {
    let server = version_server();
    let client = Client::new(config(&format!("{}/clusters/c-1/", server.url())));
    assert_eq!(client.server_version().unwrap().minor, "36");
    assert_eq!(server.seen()[0].target, "/clusters/c-1/version");
}

#[test]
fn failures_keep_their_status() {
    let server = Server::plain(|request, connection| {
        if request.target.contains("busy") {
            connection.answer(429, "retry-after: 7\r\n", "slow down")?;
        } else if request.target.contains("later") {
            connection.answer(503, "retry-after: Sat, 01 Jan 2101 00:00:00 GMT\r\n", "closed")?;
        } else if request.target.contains("moved") {
            connection.answer(302, "location: /elsewhere\r\n", "")?;
        } else {
            let body =
                r#"{"kind":"Status","code":404,"reason":"NotFound","message":"secrets \"a\" not found"}"#;
            connection.answer(404, "", body)?;
        }
        Ok(After::Keep)
    });
    let client = Client::new(config(&server.url()));
    let failure = |name: &str| client.call(&SECRETS.get(Some("ns"), name)).unwrap_err();
    let missing = failure("a");
    assert!(missing.is_not_found());
    assert_eq!(missing.to_string(), r#"secrets "a" not found (HTTP 404 NotFound)"#);
    let busy = failure("busy");
    assert_eq!(busy.retry(), Retry::After(Duration::from_secs(7)));
    assert_eq!(busy.to_string(), "slow down (HTTP 429)");
    // In another century, by the clock of the server; within reason, by ours.
    assert_eq!(failure("later").retry(), Retry::After(k8s::status::RETRY_AFTER_MAX));
    assert_eq!(failure("moved").code(), Some(302));
    let whole = client.send(&SECRETS.get(Some("ns"), "busy")).unwrap();
    assert_eq!((whole.code, whole.body.as_slice()), (429, b"slow down".as_slice()));
}

#[test]
fn a_server_that_says_nothing_runs_into_a_limit() {
    let server = Server::plain(|_, connection| {
        connection.until_closed();
        Ok(After::Close)
    });
    let mut config = config(&server.url());
    config.limits.response = Duration::from_millis(50);
    let error = Client::new(config.clone()).server_version().unwrap_err();
    assert!(matches!(error, Error::Timeout { .. }), "{error}");
    config.limits.response = Duration::from_secs(3600);
    let request = PODS.get(Some("ns"), "p");
    let keep =
        Keep { shape: &Shape::Whole, picks: Picks::default(), limits: OBJECT_LIMITS, partial: Partial::Kept };
    let wait = Some(Duration::from_millis(50));
    let error = Client::new(config).send_keeping(&request, wait, &keep, &mut |_| {}).unwrap_err();
    assert!(matches!(error, Error::Timeout { .. }), "{error}");
}

#[test]
fn a_server_that_is_not_there_is_named() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let error = Client::new(config(&url)).server_version().unwrap_err();
    assert_eq!(error.retry(), Retry::Backoff);
    assert!(matches!(&error, Error::Transport { server, .. } if *server == url), "{error}");
}

#[test]
fn an_answer_cut_short_is_no_answer() {
    let server = Server::plain(|_, connection| {
        connection.begin()?;
        connection.piece("{}")?;
        Ok(After::Close)
    });
    let error = Client::new(config(&server.url())).server_version().unwrap_err();
    assert!(matches!(error, Error::Transport { .. }), "{error}");
}

#[test]
fn many_threads_share_a_client() {
    let server = version_server();
    let client = Client::new(config(&server.url()));
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..20 {
                    client.server_version().unwrap();
                }
            });
        }
    });
    assert_eq!(server.seen().len(), 160);
}

#[test]
fn a_shutdown_ends_calls_under_way() {
    let server = Server::plain(|_, connection| {
        connection.until_closed();
        Ok(After::Close)
    });
    let client = Client::new(config(&server.url()));
    let caller = {
        let client = client.clone();
        thread::spawn(move || client.server_version())
    };
    crate::until("the call", || !server.seen().is_empty());
    client.shutdown();
    assert_eq!(caller.join().unwrap(), Err(Error::Stopped));
    assert_eq!(client.server_version(), Err(Error::Stopped));
}

/// Accepts one CONNECT to what is `asked` for and becomes a tunnel to `target`.
pub(crate) fn proxy(asked: &str, target: &str, connects: Arc<AtomicUsize>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (asked, target) = (asked.to_owned(), target.to_owned());
    let address = listener.local_addr().unwrap().to_string();
    thread::spawn(move || -> io::Result<()> {
        let (mut client, _) = listener.accept()?;
        let request = receive(&mut client)?.unwrap();
        assert_eq!((request.method.as_str(), request.target.as_str()), ("CONNECT", asked.as_str()));
        assert_eq!(request.header("proxy-authorization"), "Basic dTpw");
        connects.fetch_add(1, Ordering::SeqCst);
        io::Write::write_all(&mut client, b"HTTP/1.1 200 OK\r\n\r\n")?;
        relay(client, &target)
    });
    address
}

/// A tunnel from a client to `target`, until either hangs up.
pub(crate) fn relay(mut client: TcpStream, target: &str) -> io::Result<()> {
    let mut server = TcpStream::connect(target)?;
    let (mut from, mut to) = (client.try_clone()?, server.try_clone()?);
    thread::spawn(move || {
        let _ = io::copy(&mut from, &mut to);
        let _ = to.shutdown(Shutdown::Both);
    });
    io::copy(&mut server, &mut client).map(drop)
}

#[test]
fn a_proxy_is_gone_through() {
    let server = version_server();
    let connects = Arc::new(AtomicUsize::new(0));
    let proxy = proxy("api.internal:6443", &server.authority, connects.clone());
    let proxy = Some(Secret::new(format!("http://u:p@{proxy}")));
    // The name is known to the proxy alone.
    let client = Client::new(Config { proxy, ..config("http://api.internal:6443") });
    assert_eq!(client.server_version().unwrap().git_version, "v1.36.2");
    assert_eq!(connects.load(Ordering::SeqCst), 1);
}

#[test]
fn a_proxy_that_refuses_has_a_fix_beside_it() {
    let server = Server::plain(|_, connection| {
        connection.answer(407, "", "")?;
        Ok(After::Close)
    });
    let proxy = Some(Secret::new(format!("http://{}", server.authority)));
    let error =
        Client::new(Config { proxy, ..config("https://api.internal:6443") }).server_version().unwrap_err();
    let text = error.to_string();
    assert!(text.contains("requires a user and a password (407); put them into proxy-url"), "{text}");
    assert!(!text.contains("407/407"), "{text}");
}

#[test]
fn an_address_may_be_of_the_sixth_version() {
    let handler = |_: &_, connection: &mut crate::server::Connection| {
        connection.answer(200, "", "{}")?;
        Ok(After::Keep)
    };
    // Some machines have no such address.
    let Ok(server) = Server::start("[::1]:0", None, Arc::new(handler)) else { return };
    Client::new(config(&server.url())).server_version().unwrap();
    assert!(server.seen()[0].header("host").starts_with("[::1]:"));
}
