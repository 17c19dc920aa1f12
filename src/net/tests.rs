//! The client against a loopback server that is as simple as a script: each accepted connection runs one closure.
#![expect(clippy::disallowed_methods, reason = "the server of a test is a thread of its own")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::*;

const TIMEOUT: Duration = Duration::from_secs(5);

/// What a connection asked for, one string a request: the head and the body.
type Seen = Arc<Mutex<Vec<String>>>;

struct Server {
    address: String,
    seen: Seen,
    connections: Arc<AtomicUsize>,
}

/// Answers every request of every connection with what `answer` makes of its number and its text.
fn serve(answer: impl Fn(usize, &str) -> Vec<u8> + Send + Sync + 'static) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (seen, connections) = (Seen::default(), Arc::<AtomicUsize>::default());
    let server = Server { address, seen: seen.clone(), connections: connections.clone() };
    let answer = Arc::new(answer);
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            connections.fetch_add(1, Ordering::SeqCst);
            let (seen, answer) = (seen.clone(), answer.clone());
            std::thread::spawn(move || connection(&stream, &seen, &*answer));
        }
    });
    server
}

fn connection(stream: &TcpStream, seen: &Seen, answer: &dyn Fn(usize, &str) -> Vec<u8>) {
    let mut reader = BufReader::new(stream);
    while let Some(request) = read_request(&mut reader) {
        let number = {
            let mut seen = seen.lock().unwrap();
            seen.push(request.clone());
            seen.len()
        };
        let bytes = answer(number, &request);
        let mut stream = stream;
        if stream.write_all(&bytes).is_err() || bytes.starts_with(b"HTTP/1.0") {
            return;
        }
    }
}

fn read_request(reader: &mut impl BufRead) -> Option<String> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    let length = head
        .lines()
        .find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length:")?.trim().parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    reader.read_exact(&mut body).ok()?;
    head.push_str(&String::from_utf8_lossy(&body));
    Some(head)
}

fn ok(body: &str) -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

fn cloud() -> HttpClient {
    HttpClient::cloud(&ProxySettings::default(), None)
}

#[test]
fn any_status_is_a_reply_and_the_connection_is_used_again() {
    let server = serve(|number, _| match number {
        1 => b"HTTP/1.1 429 Slow\r\nRetry-After: 7\r\nContent-Length: 4\r\n\r\nwait".to_vec(),
        2 => b"HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n".to_vec(),
        3 => b"HTTP/1.1 204 None\r\n\r\n".to_vec(),
        _ => ok("fine"),
    });
    let client = cloud();
    let url = format!("http://{}/a?secret=1", server.address);
    let send = |method, body: &[u8]| {
        let headers = [("Authorization", "Token abc")];
        client.send(method, &url, &headers, body, TIMEOUT).unwrap()
    };
    let reply = send("POST", b"{}");
    assert_eq!((reply.status, reply.retry_after), (429, Some(Duration::from_secs(7))));
    assert_eq!(reply.body, b"wait");
    assert_eq!(send("GET", b"").status, 302);
    assert_eq!(send("DELETE", b"").status, 204);
    assert_eq!(send("PATCH", b"{\"a\":1}").body, b"fine");
    assert_eq!(send("PUT", b"").status, 200);

    assert_eq!(server.connections.load(Ordering::SeqCst), 1);
    let seen = server.seen.lock().unwrap();
    let head = |number: usize| seen[number].to_ascii_lowercase();
    assert!(head(0).starts_with("post /a?secret=1 http/1.1\r\n"), "{}", head(0));
    assert!(head(0).contains("authorization: token abc\r\n") && head(0).ends_with("\r\n\r\n{}"));
    assert!(head(0).contains("user-agent: plz-agent/"));
    assert!(!head(1).contains("content-length") && !head(2).contains("content-length"));
    assert!(head(4).contains("content-length: 0\r\n"));
}

#[test]
fn errors_are_classified_and_name_no_query() {
    let check = |url: &str, expected: fn(&NetError) -> bool| {
        let error = cloud().send("GET", url, &[], b"", Duration::from_millis(200)).unwrap_err();
        assert!(expected(&error), "{url}: {error:?}");
        assert!(!error.to_string().contains("s3cret") && error.to_string().contains("/p"), "{error}");
        let (whole, at_host) = (error.to_string(), error.at_host().to_string());
        assert!(!at_host.contains("/p") && whole.replace("/p", "") == at_host, "{at_host}");
    };
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    check(&format!("http://{closed}/p?s3cret"), |error| matches!(error, NetError::Connect { .. }));
    check("http://name.invalid/p?s3cret", |error| matches!(error, NetError::Dns { .. }));
    check("ftp://u:s3cret@h/p", |error| matches!(error, NetError::Invalid { .. }));

    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap();
    check(&format!("http://{address}/p?s3cret"), |error| matches!(error, NetError::Timeout { .. }));

    let plain = serve(|_, _| ok(""));
    let server = serve(move |_, _| b"HTTP/1.0 200 OK\r\nContent-Length: 10\r\n\r\nshort".to_vec());
    check(&format!("http://{}/p?s3cret", server.address), |error| matches!(error, NetError::Io { .. }));
    let refused = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = refused.local_addr().unwrap();
    std::thread::spawn(move || {
        let (mut stream, _) = refused.accept().unwrap();
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
        let _ = stream.read(&mut [0; 512]);
    });
    check(
        &format!("https://{address}/p?s3cret"),
        |error| matches!(error, NetError::Tls { cause, .. } if cause.contains("does not speak TLS")),
    );
    drop(plain);
}

#[test]
fn a_body_beyond_the_limit_is_refused() {
    let serve_bytes = |count: u64| {
        serve(move |_, _| {
            let mut bytes = format!("HTTP/1.0 200 OK\r\nContent-Length: {count}\r\n\r\n").into_bytes();
            bytes.resize(bytes.len() + count as usize, b'x');
            bytes
        })
    };
    let (client, limit) = (cloud(), CLOUD_REPLY_BYTES_MAX);
    let send = |count| {
        let url = format!("http://{}/", serve_bytes(count).address);
        client.send("GET", &url, &[], b"", TIMEOUT).map(|reply| reply.body.len())
    };
    assert_eq!(send(limit).unwrap(), limit as usize);
    let error = send(limit + 1).unwrap_err();
    assert!(matches!(error, NetError::TooLarge { .. }), "{error:?}");
}

#[test]
fn a_proxy_gets_connect_with_credentials_and_no_proxy_goes_direct() {
    let server = serve(|_, request| match request.starts_with("CONNECT ") {
        true => b"HTTP/1.1 200 Connected\r\n\r\n".to_vec(),
        false => ok("through"),
    });
    let proxies = ProxySettings {
        http: Some(ProxyUrl::parse(&format!("http://user:p%40ss@{}", server.address)).unwrap()),
        no_proxy: NoProxy::parse(".invalid"),
        ..ProxySettings::default()
    };
    let client = HttpClient::cloud(&proxies, None);
    let reply = client.send("GET", "http://cloud.test/poll", &[], b"", TIMEOUT).unwrap();
    assert_eq!(reply.body, b"through");
    let seen = server.seen.lock().unwrap().clone();
    assert!(seen[0].starts_with("CONNECT cloud.test:80 HTTP/1.1\r\n"), "{}", seen[0]);
    assert!(seen[0].contains("Proxy-Authorization: Basic dXNlcjpwQHNz\r\n"), "{}", seen[0]);
    assert!(seen[1].starts_with("GET /poll HTTP/1.1\r\n"), "{}", seen[1]);
    let reply = client.send("GET", "http://cloud.test/poll", &[], b"", TIMEOUT).unwrap();
    assert_eq!(reply.body, b"through");
    assert_eq!(
        (server.seen.lock().unwrap().len(), server.connections.load(Ordering::SeqCst)),
        (3, 1),
        "one tunnel"
    );
    let error = client.send("GET", "http://name.invalid/p", &[], b"", TIMEOUT).unwrap_err();
    assert!(matches!(error, NetError::Dns { .. }), "{error:?}");
    assert!(!format!("{client:?}").contains("p@ss") && !format!("{client:?}").contains("p%40ss"));
}

#[test]
fn a_proxy_that_refuses_is_named() {
    let server =
        serve(|_, _| b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n".to_vec());
    let proxy = ProxyUrl::parse(&server.address).unwrap();
    let proxies = ProxySettings { http: Some(proxy), ..ProxySettings::default() };
    let error =
        HttpClient::cloud(&proxies, None).send("GET", "http://cloud.test/p", &[], b"", TIMEOUT).unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, NetError::Proxy { .. }), "{error:?}");
    assert!(
        text.contains(&server.address)
            && text.contains("407")
            && text.contains("put the user and the password that it requires into HTTPS_PROXY"),
        "{text}"
    );
}

/// Answers a SOCKS handshake with `bytes`, without a look at what is asked.
fn socks(bytes: &'static [u8]) -> HttpClient {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let proxy =
        ProxyUrl::parse(&format!("socks5://user:hunter2@{}", listener.local_addr().unwrap())).unwrap();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.write_all(bytes).unwrap();
        std::io::copy(&mut stream, &mut std::io::sink()).map(drop)
    });
    HttpClient::cloud(&ProxySettings { http: Some(proxy), ..ProxySettings::default() }, None)
}

#[test]
fn a_socks_proxy_is_gone_through_and_its_refusals_are_named() {
    let send = |client: HttpClient| client.send("GET", "http://cloud.test/p?sig=1", &[], b"", TIMEOUT);
    let through = b"\x05\0\x05\0\0\x01\0\0\0\0\0\0HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfine";
    assert_eq!(send(socks(through)).unwrap().body, b"fine");
    let check = |bytes, words: &str| {
        let error = send(socks(bytes)).unwrap_err();
        assert!(matches!(error, NetError::Proxy { .. }) && error.is_transient(), "{error:?}");
        let text = error.to_string();
        assert!(text.contains(words) && !text.contains("hunter2") && !text.contains("sig"), "{text}");
    };
    check(
        b"\x05\0\x05\x04",
        ": it does not connect to it (reply 4, that host is unreachable); check the name and the address",
    );
    check(b"\x05\x02\x01\x01", "correct them in HTTPS_PROXY");
    check(b"HTTP/1.1 405", "does not answer like a SOCKS 5 proxy; correct HTTPS_PROXY");
}

#[test]
fn a_proxy_that_never_answers_costs_the_time_of_a_connection() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let proxy = ProxyUrl::parse(&silent.local_addr().unwrap().to_string()).unwrap();
    let proxies = ProxySettings { https: Some(proxy.clone()), ..ProxySettings::default() };
    let client = HttpClient::cloud(&proxies, None);
    let began = std::time::Instant::now();
    let error = client.send("GET", "https://cloud.test/p", &[], b"", TIMEOUT).unwrap_err();
    assert!(began.elapsed() < client::CONNECT_TIMEOUT + TIMEOUT, "{:?}", began.elapsed());
    assert!(
        matches!(error, NetError::Timeout { .. }) && error.to_string().contains(&proxy.to_string()),
        "{error}"
    );
}

#[test]
fn a_connection_that_was_dropped_without_a_word_costs_one_timeout() {
    let server = serve(|number, _| if number == 2 { Vec::new() } else { ok("fine") });
    let url = format!("http://{}/poll", server.address);
    let client = cloud();
    let send = || client.send("GET", &url, &[], b"", Duration::from_millis(300));
    assert!(send().is_ok());
    let error = send().unwrap_err();
    assert!(matches!(error, NetError::Timeout { .. }), "{error:?}");
    assert_eq!(server.connections.load(Ordering::SeqCst), 1, "it was sent over the connection that was kept");
    assert!(send().is_ok() && send().is_ok());
    assert_eq!(server.connections.load(Ordering::SeqCst), 2, "that one is not used again, its successor is");
}

#[test]
fn addresses_of_version_6_are_spoken_to() {
    let Ok(listener) = TcpListener::bind("[::1]:0") else { return };
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        connection(&stream, &Seen::default(), &|_, request| {
            ok(if request.to_ascii_lowercase().contains("host: [::1]") { "fine" } else { "no brackets" })
        });
    });
    let reply = cloud().send("GET", &format!("http://{address}/"), &[], b"", TIMEOUT).unwrap();
    assert_eq!(reply.body, b"fine");
}
