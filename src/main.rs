//! The program: arguments to a configuration, then to the subcommand.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "help, version and usage errors are for the terminal"
)]

use std::process::ExitCode;

use plz_agent::config::{self, Command, EXIT_USAGE, Env, Topic};
use plz_agent::{fetch, logging};

fn main() -> ExitCode {
    let env = Env::capture();
    let code = match config::parse(std::env::args_os().skip(1), &env) {
        Ok(Command::Version) => {
            println!("{}", config::version());
            0
        }
        Ok(Command::Help(topic)) => {
            print!("{}", topic.text());
            0
        }
        Ok(Command::Fetch(fetch)) => {
            logging::init(&fetch.log).expect("the logger is installed once");
            fetch::run(&fetch).number()
        }
        Ok(Command::Run(run)) => {
            logging::init(&run.log).expect("the logger is installed once");
            0
        }
        Err(error) => {
            eprintln!("plz-agent: {error}");
            if error.topic == Topic::Fetch {
                fetch::refuse(&config::termination_log(&env), &error);
            }
            EXIT_USAGE
        }
    };
    ExitCode::from(u8::try_from(code).unwrap_or(1))
}
