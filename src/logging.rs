//! The log: filter, form, and the last net under credentials.
//!
//! Owns the set-up of the process's logger and the forms of a line. Every record passes through
//! [`scrubbed_line`], whatever wrote it. Invariant: one record is one line.
#![expect(clippy::disallowed_methods, reason = "a line bears the time at which it is written")]

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::time::SystemTime;

use env_logger::Builder;
use env_logger::fmt::Formatter;
use humantime::format_rfc3339_millis;
use log::{Record, SetLoggerError};
use serde::Serialize;

use plz_core::redact::scrubbed_line;

/// Longest message of a line, in bytes; what is longer is cut.
const MESSAGE_BYTES_MAX: usize = 8 * 1024;

/// The crates whose records are ours; other crates speak up only from warnings on, unless a filter names them.
const OWN_TARGETS: [&str; 3] = ["plz_agent", "plz_core", "k8s"];

/// How a line looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// `2026-01-02T03:04:05.678Z INFO  zone: registered`.
    #[default]
    Text,
    /// `{"ts":"…","level":"info","target":"plz_core::zone","msg":"registered"}`.
    Json,
    /// `<6>zone: registered`: systemd's journal keeps level and time itself (sd-daemon(3)).
    Journal,
}

/// What is logged, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogConfig {
    /// A level (`error`, `warn`, `info`, `debug`, `off`) or env_logger's directives, checked by `config`.
    pub filter: String,
    /// The form of a line.
    pub format: LogFormat,
}

impl Default for LogConfig {
    fn default() -> LogConfig {
        LogConfig { filter: "info".to_owned(), format: LogFormat::Text }
    }
}

/// Installs the logger of the process, to stderr. Fails when there is one already.
pub fn init(config: &LogConfig) -> Result<(), SetLoggerError> {
    builder(config).try_init()
}

fn builder(config: &LogConfig) -> Builder {
    let mut builder = Builder::new();
    builder.parse_filters(&directives(&config.filter));
    match config.format {
        LogFormat::Text => builder.format(write_text),
        LogFormat::Json => builder.format(write_json),
        LogFormat::Journal => builder.format(write_journal),
    };
    builder
}

/// A bare level is meant for this agent: at `debug` the HTTP library alone would fill the log.
fn directives(filter: &str) -> String {
    if filter.contains(['=', ',']) {
        return filter.to_owned();
    }
    let others = if matches!(filter, "error" | "off") { filter } else { "warn" };
    OWN_TARGETS.iter().fold(others.to_owned(), |mut directives, target| {
        let _ = write!(directives, ",{target}={filter}");
        directives
    })
}

fn write_text(out: &mut Formatter, record: &Record<'_>) -> io::Result<()> {
    let (time, message) = (format_rfc3339_millis(SystemTime::now()), message(record));
    writeln!(out, "{time} {:<5} {}: {message}", record.level(), short_target(record.target()))
}

#[derive(Serialize)]
struct JsonLine<'a> {
    ts: String,
    level: &'static str,
    target: &'a str,
    msg: String,
}

fn write_json(out: &mut Formatter, record: &Record<'_>) -> io::Result<()> {
    let level = match record.level() {
        log::Level::Error => "error",
        log::Level::Warn => "warn",
        log::Level::Info => "info",
        log::Level::Debug => "debug",
        log::Level::Trace => "trace",
    };
    let ts = format_rfc3339_millis(SystemTime::now()).to_string();
    let line = JsonLine { ts, level, target: record.target(), msg: message(record) };
    writeln!(out, "{}", serde_json::to_string(&line)?)
}

/// The numbers are those of syslog(3).
fn write_journal(out: &mut Formatter, record: &Record<'_>) -> io::Result<()> {
    let priority = match record.level() {
        log::Level::Error => 3,
        log::Level::Warn => 4,
        log::Level::Info => 6,
        log::Level::Debug | log::Level::Trace => 7,
    };
    writeln!(out, "<{priority}>{}: {}", short_target(record.target()), message(record))
}

fn message(record: &Record<'_>) -> String {
    scrubbed_line(&record.args().to_string(), MESSAGE_BYTES_MAX)
}

/// `plz_agent::shell::pool` is `shell::pool`, `plz_core::zone` is `zone`.
fn short_target(target: &str) -> &str {
    let own = ["plz_agent::", "plz_core::"];
    own.iter().find_map(|crate_name| target.strip_prefix(crate_name)).unwrap_or(target)
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use log::{Level, Log};

    use super::*;

    #[derive(Clone, Default)]
    struct Sink(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(filter: &str, format: LogFormat, records: &[(Level, &str, &str)]) -> String {
        let sink = Sink::default();
        let config = LogConfig { filter: filter.to_owned(), format };
        let logger =
            builder(&config).target(env_logger::Target::Pipe(Box::new(sink.clone()))).is_test(false).build();
        for (level, target, text) in records {
            logger.log(&Record::builder().level(*level).target(target).args(format_args!("{text}")).build());
        }
        let bytes = sink.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    const SECRETS: &str = "GET https://h/p?X-Amz-Signature=abc\nAuthorization: Token abc \"é\\";

    #[test]
    fn text_is_one_line_without_credentials() {
        let line = logged("info", LogFormat::Text, &[(Level::Warn, "plz_core::zone", SECRETS)]);
        let (time, rest) = line.split_once(' ').unwrap();
        assert!(humantime::parse_rfc3339(time).is_ok(), "{time}");
        assert_eq!(rest, "WARN  zone: GET https://h/p?<redacted> Authorization: Token <redacted> \"é\\\n");
    }

    #[test]
    fn json_is_one_escaped_object_a_line() {
        let line = logged("info", LogFormat::Json, &[(Level::Info, "plz_core::zone", SECRETS)]);
        assert_eq!(line.matches('\n').count(), 1);
        let value: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(value["msg"], "GET https://h/p?<redacted> Authorization: Token <redacted> \"é\\");
        assert_eq!((&value["level"], &value["target"]), (&"info".into(), &"plz_core::zone".into()));
        assert!(humantime::parse_rfc3339(value["ts"].as_str().unwrap()).is_ok());
    }

    #[test]
    fn the_journal_gets_the_level_as_a_number_and_keeps_the_time_itself() {
        let records =
            [(Level::Error, "plz_core::zone", SECRETS), (Level::Warn, "k8s", "b"), (Level::Info, "k8s", "c")];
        let lines = logged("info", LogFormat::Journal, &records);
        let first = "<3>zone: GET https://h/p?<redacted> Authorization: Token <redacted> \"é\\\n";
        assert_eq!(lines, format!("{first}<4>k8s: b\n<6>k8s: c\n"));
    }

    #[test]
    fn a_bare_level_is_for_our_own_records() {
        let records = [
            (Level::Debug, "plz_agent::x", "a"),
            (Level::Debug, "ureq::run", "b"),
            (Level::Warn, "ureq", "c"),
        ];
        let lines = |filter| {
            let text = logged(filter, LogFormat::Text, &records);
            text.lines().filter_map(|line| line.chars().last()).collect::<String>()
        };
        assert_eq!(lines("debug"), "ac");
        assert_eq!(lines("warn,ureq=debug"), "bc");
        assert_eq!(lines("error"), "");
        assert_eq!(lines("off"), "");
    }
}
