//! Which program is measured, and how large it is.
//!
//! Owns the build. Invariant: what is measured is named in the report.

#![expect(clippy::disallowed_methods, reason = "cargo tells by its environment which cargo it is")]

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use super::table::Row;
use super::{failed, io, say};
use crate::cmd::Error;

/// The target of releases.
const MUSL: &str = "x86_64-unknown-linux-musl";
/// The workspace's manifest.
const MANIFEST: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../Cargo.toml");
const SIZE_GOAL_MB: f64 = 2.6;

/// An agent to be measured.
#[derive(Debug)]
pub(super) struct Binary {
    pub(super) path: PathBuf,
    /// What the report calls it.
    pub(super) description: String,
    /// Whether the goals, which are those of a release, apply to its size.
    is_release: bool,
}

impl Binary {
    /// One that is there already.
    pub(super) fn given(path: &Path) -> Result<Self, Error> {
        let path = path.canonicalize().map_err(io(format!("looking for the agent {}", path.display())))?;
        Ok(Self { description: format!("{}, as it was given", path.display()), path, is_release: true })
    }

    /// Builds one, as released if the target is installed.
    pub(super) fn build() -> Result<Self, Error> {
        let is_release = has_musl();
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut command = Command::new(cargo);
        command.args(["build", "--release", "-p", "plz-agent", "--manifest-path", MANIFEST]);
        command.arg("--message-format=json-render-diagnostics");
        if is_release {
            command.args(["--target", MUSL]);
            // Plain gcc compiles ring for musl; a compiler of the user's own choice wins.
            if std::env::var_os("CC_x86_64_unknown_linux_musl").is_none() {
                command.env("CC_x86_64_unknown_linux_musl", "gcc");
            }
        }
        say("building plz-agent");
        let output = command.stderr(Stdio::inherit()).output().map_err(io("starting cargo"))?;
        if !output.status.success() {
            return Err(failed("building plz-agent", output.status.to_string()));
        }
        let messages = String::from_utf8_lossy(&output.stdout);
        let path = messages.lines().filter_map(executable).next_back();
        let path = path.ok_or_else(|| failed("building plz-agent", "cargo names no program"))?;
        let target = if is_release { MUSL } else { "this machine" };
        let description = format!("plz-agent, release build for {target}");
        Ok(Self { path, description, is_release })
    }

    /// Its size as a row.
    pub(super) fn size(&self) -> Result<Option<Row>, Error> {
        let bytes = std::fs::metadata(&self.path).map_err(io("looking at the agent"))?.len();
        let row = Row::new("binary", bytes as f64 / 1e6, "MB");
        Ok(Some(if self.is_release { row.goal(SIZE_GOAL_MB) } else { row }))
    }
}

fn has_musl() -> bool {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc).args(["--print", "target-libdir", "--target", MUSL]).output();
    output.is_ok_and(|output| {
        output.status.success() && Path::new(String::from_utf8_lossy(&output.stdout).trim()).is_dir()
    })
}

fn executable(message: &str) -> Option<PathBuf> {
    let message: Value = serde_json::from_str(message).ok()?;
    Some(PathBuf::from(message["executable"].as_str()?))
}
