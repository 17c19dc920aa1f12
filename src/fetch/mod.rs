//! `plz-agent fetch`: the init container that downloads the archive of a test.
//!
//! Owns the whole way from the presigned URL to the file, the tries in between, and the last words for the user.
//! The URL comes from the environment and is a credential: what is logged is host and path.
//!
//! Invariants: the final name never holds part of an archive; every failure ends in an [`ExitCode`] of its own and
//! one line in the termination log; it ends by its deadline, which is below the 300 s for which the URL is valid and
//! for which the agent waits for a runner, so that the pod tells its own reason first.
//!
//! Reading order: [`archive`](plz_core::archive), `transfer` (one try), `error`, `retry`, `archive`, `tar`, `save`, `progress`.

#![expect(
    clippy::disallowed_methods,
    reason = "a program of its own: it keeps its deadline and waits between tries"
)]

pub mod archive;
mod error;
mod progress;
mod retry;
mod save;
mod tar;
mod transfer;

#[cfg(test)]
mod tests;

use std::fs::File;
use std::hash::{BuildHasher, RandomState};
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use k8s::backoff::fraction;
use log::{error, info, warn};
use signal_hook::consts::{SIGINT, SIGTERM};

use crate::config::{FetchConfig, TERMINATION_LOG, UsageError};
use crate::net::HttpClient;
use error::FetchError;
use plz_core::archive::MESSAGE_BYTES_MAX;
use plz_core::redact::{scrubbed_line, scrubbed_line_without, without_query};

use plz_core::archive::ExitCode;

type Clock = fn() -> Instant;

/// Exit code when a signal ends the process: 128 and the signal's number.
const SIGNAL_EXIT_BASE: i32 = 128;

/// Downloads; the caller exits with the code.
pub fn run(config: &FetchConfig) -> ExitCode {
    exit_on_signals();
    match download(config) {
        Ok(()) => ExitCode::Ok,
        Err(error) => {
            let code = error.exit_code();
            let message =
                scrubbed_line_without(&[config.url.expose()], &error.to_string(), MESSAGE_BYTES_MAX);
            error!("{message}");
            leave_words(&config.termination_log, code.word(), &message);
            code
        }
    }
}

/// Leaves the last words for arguments or an environment that cannot be used.
pub fn refuse(termination_log: &Path, error: &UsageError) -> ExitCode {
    leave_words(termination_log, ExitCode::Usage.word(), &error.message);
    ExitCode::Usage
}

fn download(config: &FetchConfig) -> Result<(), FetchError> {
    let clock: Clock = Instant::now;
    let client = HttpClient::cloud(&config.proxies, config.extra_ca.as_ref());
    let started = clock();
    let deadline = started + config.deadline;
    let place = without_query(config.url.expose());
    info!("downloading {place} to {}", config.to.display());
    let mut tries = 0;
    loop {
        tries += 1;
        let failure = match transfer::attempt(&client, config, clock, deadline) {
            Ok(bytes) => {
                let rate = progress::describe(bytes, None, started.elapsed());
                info!("downloaded {place}: {rate}");
                return Ok(());
            }
            Err(failure) => failure,
        };
        let left = deadline.saturating_duration_since(clock());
        let fraction = fraction(RandomState::new().hash_one(tries));
        let Some(pause) = retry::pause(failure.retry, tries, left, fraction) else {
            return Err(after_tries(failure.error, tries));
        };
        warn!("attempt {tries} failed and will be retried in {} ms: {}", pause.as_millis(), failure.error);
        std::thread::sleep(pause);
    }
}

/// What a person has to know about a failure of the network: that it lasted, and where to look.
fn after_tries(error: FetchError, tries: u32) -> FetchError {
    match error {
        FetchError::Network(_) | FetchError::Status { .. } => FetchError::Network(format!(
            "{error} (attempts: {tries}); check that pods can reach this host: DNS, network policies, proxy"
        )),
        error => error,
    }
}

/// As process 1 of a container, signals do nothing unless they are handled. Exiting at once is safe: the file has its
/// final name only when it is whole.
fn exit_on_signals() {
    for signal in [SIGTERM, SIGINT] {
        let armed = Arc::new(AtomicBool::new(true));
        let exit_code = SIGNAL_EXIT_BASE + signal;
        if let Err(error) = signal_hook::flag::register_conditional_shutdown(signal, exit_code, armed) {
            warn!("cannot handle signal {signal}: {error}");
        }
    }
}

/// Writes `word: sentence` where the kubelet looks for it. The kubelet makes that file; where there is none, nobody
/// reads it.
pub(crate) fn leave_words(path: &Path, word: &str, message: &str) {
    let create = path != Path::new(TERMINATION_LOG);
    let written = File::options()
        .write(true)
        .create(create)
        .truncate(true)
        .open(path)
        .and_then(|mut file| writeln!(file, "{word}: {}", scrubbed_line(message, MESSAGE_BYTES_MAX)));
    match written {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            warn!("cannot write {}: {error}", path.display());
        }
        _ => {}
    }
}
