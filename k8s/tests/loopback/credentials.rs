//! Tokens, certificates, authorities and plugins, as they change.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use k8s::config::{Credentials, ExecPlugin, Pem, Trust};
use k8s::{Client, Config, Error, Secret};

use crate::certs::{Authority, Pair};
use crate::server::{After, Server};
use crate::{AskVersion as _, config, scratch};

/// Accepts this one token.
fn guarded(token: &'static str) -> Server {
    Server::plain(move |request, connection| {
        let known = request.header("authorization") == format!("Bearer {token}");
        connection.answer(if known { 200 } else { 401 }, "", "{}")?;
        Ok(After::Keep)
    })
}

fn believing(server: &Server, authority: Pem) -> Config {
    Config { trust: Trust::Authorities(authority), ..config(&server.url()) }
}

fn quiet(tls: Arc<rustls::ServerConfig>) -> Server {
    Server::tls(tls, |_, connection| {
        connection.answer(200, "", "{}")?;
        Ok(After::Close)
    })
}

#[test]
fn a_rotated_token_is_read_at_once_after_a_401() {
    let token = scratch("rotated_token").join("token");
    fs::write(&token, "old\n").unwrap();
    let server = guarded("new");
    let client =
        Client::new(Config { credentials: Credentials::TokenFile(token.clone()), ..config(&server.url()) });
    // As long as the file says the same, one try is enough.
    assert!(client.server_version().unwrap_err().is_unauthorized());
    assert_eq!(server.seen().len(), 1);
    fs::write(&token, "new\n").unwrap();
    client.server_version().unwrap();
    let tokens: Vec<_> = server.seen().iter().map(|seen| seen.header("authorization").to_owned()).collect();
    assert_eq!(tokens, ["Bearer old", "Bearer old", "Bearer new"]);
    // A file that is gone for a moment does no harm to a token that works.
    fs::remove_file(&token).unwrap();
    client.server_version().unwrap();
}

#[test]
fn a_rotated_token_is_read_in_time_even_without_a_401() {
    let token = scratch("reread_token").join("token");
    fs::write(&token, "old").unwrap();
    let server = guarded("old");
    let mut config = config(&server.url());
    config.limits.reread = Duration::ZERO;
    let client = Client::new(Config { credentials: Credentials::TokenFile(token.clone()), ..config });
    client.server_version().unwrap();
    fs::write(&token, "new").unwrap();
    let _ = client.server_version();
    assert_eq!(server.seen()[1].header("authorization"), "Bearer new");
}

#[test]
fn token_files_that_are_of_no_use_are_named() {
    let dir = scratch("bad_token");
    let server = guarded("t");
    let check = |file: &str, wanted: &str| {
        let credentials = Credentials::TokenFile(dir.join(file));
        let error =
            Client::new(Config { credentials, ..config(&server.url()) }).server_version().unwrap_err();
        let text = error.to_string();
        assert!(text.contains(file) && text.contains(wanted), "{text}");
    };
    fs::write(dir.join("empty"), "\n").unwrap();
    fs::write(dir.join("odd"), "a\nb").unwrap();
    check("missing", "cannot be read");
    check("empty", "is empty");
    check("odd", "a token cannot have");
    assert!(server.seen().is_empty());
}

#[test]
fn a_password_is_sent_as_basic() {
    let server = guarded("t");
    let credentials = Credentials::Basic { username: "u".into(), password: Secret::new("p:w") };
    let _ = Client::new(Config { credentials, ..config(&server.url()) }).server_version();
    assert_eq!(server.seen()[0].header("authorization"), "Basic dTpwOnc=");
}

#[test]
fn only_the_named_authority_is_believed() {
    let (right, wrong) = (Authority::new(), Authority::new());
    let server = quiet(right.server(&["127.0.0.1"]));
    Client::new(believing(&server, Pem::Inline(right.pem()))).server_version().unwrap();
    let error =
        Client::new(believing(&server, Pem::Inline(wrong.pem()))).server_version().unwrap_err().to_string();
    assert!(error.contains("certificate"), "{error}");
    Client::new(Config { trust: Trust::Anyone, ..config(&server.url()) }).server_version().unwrap();
    let none = Client::new(believing(&server, Pem::Inline(b"nonsense".to_vec()))).server_version();
    assert!(matches!(none, Err(Error::Auth { .. })), "{none:?}");
}

#[test]
fn a_rotated_authority_is_read_when_the_old_one_does_not_fit() {
    let file = scratch("rotated_authority").join("ca.crt");
    let (old, new) = (Authority::new(), Authority::new());
    fs::write(&file, old.pem()).unwrap();
    let server = quiet(old.server(&["127.0.0.1"]));
    let client = Client::new(believing(&server, Pem::File(file.clone())));
    client.server_version().unwrap();
    server.rotate(new.server(&["127.0.0.1"]));
    assert!(matches!(client.server_version(), Err(Error::Transport { .. })));
    fs::write(&file, new.pem()).unwrap();
    client.server_version().unwrap();
}

#[test]
fn the_certificate_may_bear_another_name() {
    let authority = Authority::new();
    let server = quiet(authority.server(&["api.internal"]));
    let plain = believing(&server, Pem::Inline(authority.pem()));
    assert!(Client::new(plain.clone()).server_version().is_err());
    let named = Config { tls_server_name: Some("api.internal".to_owned()), ..plain };
    Client::new(named.clone()).server_version().unwrap();
    assert_eq!(server.seen()[0].header("host"), server.authority);
    // Also behind a proxy.
    let proxy = crate::calls::proxy(&server.authority, &server.authority, Arc::default());
    Client::new(Config { proxy: Some(Secret::new(format!("http://u:p@{proxy}"))), ..named })
        .server_version()
        .unwrap();
}

fn showing(server: &Server, authority: &Authority, certificate: &Pair, key: &Pair) -> Client {
    let identity = Some((Pem::Inline(certificate.certificate_pem()), Pem::Inline(key.key_pem())));
    Client::new(Config { identity, ..believing(server, Pem::Inline(authority.pem())) })
}

#[test]
fn client_certificates() {
    let authority = Authority::new();
    let server = quiet(authority.server_for_clients(&["127.0.0.1"]));
    let (mine, other) = (authority.issue(&["me"]), authority.issue(&["other"]));
    showing(&server, &authority, &mine, &mine).server_version().unwrap();
    assert!(Client::new(believing(&server, Pem::Inline(authority.pem()))).server_version().is_err());
    // The HTTP library would end the process over this one.
    let error = showing(&server, &authority, &mine, &other).server_version().unwrap_err();
    assert!(error.to_string().contains("does not belong to the client certificate"), "{error}");
}

#[test]
fn a_key_is_read_whatever_its_label_says() {
    let authority = Authority::new();
    let server = quiet(authority.server(&["127.0.0.1"]));
    let text = |pem: &[u8]| String::from_utf8(pem.to_vec()).unwrap();
    let outcome = |certificate: &[u8], key: &str| {
        let identity = Some((Pem::Inline(certificate.to_vec()), Pem::Inline(key.as_bytes().to_vec())));
        let config = Config { identity, ..believing(&server, Pem::Inline(authority.pem())) };
        Client::new(config).server_version().map_or_else(|error| error.to_string(), |_| "well".to_owned())
    };
    let (rsa, ec): (&[u8], &[u8]) = (include_bytes!("data/rsa.pem"), include_bytes!("data/ec.pem"));
    let keys: [(&[u8], &[u8]); 4] = [
        (rsa, include_bytes!("data/rsa-pkcs1.key")),
        (rsa, include_bytes!("data/rsa-pkcs8.key")),
        (ec, include_bytes!("data/ec-sec1.key")),
        (ec, include_bytes!("data/leaf.key")),
    ];
    for (certificate, key) in keys {
        let key =
            text(key).replace("RSA PRIVATE KEY", "PRIVATE KEY").replace("EC PRIVATE KEY", "PRIVATE KEY");
        for label in ["PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY"] {
            assert_eq!(outcome(certificate, &key.replace("PRIVATE KEY", label)), "well", "{label}");
        }
        let other = if certificate == rsa { ec } else { rsa };
        let told = outcome(other, &key);
        assert!(told.contains("does not belong to the client certificate; renew"), "{told}");
    }
    let told = outcome(ec, &text(include_bytes!("data/locked.key")));
    assert!(told.contains("is encrypted; put the key without its passphrase there"), "{told}");
    let told = outcome(include_bytes!("data/p521-client.pem"), &text(include_bytes!("data/p521-client.key")));
    assert!(told.contains("an ECDSA key on P-521") && told.contains("; have a pair issued"), "{told}");
}

/// A plugin in a file of its own, run by name.
fn plugin(test: &str, script: &str) -> (std::path::PathBuf, ExecPlugin) {
    let dir = scratch(test);
    let command = dir.join("plugin");
    fs::write(&command, format!("#!/bin/sh\ncd \"$(dirname \"$0\")\"\necho run >> runs\n{script}\n"))
        .unwrap();
    fs::set_permissions(&command, fs::Permissions::from_mode(0o755)).unwrap();
    let plugin = ExecPlugin {
        api_version: "client.authentication.k8s.io/v1beta1".to_owned(),
        command,
        args: Vec::new(),
        env: Vec::new(),
        cluster: None,
        install_hint: String::new(),
        user: "u".to_owned(),
    };
    (dir, plugin)
}

fn prints(status: &str) -> String {
    format!(
        r#"echo '{{"apiVersion":"client.authentication.k8s.io/v1beta1","kind":"ExecCredential","status":{status}}}'"#
    )
}

fn runs(dir: &std::path::Path) -> usize {
    fs::read_to_string(dir.join("runs")).unwrap().lines().count()
}

#[test]
fn a_plugin_is_run_once_as_long_as_its_token_lasts() {
    let expires = k8s::meta::format_time(SystemTime::now() + Duration::from_secs(3600));
    let (dir, plugin) =
        plugin("plugin_lasts", &prints(&format!(r#"{{"token":"t","expirationTimestamp":"{expires}"}}"#)));
    let server = guarded("t");
    let client = Client::new(Config { credentials: Credentials::Exec(plugin), ..config(&server.url()) });
    for _ in 0..3 {
        client.server_version().unwrap();
    }
    assert_eq!(runs(&dir), 1);
}

#[test]
fn a_plugin_is_run_again_when_its_token_has_expired() {
    let status = r#"{"token":"t","expirationTimestamp":"2001-01-01T00:00:00Z"}"#;
    let (dir, plugin) = plugin("plugin_expired", &prints(status));
    let server = guarded("t");
    let client = Client::new(Config { credentials: Credentials::Exec(plugin), ..config(&server.url()) });
    for _ in 0..3 {
        client.server_version().unwrap();
    }
    assert_eq!(runs(&dir), 3);
}

#[test]
fn a_plugin_whose_fresh_token_is_refused_is_left_alone_for_a_while() {
    let (dir, plugin) = plugin("plugin_refused", &prints(r#"{"token":"wrong"}"#));
    let server = guarded("t");
    let client = Client::new(Config { credentials: Credentials::Exec(plugin), ..config(&server.url()) });
    for _ in 0..3 {
        assert!(client.server_version().unwrap_err().is_unauthorized());
    }
    assert_eq!(runs(&dir), 1);
}

#[test]
fn a_plugin_may_make_a_client_certificate() {
    let authority = Authority::new();
    let server = quiet(authority.server_for_clients(&["127.0.0.1"]));
    let pair = authority.issue(&["me"]);
    let text = |pem: Vec<u8>| String::from_utf8(pem).unwrap();
    let status = serde_json::json!({
        "clientCertificateData": text(pair.certificate_pem()),
        "clientKeyData": text(pair.key_pem()),
    });
    let (dir, plugin) = plugin("plugin_certificate", "cat answer");
    let answer =
        serde_json::json!({"apiVersion": plugin.api_version, "kind": "ExecCredential", "status": status});
    fs::write(dir.join("answer"), answer.to_string()).unwrap();
    let config = believing(&server, Pem::Inline(authority.pem()));
    Client::new(Config { credentials: Credentials::Exec(plugin), ..config }).server_version().unwrap();
}
