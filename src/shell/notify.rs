//! What the service manager is told: ready, what goes on, still turning, stopping.
//!
//! The protocol is one datagram of `NAME=value` lines to the socket that `NOTIFY_SOCKET` names (sd_notify(3)). Owns what is
//! sent and when. Leaves alone what is counted, and the environment, which `config` reads.
//!
//! Invariant: only the loop sends, between two turns, and never waits to do so. A loop that hangs falls silent, which is
//! what the manager's watchdog listens for; a manager that does not read cannot hold up the loop.

use std::ffi::OsStr;
use std::fmt;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use crate::config::NotifyEnv;
use plz_core::controller::Core;
use plz_core::lease::Role;

/// Between two signs of life at the least, however short the watchdog's time is.
const BEAT_INTERVAL_MIN: Duration = Duration::from_millis(10);
/// Until a message is sent again that the socket did not take.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);

/// The line to the service manager; it says nothing when there is none.
#[derive(Debug)]
pub(super) struct Notifier {
    line: Option<Line>,
    script: Script,
}

impl Notifier {
    /// Opens the line that the environment names. One that cannot be used costs the messages and a warning, not the agent.
    pub(super) fn open(env: &NotifyEnv) -> Self {
        let script = Script::new(beat_interval(env, std::process::id()));
        let line = env.socket.as_deref().and_then(|name| match Line::open(name) {
            Ok(line) => Some(line),
            Err(cause) => {
                log::warn!("cannot use NOTIFY_SOCKET, so the service manager gets no status: {cause}");
                None
            }
        });
        Self { line, script }
    }

    /// Says what is due.
    pub(super) fn turn(&mut self, now: Duration, core: &Core) {
        let Self { line: Some(line), script } = self else { return };
        script.turn(now, Progress::of(core), |message| line.send(message));
    }

    /// When to call [`turn`](Self::turn) again although nothing happens.
    pub(super) fn next_deadline(&self) -> Option<Duration> {
        self.line.as_ref().and_then(|_| self.script.next_deadline())
    }

    /// Says that the agent stops.
    pub(super) fn stopping(&mut self) {
        if let Some(line) = &mut self.line {
            line.send("STOPPING=1\nSTATUS=stopping");
        }
    }
}

/// Between two signs of life: half of the watchdog's time, if this process is the one that it watches.
fn beat_interval(env: &NotifyEnv, own_pid: u32) -> Option<Duration> {
    if env.watchdog_pid.as_deref().is_some_and(|pid| pid.parse() != Ok(own_pid)) {
        return None;
    }
    let micros = env.watchdog_usec.as_deref()?.parse::<u64>().ok().filter(|micros| *micros > 0)?;
    Some((Duration::from_micros(micros) / 2).max(BEAT_INTERVAL_MIN))
}

/// How far the agent is.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Progress {
    /// Not everything has been answered that it has to know first.
    Waiting,
    /// At work on this many.
    Serving { zones: usize, runs: usize },
    /// Ready, while another one acts.
    Aside(Role),
}

impl Progress {
    fn of(core: &Core) -> Self {
        match core.role() {
            _ if !core.is_synced() => Self::Waiting,
            Role::Starting => Self::Waiting,
            Role::Active => Self::Serving { zones: core.zones(), runs: core.runs_under_way() },
            role => Self::Aside(role.clone()),
        }
    }
}

impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Waiting => f.write_str("waiting for the API server"),
            Self::Serving { zones, runs } => {
                let plural = |count: &usize| if *count == 1 { "" } else { "s" };
                write!(f, "{zones} zone{}, {runs} test run{} under way", plural(zones), plural(runs))
            }
            Self::Aside(role) => write!(f, "{role}"),
        }
    }
}

/// What has been said and what comes next. Times are of the monotonic clock.
#[derive(Debug)]
struct Script {
    beat_interval: Option<Duration>,
    next_beat: Duration,
    retry_at: Option<Duration>,
    ready_said: bool,
    progress_said: Option<Progress>,
}

impl Script {
    fn new(beat_interval: Option<Duration>) -> Self {
        Self {
            beat_interval,
            next_beat: Duration::ZERO,
            retry_at: None,
            ready_said: false,
            progress_said: None,
        }
    }

    /// Hands what is due to `send` as one message. What it does not take is due again a little later.
    fn turn(&mut self, now: Duration, progress: Progress, mut send: impl FnMut(&str) -> bool) {
        if self.retry_at.is_some_and(|at| at > now) {
            return;
        }
        let is_ready = progress != Progress::Waiting;
        let beat = self.beat_interval.filter(|_| self.next_beat <= now);
        let mut lines = Vec::new();
        if is_ready && !self.ready_said {
            lines.push("READY=1".to_owned());
        }
        if self.progress_said.as_ref() != Some(&progress) {
            lines.push(format!("STATUS={progress}"));
        }
        if beat.is_some() {
            lines.push("WATCHDOG=1".to_owned());
        }
        self.retry_at = None;
        if lines.is_empty() {
            return;
        }
        if !send(&lines.join("\n")) {
            let wait = self.beat_interval.map_or(RETRY_INTERVAL, |interval| interval.min(RETRY_INTERVAL));
            self.retry_at = Some(now + wait);
            return;
        }
        self.ready_said |= is_ready;
        self.progress_said = Some(progress);
        if let Some(interval) = beat {
            self.next_beat = now + interval;
        }
    }

    fn next_deadline(&self) -> Option<Duration> {
        self.retry_at.or_else(|| self.beat_interval.map(|_| self.next_beat))
    }
}

/// The socket and whom it sends to.
#[derive(Debug)]
struct Line {
    socket: UnixDatagram,
    to: SocketAddr,
    is_broken: bool,
}

impl Line {
    fn open(name: &OsStr) -> io::Result<Self> {
        let to = address(name)?;
        let socket = UnixDatagram::unbound()?;
        socket.set_nonblocking(true)?;
        Ok(Self { socket, to, is_broken: false })
    }

    /// Whether the message is on its way. One line in the log says so when it begins to fail, not one for every try.
    fn send(&mut self, message: &str) -> bool {
        let sent = self.socket.send_to_addr(message.as_bytes(), &self.to);
        if let Err(cause) = &sent
            && !self.is_broken
        {
            log::warn!("cannot send the agent's status to the service manager: {cause}");
        }
        self.is_broken = sent.is_err();
        !self.is_broken
    }
}

/// A path, or with `@` first a name in the abstract namespace.
fn address(name: &OsStr) -> io::Result<SocketAddr> {
    match name.as_bytes() {
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name),
        [b'/', ..] => SocketAddr::from_pathname(name),
        _ => Err(io::Error::new(io::ErrorKind::Unsupported, "it is neither a path nor begins with @")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);
    const HALF: Duration = Duration::from_secs(30);
    const IDLE: Progress = Progress::Serving { zones: 1, runs: 0 };

    #[track_caller]
    fn check(script: &mut Script, now: Duration, progress: Progress, expected: &[&str]) {
        let mut said = Vec::new();
        script.turn(now, progress, |message| {
            said.extend(message.lines().map(str::to_owned));
            true
        });
        assert_eq!(said, expected, "at {now:?}");
    }

    #[test]
    fn ready_once_the_watches_are_in_and_a_status_for_every_change() {
        let mut script = Script::new(None);
        check(&mut script, MS, Progress::Waiting, &["STATUS=waiting for the API server"]);
        check(&mut script, 2 * MS, Progress::Waiting, &[]);
        check(&mut script, 3 * MS, IDLE, &["READY=1", "STATUS=1 zone, 0 test runs under way"]);
        check(&mut script, 4 * MS, IDLE, &[]);
        let busy = Progress::Serving { zones: 2, runs: 1 };
        check(&mut script, 5 * MS, busy, &["STATUS=2 zones, 1 test run under way"]);
        let standby = Progress::Aside(Role::Standby { holder: "b_1".to_owned() });
        check(&mut script, 6 * MS, standby.clone(), &["STATUS=standby, b_1 is active"]);
        assert_eq!(script.next_deadline(), None);
        check(&mut Script::new(None), MS, standby, &["READY=1", "STATUS=standby, b_1 is active"]);
    }

    #[test]
    fn a_sign_of_life_at_half_of_the_watchdogs_time() {
        let mut script = Script::new(Some(HALF));
        script.turn(MS, IDLE, |message| message.ends_with("\nWATCHDOG=1"));
        assert_eq!(script.next_deadline(), Some(HALF + MS));
        check(&mut script, HALF, IDLE, &[]);
        check(&mut script, HALF + MS, IDLE, &["WATCHDOG=1"]);
        // A late turn is not made up for: the next sign of life is half a time later.
        check(&mut script, 9 * HALF, IDLE, &["WATCHDOG=1"]);
        assert_eq!(script.next_deadline(), Some(10 * HALF));
    }

    #[test]
    fn what_is_not_taken_is_said_again_later() {
        let mut script = Script::new(Some(HALF));
        script.turn(MS, IDLE, |_| false);
        assert_eq!(script.next_deadline(), Some(RETRY_INTERVAL + MS));
        check(&mut script, RETRY_INTERVAL, IDLE, &[]);
        let all = ["READY=1", "STATUS=1 zone, 0 test runs under way", "WATCHDOG=1"];
        check(&mut script, RETRY_INTERVAL + MS, IDLE, &all);
        assert_eq!(script.next_deadline(), Some(RETRY_INTERVAL + MS + HALF));
    }

    #[test]
    fn the_watchdog_is_the_managers_and_for_this_process() {
        let check = |usec: &str, pid: Option<&str>, expected: Option<Duration>| {
            let env = NotifyEnv {
                watchdog_usec: Some(usec.to_owned()),
                watchdog_pid: pid.map(str::to_owned),
                ..NotifyEnv::default()
            };
            assert_eq!(beat_interval(&env, 7), expected, "{env:?}");
        };
        check("60000000", None, Some(HALF));
        check("60000000", Some("7"), Some(HALF));
        check("60000000", Some("8"), None);
        check("60000000", Some("x"), None);
        check("1", None, Some(BEAT_INTERVAL_MIN));
        check("0", None, None);
        check("-1", None, None);
        check("1min", None, None);
        assert_eq!(beat_interval(&NotifyEnv::default(), 7), None);
    }

    #[test]
    fn names_in_the_abstract_namespace_are_reached() {
        let name = format!("@plz-agent-notify-{}", std::process::id());
        let manager = UnixDatagram::bind_addr(&address(OsStr::new(&name)).unwrap()).unwrap();
        let mut line = Line::open(OsStr::new(&name)).unwrap();
        assert!(line.send("READY=1"));
        let mut buffer = [0; 16];
        let length = manager.recv(&mut buffer).unwrap();
        assert_eq!(&buffer[..length], b"READY=1");
        // A manager that does not read: the socket fills up, and nobody waits.
        let taken = (0..100_000).take_while(|_| line.send("WATCHDOG=1")).count();
        assert!(taken < 100_000 && line.is_broken);
        drop(manager);
        assert!(!line.send("READY=1"));
    }

    #[test]
    fn other_kinds_of_sockets_are_refused() {
        for name in ["vsock:2:1", "relative", "", "/a\0b"] {
            assert!(Line::open(OsStr::new(name)).is_err(), "{name}");
        }
    }
}
