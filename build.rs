//! Leaves out of the static release binary what it cannot use.
//!
//! A panic aborts the release binary, and no symbols are left for a backtrace to name, yet the standard library and every
//! function that drops something bring tables for unwinding: a tenth of the file. No flag of the compiler leaves them out.
//! Tests and debug builds unwind, and keep theirs.
#![expect(clippy::disallowed_methods, reason = "Cargo speaks to build scripts through the environment")]

use std::env;

fn main() {
    println!("cargo::rerun-if-changed=no-unwind.ld");
    let is = |name: &str, wanted: &str| env::var(name).is_ok_and(|value| value == wanted);
    if is("PROFILE", "release") && is("CARGO_CFG_TARGET_ENV", "musl") {
        println!("cargo::rustc-link-arg-bins=-Wl,-T,no-unwind.ld");
        if is("CARGO_CFG_TARGET_ARCH", "x86_64") {
            // Relocations in a bitmap, 1 KB rather than 88 KB. musl applies them from 1.2.4 on, which came with Rust 1.93.
            println!("cargo::rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
        }
    }
}
