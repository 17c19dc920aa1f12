//! `sim bench`: the goals of the project as figures, measured on the real agent against the stand-ins over loopback.
//!
//! Owns the arguments, the order of the scenes and the report. Each scene is a world and an agent process of its own:
//! `idle` (one zone and nothing to do), `runs` (one run after the other), `fanout` (one run of many runners), `crowd`
//! (many zones and runs at once). Times are taken inside the world, at the moment it serves a request, for two clocks
//! on a busy machine would measure each other. Invariant: a figure is printed only if what it is about came to pass
//! without a fault; whether it meets its goal decides nothing but its column.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "its report is for the person at the terminal"
)]

mod agent;
mod binary;
mod crowd;
mod fanout;
mod idle;
mod relay;
mod runs;
mod sample;
mod scene;
mod table;

use std::path::PathBuf;
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use self::binary::Binary;
use self::table::Table;
use super::Error;

const HELP: &str = "\
sim bench – measures the agent against the stand-ins and prints figures beside their goals

Usage: sim bench [--quick] [--agent PATH] [--only SCENE]

Options:
  --quick        shorter and fewer: under 90 s instead of under 5 minutes
  --agent PATH   the plz-agent to measure [default: built now, for x86_64-unknown-linux-musl if that target is there]
  --only SCENE   idle, runs, fanout or crowd alone
  -h, --help     this text

The agent speaks TLS with the API server and GCk6, and plain HTTP with runners, as it does in the field. 1000 pods have a
listener each: if the limit of open files is below 4096, raise it first (`ulimit -n 4096`).
";

/// Open files that the scenes need at most.
const OPEN_FILES_MIN: u64 = 4096;

/// How much is measured.
#[derive(Clone, Copy)]
struct Plan {
    /// Runs one after the other.
    runs: usize,
    /// Repetitions for each number of runners.
    fanout: [(u64, usize); 3],
    /// How long an idle agent is watched.
    idle: Duration,
    /// How long a crowd of active runs is watched.
    crowd: Duration,
    /// How often its zones are polled.
    crowd_poll: Duration,
}

const FULL: Plan = Plan {
    runs: 7,
    fanout: [(10, 5), (100, 5), (500, 2)],
    idle: Duration::from_secs(70),
    crowd: Duration::from_secs(35),
    crowd_poll: Duration::from_secs(10),
};

const QUICK: Plan = Plan {
    runs: 3,
    fanout: [(10, 1), (100, 3), (500, 1)],
    idle: Duration::from_secs(25),
    crowd: Duration::from_secs(12),
    crowd_poll: Duration::from_secs(5),
};

/// Which part of the benchmark.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Scene {
    Idle,
    Runs,
    Fanout,
    Crowd,
}

struct Args {
    plan: Plan,
    agent: Option<PathBuf>,
    only: Option<Scene>,
}

/// Measures and prints the table. Exit code 0 if every figure could be taken, goals met or not.
pub(crate) fn run(parser: &mut lexopt::Parser) -> Result<ExitCode, Error> {
    let Some(args) = parse(parser)? else { return Ok(super::help(HELP)) };
    check_limits()?;
    let binary = match &args.agent {
        Some(path) => Binary::given(path)?,
        None => Binary::build()?,
    };
    println!("Measured: {}\n", binary.description);
    let wants = |scene| args.only.is_none_or(|only| only == scene);
    let plan = args.plan;
    let mut table = Table::default();
    // The idle agent does next to nothing: it shares the machine with the scenes that run one thing at a time.
    let idle = thread::scope(|scope| {
        let idle = wants(Scene::Idle).then(|| scope.spawn(|| idle::measure(&binary, plan.idle)));
        if wants(Scene::Runs) {
            table.extend(runs::measure(&binary, plan.runs)?);
        }
        if wants(Scene::Fanout) {
            table.extend(fanout::measure(&binary, &plan.fanout)?);
        }
        let idle = idle.map(|idle| idle.join().expect("errors are returned, not thrown"));
        idle.transpose()
    })?;
    table.extend(idle.unwrap_or_default());
    if wants(Scene::Crowd) {
        table.extend(crowd::measure(&binary, plan.crowd, plan.crowd_poll)?);
    }
    table.extend(binary.size()?);
    println!("The machine: {}\n", load());
    print!("{table}");
    Ok(ExitCode::SUCCESS)
}

fn parse(parser: &mut lexopt::Parser) -> Result<Option<Args>, Error> {
    use lexopt::Arg::{Long, Short};
    let mut args = Args { plan: FULL, agent: None, only: None };
    while let Some(arg) = parser.next()? {
        match arg {
            Long("quick") => args.plan = QUICK,
            Long("agent") => args.agent = Some(PathBuf::from(parser.value()?)),
            Long("only") => {
                args.only = Some(match parser.value()?.to_str() {
                    Some("idle") => Scene::Idle,
                    Some("runs") => Scene::Runs,
                    Some("fanout") => Scene::Fanout,
                    Some("crowd") => Scene::Crowd,
                    other => return Err(Error::Usage(format!("there is no scene {other:?}"))),
                });
            }
            Long("help") | Short('h') => return Ok(None),
            other => return Err(other.unexpected().into()),
        }
    }
    Ok(Some(args))
}

/// Refuses to begin with too few open files: it would show as pods that do not answer.
fn check_limits() -> Result<(), Error> {
    let Ok(limits) = std::fs::read_to_string("/proc/self/limits") else { return Ok(()) };
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"));
    let soft = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    match soft {
        Some(files) if files < OPEN_FILES_MIN => Err(Error::Usage(format!(
            "only {files} files may be open, {OPEN_FILES_MIN} are needed: `ulimit -n {OPEN_FILES_MIN}`"
        ))),
        _ => Ok(()),
    }
}

/// How busy the machine is, with others' work too: times are worth little where more wants to run than can.
fn load() -> String {
    let cores = thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let minute = load.split(' ').next().unwrap_or_default();
    format!("{cores} cores, load average of the last minute {minute}")
}

/// A failure in words.
fn failed(what: &str, why: impl Into<String>) -> Error {
    Error::Io { what: what.to_owned(), cause: std::io::Error::other(why.into()) }
}

/// An I/O error with what was tried.
fn io(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> Error {
    let what = what.into();
    move |cause| Error::Io { what, cause }
}

fn say(words: &str) {
    eprintln!("bench: {words}");
}
