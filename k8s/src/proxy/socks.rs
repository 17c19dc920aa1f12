//! SOCKS 5 (RFC 1928) with user and password (RFC 1929): the link in the library's chain of connectors that makes TCP
//! connections.
//!
//! ```text
//!   5, methods ─► 5, method ─► [1, user, password ─► 1, 0] ─► 5, connect, host, port ─► 5, 0, 0, address ─► the connection
//! ```
//! Owns the handshake, and the meaning of a refusal. The library has such a link too, but its refusals are texts that nobody can
//! put a fix beside. Invariants: names go to the proxy as they are; of its answers no more is read than their form allows, 264
//! bytes at the most, within the time for a connection.

use std::io::{self, Read, Write};

use thiserror::Error;
use ureq::unversioned::transport::time::Instant;
use ureq::unversioned::transport::{
    ConnectionDetails, Connector as Link, NextTimeout, TcpConnector, Transport, TransportAdapter,
};
use ureq::{Error, Proxy, ProxyProtocol};

/// The most bytes of a user's name, a password or a host: their length goes into one byte.
pub const TEXT_BYTES_MAX: usize = 255;

const VERSION: u8 = 5;
/// The version of the exchange of user and password, which has its own.
const PASSWORD_VERSION: u8 = 1;
const SUCCESS: u8 = 0;
const CONNECT: u8 = 1;

const NO_AUTHENTICATION: u8 = 0;
const PASSWORD: u8 = 2;
const NO_METHOD: u8 = 0xff;

const IPV4: u8 = 1;
const NAME: u8 = 3;
const IPV6: u8 = 4;
const PORT_BYTES: usize = 2;

/// What a proxy does in place of connecting.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("the proxy {}", self.explain("its URL"))]
pub enum Refusal {
    /// It answers in another protocol.
    Foreign,
    /// It hangs up in the middle of the handshake.
    Cut,
    /// It takes none of the ways to tell who asks that it was offered: no word of it, and with it a user and a password.
    Method {
        /// Whether there were a user and a password.
        with_password: bool,
    },
    /// It does not take the user and the password.
    Password,
    /// A reply other than success.
    Reply(u8),
}

impl Refusal {
    /// What it does and what to do about it, as said of the proxy that stands in `setting`: `does not …; correct HTTPS_PROXY`.
    #[must_use]
    pub fn explain(self, setting: &str) -> String {
        match self {
            Self::Foreign => format!("does not answer like a SOCKS 5 proxy; correct {setting}"),
            Self::Cut => {
                format!("hung up before it had connected; check its log, or correct {setting}")
            }
            Self::Method { with_password: false } => {
                format!("requires a user and a password; put them into {setting}")
            }
            Self::Method { with_password: true } => {
                format!(
                    "does not accept a user and a password; enable that there, or remove them from {setting}"
                )
            }
            Self::Password => format!("rejects the user and the password; correct them in {setting}"),
            Self::Reply(code) => reply(code),
        }
    }
}

/// The replies of RFC 1928, section 6.
fn reply(code: u8) -> String {
    let (means, fix) = match code {
        1 => ("it failed", "check its log"),
        2 => ("not allowed", "allow this host and port there"),
        3 => ("that network is unreachable", "check its routes"),
        4 => ("that host is unreachable", "check the name and the address as the proxy sees them"),
        5 => ("the connection was refused", "check that something listens at that host and port"),
        6 => ("that host is too many hops away", "check its routes"),
        7 => ("it does not support such connections", "use another proxy"),
        8 => ("it does not support such addresses", "use a name, or an address of the other IP version"),
        _ => ("an unknown reason", "check its log"),
    };
    format!("does not connect to it (reply {code}, {means}); {fix}")
}

/// The refusal that an error of the library is about.
#[must_use]
pub fn refusal(error: &Error) -> Option<Refusal> {
    match error {
        Error::Other(cause) => cause.downcast_ref().copied(),
        _ => None,
    }
}

fn refused(refusal: Refusal) -> Error {
    Error::Other(Box::new(refusal))
}

/// Connects over TCP, by way of the agent's proxy where that speaks SOCKS.
#[derive(Debug, Default)]
pub(crate) struct Connector(TcpConnector);

impl<In: Transport> Link<In> for Connector {
    type Out = <TcpConnector as Link<In>>::Out;

    fn connect(&self, details: &ConnectionDetails, before: Option<In>) -> Result<Option<Self::Out>, Error> {
        let proxy = details.config.proxy().filter(|proxy| proxy.protocol() == ProxyProtocol::Socks5h);
        let (Some(proxy), None) = (proxy, &before) else { return self.0.connect(details, before) };
        let to_proxy = ConnectionDetails {
            // A time limit would take a thread; the system has its own.
            addrs: details.resolver.resolve(proxy.uri(), details.config, NextTimeout::default())?,
            uri: details.uri,
            config: details.config,
            request_level: details.request_level,
            resolver: details.resolver,
            now: details.now,
            timeout: details.timeout,
            current_time: details.current_time.clone(),
            run_connector: details.run_connector.clone(),
            register_shutdown: details.register_shutdown.clone(),
        };
        let Some(transport) = self.0.connect(&to_proxy, None)? else { return Ok(None) };
        let mut stream = TransportAdapter::new(transport, details.current_time.clone());
        stream.set_timeout(left(details));
        let uri = details.uri;
        let port = uri.port_u16().unwrap_or(if details.needs_tls() { 443 } else { 80 });
        negotiate(&mut stream, proxy, uri.host().unwrap_or_default(), port)?;
        Ok(Some(stream.into_inner()))
    }
}

/// What is left of the time for the connection.
fn left(details: &ConnectionDetails) -> NextTimeout {
    let mut timeout = details.timeout;
    if let (Instant::Exact(began), Instant::Exact(now)) = (details.now, (details.current_time)())
        && !timeout.after.is_not_happening()
    {
        timeout.after = timeout.after.saturating_sub(now.saturating_duration_since(began)).into();
    }
    timeout
}

/// Has the proxy at the other end of `stream` connect to `host`, an IPv6 address in brackets, and `port`.
pub fn negotiate(
    stream: &mut (impl Read + Write),
    proxy: &Proxy,
    host: &str,
    port: u16,
) -> Result<(), Error> {
    let credentials = proxy.username().map(|user| (user, proxy.password().unwrap_or_default()));
    let methods: &[u8] = match credentials {
        None => &[VERSION, 1, NO_AUTHENTICATION],
        Some(_) => &[VERSION, 2, NO_AUTHENTICATION, PASSWORD],
    };
    match (ask(stream, methods)?, credentials) {
        ([VERSION, NO_AUTHENTICATION], _) => {}
        ([VERSION, PASSWORD], Some((user, password))) => {
            let mut message = vec![PASSWORD_VERSION];
            push(&mut message, user)?;
            push(&mut message, password)?;
            match ask(stream, &message)? {
                [PASSWORD_VERSION, SUCCESS] => {}
                [PASSWORD_VERSION, _] => return Err(refused(Refusal::Password)),
                _ => return Err(refused(Refusal::Foreign)),
            }
        }
        ([VERSION, NO_METHOD], _) => {
            return Err(refused(Refusal::Method { with_password: credentials.is_some() }));
        }
        _ => return Err(refused(Refusal::Foreign)),
    }
    match ask(stream, &request(host, port)?)? {
        [VERSION, SUCCESS] => {}
        // Not all of them send the rest.
        [VERSION, code] => return Err(refused(Refusal::Reply(code))),
        _ => return Err(refused(Refusal::Foreign)),
    }
    // What the proxy calls its own end is of no use; the connection begins behind it.
    let [_, kind] = read(stream)?;
    let address_bytes = match kind {
        IPV4 => 4,
        IPV6 => 16,
        NAME => read(stream).map(|[length]| length.into())?,
        _ => return Err(refused(Refusal::Foreign)),
    };
    let mut rest = [0; TEXT_BYTES_MAX + PORT_BYTES];
    fill(stream, &mut rest[..address_bytes + PORT_BYTES])
}

fn request(host: &str, port: u16) -> Result<Vec<u8>, Error> {
    let mut message = vec![VERSION, CONNECT, 0];
    match host.trim_start_matches('[').trim_end_matches(']').parse() {
        Ok(std::net::IpAddr::V4(address)) => {
            message.push(IPV4);
            message.extend(address.octets());
        }
        Ok(std::net::IpAddr::V6(address)) => {
            message.push(IPV6);
            message.extend(address.octets());
        }
        Err(_) => {
            message.push(NAME);
            push(&mut message, host)?;
        }
    }
    message.extend(port.to_be_bytes());
    Ok(message)
}

/// Adds a text with its length before it.
fn push(message: &mut Vec<u8>, text: &str) -> Result<(), Error> {
    let length = u8::try_from(text.len())
        .map_err(|_| Error::BadUri(format!("more than {TEXT_BYTES_MAX} bytes are too many for SOCKS")))?;
    message.push(length);
    message.extend(text.as_bytes());
    Ok(())
}

/// Sends a message and reads the beginning of the answer.
fn ask(stream: &mut (impl Read + Write), message: &[u8]) -> Result<[u8; 2], Error> {
    stream.write_all(message)?;
    stream.flush()?;
    read(stream)
}

fn read<const BYTES: usize>(stream: &mut impl Read) -> Result<[u8; BYTES], Error> {
    let mut bytes = [0; BYTES];
    fill(stream, &mut bytes)?;
    Ok(bytes)
}

fn fill(stream: &mut impl Read, bytes: &mut [u8]) -> Result<(), Error> {
    stream.read_exact(bytes).map_err(|error| match error.kind() {
        io::ErrorKind::UnexpectedEof => refused(Refusal::Cut),
        _ => error.into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A proxy whose answers are known before.
    struct Script<'a> {
        answers: &'a [u8],
        asked: Vec<u8>,
    }

    impl Read for Script<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.answers.read(buffer)
        }
    }

    impl Write for Script<'_> {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.asked.write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn told(url: &str, host: &str, answers: &[u8]) -> (Result<(), Error>, Vec<u8>, usize) {
        let mut script = Script { answers, asked: Vec::new() };
        let result = negotiate(&mut script, &crate::proxy::parse(url).unwrap(), host, 443);
        (result, script.asked, script.answers.len())
    }

    #[test]
    fn what_is_asked_for_a_host() {
        let check = |url: &str, host: &str, answers: &[u8], wanted: &[&[u8]]| {
            let (result, asked, left) = told(url, host, answers);
            assert!(result.is_ok(), "{result:?}");
            assert_eq!(asked.escape_ascii().to_string(), wanted.concat().escape_ascii().to_string());
            assert_eq!(left, 1, "what comes after is not the handshake's");
        };
        let v4 = b"\x05\0\x05\0\0\x01\x0a\0\0\x01\x01\xbb!";
        check("socks5://p", "api.internal", v4, &[b"\x05\x01\0", b"\x05\x01\0\x03\x0capi.internal\x01\xbb"]);
        check("socks5h://p", "10.1.2.3", v4, &[b"\x05\x01\0", b"\x05\x01\0\x01\x0a\x01\x02\x03\x01\xbb"]);
        let v6 = [b"\x05\0\x05\0\0\x04".as_slice(), &[7; 18], b"!"].concat();
        let address = b"\x05\x01\0\x04\xfd\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\x01\xbb";
        check("socks5://p", "[fd00::1]", &v6, &[b"\x05\x01\0", address]);
        // A user is offered, and asked for or not.
        let name = [b"\x05\0\x05\0\0\x03\xff".as_slice(), &[b'x'; 257], b"!"].concat();
        check("socks5://u:p%40@p", "h", &name, &[b"\x05\x02\0\x02", b"\x05\x01\0\x03\x01h\x01\xbb"]);
        let asks = [b"\x05\x02\x01\0".as_slice(), &v4[2..]].concat();
        check(
            "socks5://u:p%40@p",
            "h",
            &asks,
            &[b"\x05\x02\0\x02\x01\x01u\x02p@\x05\x01\0\x03\x01h\x01\xbb"],
        );
        check("socks5://u@p", "h", &asks, &[b"\x05\x02\0\x02\x01\x01u\0\x05\x01\0\x03\x01h\x01\xbb"]);
    }

    #[test]
    fn every_refusal_is_told_apart() {
        let check = |url: &str, answers: &[u8], wanted: Refusal| {
            let error = told(url, "h", answers).0.unwrap_err();
            assert_eq!(refusal(&error), Some(wanted), "{error}");
            let text = wanted.explain("proxy-url");
            assert!(text.contains("; "), "no fix: {text}");
        };
        let (open, user) = ("socks5://p", "socks5://u:hunter2@p");
        for answers in [b"HTTP/1.1 400".as_slice(), b"\x04\x5a", b"\x05\x01", b"\x05\x02", b"\0\0"] {
            check(open, answers, Refusal::Foreign);
        }
        check(open, b"\x05\xff", Refusal::Method { with_password: false });
        check(user, b"\x05\xff", Refusal::Method { with_password: true });
        check(user, b"\x05\x02\x01\x01", Refusal::Password);
        check(user, b"\x05\x02\x01\xff", Refusal::Password);
        check(user, b"\x05\x02\x05\0", Refusal::Foreign);
        for code in 1..=9 {
            check(open, &[5, 0, 5, code], Refusal::Reply(code));
        }
        check(open, b"\x05\0\x04\0", Refusal::Foreign);
        check(open, b"\x05\0\x05\0\0\x02", Refusal::Foreign);
        // An answer that ends before its end, wherever.
        let whole = b"\x05\x02\x01\0\x05\0\0\x03\x02ab\x01\xbb";
        (0..whole.len()).for_each(|end| check(user, &whole[..end], Refusal::Cut));
        assert!(told(user, "h", whole).0.is_ok());
    }

    #[test]
    fn a_host_that_is_too_long_is_not_asked_for() {
        let (result, asked, _) = told("socks5://p", &"h".repeat(TEXT_BYTES_MAX + 1), b"\x05\0");
        assert!(matches!(result, Err(Error::BadUri(_))), "{result:?}");
        assert_eq!(asked, [5, 1, 0]);
    }
}
