//! From arguments and environment to an exit code: what `main` does, for those who embed the agent in another binary.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "help, version and usage errors are for the terminal"
)]

use std::ffi::OsString;

use crate::config::{self, Command, EXIT_USAGE, Env, Topic, UsageError};
use crate::{check, fetch, logging, shell};

/// Exit code when the agent cannot begin for a reason outside of it, or a check says that it could not work.
const EXIT_FAILED: i32 = 1;

/// Runs the subcommand that `args` (without the program's name) ask for.
///
/// Exit codes: 0 for a run that a signal has ended, 1 if the agent could not begin, 2 for wrong usage; for `check` 0 if all
/// is well, 1 if something would fail; those of `fetch` are in [`ExitCode`](plz_core::archive::ExitCode).
pub fn main(args: impl Iterator<Item = OsString>) -> i32 {
    let env = Env::capture();
    match config::parse(args, &env) {
        Ok(Command::Version) => {
            println!("{}", config::version());
            0
        }
        Ok(Command::Help(topic)) => {
            print!("{}", topic.text());
            0
        }
        Ok(Command::Check(check)) => {
            logging::init(&check.run.log).expect("the logger is installed once");
            if check::run(*check) { 0 } else { EXIT_FAILED }
        }
        Ok(Command::Fetch(fetch)) => {
            logging::init(&fetch.log).expect("the logger is installed once");
            fetch::run(&fetch).number()
        }
        Ok(Command::Run(run)) => {
            logging::init(&run.log).expect("the logger is installed once");
            match shell::run(&run) {
                Ok(()) => 0,
                Err(error) => {
                    log::error!("{error}");
                    if error.is_usage() { EXIT_USAGE } else { EXIT_FAILED }
                }
            }
        }
        Err(error) => usage(&error, &env),
    }
}

fn usage(error: &UsageError, env: &Env) -> i32 {
    eprintln!("plz-agent: {error}");
    if error.topic != Topic::Run {
        fetch::refuse(&config::termination_log(env), error);
    }
    EXIT_USAGE
}
