//! The bucket that holds archives: presigned URLs and what they answer.
//!
//! Owns signing, expiry and the error pages of S3, and a small real tar for those who bring none. Leaves where the bucket is
//! reachable to the driver ([`S3::base`]). Invariant: a URL answers with its archive for [`EXPIRY`] and never afterwards.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::http::{Answer, Method, Request, Response};
use crate::rng::Rng;
use crate::wall::Wall;

/// How long a presigned URL is good.
pub const EXPIRY: Duration = Duration::from_secs(300);
/// Where archives live on the host.
pub const PREFIX: &str = "/archives/";
const TAR_BLOCK: usize = 512;

/// What the bucket does instead of answering with the archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whim {
    /// 307 to the same URL once more, which then answers.
    Redirect,
    /// This status with an XML body.
    Failing(u16),
    /// Half of the archive, then the connection breaks.
    Truncated,
    /// 200 with an HTML page, as a captive proxy does.
    HtmlPage,
    /// The connection breaks.
    Down,
}

/// How a download ended, for a kubelet that runs the init container itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fetched {
    /// The archive is there.
    Archive,
    /// The URL has expired or is denied.
    Denied,
    /// The network or the server failed.
    Network,
    /// What came is no archive.
    NotAnArchive,
}

/// The bucket.
pub struct S3 {
    /// Scheme and authority that URLs start with.
    pub base: String,
    /// Wall time.
    pub wall: Wall,
    /// What it does from now on, by path prefix; the first that fits.
    pub whims: Vec<(String, Whim)>,
    /// Answered downloads by path.
    pub downloads: BTreeMap<String, u64>,
    archives: BTreeMap<String, Vec<u8>>,
    /// Path and end of each signature.
    signatures: BTreeMap<String, (String, Duration)>,
    rng: Rng,
}

impl S3 {
    /// An empty bucket at `base` (`https://bucket.s3.amazonaws.com`).
    pub fn new(base: &str, wall: Wall, seed: u64) -> Self {
        Self {
            base: base.to_owned(),
            wall,
            whims: Vec::new(),
            downloads: BTreeMap::new(),
            archives: BTreeMap::new(),
            signatures: BTreeMap::new(),
            rng: Rng::new(seed),
        }
    }

    /// Stores an archive under a name and returns its presigned URL.
    pub fn store(&mut self, now: Duration, name: &str, archive: Vec<u8>) -> String {
        let path = format!("{PREFIX}{name}");
        self.archives.insert(path.clone(), archive);
        let signature = format!(
            "{:016x}{:016x}{:016x}{:016x}",
            self.rng.bits(),
            self.rng.bits(),
            self.rng.bits(),
            self.rng.bits()
        );
        let date = self.wall.compact(now);
        let url = format!(
            "{}{path}?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=SIM%2F{}%2Fus-east-1%2Fs3%2Faws4_request\
             &X-Amz-Date={date}&X-Amz-Expires={}&X-Amz-SignedHeaders=host&X-Amz-Signature={signature}",
            self.base,
            &date[..8],
            EXPIRY.as_secs()
        );
        self.signatures.insert(signature, (path, now + EXPIRY));
        url
    }

    /// Lets every URL that was signed so far expire, for those who cannot wait for it.
    pub fn expire(&mut self) {
        for (_, good_until) in self.signatures.values_mut() {
            *good_until = Duration::ZERO;
        }
    }

    /// Answers a download.
    pub fn serve(&mut self, now: Duration, request: &Request) -> Answer {
        if request.method != Method::Get {
            return xml(403, "AccessDenied", "Access Denied").into();
        }
        let signed = request.query("X-Amz-Signature").and_then(|signature| self.signatures.get(signature));
        let Some(good_until) = signed.filter(|(path, _)| *path == request.path).map(|(_, at)| *at) else {
            let message = "The request signature we calculated does not match the signature you provided.";
            return xml(403, "SignatureDoesNotMatch", message).into();
        };
        if now >= good_until {
            return xml(403, "AccessDenied", "Request has expired").into();
        }
        let archive = self.archives.get(&request.path).expect("what is signed is stored").clone();
        let whim = self.whims.iter().find(|(prefix, _)| request.path.starts_with(prefix.as_str()));
        let response = Response::new(200, "application/x-tar", archive);
        match whim.map(|(_, whim)| *whim) {
            Some(Whim::Redirect) if !request.asks("again") => {
                let query: Vec<String> = request
                    .query
                    .iter()
                    .map(|(name, value)| format!("{name}={}", value.replace('/', "%2F")))
                    .collect();
                let url = format!("{}{}?{}&again=1", self.base, request.path, query.join("&"));
                Response::empty(307).with_header("Location", &url).into()
            }
            Some(Whim::Failing(status)) => {
                xml(status, "InternalError", "We encountered an internal error.").into()
            }
            Some(Whim::Truncated) => {
                let half = response.body.len() / 2;
                Answer::Truncated(response, half)
            }
            Some(Whim::HtmlPage) => {
                Response::new(200, "text/html", "<!DOCTYPE html><title>Sign in</title>").into()
            }
            Some(Whim::Down) => Answer::Drop,
            Some(Whim::Redirect) | None => {
                *self.downloads.entry(request.path.clone()).or_default() += 1;
                response.into()
            }
        }
    }

    /// Downloads as the init container does: follows one redirect, looks at what came.
    pub fn fetch(&mut self, now: Duration, url: &str) -> Fetched {
        let after_scheme = url.split_once("://").map_or(url, |(_, rest)| rest);
        let target = after_scheme.find('/').map_or("/", |slash| &after_scheme[slash..]);
        let response = match self.serve(now, &Request::new(Method::Get, target)) {
            Answer::Now(response) | Answer::After(_, response) => response,
            Answer::Drop | Answer::Truncated(..) => return Fetched::Network,
        };
        match (response.status, response.header("Location")) {
            (200, _) if is_tar(&response.body) => Fetched::Archive,
            (200, _) => Fetched::NotAnArchive,
            (301..=308, Some(location)) => self.fetch(now, location),
            (500.., _) => Fetched::Network,
            _ => Fetched::Denied,
        }
    }
}

fn xml(status: u16, code: &str, message: &str) -> Response {
    let body = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code><Message>{message}</Message>\
         <RequestId>SIM</RequestId></Error>"
    );
    Response::new(status, "application/xml", body)
}

/// A tar as `k6 archive` lays it out: `metadata.json` and the script `data`.
pub fn sample_archive() -> Vec<u8> {
    let metadata = br#"{"type":"js","options":{"vus":1,"duration":"5s"},"filename":"file:///script.js","k6version":"2.2.0","env":{}}"#;
    let script = b"export default function () {}\n";
    let mut tar = Vec::new();
    for (name, body) in [("metadata.json", &metadata[..]), ("data", &script[..])] {
        tar.extend(tar_header(name, body.len()));
        tar.extend_from_slice(body);
        tar.resize(tar.len().next_multiple_of(TAR_BLOCK), 0);
    }
    tar.resize(tar.len() + 2 * TAR_BLOCK, 0);
    tar
}

fn tar_header(name: &str, size: usize) -> [u8; TAR_BLOCK] {
    let mut header = [0; TAR_BLOCK];
    let mut put = |at: usize, text: &str| header[at..at + text.len()].copy_from_slice(text.as_bytes());
    put(0, name);
    put(100, "0000644\0");
    put(108, "0000000\0");
    put(116, "0000000\0");
    put(124, &format!("{size:011o}\0"));
    put(136, "00000000000\0");
    put(148, "        ");
    put(156, "0");
    put(257, "ustar\0");
    put(263, "00");
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    header
}

fn is_tar(bytes: &[u8]) -> bool {
    bytes.len() >= TAR_BLOCK && &bytes[257..262] == b"ustar"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bucket() -> (S3, String) {
        let mut s3 = S3::new("https://bucket.example", Wall::default(), 1);
        let url = s3.store(Duration::ZERO, "101.tar", sample_archive());
        (s3, url)
    }

    #[test]
    fn urls_expire() {
        let (mut s3, url) = bucket();
        assert!(url.contains("X-Amz-Date=20260101T000000Z&X-Amz-Expires=300&"));
        assert_eq!(s3.fetch(EXPIRY - Duration::from_millis(1), &url), Fetched::Archive);
        assert_eq!(s3.fetch(EXPIRY, &url), Fetched::Denied);
        let target = url.strip_prefix("https://bucket.example").unwrap();
        let response = s3.serve(EXPIRY, &Request::new(Method::Get, target)).response().unwrap();
        assert!(
            response.as_text().contains("<Code>AccessDenied</Code><Message>Request has expired</Message>")
        );
        assert_eq!(s3.fetch(Duration::ZERO, &url.replace("Signature=", "Signature=0")), Fetched::Denied);
    }

    #[test]
    fn whims_show() {
        for (whim, expected) in [
            (Whim::Redirect, Fetched::Archive),
            (Whim::Failing(503), Fetched::Network),
            (Whim::Truncated, Fetched::Network),
            (Whim::HtmlPage, Fetched::NotAnArchive),
            (Whim::Down, Fetched::Network),
        ] {
            let (mut s3, url) = bucket();
            s3.whims.push((PREFIX.to_owned(), whim));
            assert_eq!(s3.fetch(Duration::ZERO, &url), expected, "{whim:?}");
        }
    }
}
