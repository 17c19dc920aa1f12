//! Leaves out of the static release binary what it cannot use.
//!
//! A panic aborts the release binary, and no symbols are left for a backtrace to name, yet the standard library and every
//! function that drops something bring tables for unwinding: a tenth of the file. No flag of the compiler leaves them out,
//! so the linker is told to. Tests and debug builds unwind, and keep theirs. What reads such tables, `unwind.rs` leaves out.
//!
//! The compiler driver that links (gcc or clang, which take `-Wl`) has to call GNU ld from 2.38 on, which gcc does by itself, or
//! an lld that is as new (15). gold and mold do not take the script: with those, build with `--no-default-features`, which
//! leaves all of this out, and `unwind.rs` with it.
#![expect(clippy::disallowed_methods, reason = "Cargo speaks to build scripts through the environment")]

use std::path::PathBuf;
use std::{env, fs, io};

/// Adds to the linker's own script. The compiler's start files refer to their part of `.eh_frame`, which is empty.
const NO_UNWIND: &str = "\
SECTIONS
{
  /DISCARD/ :
  {
    *(EXCLUDE_FILE(*crtbegin*.o *crtend*.o) .eh_frame)
    *(.gcc_except_table .gcc_except_table.*)
  }
}
INSERT AFTER .text;
";

fn main() -> io::Result<()> {
    println!("cargo::rerun-if-changed=src/build.rs");
    let is = |name: &str, wanted: &str| env::var(name).is_ok_and(|value| value == wanted);
    let is_wanted = env::var_os("CARGO_FEATURE_LEAN_LINK").is_some();
    if !is_wanted || !is("PROFILE", "release") || !is("CARGO_CFG_TARGET_ENV", "musl") {
        return Ok(());
    }
    let script = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default()).join("no-unwind.ld");
    fs::write(&script, NO_UNWIND)?;
    println!("cargo::rustc-link-arg-bins=-Wl,-T,{}", script.display());
    if is("CARGO_CFG_TARGET_ARCH", "x86_64") {
        // Relocations in a bitmap, 1 KB rather than 88 KB. musl applies them from 1.2.4 on, which came with Rust 1.93.
        println!("cargo::rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    }
    Ok(())
}
