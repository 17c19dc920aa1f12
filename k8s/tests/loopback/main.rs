//! The client against real sockets on loopback: plain and TLS, whole and broken.
#![expect(clippy::unwrap_used, reason = "a test's helpers fail the test")]
#![expect(clippy::disallowed_methods, reason = "servers need threads, and deadlines need a clock")]

mod calls;
mod certs;
mod credentials;
mod places;
mod server;
mod socks;
mod trust;
mod watches;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use k8s::config::Limits;
use k8s::{Client, Config, Error, Request, ServerVersion};

/// How long a test waits for what has to come.
const DEADLINE: Duration = Duration::from_secs(20);

/// An empty directory of one test's own.
fn scratch(test: &str) -> PathBuf {
    let dir = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("k8s").join(test);
    let _ = std::fs::remove_dir_all(&dir);
    std::fs::create_dir_all(&dir).unwrap();
    dir
}

/// A configuration of a server, with limits that suit a test.
fn config(url: &str) -> Config {
    let limits = Limits { reread: Duration::from_secs(3600), ..Limits::default() };
    Config { limits, ..Config::plain(url).unwrap() }
}

/// Waits until `holds`.
#[track_caller]
fn until(what: &str, holds: impl Fn() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !holds() {
        assert!(Instant::now() < deadline, "waited in vain: {what}");
        std::thread::park_timeout(Duration::from_millis(2));
    }
}

/// The plainest of all calls.
trait AskVersion {
    fn server_version(&self) -> Result<ServerVersion, Error>;
}

impl AskVersion for Client {
    fn server_version(&self) -> Result<ServerVersion, Error> {
        self.call_as(&Request::read("/version"))
    }
}
