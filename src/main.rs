//! The program. All of it is in the library, so that the stand-ins can run it too.

use std::process::ExitCode;

fn main() -> ExitCode {
    let code = plz_agent::cli::main(std::env::args_os().skip(1));
    ExitCode::from(u8::try_from(code).unwrap_or(1))
}
