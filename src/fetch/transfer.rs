//! One try: from the URL to the file.
//!
//! Owns following redirects, checking what comes and writing it. Leaves trying again to `mod`.
//! Invariant: constant memory, and nothing under the final name unless this try succeeded.

use std::time::{Duration, Instant};

use log::info;

use super::Clock;
use super::archive::{BLOCK_BYTES, check_head};
use super::error::{Failure, FetchError, Retry, from_status};
use super::progress::Progress;
use super::retry::{REDIRECTS_MAX, redirect};
use super::save::PartFile;
use super::tar::{Problem, Reader};
use crate::config::FetchConfig;
use crate::net::{Download, HttpClient};
use plz_core::redact::without_query;

/// Longest time without a byte; a transfer that hangs is tried anew while the URL is still valid.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);

/// Bytes that are read and written at a time.
const CHUNK_BYTES: usize = 32 * 1024;

/// The beginning of an error page that is looked at.
const ERROR_BYTES_MAX: usize = 4 * 1024;

/// Downloads once; the bytes of the archive.
pub(super) fn attempt(
    client: &HttpClient,
    config: &FetchConfig,
    clock: Clock,
    deadline: Instant,
) -> Result<u64, Failure> {
    let mut url = config.url.expose().to_owned();
    for _ in 0..=REDIRECTS_MAX {
        let place = without_query(&url);
        let left = deadline.saturating_duration_since(clock());
        if left.is_zero() {
            let error = FetchError::Network(format!("no time left to contact {place}"));
            return Err(Failure { error, retry: Retry::Never });
        }
        let mut download = client.download(&url, left, IDLE_TIMEOUT.min(left))?;
        let location = download.location.take();
        let body = Body { download, clock, deadline };
        match (body.download.status, location) {
            (200, _) => return save(body, config, &place),
            (301 | 302 | 303 | 307 | 308, Some(location)) => {
                url = redirect(&url, &location).map_err(|problem| FetchError::Redirect { place, problem })?;
                info!("redirected to {}", without_query(&url));
            }
            (status, _) => return Err(refused(body, status, place)),
        }
    }
    Err(FetchError::Redirect { place: without_query(&url), problem: "too many times" }.into())
}

/// A body that ends by the deadline: the HTTP library counts the time for a body anew once its head has come.
struct Body {
    download: Download,
    clock: Clock,
    deadline: Instant,
}

impl Body {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Failure> {
        if (self.clock)() >= self.deadline {
            let error = FetchError::Network("the archive did not arrive within the deadline".to_owned());
            return Err(Failure { error, retry: Retry::Never });
        }
        Ok(self.download.read(buffer)?)
    }

    /// Reads until the buffer is full or the body ends; the bytes read.
    fn fill(&mut self, buffer: &mut [u8]) -> Result<usize, Failure> {
        let mut length = 0;
        while length < buffer.len() {
            match self.read(&mut buffer[length..])? {
                0 => break,
                read => length += read,
            }
        }
        Ok(length)
    }
}

/// The beginning of the body says why; when it does not come, the status has to do.
fn refused(mut body: Body, status: u16, place: String) -> Failure {
    let mut page = vec![0; ERROR_BYTES_MAX];
    let length = body.fill(&mut page).unwrap_or(0);
    from_status(place, status, body.download.retry_after, &page[..length])
}

fn save(mut body: Body, config: &FetchConfig, place: &str) -> Result<u64, Failure> {
    let too_large = || FetchError::TooLarge { place: place.to_owned(), bytes_max: config.bytes_max };
    let length_bytes = body.download.length_bytes;
    if length_bytes.is_some_and(|length| length > config.bytes_max) {
        return Err(too_large().into());
    }
    let mut chunk = vec![0; CHUNK_BYTES];
    let mut length = body.fill(&mut chunk[..BLOCK_BYTES])?;
    check_head(&chunk[..length]).map_err(|what| FetchError::NotArchive { place: place.to_owned(), what })?;

    let broken = |problem, bytes| broken(place, problem, bytes, length_bytes);
    let mut tar = Reader::new();
    let mut file = PartFile::create(&config.to)?;
    let mut progress = Progress::new(place, length_bytes, (body.clock)());
    let mut total_bytes = 0_u64;
    while length > 0 {
        total_bytes += length as u64;
        if total_bytes > config.bytes_max {
            return Err(too_large().into());
        }
        tar.feed(&chunk[..length]).map_err(|problem| broken(problem, total_bytes))?;
        file.write(&chunk[..length])?;
        progress.advance(total_bytes, (body.clock)());
        length = body.read(&mut chunk)?;
    }
    check_end(place, total_bytes, length_bytes)?;
    tar.finish().map_err(|problem| broken(problem, total_bytes))?;
    file.finish()?;
    Ok(total_bytes)
}

/// A body without a length ends where the connection does: what is no whole number of blocks was cut off.
fn check_end(place: &str, total_bytes: u64, length_bytes: Option<u64>) -> Result<(), Failure> {
    let whole = match length_bytes {
        Some(length) => total_bytes == length,
        None => total_bytes.is_multiple_of(BLOCK_BYTES as u64),
    };
    if whole {
        return Ok(());
    }
    let error =
        FetchError::Network(format!("the archive from {place} ended too early, after {total_bytes} bytes"));
    Err(Failure { error, retry: Retry::Later })
}

/// What is wrong with a tar is so at the next try, too, unless the connection ended it.
fn broken(place: &str, problem: Problem, total_bytes: u64, length_bytes: Option<u64>) -> Failure {
    let place = place.to_owned();
    let error = match problem {
        Problem::Truncated if length_bytes.is_none() => {
            let what = format!("the archive from {place} ended too early, after {total_bytes} bytes");
            return Failure { error: FetchError::Network(what), retry: Retry::Later };
        }
        Problem::Truncated => FetchError::Broken { place, what: "ends too early" },
        Problem::Damaged => FetchError::Broken { place, what: "is damaged" },
        Problem::NotOfK6(what) => FetchError::NotOfK6 { place, what },
    };
    error.into()
}
