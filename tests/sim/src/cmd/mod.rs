//! The subcommands: which there are, and how they fail.
//!
//! To add one: a module with `run(&mut lexopt::Parser)` and a `HELP`, a row in [`run`], a line in [`HELP`].

pub(crate) mod bench;
pub(crate) mod cloud;
pub(crate) mod demo;

use std::io;
use std::process::ExitCode;

const HELP: &str = "\
sim – stand-ins for the systems around plz-agent

Usage: sim COMMAND [OPTIONS]

Commands:
  bench   measures plz-agent against the stand-ins and prints figures beside their goals
  cloud   Grafana Cloud k6 and its archive bucket, for trying the agent on a real cluster without an account
  demo    the agent itself against all of them, on this machine and in under a minute
  help    this text; `sim COMMAND --help` for one command
";

/// Why a command did not run.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The arguments make no sense.
    #[error("{0}; see --help")]
    Usage(String),
    /// A file or socket failed.
    #[error("{what}: {cause}")]
    Io {
        /// What was tried.
        what: String,
        /// What the system said.
        cause: io::Error,
    },
}

impl Error {
    /// 2 for wrong arguments, 1 for all else.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(_) => 2,
            Self::Io { .. } => 1,
        }
    }
}

impl From<lexopt::Error> for Error {
    fn from(error: lexopt::Error) -> Self {
        Self::Usage(error.to_string())
    }
}

/// Runs what the arguments ask for.
pub(crate) fn run(mut parser: lexopt::Parser) -> Result<ExitCode, Error> {
    use lexopt::Arg::{Long, Short, Value};
    match parser.next()? {
        Some(Value(command)) => match command.to_str() {
            Some("bench") => bench::run(&mut parser),
            Some("cloud") => cloud::run(&mut parser),
            Some("demo") => demo::run(&mut parser),
            // Not in the help: the demo starts itself as the agent, so that one `cargo run` builds both.
            Some("agent") => Ok(agent(&mut parser)?),
            Some("help") => Ok(help(HELP)),
            _ => Err(Error::Usage(format!("there is no command {command:?}"))),
        },
        Some(Long("help") | Short('h')) => Ok(help(HELP)),
        Some(other) => Err(other.unexpected().into()),
        None => Err(Error::Usage("a command is missing".to_owned())),
    }
}

/// Is the agent: the same entry as that of its own binary.
fn agent(parser: &mut lexopt::Parser) -> Result<ExitCode, Error> {
    let code = plz_agent::cli::main(parser.raw_args()?);
    Ok(ExitCode::from(u8::try_from(code).unwrap_or(1)))
}

/// Prints a help text.
#[expect(clippy::print_stdout, reason = "help goes to the terminal")]
pub(crate) fn help(text: &str) -> ExitCode {
    print!("{text}");
    ExitCode::SUCCESS
}
