//! What `--help` and `version` print.
//!
//! Owns the wording; the options come from their table, the exit codes from `plz_core::archive`.

use std::fmt::Write as _;

use super::options::{FETCH, Group, Opt, REPORT, RUN};
use plz_core::archive::ExitCode;

/// Which help is requested.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Topic {
    /// `plz-agent run`, which is also `plz-agent` alone.
    Run,
    /// `plz-agent check`.
    Check,
    /// `plz-agent fetch`.
    Fetch,
}

impl Topic {
    /// The command that shows this help.
    pub fn command(self) -> &'static str {
        match self {
            Topic::Run => "plz-agent --help",
            Topic::Check => "plz-agent check --help",
            Topic::Fetch => "plz-agent fetch --help",
        }
    }

    /// The help, ending in a newline.
    pub fn text(self) -> String {
        match self {
            Topic::Run => run_help(),
            Topic::Check => check_help(),
            Topic::Fetch => fetch_help(),
        }
    }
}

/// `plz-agent 1.2.3`.
pub fn version() -> &'static str {
    concat!("plz-agent ", env!("CARGO_PKG_VERSION"))
}

fn run_help() -> String {
    let mut text = format!(
        "{}\nRuns Grafana Cloud k6 tests on private Kubernetes clusters.\n\n\
         Usage:\n  \
         plz-agent [run] [OPTIONS]        serve the Private Load Zones of a cluster\n  \
         plz-agent check [OPTIONS]        report what would stop it from working here\n  \
         plz-agent fetch --to FILE        download a test's archive (the init container)\n  \
         plz-agent version\n",
        version()
    );
    push_groups(&mut text, RUN);
    text.push_str(
        "\nProxies for Grafana Cloud k6: HTTPS_PROXY, HTTP_PROXY, ALL_PROXY, NO_PROXY. Flags override the\n\
         environment. Exit codes: 0 stopped by a signal, 1 failed, 2 wrong usage.\n",
    );
    text
}

fn check_help() -> String {
    let mut text = String::from(
        "Reports what would stop the agent from working here, and how to fix it. Changes nothing.\n\n\
         Usage:\n  plz-agent check [OPTIONS]\n\n\
         It takes all options of run and reads the same variables: call it with those of the service.\n",
    );
    push_groups(&mut text, &[REPORT]);
    text.push_str(
        "\nA summary of the failures is also written to PLZ_TERMINATION_LOG or, by the main process of a container, to\n\
         /dev/termination-log.\n\
         Exit codes: 0 no check failed, 1 a check failed, 2 wrong usage.\n",
    );
    text
}

fn fetch_help() -> String {
    let mut text = String::from(
        "Downloads the archive of a test run; the init container of every runner.\n\n\
         Usage:\n  PLZ_ARCHIVE_URL=https://… plz-agent fetch --to FILE [OPTIONS]\n\n\
         The URL is a credential, so it is read from the environment and never from the arguments.\n",
    );
    push_groups(&mut text, FETCH);
    text.push_str(
        "\nProxies: HTTPS_PROXY, HTTP_PROXY, ALL_PROXY, NO_PROXY.\n\
         The reason for a failure is also written to PLZ_TERMINATION_LOG or /dev/termination-log.\n\n\
         Exit codes:\n",
    );
    for code in ExitCode::ALL {
        let _ = writeln!(text, "  {:<3} {:<14} {}", code.number(), code.word(), code.meaning());
    }
    text
}

fn push_groups(text: &mut String, groups: &[Group]) {
    for group in groups {
        let _ = writeln!(text, "\n{}:", group.title);
        for option in group.options {
            push_option(text, option);
        }
    }
}

fn push_option(text: &mut String, option: &Opt) {
    let short = option.short.map(|short| format!("-{short}, ")).unwrap_or_default();
    let _ = writeln!(text, "  {short}--{} {}", option.long, option.value);
    for line in option.help.lines() {
        let _ = writeln!(text, "        {line}");
    }
    let mut notes = Vec::new();
    if !option.default.is_empty() {
        notes.push(format!("default: {}", option.default));
    }
    if !option.env.is_empty() {
        notes.push(format!("env: {}", option.env.join(", ")));
    }
    if !notes.is_empty() {
        let _ = writeln!(text, "        [{}]", notes.join("; "));
    }
}
