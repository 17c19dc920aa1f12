//! The agent's health and metrics, as a kubelet and a Prometheus ask for them.
//!
//! Owns one request at a time over a connection of its own, and the reading of samples. Leaves alone what they mean.
//! Invariant: an answer that does not name its length rightly is an error.

use std::collections::BTreeMap;
use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// What a kubelet gives a probe.
pub const PROBE_TIMEOUT: Duration = Duration::from_secs(1);

/// Where an agent serves them, as the first of those in a log has written it there.
pub fn address_in(log: &str) -> Option<SocketAddr> {
    let (_, rest) = log.split_once("serving health and metrics on http://")?;
    rest.lines().next()?.trim().parse().ok()
}

/// Status and body of a GET, which has [`PROBE_TIMEOUT`] for each read.
pub fn get(address: SocketAddr, path: &str) -> io::Result<(u16, String)> {
    let mut stream = TcpStream::connect_timeout(&address, PROBE_TIMEOUT)?;
    stream.set_read_timeout(Some(PROBE_TIMEOUT))?;
    stream.write_all(
        format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").as_bytes(),
    )?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    let bad = || io::Error::new(io::ErrorKind::InvalidData, format!("no answer: {text:?}"));
    let (head, body) = text.split_once("\r\n\r\n").ok_or_else(bad)?;
    let code = head.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)?.parse().ok()).ok_or_else(bad)?;
    let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: ")?.parse().ok());
    if length != Some(body.len()) {
        return Err(bad());
    }
    Ok((code, body.to_owned()))
}

/// The samples of a metrics page by name and labels, as they are written.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Samples(BTreeMap<String, f64>);

impl Samples {
    /// Reads a page.
    pub fn read(page: &str) -> Self {
        let lines = page.lines().filter(|line| !line.starts_with('#'));
        let samples = lines.filter_map(|line| line.rsplit_once(' '));
        Self(samples.filter_map(|(name, value)| Some((name.to_owned(), value.parse().ok()?))).collect())
    }

    /// Asks for the page and reads it.
    pub fn fetch(address: SocketAddr) -> io::Result<Self> {
        get(address, "/metrics").map(|(_, page)| Self::read(&page))
    }

    /// The sample of that name and these labels: `m{a="b"}`.
    pub fn value(&self, sample: &str) -> Option<f64> {
        self.0.get(sample).copied()
    }

    /// The sum of a family over all samples that have this label too: `target="gck6"`; an empty text for any.
    pub fn sum(&self, family: &str, label: &str) -> f64 {
        let is_of = |name: &str| name.split('{').next() == Some(family) && name.contains(label);
        self.0.iter().filter(|(name, _)| is_of(name)).map(|(_, value)| value).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_found_and_added_up() {
        let page = "# HELP m a b\n# TYPE m counter\nm{a=\"x y\",b=\"1\"} 1.5\nm{a=\"z\",b=\"1\"} 2\nn 3\n";
        let samples = Samples::read(page);
        assert_eq!(samples.value("m{a=\"x y\",b=\"1\"}"), Some(1.5));
        assert_eq!((samples.value("n"), samples.value("m")), (Some(3.0), None));
        assert_eq!(
            (samples.sum("m", "b=\"1\""), samples.sum("m", "a=\"z\""), samples.sum("n", "")),
            (3.5, 2.0, 3.0)
        );
    }
}
