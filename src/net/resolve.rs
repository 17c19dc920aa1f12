//! From names to addresses, for networks where names do not always resolve and one family may lead nowhere.
//!
//! ```text
//!   the system's answer ─► both families in turn ─► the first few ─► remembered
//!   no answer           ─► what was remembered, for a while
//! ```
//! The library splits its time for a connection over the addresses, half of it for the first: behind eight IPv6 addresses that
//! lead nowhere the first IPv4 address would get milliseconds. It also asks for the addresses on every request, also when
//! it has a connection at hand, so that a resolver that is down would take working connections away.
//!
//! Owns the order and the memory. Leaves the asking to the system, within the system's own limits. Invariant: an address was
//! given for this very name and port.

#![expect(clippy::disallowed_methods, reason = "how old an answer is takes a clock")]

use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::NextTimeout;

/// How many addresses are tried for one connection.
const ADDRESSES_MAX: usize = 4;
/// How many names are remembered; GCk6 has two hosts, and there may be a proxy.
const NAMES_MAX: usize = 8;
/// How long an answer stands in for one that does not come. TLS sees to it that nobody else is spoken to.
const STALE_MAX: Duration = Duration::from_secs(3600);

/// See the module.
#[derive(Debug)]
pub(super) struct Names<R = DefaultResolver> {
    system: R,
    known: Mutex<Vec<Known>>,
}

#[derive(Debug)]
struct Known {
    name: String,
    addresses: Vec<SocketAddr>,
    at: Instant,
}

impl Default for Names {
    fn default() -> Self {
        Names::over(DefaultResolver::default())
    }
}

impl<R> Names<R> {
    fn over(system: R) -> Self {
        Names { system, known: Mutex::default() }
    }

    fn known(&self) -> MutexGuard<'_, Vec<Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn remember(&self, name: &str, addresses: &[SocketAddr]) {
        let mut known = self.known();
        known.retain(|known| known.name != name);
        if known.len() >= NAMES_MAX {
            // The one that was asked for the longest time ago.
            known.remove(0);
        }
        known.push(Known { name: name.to_owned(), addresses: addresses.to_vec(), at: Instant::now() });
    }

    fn recall(&self, name: &str) -> Option<Vec<SocketAddr>> {
        let known = self.known();
        let known = known.iter().find(|known| known.name == name && known.at.elapsed() < STALE_MAX)?;
        Some(known.addresses.clone())
    }
}

impl<R: Resolver> Resolver for Names<R> {
    fn resolve(
        &self,
        uri: &Uri,
        config: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let name = format!("{}://{}", uri.scheme_str().unwrap_or_default(), uri.host().unwrap_or_default());
        let name = format!("{name}:{}", uri.port_u16().unwrap_or_default());
        let addresses = match self.system.resolve(uri, config, timeout) {
            Ok(found) => {
                let addresses = in_turn(&found);
                self.remember(&name, &addresses);
                addresses
            }
            Err(error) => match self.recall(&name) {
                Some(addresses) => {
                    log::debug!("{name} does not resolve ({error}); using its last known addresses");
                    addresses
                }
                None => return Err(error),
            },
        };
        let mut resolved = self.empty();
        addresses.into_iter().for_each(|address| resolved.push(address));
        Ok(resolved)
    }
}

/// The first addresses, one of each family in turn, beginning with the family that the system puts first.
fn in_turn(addresses: &[SocketAddr]) -> Vec<SocketAddr> {
    let Some(first) = addresses.first() else { return Vec::new() };
    let of = |like_first: bool| {
        addresses.iter().filter(move |address| (address.is_ipv6() == first.is_ipv6()) == like_first)
    };
    let (mut preferred, mut other) = (of(true), of(false));
    let mut turns = Vec::new();
    while turns.len() < ADDRESSES_MAX {
        let before = turns.len();
        turns.extend(preferred.next());
        turns.extend(other.next());
        if turns.len() == before {
            break;
        }
    }
    turns.truncate(ADDRESSES_MAX);
    turns
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_take_turns() {
        let check = |addresses: &[&str], expected: &[&str]| {
            let parse =
                |list: &[&str]| list.iter().map(|text| text.parse().unwrap()).collect::<Vec<SocketAddr>>();
            assert_eq!(in_turn(&parse(addresses)), parse(expected));
        };
        let (a, b, c) = ("[fd00::1]:443", "[fd00::2]:443", "[fd00::3]:443");
        let (x, y) = ("10.0.0.1:443", "10.0.0.2:443");
        check(&[], &[]);
        check(&[a], &[a]);
        check(&[a, b, c, x, y], &[a, x, b, y]);
        check(&[x, y, a], &[x, a, y]);
        check(&[a, b, c, "[fd00::4]:443", "[fd00::5]:443"], &[a, b, c, "[fd00::4]:443"]);
    }

    /// A system that answers as long as it has answers.
    #[derive(Debug)]
    struct Flapping(Mutex<Vec<&'static str>>);

    impl Resolver for Flapping {
        fn resolve(&self, _: &Uri, _: &Config, _: NextTimeout) -> Result<ResolvedSocketAddrs, ureq::Error> {
            let answer = self.0.lock().unwrap().pop().ok_or(ureq::Error::HostNotFound)?;
            let mut addresses = self.empty();
            addresses.push(answer.parse().unwrap());
            Ok(addresses)
        }
    }

    #[test]
    fn what_does_not_resolve_now_is_remembered() {
        let names = Names::over(Flapping(Mutex::new(vec!["10.0.0.2:1", "10.0.0.1:1"])));
        let ask = |uri: &str| {
            let timeout = NextTimeout::default();
            let found = names.resolve(&uri.parse().unwrap(), &Config::default(), timeout);
            found.map(|addresses| addresses[0].to_string()).ok()
        };
        assert_eq!(ask("http://a:1/x").as_deref(), Some("10.0.0.1:1"));
        assert_eq!(ask("http://a:1/y").as_deref(), Some("10.0.0.2:1"), "an answer counts more than memory");
        assert_eq!(ask("http://a:1/z").as_deref(), Some("10.0.0.2:1"));
        assert_eq!([ask("http://b:1/"), ask("http://a:2/"), ask("https://a:1/")], [None, None, None]);
        (0..20).for_each(|n| names.remember(&format!("http://{}:0", 30 - n), &[]));
        assert_eq!(names.known().len(), NAMES_MAX);
        assert!(names.recall("http://11:0").is_some(), "the latest stay");
    }
}
