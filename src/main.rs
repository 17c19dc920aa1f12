//! The program. All of it is in the library, so that the stand-ins can run it too.

use std::process::ExitCode;

// Nobody has linked it for other processors yet.
#[cfg(all(
    feature = "lean-link",
    panic = "abort",
    target_env = "musl",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
mod unwind;

fn main() -> ExitCode {
    let code = plz_agent::cli::main(std::env::args_os().skip(1));
    ExitCode::from(u8::try_from(code).unwrap_or(1))
}
