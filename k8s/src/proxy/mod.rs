//! Proxies: which URLs name one that can be used, and SOCKS 5. What speaks HTTP, the library does.
//!
//! Invariant: a proxy that cannot be used is refused when it is read, never silently left out; its password is never printed.

pub mod socks;

use thiserror::Error;
use ureq::{Proxy, ProxyProtocol};

use socks::TEXT_BYTES_MAX;

/// Why a proxy setting cannot be used. The message does not repeat the value, which may hold a password.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum ProxyError {
    /// A scheme that none of the known proxies has.
    #[error(
        "a proxy with the scheme {0}:// is not supported; give http://host:port, https://host:port or socks5://host:port"
    )]
    Scheme(String),
    /// Not a URL with a host.
    #[error("not a proxy URL; give http://[user:password@]host:port, or the same with https:// or socks5://")]
    Malformed,
    /// SOCKS has one byte for the length of a user's name and another for that of a password.
    #[error(
        "a SOCKS proxy takes a user of 1 to {TEXT_BYTES_MAX} bytes and a password of at most as many; shorten them"
    )]
    Credentials,
}

/// Reads the URL of a proxy; without a scheme it is `http`.
pub fn parse(url: &str) -> Result<Proxy, ProxyError> {
    let url = url.trim();
    let proxy = match url.split_once("://") {
        // Without its feature, the library takes a SOCKS proxy and then goes direct: hence no other schemes.
        Some((scheme, rest)) => match scheme.to_ascii_lowercase().as_str() {
            "http" | "https" => Proxy::new(url),
            // As Go takes either: the proxy looks names up.
            "socks5" | "socks5h" => Proxy::new(&format!("socks5h://{rest}")),
            _ => return Err(ProxyError::Scheme(scheme.to_owned())),
        },
        None => Proxy::new(url),
    };
    let proxy = proxy.map_err(|_| ProxyError::Malformed)?;
    if proxy.host().is_empty() {
        return Err(ProxyError::Malformed);
    }
    let bytes = |text: Option<&str>| text.map(str::len);
    let fits = match (bytes(proxy.username()), bytes(proxy.password()).unwrap_or_default()) {
        (None, password) => password == 0,
        (Some(user), password) => (1..=TEXT_BYTES_MAX).contains(&user) && password <= TEXT_BYTES_MAX,
    };
    if proxy.protocol() == ProxyProtocol::Socks5h && !fits {
        return Err(ProxyError::Credentials);
    }
    Ok(proxy)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schemes_and_credentials() {
        let read = |url: &str| parse(url).map(|proxy| format!("{:?} {}", proxy.protocol(), proxy.uri()));
        let check = |url: &str, wanted: &str| assert_eq!(read(url).as_deref(), Ok(wanted));
        check("h:1", "Http http://h:1/");
        check("https://u:p@h", "Https https://u:p@h/");
        check(" SOCKS5://u:p@h:1", "Socks5h socks5h://u:p@h:1/");
        check("socks5h://[::1]", "Socks5h socks5h://[::1]/");
        assert_eq!(parse("socks5://h").unwrap().port(), 1080);
        let refused = |url: &str, wanted: ProxyError| assert_eq!(read(url), Err(wanted), "{url}");
        for scheme in ["socks", "socks4", "socks4a", "ftp", "unix", ""] {
            refused(&format!("{scheme}://u:p@h:1"), ProxyError::Scheme(scheme.to_owned()));
        }
        let long = "x".repeat(TEXT_BYTES_MAX + 1);
        refused("socks5://", ProxyError::Malformed);
        refused("socks5://a b", ProxyError::Malformed);
        refused("socks5://:p@h", ProxyError::Credentials);
        refused(&format!("socks5://{long}@h"), ProxyError::Credentials);
        refused(&format!("socks5://u:{long}@h"), ProxyError::Credentials);
        assert!(parse(&format!("socks5://u:{}@h", &long[1..])).is_ok());
        assert!(parse(&format!("http://u:{long}@h")).is_ok());
    }
}
