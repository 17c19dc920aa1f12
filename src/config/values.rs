//! Values of options: text in, a checked value or a sentence fragment out.
//!
//! Pure. A fragment says what the value is not and what is accepted; the caller puts option and value before it.

use std::time::Duration;

use super::{LeaseName, ListenAddress};
use plz_core::redact::scrubbed_line;
use plz_core::testrun::network::RunnerCa;

/// Longest value, in bytes, that a message repeats.
const SHOWN_BYTES_MAX: usize = 120;

/// RFC 1123 label, the limit of a namespace's name.
const LABEL_BYTES_MAX: usize = 63;

/// RFC 1123 subdomain, the limit of most other names.
const SUBDOMAIN_BYTES_MAX: usize = 253;

/// A value as a message shows it: quoted, cut, without credentials.
pub(super) fn shown(value: &str) -> String {
    format!("{:?}", scrubbed_line(value, SHOWN_BYTES_MAX))
}

/// `10s`, `1m30s`, `1.5h`: a duration within bounds.
pub(super) fn duration(text: &str, min: Duration, max: Duration) -> Result<Duration, String> {
    let accepted = || {
        let (min, max) = (humantime::format_duration(min), humantime::format_duration(max));
        format!("give a number with a unit, such as 10s or 1m30s, from {min} to {max}")
    };
    let value = humantime::parse_duration(text).map_err(|_| format!("is not a duration; {}", accepted()))?;
    if value < min || value > max {
        return Err(format!("is out of range; {}", accepted()));
    }
    Ok(value)
}

/// A whole number within bounds.
pub(super) fn number(text: &str, min: usize, max: usize) -> Result<usize, String> {
    text.parse()
        .ok()
        .filter(|value| (min..=max).contains(value))
        .ok_or_else(|| format!("is not a whole number from {min} to {max}"))
}

/// `2147483648`, `2GiB`, `512Mi`: a size in bytes, not zero.
pub(super) fn size(text: &str) -> Result<u64, String> {
    const UNITS: [(&str, u64); 4] = [("", 1), ("Ki", 1 << 10), ("Mi", 1 << 20), ("Gi", 1 << 30)];
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (count, unit) = text.split_at(digits);
    let unit = unit.trim().trim_end_matches('B');
    let factor = UNITS.iter().find(|(name, _)| *name == unit).map(|(_, factor)| *factor);
    let bytes = factor.zip(count.parse::<u64>().ok()).and_then(|(factor, count)| count.checked_mul(factor));
    bytes
        .filter(|bytes| *bytes > 0)
        .ok_or_else(|| "is not a size; give bytes, or a number with KiB, MiB or GiB".to_owned())
}

/// The base of a REST API: `http` or `https`, a host, perhaps a path; the trailing slash goes.
pub(super) fn base_url(text: &str) -> Result<String, String> {
    let accepted = "give http://host or https://host, with a port or a path if need be";
    let uri: ureq::http::Uri = text.parse().map_err(|_| format!("is not a URL; {accepted}"))?;
    if !matches!(uri.scheme_str(), Some("http" | "https")) {
        return Err(format!("is not an http or https URL; {accepted}"));
    }
    let authority = uri.authority().map(|authority| authority.as_str()).unwrap_or_default();
    if uri.host().unwrap_or_default().is_empty() {
        return Err(format!("has no host; {accepted}"));
    }
    let port = authority.rsplit_once(':').map(|(_, port)| port).filter(|port| !port.ends_with(']'));
    if !authority.contains('@') && port.is_some_and(|port| !port.parse::<u16>().is_ok_and(|port| port > 0)) {
        return Err(format!("has no valid port; {accepted}"));
    }
    if authority.contains('@') {
        return Err(format!("holds a user name or password; {accepted}"));
    }
    if uri.query().is_some() || text.contains('#') {
        return Err(format!("holds a query or a fragment; {accepted}"));
    }
    Ok(text.trim_end_matches('/').to_owned())
}

/// `:8080`, `127.0.0.1:8080`, `[::1]:8080`.
pub(super) fn listen_address(text: &str) -> Result<ListenAddress, String> {
    let any = text.strip_prefix(':').filter(|port| port.bytes().all(|byte| byte.is_ascii_digit()));
    let address = match any {
        Some(port) => port.parse().ok().map(ListenAddress::Any),
        None => text.parse().ok().map(ListenAddress::At),
    };
    address.ok_or_else(|| {
        "is not an address to listen on; give :PORT, ADDRESS:PORT or [ADDRESS]:PORT".to_owned()
    })
}

/// A presigned URL: `http` or `https` with a host. The fragment does not repeat it.
pub(super) fn archive_url(text: &str) -> Result<(), String> {
    crate::net::proxy::Target::parse(text).map(drop).ok_or_else(|| "is not an http or https URL".to_owned())
}

/// The name of a namespace: an RFC 1123 label.
pub(super) fn namespace(text: &str) -> Result<String, String> {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let valid = !text.is_empty()
        && text.len() <= LABEL_BYTES_MAX
        && text.bytes().all(inner)
        && !text.starts_with('-')
        && !text.ends_with('-');
    valid.then(|| text.to_owned()).ok_or_else(|| {
        "is not a namespace name; use lower-case letters, digits and '-' between them, at most 63 characters"
            .to_owned()
    })
}

/// `name` or `name/key`: a ConfigMap (an RFC 1123 subdomain) and a key in it.
pub(super) fn runner_ca(text: &str) -> Result<RunnerCa, String> {
    const NAME_BYTES_MAX: usize = 253;
    let (config_map, key) = text.split_once('/').unwrap_or((text, "ca.crt"));
    let is_name =
        config_map.len() <= NAME_BYTES_MAX && config_map.split('.').all(|label| namespace(label).is_ok());
    let is_key = (1..=NAME_BYTES_MAX).contains(&key.len())
        && !matches!(key, "." | "..")
        && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'));
    (is_name && is_key)
        .then(|| RunnerCa { config_map: config_map.to_owned(), key: key.to_owned() })
        .ok_or_else(|| "names no ConfigMap; give its name, or name/key".to_owned())
}

/// `[NAMESPACE/]NAME`: a Lease, whose name is an RFC 1123 subdomain.
pub(super) fn lease(text: &str) -> Result<LeaseName, String> {
    let (place, name) = match text.split_once('/') {
        Some((place, name)) => (Some(place), name),
        None => (None, text),
    };
    let is_name = name.len() <= SUBDOMAIN_BYTES_MAX && name.split('.').all(|label| namespace(label).is_ok());
    let is_placed = place.is_none_or(|place| namespace(place).is_ok());
    (is_name && is_placed)
        .then(|| LeaseName { namespace: place.map(str::to_owned), name: name.to_owned() })
        .ok_or_else(|| {
            "is not [NAMESPACE/]NAME; use lower-case letters, digits and '-' between them for both".to_owned()
        })
}

/// `[registry[:port]/]path[:tag][@algorithm:digest]`.
pub(super) fn image(text: &str) -> Result<String, String> {
    is_image(text).then(|| text.to_owned()).ok_or_else(|| {
        "is not an image reference; give [registry/]name[:tag] or [registry/]name@sha256:digest, the name in lower \
         case".to_owned()
    })
}

fn is_image(text: &str) -> bool {
    let (name, digest) = match text.split_once('@') {
        Some((name, digest)) => (name, Some(digest)),
        None => (text, None),
    };
    let (path, tag) = match name.rsplit_once(':') {
        Some((path, tag)) if !tag.contains('/') => (path, Some(tag)),
        _ => (name, None),
    };
    let (registry, path) = match path.split_once('/') {
        Some((first, rest)) if first.contains(['.', ':']) || first == "localhost" => (Some(first), rest),
        _ => (None, path),
    };
    registry.is_none_or(is_registry)
        && path.split('/').all(is_image_component)
        && tag.is_none_or(is_tag)
        && digest.is_none_or(is_digest)
}

fn is_registry(text: &str) -> bool {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (text, None),
    };
    !host.is_empty()
        && host
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b':' | b'[' | b']'))
        && port.is_none_or(|port| port.parse::<u16>().is_ok())
}

fn is_image_component(text: &str) -> bool {
    let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    edge(text.chars().next())
        && edge(text.chars().last())
        && text.bytes().all(|byte| {
            byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'.' | b'_' | b'-')
        })
}

fn is_tag(text: &str) -> bool {
    const TAG_BYTES_MAX: usize = 128;
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    (1..=TAG_BYTES_MAX).contains(&text.len())
        && text.bytes().next().is_some_and(word)
        && text.bytes().all(|byte| word(byte) || matches!(byte, b'.' | b'-'))
}

fn is_digest(text: &str) -> bool {
    const DIGEST_HEX_MIN: usize = 32;
    text.split_once(':').is_some_and(|(algorithm, hex)| {
        !algorithm.is_empty()
            && algorithm
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'.' | b'_' | b'-'))
            && hex.len() >= DIGEST_HEX_MIN
            && hex.bytes().all(|byte| byte.is_ascii_hexdigit())
    })
}

/// A level, or env_logger's directives: `level` and `target=level`, comma-separated. `trace` is not offered: at that
/// level the HTTP library prints the headers, credentials included.
pub(super) fn log_filter(text: &str) -> Result<String, String> {
    let accepted = "give error, warn, info, debug or off, or a list of target=level such as info,k8s=debug";
    for directive in text.split(',') {
        let (target, level) = match directive.trim().split_once('=') {
            Some((target, level)) => (target.trim(), level.trim()),
            None => ("any", directive.trim()),
        };
        let target_is_path = !target.is_empty()
            && target.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b':' | b'-'));
        if !target_is_path || !matches!(level, "error" | "warn" | "info" | "debug" | "off") {
            return Err(format!("is not a log filter; {accepted}"));
        }
    }
    Ok(text.split(',').map(str::trim).collect::<Vec<_>>().join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check<T: std::fmt::Debug + PartialEq>(result: Result<T, String>, expected: Result<T, &str>) {
        match (&result, &expected) {
            (Err(error), Err(start)) => assert!(error.starts_with(start), "{error}"),
            _ => assert_eq!(result.ok(), expected.ok()),
        }
    }

    #[test]
    fn durations() {
        let duration = |text: &str| {
            duration(text, Duration::from_secs(1), Duration::from_secs(600)).map(|value| value.as_millis())
        };
        check(duration("10s"), Ok(10_000));
        check(duration("1m30s"), Ok(90_000));
        check(duration("1.5s"), Ok(1_500));
        check(duration("10m"), Ok(600_000));
        check(duration("10"), Err("is not a duration; give a number with a unit"));
        check(duration(""), Err("is not a duration"));
        check(duration("-1s"), Err("is not a duration"));
        check(duration("999ms"), Err("is out of range"));
        check(
            duration("601s"),
            Err("is out of range; give a number with a unit, such as 10s or 1m30s, from 1s to 10m"),
        );
    }

    #[test]
    fn base_urls() {
        check(base_url("https://api.k6.io/"), Ok("https://api.k6.io".into()));
        check(base_url("http://[::1]:8080/k6//"), Ok("http://[::1]:8080/k6".into()));
        check(base_url("api.k6.io"), Err("is not an http or https URL"));
        check(base_url("ftp://api"), Err("is not an http or https URL"));
        check(base_url("https://"), Err("is not a URL"));
        check(base_url("https://a b"), Err("is not a URL"));
        check(base_url("https://user:pw@host"), Err("holds a user name"));
        check(base_url("https://host/?token=1"), Err("holds a query"));
        check(base_url("https://host/#x"), Err("holds a query"));
        check(base_url("https://host:99999"), Err("has no valid port"));
        check(base_url("https://host:"), Err("has no valid port"));
        check(base_url("https://host:0"), Err("has no valid port"));
    }

    #[test]
    fn images() {
        for good in [
            "plz-agent",
            "grafana/k6:latest",
            "localhost:5000/plz-agent:v1.0",
            "registry.example.com:5000/a/b_c/d.e@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
        ] {
            check(image(good), Ok(good.into()));
        }
        for bad in
            ["", "a b", "UPPER/case", "a//b", "/a", "a/", "a:", "a:-x", "a@sha256:12", "a:x/y", "$(x)", "-a"]
        {
            check(image(bad), Err("is not an image reference"));
        }
    }

    #[test]
    fn runner_cas() {
        let ca = |config_map: &str, key: &str| RunnerCa { config_map: config_map.into(), key: key.into() };
        check(runner_ca("edge-ca"), Ok(ca("edge-ca", "ca.crt")));
        check(runner_ca("kube-root-ca.crt/x_1.pem"), Ok(ca("kube-root-ca.crt", "x_1.pem")));
        for bad in ["", "/", "a/", "/k", "A", "a/b/c", "a/..", "a..b", "a/k y"] {
            check(runner_ca(bad), Err("names no ConfigMap"));
        }
    }

    #[test]
    fn listen_addresses() {
        check(listen_address(":8080"), Ok(ListenAddress::Any(8080)));
        for good in ["127.0.0.1:0", "[::1]:8080", "[::]:9"] {
            check(listen_address(good).map(|address| address.to_string()), Ok(good.to_owned()));
        }
        for bad in
            ["", "8080", ":", ":x", ":+1", ":65536", "localhost:80", "1.2.3.4", "::1:80", "http://1.2.3.4:80"]
        {
            check(listen_address(bad), Err("is not an address to listen on"));
        }
    }

    #[test]
    fn namespaces() {
        check(namespace("team-1"), Ok("team-1".into()));
        for bad in ["", "-a", "a-", "A", "a.b", "a/b", "x".repeat(64).as_str()] {
            check(namespace(bad), Err("is not a namespace name"));
        }
    }

    #[test]
    fn leases() {
        let lease = |text: &str| lease(text).map(|lease| (lease.namespace.unwrap_or_default(), lease.name));
        check(lease("plz-agent"), Ok((String::new(), "plz-agent".into())));
        check(lease("load/plz.agent-1"), Ok(("load".into(), "plz.agent-1".into())));
        for bad in ["", "/", "a/", "/a", "A", "a/b/c", "a..b", "a_b", "n.s/a"] {
            check(lease(bad), Err("is not [NAMESPACE/]NAME"));
        }
    }

    #[test]
    fn sizes() {
        check(size("1"), Ok(1));
        check(size("2GiB"), Ok(2 << 30));
        check(size("512 Mi"), Ok(512 << 20));
        for bad in ["", "0", "GiB", "1.5GiB", "1GB", "-1", "99999999999GiB"] {
            check(size(bad), Err("is not a size"));
        }
    }

    #[test]
    fn log_filters() {
        check(log_filter("debug"), Ok("debug".into()));
        check(log_filter("info, k8s::watch=debug"), Ok("info,k8s::watch=debug".into()));
        for bad in ["", "trace", "verbose", "k8s", "k8s=trace", "info,", "info/regex", "=debug"] {
            check(log_filter(bad), Err("is not a log filter"));
        }
    }
}
