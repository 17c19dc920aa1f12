//! `sim`: the stand-ins as programs.
//!
//! Owns arguments and the terminal. Each subcommand is a module of [`cmd`]; what they show is the library's.

#![expect(clippy::print_stderr, reason = "a program that talks to a person at a terminal")]

mod cmd;

use std::process::ExitCode;

fn main() -> ExitCode {
    match cmd::run(lexopt::Parser::from_env()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("sim: {error}");
            ExitCode::from(error.exit_code())
        }
    }
}
