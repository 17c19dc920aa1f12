//! What can go wrong before there is an answer, classified once.
//!
//! Owns the translation of the HTTP library's errors. Invariant: a message names the target as host, port and path,
//! never its query, and never a credential.

use std::io;

use k8s::client::proxy_status;
use k8s::proxy::socks;
use k8s::tls::{self, Side};
use thiserror::Error;

use plz_core::redact::scrubbed_line;

/// Longest cause, in bytes, that is kept of a lower layer's message.
const CAUSE_BYTES_MAX: usize = 300;

/// A request that got no answer, or not all of it. `target` is `scheme://host[:port]/path`; `cause` is a sentence
/// fragment.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum NetError {
    /// The name of the target, or of its proxy, does not resolve.
    #[error("cannot resolve the host of {target}: {cause}")]
    Dns {
        /// What was asked for.
        target: String,
        /// What the resolver said.
        cause: String,
    },
    /// No TCP connection: refused, unreachable.
    #[error("cannot connect to {target}: {cause}")]
    Connect {
        /// What was asked for.
        target: String,
        /// What the system said.
        cause: String,
    },
    /// The TLS handshake failed; nothing of the request was sent.
    #[error("no secure connection to {target}: {cause}")]
    Tls {
        /// What was asked for.
        target: String,
        /// What is wrong, and what to do.
        cause: String,
    },
    /// A phase took longer than allowed.
    #[error("no answer in time from {target}: {cause}")]
    Timeout {
        /// What was asked for.
        target: String,
        /// The phase that took too long.
        cause: String,
    },
    /// The proxy cannot be reached, or refused to connect to the target.
    #[error("the proxy did not connect to {target}: {cause}")]
    Proxy {
        /// What was asked for.
        target: String,
        /// The proxy and what it said.
        cause: String,
    },
    /// The connection broke, or what came was not HTTP.
    #[error("the connection to {target} failed: {cause}")]
    Io {
        /// What was asked for.
        target: String,
        /// What broke.
        cause: String,
    },
    /// The body is longer than this client takes.
    #[error("the answer from {target} is too large: {cause}")]
    TooLarge {
        /// What was asked for.
        target: String,
        /// The limit.
        cause: String,
    },
    /// The request itself is malformed (URL, method, header); nothing was sent, and sending it again will not help.
    #[error("cannot send a request to {target}: {cause}")]
    Invalid {
        /// What was asked for.
        target: String,
        /// What is wrong with it.
        cause: String,
    },
}

impl NetError {
    /// Whether the same request may succeed later without anybody changing anything.
    pub fn is_transient(&self) -> bool {
        match self {
            NetError::Dns { .. }
            | NetError::Connect { .. }
            | NetError::Timeout { .. }
            | NetError::Proxy { .. }
            | NetError::Io { .. } => true,
            NetError::Tls { .. } | NetError::TooLarge { .. } | NetError::Invalid { .. } => false,
        }
    }

    /// The same without the path: why a host cannot be spoken to does not hang on what it was asked.
    #[must_use]
    pub fn at_host(mut self) -> NetError {
        let target = match &mut self {
            NetError::Dns { target, .. }
            | NetError::Connect { target, .. }
            | NetError::Tls { target, .. }
            | NetError::Timeout { target, .. }
            | NetError::Proxy { target, .. }
            | NetError::Io { target, .. }
            | NetError::TooLarge { target, .. }
            | NetError::Invalid { target, .. } => target,
        };
        let authority = target.find("://").map_or(0, |at| at + "://".len());
        if let Some(path) = target[authority..].find('/') {
            target.truncate(authority + path);
        }
        self
    }
}

/// Classifies an error of the HTTP library. `proxy` is the proxy that the request went through, if any.
pub(super) fn classify(error: ureq::Error, target: &str, proxy: Option<&str>) -> NetError {
    let target = target.to_owned();
    if let Some(error) = tls::cause(&error) {
        return NetError::Tls { target, cause: tls::explain(error, Side::Elsewhere) };
    }
    if let Some(refusal) = socks::refusal(&error) {
        let cause = format!("{}: it {}", proxy.unwrap_or("proxy"), refusal.explain("HTTPS_PROXY"));
        return NetError::Proxy { target, cause };
    }
    let cause = scrubbed_line(&error.to_string(), CAUSE_BYTES_MAX);
    match error {
        ureq::Error::Io(error) => classify_io(&error, target, proxy),
        ureq::Error::HostNotFound => NetError::Dns { target, cause: "the name has no address".to_owned() },
        ureq::Error::Timeout(phase) => NetError::Timeout { target, cause: phase_name(phase, proxy) },
        ureq::Error::ConnectProxyFailed(_) | ureq::Error::InvalidProxyUrl => {
            let cause = refused_by_proxy(&cause);
            NetError::Proxy { target, cause: format!("{}: {cause}", proxy.unwrap_or("proxy")) }
        }
        ureq::Error::Tls(_) | ureq::Error::TlsRequired => NetError::Tls { target, cause },
        ureq::Error::ConnectionFailed => NetError::Connect { target, cause },
        ureq::Error::BodyExceedsLimit(limit) => {
            NetError::TooLarge { target, cause: format!("more than {limit} bytes") }
        }
        ureq::Error::Http(_) | ureq::Error::BadUri(_) | ureq::Error::RequireHttpsOnly(_) => {
            NetError::Invalid { target, cause }
        }
        _ => NetError::Io { target, cause },
    }
}

/// What a proxy said instead of connecting, and what to do, by the status in the library's words.
fn refused_by_proxy(cause: &str) -> String {
    match proxy_status(cause) {
        Some(407) => {
            "it answers 407; put the user and the password that it requires into HTTPS_PROXY".to_owned()
        }
        Some(403) => "it answers 403 and does not allow connections there; allow this host there, or add it to NO_PROXY".to_owned(),
        Some(status) => format!("it answers {status}; check the proxy's log"),
        None => cause.to_owned(),
    }
}

fn classify_io(error: &io::Error, target: String, proxy: Option<&str>) -> NetError {
    let text = scrubbed_line(&error.to_string(), CAUSE_BYTES_MAX);
    let cause = match proxy {
        Some(proxy) => format!("through the proxy {proxy}: {text}"),
        None => text.clone(),
    };
    // The standard library gives a failed look-up no kind of its own, only this sentence.
    if text.starts_with("failed to lookup address") {
        return NetError::Dns { target, cause };
    }
    match error.kind() {
        io::ErrorKind::ConnectionRefused
        | io::ErrorKind::HostUnreachable
        | io::ErrorKind::NetworkUnreachable
        | io::ErrorKind::NetworkDown
        | io::ErrorKind::AddrNotAvailable => match proxy {
            Some(_) => NetError::Proxy { target, cause },
            None => NetError::Connect { target, cause },
        },
        io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => NetError::Timeout { target, cause },
        io::ErrorKind::UnexpectedEof => {
            NetError::Io { target, cause: "it was closed before the answer was complete".to_owned() }
        }
        _ => NetError::Io { target, cause },
    }
}

fn phase_name(phase: ureq::Timeout, proxy: Option<&str>) -> String {
    match (phase, proxy) {
        (ureq::Timeout::Connect, Some(proxy)) => {
            format!("connecting through the proxy {proxy} took too long")
        }
        (ureq::Timeout::Connect, None) => "connecting took too long".to_owned(),
        (ureq::Timeout::SendRequest | ureq::Timeout::SendBody, _) => "sending took too long".to_owned(),
        (ureq::Timeout::RecvResponse, _) => "waiting for the answer took too long".to_owned(),
        (ureq::Timeout::RecvBody, _) => "receiving the body took too long".to_owned(),
        (ureq::Timeout::PerRead, _) => "nothing was received for too long".to_owned(),
        (phase, _) => format!("{phase} timed out"),
    }
}
