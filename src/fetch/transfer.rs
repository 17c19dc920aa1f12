//! One try: from the URL to the file.
//!
//! Owns following redirects, checking what comes and writing it. Leaves trying again to `mod`.
//! Invariant: constant memory, and nothing under the final name unless this try succeeded.

use std::time::{Duration, Instant};

use log::info;

use super::archive::{BLOCK_BYTES, check_head};
use super::error::{Failure, FetchError, Retry, from_status};
use super::retry::{REDIRECTS_MAX, redirect};
use super::save::PartFile;
use super::{Clock, progress::Progress};
use crate::config::FetchConfig;
use crate::net::{Download, HttpClient};
use crate::redact::without_query;

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
            let error = FetchError::Network(format!("no time left to ask {place}"));
            return Err(Failure { error, retry: Retry::Never });
        }
        let mut download = client.download(&url, left, IDLE_TIMEOUT.min(left))?;
        match (download.status, download.location.take()) {
            (200, _) => return save(download, config, &place, clock),
            (301 | 302 | 303 | 307 | 308, Some(location)) => {
                url = redirect(&url, &location).map_err(|problem| FetchError::Redirect { place, problem })?;
                info!("redirected to {}", without_query(&url));
            }
            (status, _) => return Err(refused(download, status, place)),
        }
    }
    Err(FetchError::Redirect { place: without_query(&url), problem: "too many times" }.into())
}

/// The beginning of the body says why; when it does not come, the status has to do.
fn refused(mut download: Download, status: u16, place: String) -> Failure {
    let mut body = vec![0; ERROR_BYTES_MAX];
    let length = fill(&mut download, &mut body).unwrap_or(0);
    from_status(place, status, download.retry_after, &body[..length])
}

fn save(mut download: Download, config: &FetchConfig, place: &str, clock: Clock) -> Result<u64, Failure> {
    let too_large = || FetchError::TooLarge { place: place.to_owned(), bytes_max: config.bytes_max };
    if download.length_bytes.is_some_and(|length| length > config.bytes_max) {
        return Err(too_large().into());
    }
    let mut chunk = vec![0; CHUNK_BYTES];
    let mut length = fill(&mut download, &mut chunk[..BLOCK_BYTES])?;
    check_head(&chunk[..length]).map_err(|what| FetchError::NotArchive { place: place.to_owned(), what })?;

    let mut file = PartFile::create(&config.to)?;
    let mut progress = Progress::new(place, download.length_bytes, clock());
    let mut total_bytes = 0_u64;
    while length > 0 {
        total_bytes += length as u64;
        if total_bytes > config.bytes_max {
            return Err(too_large().into());
        }
        file.write(&chunk[..length])?;
        progress.advance(total_bytes, clock());
        length = download.read(&mut chunk)?;
    }
    check_end(place, total_bytes, download.length_bytes)?;
    file.finish()?;
    Ok(total_bytes)
}

/// A body without a length ends where the connection does: what is no whole number of blocks was cut off.
fn check_end(place: &str, total_bytes: u64, length_bytes: Option<u64>) -> Result<(), Failure> {
    let whole = match length_bytes {
        Some(length) => total_bytes == length,
        None => total_bytes % BLOCK_BYTES as u64 == 0,
    };
    if whole {
        return Ok(());
    }
    let error =
        FetchError::Network(format!("the archive from {place} ended after {total_bytes} bytes, too early"));
    Err(Failure { error, retry: Retry::Later })
}

/// Reads until the buffer is full or the body ends; the bytes read.
fn fill(download: &mut Download, buffer: &mut [u8]) -> Result<usize, Failure> {
    let mut length = 0;
    while length < buffer.len() {
        match download.read(&mut buffer[length..])? {
            0 => break,
            read => length += read,
        }
    }
    Ok(length)
}
