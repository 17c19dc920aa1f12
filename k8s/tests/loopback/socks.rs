//! Through proxies that speak SOCKS 5, and past those that do not.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use k8s::config::{Limits, Pem, Trust};
use k8s::{Client, Config, Error, Secret};

use crate::AskVersion as _;
use crate::calls::relay;
use crate::certs::Authority;
use crate::config;
use crate::server::{After, Server};

/// Runs `serve` with the first client, and gives the address.
fn listen(serve: impl FnOnce(TcpStream) -> io::Result<()> + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    thread::spawn(move || serve(listener.accept()?.0));
    address
}

/// Accepts one client that says just this, turn by turn, answers it, and becomes a tunnel to `target`.
fn proxy(turns: Vec<(Vec<u8>, &'static [u8])>, target: &str) -> String {
    let target = target.to_owned();
    listen(move |mut client| {
        for (asked, answer) in turns {
            let mut bytes = vec![0; asked.len()];
            client.read_exact(&mut bytes)?;
            assert_eq!(bytes.escape_ascii().to_string(), asked.escape_ascii().to_string());
            client.write_all(answer)?;
        }
        relay(client, &target)
    })
}

fn through(proxy: &str, url: &str) -> Config {
    Config { proxy: Some(Secret::new(format!("socks5://{proxy}"))), ..config(url) }
}

fn version() -> impl Fn(&crate::server::Seen, &mut crate::server::Connection) -> io::Result<After> {
    |_, connection| {
        connection.answer(200, "", r#"{"gitVersion":"v1.36.2"}"#)?;
        Ok(After::Keep)
    }
}

#[test]
fn a_name_that_the_proxy_alone_knows_is_reached() {
    let server = Server::plain(version());
    let asked = b"\x05\x01\0\x03\x0capi.internal\0\x50";
    let turns: Vec<(Vec<u8>, &[u8])> =
        vec![(b"\x05\x01\0".to_vec(), b"\x05\0"), (asked.to_vec(), b"\x05\0\0\x01\0\0\0\0\0\0")];
    let client = Client::new(through(&proxy(turns, &server.authority), "http://api.internal"));
    assert_eq!(client.server_version().unwrap().git_version, "v1.36.2");
    assert_eq!(client.server_version().unwrap().git_version, "v1.36.2");
    assert_eq!(server.seen().len(), 2, "over one tunnel");
}

#[test]
fn tls_goes_through_with_a_user_and_a_password() {
    let authority = Authority::new();
    let server = Server::tls(authority.server(&["api.internal"]), version());
    let asked = b"\x05\x01\0\x03\x0capi.internal\x19\x2b";
    let turns: Vec<(Vec<u8>, &[u8])> = vec![
        (b"\x05\x02\0\x02".to_vec(), b"\x05\x02"),
        (b"\x01\x04user\x04p@ss".to_vec(), b"\x01\0"),
        (asked.to_vec(), b"\x05\0\0\x03\x05proxy\x04\x38"),
    ];
    let proxy = proxy(turns, &server.authority);
    let config = through(&format!("user:p%40ss@{proxy}"), "https://api.internal:6443");
    let trust = Trust::Authorities(Pem::Inline(authority.pem()));
    let client = Client::new(Config { trust, ..config });
    assert_eq!(client.server_version().unwrap().git_version, "v1.36.2");
}

/// What a proxy does once it has answered.
#[derive(Clone, Copy)]
enum Then {
    HangUp,
    Wait,
    GoOn,
}

/// A proxy that answers whatever it is asked with these bytes.
fn answers(bytes: &'static [u8], then: Then) -> String {
    listen(move |mut client| {
        client.write_all(bytes)?;
        if let Then::HangUp = then {
            client.shutdown(Shutdown::Write)?;
        }
        while let Then::GoOn = then {
            client.write_all(&[0; 1024])?;
        }
        io::copy(&mut client, &mut io::sink()).map(drop)
    })
}

fn fails(config: Config) -> (Error, Duration) {
    let began = Instant::now();
    let error = Client::new(config).server_version().unwrap_err();
    assert!(!error.to_string().contains("hunter2"), "{error}");
    (error, began.elapsed())
}

#[test]
fn a_refusal_has_its_cause_and_a_fix() {
    let check = |user: &str, bytes: &'static [u8], then: Then, words: &str| {
        let proxy = format!("{user}{}", answers(bytes, then));
        let (error, took) = fails(through(&proxy, "https://api.internal:6443"));
        assert!(matches!(error, Error::Transport { .. }), "{error:?}");
        let text = error.to_string();
        assert!(text.contains("the proxy of proxy-url ") && text.contains(words), "{text}");
        assert!(took < Limits::default().connect, "{took:?}");
    };
    let user = "user:hunter2@";
    check("", b"HTTP/1.1 400 Bad Request\r\n\r\n", Then::HangUp, "does not answer like a SOCKS 5 proxy");
    check("", b"\x04\0", Then::Wait, "does not answer like a SOCKS 5 proxy");
    check("", b"\0", Then::GoOn, "does not answer like a SOCKS 5 proxy");
    check("", b"\x05\xff", Then::Wait, "requires a user and a password; put them into proxy-url");
    check(user, b"\x05\xff", Then::HangUp, "does not accept a user and a password");
    check(user, b"\x05\x02\x01\x01", Then::HangUp, "; correct them in proxy-url");
    check("", b"", Then::HangUp, "hung up before it had connected");
    check("", b"\x05\0\x05\0\0\x03\x09sho", Then::HangUp, "hung up before it had connected");
    check("", b"\x05\0\x05\x01", Then::GoOn, "(reply 1, it failed)");
    check("", b"\x05\0\x05\x02\0\x01\0\0\0\0\0\0", Then::Wait, "allow this host and port there");
    check("", b"\x05\0\x05\x05", Then::HangUp, "the connection was refused");
    check("", b"\x05\0\x05\x08", Then::HangUp, "reply 8");
}

#[test]
fn a_proxy_that_goes_on_for_ever_is_cut() {
    let limits = Limits { connect: Duration::from_millis(300), ..Limits::default() };
    let check = |proxy: String, url: &str| {
        let (error, took) = fails(Config { limits, ..through(&proxy, url) });
        assert!(took < Duration::from_secs(4), "{took:?}");
        error
    };
    // Silence, and a name that comes a letter at a time.
    assert!(matches!(check(answers(b"", Then::Wait), "http://h"), Error::Timeout { .. }));
    let trickles = listen(|mut client| {
        client.write_all(b"\x05\0\x05\0\0\x03\xff")?;
        loop {
            client.write_all(b"x")?;
            thread::park_timeout(Duration::from_millis(50));
        }
    });
    assert!(matches!(check(trickles, "http://h"), Error::Timeout { .. }));
    // Beyond its answer, what comes is the server's.
    let connected = b"\x05\0\x05\0\0\x01\0\0\0\0\0\0";
    for url in ["http://h", "https://h"] {
        let error = check(answers(connected, Then::GoOn), url);
        assert!(matches!(error, Error::Transport { .. }) && !error.to_string().contains("proxy"), "{error}");
    }
}

#[test]
fn a_proxy_that_is_not_there_is_named() {
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let (error, _) = fails(through(&nobody, "https://api.internal"));
    assert!(error.to_string().contains("by the proxy of proxy-url: Connection refused"), "{error}");
    let (error, _) = fails(through("name.invalid:1", "https://api.internal"));
    assert!(error.to_string().contains("by the proxy of proxy-url"), "{error}");
}

#[test]
fn a_stop_ends_a_handshake() {
    let (tell, asked) = std::sync::mpsc::channel();
    let proxy = listen(move |mut client| {
        client.read_exact(&mut [0; 3])?;
        tell.send(()).map_err(io::Error::other)?;
        io::copy(&mut client, &mut io::sink()).map(drop)
    });
    let limits = Limits { connect: Duration::from_secs(60), ..Limits::default() };
    let client = Client::new(Config { limits, ..through(&proxy, "http://h") });
    let caller = {
        let client = client.clone();
        thread::spawn(move || client.server_version())
    };
    asked.recv_timeout(crate::DEADLINE).unwrap();
    client.shutdown();
    assert_eq!(caller.join().unwrap(), Err(Error::Stopped));
}
