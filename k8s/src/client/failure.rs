//! What the HTTP library could not do, in words for whoever has to put it right.
//!
//! Owns the translation for the API server. Invariant: neither headers nor bodies, nor a proxy's password, can get into a
//! message, nor what a library prints for its own people.

use std::io;

use crate::config::{Config, Origin};
use crate::proxy::socks;
use crate::status::Error;
use crate::text::printable;
use crate::tls::{self, Side};

/// The most that is shown of a cause, in characters.
const CAUSE_CHARS_MAX: usize = 200;

pub(super) fn of(config: &Config, error: &ureq::Error) -> Error {
    let server = config.server.to_string();
    let broken = |cause: String| Error::Transport { server: server.clone(), cause };
    if let Some(error) = tls::cause(error) {
        return broken(tls::explain(error, side(config)));
    }
    if let Some(refusal) = socks::refusal(error) {
        return broken(format!("the proxy of proxy-url {}", refusal.explain("proxy-url")));
    }
    let text = printable(&error.to_string(), CAUSE_CHARS_MAX);
    let via = if config.proxy.is_some() { "by the proxy of proxy-url: " } else { "" };
    match error {
        ureq::Error::Timeout(limit) => Error::Timeout { server, cause: format!("{limit} timeout") },
        ureq::Error::Io(error) if error.kind() == io::ErrorKind::TimedOut => {
            Error::Timeout { server, cause: error.to_string() }
        }
        ureq::Error::Io(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            broken("the connection was closed before the answer was complete".to_owned())
        }
        ureq::Error::Io(error) => broken(printable(&format!("{via}{error}"), CAUSE_CHARS_MAX)),
        ureq::Error::HostNotFound if config.proxy.is_some() => {
            broken("the name of the proxy of proxy-url is not known".to_owned())
        }
        ureq::Error::HostNotFound => broken("its name is not known".to_owned()),
        ureq::Error::ConnectProxyFailed(_) => broken(refused_by_proxy(&text)),
        ureq::Error::Protocol(_) => broken(format!(
            "its answer is not HTTP/1.1 ({}); check scheme and port of the server",
            text.trim_start_matches("protocol: ")
        )),
        _ => broken(text),
    }
}

/// What a proxy said instead of connecting, by the status in the library's words.
fn refused_by_proxy(text: &str) -> String {
    let status = proxy_status(text);
    match status {
        Some(407) => {
            "the proxy of proxy-url requires a user and a password (407); put them into proxy-url".to_owned()
        }
        Some(403) => {
            "the proxy of proxy-url does not allow connections there (403); allow this host and port there"
                .to_owned()
        }
        Some(status) => {
            format!("the proxy of proxy-url does not connect to it ({status}); check the proxy's log")
        }
        None => "the proxy of proxy-url does not answer like a proxy; correct proxy-url".to_owned(),
    }
}

/// The status in `CONNECT proxy failed: proxy server responded 407/407`.
#[must_use]
pub fn proxy_status(text: &str) -> Option<u16> {
    let digits = text.rsplit(['/', ' ']).next()?;
    digits.parse().ok()
}

fn side(config: &Config) -> Side {
    match config.origin {
        Origin::InCluster => Side::Pod,
        Origin::Kubeconfig { .. } => Side::Kubeconfig,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_that_refuses_has_a_fix_beside_it() {
        let check = |status: &str, says: &str| {
            let error = ureq::Error::ConnectProxyFailed(format!("proxy server responded {status}/{status}"));
            let text = of(&Config::plain("https://h").unwrap(), &error).to_string();
            assert!(
                text.contains(says)
                    && text.contains("; ")
                    && !text.contains('/'.to_string().repeat(3).as_str()),
                "{text}"
            );
            assert!(!text.contains(&format!("{status}/{status}")), "{text}");
        };
        check("407", "put them into proxy-url");
        check("403", "allow this host");
        check("502", "502");
    }
}
