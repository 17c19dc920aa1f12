//! Which URL goes through which proxy.
//!
//! Owns the meaning of `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY`; pure, told the values by `config`.
//! Their meaning is the one that k6 and the Kubernetes tools give them, so that one environment serves all.
//!
//! Invariant: a proxy that cannot be used is refused when it is read, by [`k8s::proxy`], never silently left out; its password is
//! never printed.

use std::fmt;
use std::net::IpAddr;

pub use k8s::proxy::ProxyError;

use plz_core::redact::Secret;

/// A proxy as `http://[user:password@]host[:port]`, or the same with `https` or `socks5`. `Debug` and `Display` leave the credentials out.
#[derive(Clone, PartialEq, Eq)]
pub struct ProxyUrl {
    proxy: ureq::Proxy,
    text: Secret,
}

impl ProxyUrl {
    /// Reads a proxy URL; without a scheme it is `http`.
    pub fn parse(value: &str) -> Result<ProxyUrl, ProxyError> {
        let value = value.trim();
        let proxy = k8s::proxy::parse(value)?;
        Ok(ProxyUrl { proxy, text: Secret::new(value) })
    }

    /// Whether it bears a user name or a password.
    pub fn has_credentials(&self) -> bool {
        self.proxy.username().is_some() || self.proxy.password().is_some()
    }

    /// Whether it is on this machine, where nobody else reaches it.
    pub fn is_loopback(&self) -> bool {
        is_loopback(self.proxy.host().trim_start_matches('[').trim_end_matches(']'))
    }

    pub(super) fn to_ureq(&self) -> ureq::Proxy {
        self.proxy.clone()
    }
}

impl fmt::Display for ProxyUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.proxy.host(), self.proxy.port())
    }
}

impl fmt::Debug for ProxyUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ProxyUrl({self})")
    }
}

/// The proxies by scheme of the target, and the targets that go direct. Every target is reached through a tunnel
/// (`CONNECT`), `http` ones too: a proxy that allows tunnels to port 443 alone serves `https` targets alone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProxySettings {
    /// For `https` targets: `HTTPS_PROXY`, else `ALL_PROXY`.
    pub https: Option<ProxyUrl>,
    /// For `http` targets: `HTTP_PROXY`, else `ALL_PROXY`.
    pub http: Option<ProxyUrl>,
    /// `NO_PROXY`.
    pub no_proxy: NoProxy,
}

impl ProxySettings {
    /// The variables that give another process the same settings, each under the name that everybody reads.
    pub fn variables(&self) -> Vec<(&'static str, Secret)> {
        let proxies = [("HTTPS_PROXY", &self.https), ("HTTP_PROXY", &self.http)];
        let mut variables: Vec<_> = proxies
            .into_iter()
            .filter_map(|(name, proxy)| Some((name, proxy.as_ref()?.text.clone())))
            .collect();
        if !variables.is_empty() && !self.no_proxy.text.is_empty() {
            variables.push(("NO_PROXY", Secret::new(self.no_proxy.text.as_str())));
        }
        variables
    }

    /// Both, as far as they are set.
    pub fn proxies(&self) -> impl Iterator<Item = &ProxyUrl> {
        self.https.iter().chain(&self.http)
    }

    /// The proxy for a target, `None` to go direct. Loopback targets always go direct.
    pub fn select(&self, target: &Target) -> Option<&ProxyUrl> {
        let proxy = if target.https { self.https.as_ref() } else { self.http.as_ref() };
        proxy.filter(|_| !target.is_loopback() && !self.no_proxy.matches(target))
    }
}

/// Where a URL leads: what the choice of a proxy, and a message, need to know of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Whether the scheme is `https`.
    pub https: bool,
    /// Lower case, without the brackets of an IPv6 address and without a trailing dot.
    pub host: String,
    /// The port, the scheme's own when the URL names none.
    pub port: u16,
}

impl Target {
    /// Reads scheme, host and port of an absolute `http` or `https` URL.
    pub fn parse(url: &str) -> Option<Target> {
        let uri: ureq::http::Uri = url.parse().ok()?;
        let https = match uri.scheme_str()? {
            "https" => true,
            "http" => false,
            _ => return None,
        };
        let host = uri.host().filter(|host| !host.is_empty())?;
        let host =
            host.trim_start_matches('[').trim_end_matches(']').trim_end_matches('.').to_ascii_lowercase();
        Some(Target { https, host, port: uri.port_u16().unwrap_or(if https { 443 } else { 80 }) })
    }

    fn ip(&self) -> Option<IpAddr> {
        self.host.parse().ok()
    }

    fn is_loopback(&self) -> bool {
        is_loopback(&self.host)
    }
}

fn is_loopback(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<IpAddr>().is_ok_and(|ip| ip.to_canonical().is_loopback())
}

/// The targets that go direct, read from a comma- or blank-separated list. Entries: `*`, an IP address, a CIDR
/// block, `example.com` (the host and all below it), `.example.com` or `*.example.com` (only below it), each with an
/// optional `:port`. Names are not resolved.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NoProxy {
    text: String,
    entries: Vec<Entry>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    host: HostPattern,
    port: Option<u16>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum HostPattern {
    Any,
    Network { address: IpAddr, prefix_bits: u8 },
    Domain { suffix: String, itself: DomainItself },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum DomainItself {
    Matches,
    Excluded,
}

impl NoProxy {
    /// Reads the list; what is no pattern is skipped, as every other tool does.
    pub fn parse(list: &str) -> NoProxy {
        let entries = split(list).filter_map(Entry::parse).collect();
        NoProxy { text: list.trim().to_owned(), entries }
    }

    /// The entries that no target matches: a URL, a network of an impossible size, a port that is none.
    pub fn vain(&self) -> impl Iterator<Item = &str> {
        let is_vain = |entry: &Entry| match &entry.host {
            HostPattern::Domain { suffix, .. } => suffix.contains('/'),
            HostPattern::Any | HostPattern::Network { .. } => false,
        };
        split(&self.text)
            .filter(move |text| !text.is_empty() && Entry::parse(text).is_none_or(|entry| is_vain(&entry)))
    }

    /// Whether the target goes direct.
    pub fn matches(&self, target: &Target) -> bool {
        let ip = target.ip().map(|ip| ip.to_canonical());
        self.entries.iter().any(|entry| {
            entry.port.is_none_or(|port| port == target.port) && entry.host.matches(&target.host, ip)
        })
    }
}

fn split(list: &str) -> impl Iterator<Item = &str> {
    list.split(|c: char| c == ',' || c.is_whitespace())
}

impl Entry {
    fn parse(text: &str) -> Option<Entry> {
        let text = text.to_ascii_lowercase();
        if text.is_empty() {
            return None;
        }
        // A bare IPv6 address is full of colons, none of which starts a port.
        if let Some(host) = HostPattern::network(&text) {
            return Some(Entry { host, port: None });
        }
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) if !port.is_empty() && !port.ends_with(']') => {
                (host, Some(port.parse().ok()?))
            }
            Some((host, "")) => (host, None),
            _ => (text.as_str(), None),
        };
        Some(Entry { host: HostPattern::parse(host)?, port })
    }
}

impl HostPattern {
    fn parse(host: &str) -> Option<HostPattern> {
        if host == "*" {
            return Some(HostPattern::Any);
        }
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        if let Some(network) = HostPattern::network(bare) {
            return Some(network);
        }
        let host = host.strip_prefix('*').unwrap_or(host).trim_end_matches('.');
        let (suffix, itself) = match host.strip_prefix('.') {
            Some(suffix) => (suffix, DomainItself::Excluded),
            None => (host, DomainItself::Matches),
        };
        let suffix = suffix.to_owned();
        (!suffix.is_empty()).then_some(HostPattern::Domain { suffix, itself })
    }

    fn network(text: &str) -> Option<HostPattern> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix.parse::<u8>().ok()?)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().ok()?;
        let address_bits = if address.is_ipv4() { 32 } else { 128 };
        let prefix_bits = prefix.unwrap_or(address_bits);
        (prefix_bits <= address_bits).then_some(HostPattern::Network { address, prefix_bits })
    }

    fn matches(&self, host: &str, ip: Option<IpAddr>) -> bool {
        match self {
            HostPattern::Any => true,
            HostPattern::Network { address, prefix_bits } => {
                ip.is_some_and(|ip| in_network(ip, *address, *prefix_bits))
            }
            HostPattern::Domain { suffix, itself } => match host.strip_suffix(suffix.as_str()) {
                Some("") => *itself == DomainItself::Matches,
                Some(below) => below.ends_with('.'),
                None => false,
            },
        }
    }
}

fn in_network(ip: IpAddr, network: IpAddr, prefix_bits: u8) -> bool {
    let prefix_bits = u32::from(prefix_bits);
    match (ip, network) {
        (IpAddr::V4(ip), IpAddr::V4(network)) => {
            let differing = u32::from(ip) ^ u32::from(network);
            differing.checked_shr(32 - prefix_bits).unwrap_or(0) == 0
        }
        (IpAddr::V6(ip), IpAddr::V6(network)) => {
            let differing = u128::from(ip) ^ u128::from(network);
            differing.checked_shr(128 - prefix_bits).unwrap_or(0) == 0
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(list: &str, url: &str, direct: bool) {
        let target = Target::parse(url).unwrap();
        assert_eq!(NoProxy::parse(list).matches(&target), direct, "{list:?} and {url}");
    }

    #[test]
    fn no_proxy_patterns() {
        check("", "https://example.com", false);
        check("*", "https://example.com", true);
        check("example.com", "https://example.com/x?y", true);
        check("example.com", "https://a.example.com", true);
        check("example.com", "https://notexample.com", false);
        check(".example.com", "https://example.com", false);
        check(".example.com", "https://a.example.com", true);
        check("*.example.com", "https://a.b.example.com", true);
        check(" a.test , Example.COM b.test", "https://EXAMPLE.com.", true);
        check("example.com:8443", "https://example.com", false);
        check("example.com:443", "https://example.com", true);
        check("10.0.0.0/8", "https://10.1.2.3", true);
        check("10.0.0.0/8", "https://11.1.2.3", false);
        check("10.0.0.0/8", "https://10.example.com", false);
        check("0.0.0.0/0", "http://8.8.8.8", true);
        check("10.1.2.3", "https://10.1.2.3:6443", true);
        check("10.1.2.3:80", "https://10.1.2.3", false);
        check("fd00::/8", "http://[fd00::1]:6565", true);
        check("fd00::1", "http://[fd00::1]", true);
        check("[fd00::1]:6565", "http://[fd00::1]:6565", true);
        check("[fd00::1]:6565", "http://[fd00::1]:80", false);
        check("10.0.0.0/33,10.0.0.0/x,:", "http://10.0.0.0", false);
        check("x,\t*", "https://example.com", true);
        check("*:8080", "https://example.com", false);
        check("*.example.com", "https://example.com", false);
        check("example.com.", "https://example.com", true);
        check(".Example.COM:443", "https://a.example.com", true);
        check(".example.com:80", "https://a.example.com", false);
        check("com", "https://example.com", true);
        check("http://example.com", "http://example.com", false);
        check("10.0.0.0/8", "https://[::ffff:10.1.2.3]", true);
        check("10.1.2.0/31", "https://10.1.2.1", true);
        check("10.1.2.0/31", "https://10.1.2.2", false);
        check("fd00::/8", "https://10.1.2.3", false);
        check("::/0", "https://[2001:db8::1]", true);
        check("[fd00::1]", "https://[fd00::1]:6443", true);
        check("fd00:0:0::1", "https://[fd00::1]", true);
        check("localhost.localdomain", "https://localhost", false);
    }

    #[test]
    fn entries_that_match_nothing_are_told() {
        let told = |list| NoProxy::parse(list).vain().map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(told("a.test, .b.test *.c.test:80,*,10.0.0.0/8,[fd00::1]:6443,fd00::/8,"), [""; 0]);
        assert_eq!(
            told("http://a.test,a.test/x 10.0.0.0/33,a.test:http,b"),
            ["http://a.test", "a.test/x", "10.0.0.0/33", "a.test:http"]
        );
    }

    #[test]
    fn selects_by_scheme_and_never_for_loopback() {
        let settings = ProxySettings {
            https: Some(ProxyUrl::parse("secure:1").unwrap()),
            http: Some(ProxyUrl::parse("http://plain:2").unwrap()),
            no_proxy: NoProxy::parse("direct.test"),
        };
        let select =
            |url| settings.select(&Target::parse(url).unwrap()).map_or("direct".into(), ToString::to_string);
        assert_eq!(select("https://a.test"), "secure:1");
        assert_eq!(select("http://a.test"), "plain:2");
        assert_eq!(select("https://direct.test"), "direct");
        assert_eq!(select("http://127.0.0.9:1"), "direct");
        assert_eq!(select("http://[::1]:1"), "direct");
        assert_eq!(select("http://localhost:1"), "direct");
    }

    #[test]
    fn refuses_what_it_cannot_use_and_hides_credentials() {
        assert_eq!(ProxyUrl::parse("http://").unwrap_err(), ProxyError::Malformed);
        assert_eq!(ProxyUrl::parse("http://a b").unwrap_err(), ProxyError::Malformed);
        for scheme in ["socks4", "socks4a", "SOCKS", "ftp", "unix"] {
            let error = ProxyUrl::parse(&format!("{scheme}://u:p@h:1")).unwrap_err();
            assert_eq!(error, ProxyError::Scheme(scheme.into()));
            assert!(!error.to_string().contains("u:p"), "{error}");
        }
        let loopback = |url| ProxyUrl::parse(url).unwrap().is_loopback();
        assert!(loopback("http://[::1]:3128") && loopback("LOCALHOST:1") && loopback("http://127.9.9.9"));
        assert!(!loopback("http://[fd00::1]:3128") && !loopback("localhost.example:1"));
        let credentials = |url| ProxyUrl::parse(url).unwrap().has_credentials();
        assert!(credentials("http://user@h:1") && credentials("u:p@h:1") && !credentials("h:1"));
        let proxy = ProxyUrl::parse("http://user:pass@proxy:3128").unwrap();
        assert_eq!(format!("{proxy} {proxy:?}"), "proxy:3128 ProxyUrl(proxy:3128)");
        let proxy = ProxyUrl::parse("socks5://user:pass@proxy").unwrap();
        assert_eq!(format!("{proxy} {proxy:?}"), "proxy:1080 ProxyUrl(proxy:1080)");
    }
}
