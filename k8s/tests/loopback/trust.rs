//! Whom a client believes: what kubectl accepts is accepted, what it refuses is refused in words.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener};
use std::thread;

use k8s::config::{Pem, Trust};
use k8s::{Client, Config};
use rcgen::{BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, date_time_ymd};

use crate::AskVersion as _;
use crate::certs::{Authority, params, self_signed, serving};
use crate::config;
use crate::server::{After, Server};

const LEAF_KEY: &[u8] = include_bytes!("data/leaf.key");

fn quiet(tls: std::sync::Arc<rustls::ServerConfig>) -> Server {
    Server::tls(tls, |_, connection| {
        connection.answer(200, "", "{}")?;
        Ok(After::Close)
    })
}

fn believing(server: &Server, pem: Vec<u8>) -> Client {
    let trust = Trust::Authorities(Pem::Inline(pem));
    Client::new(Config { trust, ..config(&server.url()) })
}

/// What a client that believes `pem` says of the server.
fn told(server: &Server, pem: Vec<u8>) -> String {
    believing(server, pem).server_version().map_or_else(|error| error.to_string(), |_| "well".to_owned())
}

#[track_caller]
fn says(text: &str, parts: &[&str]) {
    assert!(parts.iter().all(|part| text.contains(part)), "{text}");
    // The last semicolon begins what to do; no library speaks.
    let what_to_do = text.rsplit_once("; ").map_or("", |(_, rest)| rest);
    assert!(!what_to_do.is_empty(), "{text}");
    assert!(!text.contains("Error(") && !text.contains("docs.rs") && !text.contains('['), "{text}");
}

fn with(change: impl FnOnce(&mut CertificateParams)) -> CertificateParams {
    let mut params = params(&["127.0.0.1"]);
    params.distinguished_name.push(DnType::CommonName, "api");
    change(&mut params);
    params
}

#[test]
fn the_servers_own_certificate_may_be_what_is_trusted() {
    let authority = Authority::new();
    let check = |params: CertificateParams, wanted: &[&str]| {
        let pair = authority.sign(&params);
        let server = quiet(pair.server());
        let text = told(&server, pair.certificate_pem());
        if wanted.is_empty() {
            assert_eq!(text, "well");
        } else {
            says(&text, wanted);
        }
        // Somebody else's does not help.
        let other = authority.sign(&params).certificate_pem();
        says(&told(&server, other), &["certificate (CN="]);
    };
    check(with(|_| {}), &[]);
    check(with(|params| params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained)), &[]);
    check(with(|params| params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth]), &[]);
    check(with(|params| params.extended_key_usages = vec![ExtendedKeyUsagePurpose::Any]), &[]);
    // As kubectl does, all else is looked at.
    let name = with(|params| {
        params.subject_alt_names = vec![rcgen::SanType::DnsName("api.test".try_into().unwrap())];
    });
    check(name, &["(CN=api) is for api.test and not for 127.0.0.1", "tls-server-name"]);
    check(
        with(|params| params.not_after = date_time_ymd(2001, 1, 2)),
        &["has expired on 2001-01-02", "set the clock"],
    );
    check(
        with(|params| params.not_before = date_time_ymd(2120, 1, 2)),
        &["not valid before 2120-01-02", "set the clock"],
    );
    check(
        with(|params| params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth]),
        &["not for servers", "serverAuth"],
    );
}

#[test]
fn one_certificate_may_be_authority_and_server() {
    let both = with(|params| params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained));
    let pair = self_signed(&both);
    let server = quiet(pair.server());
    assert_eq!(told(&server, pair.certificate_pem()), "well");
    let other = self_signed(&both).certificate_pem();
    says(
        &told(&server, other),
        &["CN=api", "CA:TRUE", "put this very certificate into certificate-authority-data"],
    );
    // Authority and server, yet under another authority: kubectl takes it, this client asks for another.
    let authority = Authority::new();
    let server = quiet(authority.sign(&both).server());
    says(&told(&server, authority.pem()), &["CA:TRUE", "CA:FALSE"]);
}

#[test]
fn authorities_may_have_short_keys_and_small_exponents() {
    let check = |leaf: &[u8], authority: &[u8]| {
        assert_eq!(told(&quiet(serving(leaf, LEAF_KEY)), authority.to_vec()), "well");
    };
    check(include_bytes!("data/rsa1024.pem"), include_bytes!("data/rsa1024-ca.pem"));
    check(include_bytes!("data/e3.pem"), include_bytes!("data/e3-ca.pem"));
}

#[test]
fn what_cannot_be_verified_is_named() {
    let check = |leaf: &[u8], authority: &[u8], wanted: &[&str]| {
        says(&told(&quiet(serving(leaf, LEAF_KEY)), authority.to_vec()), wanted);
    };
    let fix =
        "reissue it with RSA of 2048 bits or more or ECDSA on P-256 or P-384, signed with SHA-256 or SHA-384";
    check(
        include_bytes!("data/sha512.pem"),
        include_bytes!("data/sha512-ca.pem"),
        &["(CN=api) is signed with ecdsa-with-SHA512 by an ECDSA key on P-256 of CN=sha512 authority", fix],
    );
    check(
        include_bytes!("data/p521.pem"),
        include_bytes!("data/p521-ca.pem"),
        &["ecdsa-with-SHA512 by an ECDSA key on P-521 of CN=p521 authority", fix],
    );
    check(
        include_bytes!("data/sha1.pem"),
        include_bytes!("data/sha1-ca.pem"),
        &["ecdsa-with-SHA1 by an ECDSA key on P-256", fix],
    );
}

#[test]
fn who_signed_is_named_where_nobody_is_trusted() {
    let (mine, other) = (Authority::new(), Authority::new());
    let server = quiet(mine.server(&["127.0.0.1"]));
    // Both have the same name: the authority was renewed, or it is another cluster's.
    says(
        &told(&server, other.pem()),
        &["CN=test authority", "same name, other key", "certificate-authority-data"],
    );
    let stranger = include_bytes!("data/e3-ca.pem").to_vec();
    says(&told(&server, stranger), &["not trusted (CN=test authority)", "certificate-authority-data"]);
    // The server's certificate whole, of which nobody is known.
    let alone = quiet(self_signed(&with(|_| {})).server());
    says(&told(&alone, mine.pem()), &["(CN=api) is self-signed", "certificate-authority-data"]);
}

/// A server that answers whatever it is told with these bytes.
fn answering(bytes: &'static [u8]) -> Client {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let _ = stream.read(&mut [0; 2048]);
            let _ = stream.write_all(bytes);
            let _ = stream.shutdown(Shutdown::Write);
            let _ = stream.read(&mut [0; 2048]);
        }
    });
    let trust = Trust::Authorities(Pem::Inline(Authority::new().pem()));
    Client::new(Config { trust, ..config(&url) })
}

#[test]
fn servers_with_nothing_in_common_are_told_what_is_missing() {
    let check = |bytes: &'static [u8], wanted: &[&str]| {
        says(&answering(bytes).server_version().unwrap_err().to_string(), wanted);
    };
    // Fatal alerts: handshake_failure, protocol_version, internal_error.
    check(&[21, 3, 3, 0, 2, 2, 40], &["no cipher suite", "ECDHE with AES-GCM", "P-256"]);
    check(&[21, 3, 1, 0, 2, 2, 70], &["enable TLS 1.2"]);
    check(&[21, 3, 3, 0, 2, 2, 80], &["internal error", "log"]);
    check(b"HTTP/1.1 400 Bad Request\r\n\r\n", &["does not speak TLS", "scheme and port"]);
}

#[test]
fn an_end_without_a_farewell_is_told_in_our_words() {
    let authority = Authority::new();
    // The handler fails: the socket is closed in the middle of an answer, without TLS's own end.
    let server = Server::tls(authority.server(&["127.0.0.1"]), |_, connection| {
        connection.begin()?;
        connection.piece("{")?;
        Err(std::io::ErrorKind::Other.into())
    });
    let text = told(&server, authority.pem());
    assert!(text.contains("closed before the answer was complete"), "{text}");
    assert!(
        !text.contains("http://") && !text.contains("docs.rs") && !text.contains("close_notify"),
        "{text}"
    );
}
