//! Answers that nobody sends who means well: to the client and the parsers behind it, on the stack that a worker has.
//!
//! Owns a server that says anything. Invariant of what is tested: each such answer is an error in words, within bounds of
//! time and memory, and never the end of the process.

mod leases;
mod objects;
mod runs;
mod starving;
mod together;

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use plz_agent::net::{HttpClient, ProxySettings, ProxyUrl};
use plz_core::cloud::reply;
use plz_core::runner;

/// What a worker has.
const STACK_BYTES: usize = 512 * 1024;
/// What each phase of a call is given.
const TIMEOUT: Duration = Duration::from_millis(500);
const MIB: usize = 1024 * 1024;

/// What is sent after the head of a request was read.
type Answer = Arc<dyn Fn(&mut TcpStream) -> io::Result<()> + Send + Sync>;

fn raw(bytes: impl Into<Vec<u8>>) -> Answer {
    let bytes = bytes.into();
    Arc::new(move |stream| stream.write_all(&bytes))
}

fn whole(body: impl Into<Vec<u8>>) -> Answer {
    let body = body.into();
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
    raw([head.into_bytes(), body].concat())
}

/// The same bytes again and again, until the other side has had enough.
fn endless(head: &'static str, again: &'static [u8]) -> Answer {
    Arc::new(move |stream| {
        stream.write_all(head.as_bytes())?;
        loop {
            stream.write_all(again)?;
        }
    })
}

/// Answers every connection alike, whatever is asked.
fn serve(answer: Answer) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let converse = move |mut stream: TcpStream| -> io::Result<()> {
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte)? == 1 {
            head.extend(byte);
        }
        answer(&mut stream)
    };
    // A client that has had enough closes; the next one is served then.
    let serve = move || listener.incoming().for_each(|stream| drop(stream.and_then(&converse)));
    thread::Builder::new().stack_size(STACK_BYTES).spawn(serve).unwrap();
    address
}

/// What comes of asking GCk6 for its list of test runs, for the state and for the data of one, and a runner for its status
/// and its setup data.
fn ask(client: HttpClient, url: String) -> Vec<Result<(), String>> {
    let asked = move || {
        let body = client.send("GET", &url, &[], b"", TIMEOUT).map_err(|error| error.to_string());
        let body = body.and_then(|answer| {
            let status = reply::interpret(answer.status, answer.retry_after, &answer.body);
            status.map(|()| answer.body).map_err(|error| error.to_string())
        });
        let read = |read: fn(&[u8]) -> Result<(), String>| body.clone().and_then(|body| read(&body));
        vec![
            read(|body| reply::listed_runs(body).map(drop).map_err(|error| error.to_string())),
            read(|body| reply::test_run_state(body).map(drop).map_err(|error| error.to_string())),
            read(|body| reply::test_run_data(body).map(drop).map_err(|error| error.to_string())),
            read(|body| runner::status_reply(body).map(drop).map_err(|error| error.to_string())),
            read(|body| runner::setup_reply(body.to_vec()).map(drop).map_err(|error| error.to_string())),
        ]
    };
    thread::Builder::new().stack_size(STACK_BYTES).spawn(asked).unwrap().join().expect("it does not panic")
}

#[track_caller]
fn check(what: &str, client: HttpClient, url: String, part: &str) {
    for said in ask(client, url) {
        let Err(said) = said else { panic!("{what}: taken for an answer") };
        assert!(said.contains(part), "{what}: {said}");
        assert!(said.len() < 600 && !said.contains('\n'), "{what}: {said}");
    }
}

fn answers() -> [(&'static str, Answer, &'static str); 14] {
    let many_headers = format!("HTTP/1.1 200 OK\r\n{}\r\n", "X-Y: z\r\n".repeat(MIB / 8));
    let long_header = format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "z".repeat(MIB));
    [
        ("16 MiB of numbers", whole(format!("[{}0]", "0,".repeat(8 * MIB))), "too large"),
        ("as many numbers as are taken", whole(format!("[{}0]", "0,".repeat(MIB / 5))), ""),
        ("deep lists", whole("[".repeat(MIB / 4)), ""),
        ("deep objects", whole(r#"{"data":"#.repeat(MIB / 40)), ""),
        ("deep where something is", whole(format!(r#"{{"object":{}"#, "[".repeat(MIB / 4))), ""),
        ("no UTF-8", whole(&b"{\"object\":[{\"id\":\"\xff\xfe\"}],\"data\":\"\xc3\"}"[..]), ""),
        ("wrong types", whole(r#"{"object":{"id":[true]},"run_status":{},"data":[]}"#), ""),
        ("huge numbers", whole(r#"{"object":[{"id":1e999999}],"run_status":1e999,"data":-1e999}"#), ""),
        ("many headers", raw(many_headers), "http"),
        ("a long header", raw(long_header), "http"),
        ("a redirect", raw("HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n"), "302"),
        ("no HTTP", raw(&b"\x00\x01\x02SSH-2.0-nobody\r\n\r\n"[..]), "http"),
        (
            "no end of chunks",
            endless("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"4\r\n    \r\n"),
            "",
        ),
        ("no end of continues", endless("", b"HTTP/1.1 100 Continue\r\n\r\n"), "http"),
    ]
}

#[test]
fn hostile_answers_are_errors_in_words() {
    for (what, answer, part) in answers() {
        let client = HttpClient::cloud(&ProxySettings::default(), None);
        check(what, client, format!("http://{}/v4?s3cret=1", serve(answer)), part);
    }
}

/// A proxy that answers CONNECT with all of that.
#[test]
fn hostile_proxies_are_errors_in_words() {
    for (what, answer, _) in answers() {
        let proxy = ProxyUrl::parse(&format!("http://{}", serve(answer))).unwrap();
        let proxies = ProxySettings { http: Some(proxy), ..ProxySettings::default() };
        check(what, HttpClient::cloud(&proxies, None), "http://gck6.invalid/v4".to_owned(), "");
    }
}
