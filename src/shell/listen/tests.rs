//! The server over real sockets: every test has a server of its own, and a loop that answers, or does not.

#![expect(clippy::disallowed_methods, reason = "the time that an answer takes is what is tested")]

use std::io::{Read as _, Write as _};
use std::net::Shutdown;
use std::time::Instant;

use super::connection::CONNECTION_MAX;
use super::slots::CONNECTIONS_MAX;
use super::*;

/// What a kubelet gives a probe.
const PROBE_TIMEOUT: Duration = Duration::from_secs(1);
/// For what has to come, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);
const LOOPBACK: ListenAddress =
    ListenAddress::At(SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0));

fn start() -> Server {
    Server::start(LOOPBACK, Duration::from_secs(7)).unwrap()
}

/// A server whose loop answers everything with a body of so many bytes.
fn answered(bytes: usize) -> Server {
    let server = start();
    server.open();
    let asks = server.asks.clone();
    let answer = move || {
        for ask in asks {
            let is_ok = ask.topic != Topic::Ready;
            ask.answer(Answer { is_ok, text: "a".repeat(bytes) });
        }
    };
    threads::spawn("loop", STACK_BYTES, Box::new(answer)).unwrap();
    server
}

fn connect(server: &Server) -> TcpStream {
    let stream = TcpStream::connect(server.address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// Everything that the other side sends until it closes.
fn rest(mut stream: TcpStream) -> String {
    let mut bytes = Vec::new();
    // A reset after the answer ends it as well.
    let _ = stream.read_to_end(&mut bytes);
    String::from_utf8(bytes).unwrap()
}

fn exchange(server: &Server, request: &str) -> String {
    let mut stream = connect(server);
    stream.write_all(request.as_bytes()).unwrap();
    rest(stream)
}

#[track_caller]
fn check(server: &Server, request: &str, status: &str, body: &str) {
    let answer = exchange(server, request);
    let (head, shown) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {answer:?}"));
    assert_eq!((head.lines().next(), shown), (Some(&*format!("HTTP/1.1 {status}")), body), "{request:?}");
}

/// A probe that has its answer as soon as a kubelet wants it.
#[track_caller]
fn probe(server: &Server) {
    let begin = Instant::now();
    let answer = exchange(server, "GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    let took = begin.elapsed();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer:?}");
    assert!(took < PROBE_TIMEOUT, "{took:?}");
}

#[test]
fn each_path_has_its_answer() {
    let server = answered(2);
    check(&server, "GET /healthz HTTP/1.1\r\n\r\n", "200 OK", "aa\n");
    check(&server, "HEAD /healthz HTTP/1.1\r\n\r\n", "200 OK", "");
    check(&server, "GET /readyz HTTP/1.1\r\n\r\n", "503 Service Unavailable", "aa\n");
    check(&server, "GET / HTTP/1.0\r\n\r\n", "200 OK", "/healthz\n/readyz\n/metrics\n");
    check(&server, "GET /x HTTP/1.1\r\n\r\n", "404 Not Found", "404 Not Found\n");
    let metrics = exchange(&server, "GET /metrics HTTP/1.1\r\n\r\n");
    assert!(metrics.contains("\r\n\r\naa# HELP process_cpu_seconds_total"), "{metrics}");
    assert!(metrics.contains("\nprocess_start_time_seconds 7\n"), "{metrics}");
    assert!(metrics.contains("\nprocess_threads ") && metrics.contains("\nprocess_max_fds "), "{metrics}");
}

#[test]
fn a_loop_that_is_stuck_is_reported() {
    let server = start();
    let healthz = "GET /healthz HTTP/1.1\r\n\r\n";
    check(&server, healthz, "200 OK", "ok: starting\n");
    let starting = "starting: waiting for the API server\n";
    check(&server, "GET /readyz HTTP/1.1\r\n\r\n", "503 Service Unavailable", starting);
    server.open();
    let stuck = "the agent's loop is stuck\n";
    for request in [healthz, "GET /readyz HTTP/1.1\r\n\r\n", "GET /metrics HTTP/1.1\r\n\r\n"] {
        let begin = Instant::now();
        check(&server, request, "503 Service Unavailable", stuck);
        assert!(begin.elapsed() >= ANSWER_PATIENCE || server.asks.is_full(), "{request}");
    }
}

/// Nobody takes the questions, so that all places are taken by those who wait for an answer.
#[test]
fn a_stuck_loop_holds_no_place_for_long() {
    let server = start();
    server.open();
    let mut waiting: Vec<TcpStream> = (0..CONNECTIONS_MAX).map(|_| connect(&server)).collect();
    for stream in &mut waiting {
        stream.write_all(b"GET /healthz HTTP/1.1\r\n\r\n").unwrap();
    }
    let begin = Instant::now();
    check(&server, "GET / HTTP/1.1\r\n\r\n", "200 OK", "/healthz\n/readyz\n/metrics\n");
    assert!(begin.elapsed() < CONNECTION_MAX, "{:?}", begin.elapsed());
    let stuck = waiting.into_iter().map(rest).filter(|answer| answer.starts_with("HTTP/1.1 503 ")).count();
    assert!(stuck >= CONNECTIONS_MAX - 1, "{stuck}");
}

#[test]
fn a_probe_gets_through_a_pile_of_slow_clients() {
    let server = answered(2);
    let mut silent: Vec<TcpStream> = (0..5 * CONNECTIONS_MAX).map(|_| connect(&server)).collect();
    for stream in silent.iter_mut().step_by(2) {
        // The oldest are closed already.
        let _ = stream.write_all(b"GET /metrics HTTP/1.1\r\nX: ");
    }
    for _ in 0..3 {
        probe(&server);
    }
    let alive = silent.into_iter().map(rest).filter(|answer| answer.starts_with("HTTP/1.1 408 ")).count();
    assert!(alive < CONNECTIONS_MAX, "{alive} were left to their deadline");
}

#[test]
fn a_probe_gets_through_a_pile_of_clients_that_do_not_read() {
    let server = answered(16 * 1024 * 1024);
    let mut deaf: Vec<TcpStream> = (0..CONNECTIONS_MAX).map(|_| connect(&server)).collect();
    for stream in &mut deaf {
        stream.write_all(b"GET /metrics HTTP/1.1\r\n\r\n").unwrap();
        // The answer has begun.
        stream.read_exact(&mut [0; 1]).unwrap();
    }
    // The index needs no answer of that size.
    let begin = Instant::now();
    check(&server, "GET / HTTP/1.1\r\n\r\n", "200 OK", "/healthz\n/readyz\n/metrics\n");
    assert!(begin.elapsed() < PROBE_TIMEOUT, "{:?}", begin.elapsed());
}

#[test]
fn a_client_that_drips_is_cut_at_the_deadline() {
    let server = answered(2);
    let mut stream = connect(&server);
    stream.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
    let begin = Instant::now();
    let mut answer = [0; 12];
    stream.write_all(b"GET / HTTP/1.1\r\nX: ").unwrap();
    while stream.read_exact(&mut answer).is_err() {
        assert!(begin.elapsed() < 2 * CONNECTION_MAX, "still open");
        let _ = stream.write_all(b"a");
    }
    assert_eq!(&answer, b"HTTP/1.1 408");
    assert!(begin.elapsed() <= CONNECTION_MAX, "{:?}", begin.elapsed());
}

#[test]
fn garbage_is_answered_and_closed() {
    let server = answered(2);
    check(&server, "\u{16}\u{3}\u{1}", "400 Bad Request", "400 Bad Request\n");
    let endless = format!("GET / HTTP/1.1\r\nX: {}", "a".repeat(48 * 1024));
    check(&server, &endless, "431 Request Header Fields Too Large", "431 Request Header Fields Too Large\n");
    let body = format!("POST / HTTP/1.1\r\nContent-Length: 40000\r\n\r\n{}", "b".repeat(40_000));
    check(&server, &body, "405 Method Not Allowed", "405 Method Not Allowed\n");
    let pipelined = "GET / HTTP/1.1\r\n\r\nGET /healthz HTTP/1.1\r\n\r\n";
    check(&server, pipelined, "200 OK", "/healthz\n/readyz\n/metrics\n");
    probe(&server);
}

#[test]
fn half_a_request_is_answered_and_none_is_not() {
    let server = answered(2);
    let half = connect(&server);
    (&half).write_all(b"GET / HTTP/1.1\r\n").unwrap();
    half.shutdown(Shutdown::Write).unwrap();
    assert!(rest(half).starts_with("HTTP/1.1 400 "));
    let none = connect(&server);
    none.shutdown(Shutdown::Write).unwrap();
    assert_eq!(rest(none), "");
    // A whole one from a client that sends no more is answered.
    let whole = connect(&server);
    (&whole).write_all(b"GET /healthz HTTP/1.1\r\n\r\n").unwrap();
    whole.shutdown(Shutdown::Write).unwrap();
    assert!(rest(whole).starts_with("HTTP/1.1 200 "));
}

#[test]
fn a_port_in_use_is_an_error_with_a_mend() {
    let server = start();
    let taken = ListenAddress::At(server.address);
    let error = Server::start(taken, Duration::ZERO).unwrap_err();
    let message = error.to_string();
    let begin = format!("cannot listen on {}: ", server.address);
    assert!(message.starts_with(&begin) && message.ends_with("with --listen or PLZ_LISTEN"), "{message}");
    assert!(!error.is_usage());
    assert!(Server::start(ListenAddress::Any(server.address.port()), Duration::ZERO).is_err());
}

#[test]
fn without_an_address_ipv4_is_served_whether_there_is_ipv6_or_not() {
    let server = Server::start(ListenAddress::Any(0), Duration::ZERO).unwrap();
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, server.address.port())).unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    assert!(rest(stream).starts_with("HTTP/1.1 200 "));
}
