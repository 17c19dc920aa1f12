//! When to try again, and where a redirect leads.
//!
//! Pure: decides, the caller sleeps and connects.

use std::time::Duration;

use k8s::backoff::Backoff;

use super::error::Retry;

/// The upper half of each pause spreads the downloads of many runners.
const BACKOFF: Backoff =
    Backoff { first: Duration::from_millis(500), most: Duration::from_secs(10), jitter_percent: 50 };

/// Redirects that are followed in one try.
pub(super) const REDIRECTS_MAX: usize = 5;

/// How long to wait after the `tries`-th failed try, with `left` until the deadline; `None` to give up. `fraction`, from 0 to 1,
/// spreads the pauses.
pub(super) fn pause(retry: Retry, tries: u32, left: Duration, fraction: f64) -> Option<Duration> {
    let usual = BACKOFF.pause(tries, fraction);
    let pause = match retry {
        Retry::Never => return None,
        Retry::Later => usual,
        Retry::After(asked) => asked.max(usual),
    };
    (pause < left).then_some(pause)
}

/// Where `Location` leads from `base`; an error says why it is not followed.
pub(super) fn redirect(base: &str, location: &str) -> Result<String, &'static str> {
    let (scheme, rest) = base.split_once("://").ok_or("from something that is not a URL")?;
    let origin_end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(origin_end);
    let target = location.split('#').next().unwrap_or_default();
    let has_scheme = target.split_once(':').is_some_and(|(scheme, _)| {
        scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'))
    });
    let url = if target.is_empty() {
        return Err("to nowhere");
    } else if has_scheme {
        target.to_owned()
    } else if target.starts_with("//") {
        format!("{scheme}:{target}")
    } else if target.starts_with('/') {
        format!("{scheme}://{authority}{target}")
    } else {
        let path = path.split(['?', '#']).next().unwrap_or_default();
        let path =
            if target.starts_with('?') { path } else { &path[..path.rfind('/').map_or(0, |at| at + 1)] };
        let slash = if path.is_empty() { "/" } else { "" };
        format!("{scheme}://{authority}{path}{slash}{target}")
    };
    let https = |url: &str| url.get(..8).is_some_and(|start| start.eq_ignore_ascii_case("https://"));
    let http = |url: &str| url.get(..7).is_some_and(|start| start.eq_ignore_ascii_case("http://"));
    match (https(base), https(&url), http(&url)) {
        (true, false, true) => Err("from https to http, which is not followed"),
        (_, false, false) => Err("to something other than http or https, which is not followed"),
        _ => Ok(url),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_bound_and_stay_within_the_deadline() {
        let hour = Duration::from_secs(3600);
        let pause =
            |retry, tries, left, fraction| pause(retry, tries, left, fraction).map(|pause| pause.as_millis());
        assert_eq!(pause(Retry::Later, 1, hour, 1.0), Some(250));
        assert_eq!(pause(Retry::Later, 1, hour, 0.0), Some(500));
        assert_eq!(pause(Retry::Later, 3, hour, 0.0), Some(2_000));
        assert_eq!(pause(Retry::Later, u32::MAX, hour, 0.0), Some(10_000));
        assert_eq!(pause(Retry::After(Duration::from_secs(42)), 1, hour, 1.0), Some(42_000));
        assert_eq!(pause(Retry::After(Duration::ZERO), 1, hour, 1.0), Some(250));
        assert_eq!(pause(Retry::Never, 1, hour, 0.0), None);
        assert_eq!(pause(Retry::Later, 1, Duration::from_millis(250), 1.0), None);
    }

    #[test]
    fn redirects() {
        let check = |base: &str, location: &str, expected| {
            let expected: Result<&str, &str> = expected;
            assert_eq!(redirect(base, location), expected.map(str::to_owned), "{base} {location}");
        };
        let base = "https://a.test/x/y?q=1";
        check(base, "https://b.test/z?r=2#f", Ok("https://b.test/z?r=2"));
        check(base, "//b.test/z", Ok("https://b.test/z"));
        check(base, "/z?r=http://c/", Ok("https://a.test/z?r=http://c/"));
        check(base, "z", Ok("https://a.test/x/z"));
        check(base, "?r=2", Ok("https://a.test/x/y?r=2"));
        check("http://a.test", "z", Ok("http://a.test/z"));
        check("http://a.test", "HTTPS://a.test/", Ok("HTTPS://a.test/"));
        check(base, "http://a.test/", Err("from https to http, which is not followed"));
        let other = Err("to something other than http or https, which is not followed");
        check(base, "ftp://a.test/", other);
        check(base, "file:/etc/passwd", other);
        check(base, "", Err("to nowhere"));
    }
}
