//! The agent's process: its start, what it costs, its end.
//!
//! Owns `/proc/PID`. Invariant: the process does not outlive its [`Agent`].

use std::fs::{self, File};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::{failed, io};
use crate::cmd::Error;

/// A running agent.
#[derive(Debug)]
pub(super) struct Agent {
    child: Child,
}

/// What the kernel says of its memory, in bytes.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Memory {
    /// All resident pages.
    pub(super) resident: u64,
    /// Those that are its own: heap, stacks, written data. The rest are pages of the binary, which the kernel may drop.
    pub(super) anonymous: u64,
    /// The most that was resident at once.
    pub(super) peak: u64,
}

impl Agent {
    /// Starts a program with nothing in its environment; its log goes to a file.
    pub(super) fn start(program: &Path, args: &[String], log: &Path) -> Result<Self, Error> {
        let out = File::create(log).map_err(io("creating the agent's log"))?;
        let err = out.try_clone().map_err(io("creating the agent's log"))?;
        let mut command = Command::new(program);
        command.args(args).env_clear().stdin(Stdio::null()).stdout(out).stderr(err);
        let child = command.spawn().map_err(io(format!("starting {}", program.display())))?;
        Ok(Self { child })
    }

    /// Resident memory now.
    pub(super) fn memory(&self) -> Result<Memory, Error> {
        let path = format!("/proc/{}/status", self.child.id());
        let status = fs::read_to_string(&path).map_err(io("reading the agent's memory"))?;
        let bytes = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            let kilobytes = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
            kilobytes
                .map(|kilobytes| kilobytes * 1024)
                .ok_or_else(|| failed("reading the agent's memory", "the agent has ended"))
        };
        Ok(Memory { resident: bytes("VmRSS")?, anonymous: bytes("RssAnon")?, peak: bytes("VmHWM")? })
    }

    /// Processor time of all its threads so far; none where the kernel does not keep it to the nanosecond.
    pub(super) fn processor_time(&self) -> Option<Duration> {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.child.id())).ok()?;
        let mut nanos = 0;
        for task in tasks {
            let stat = fs::read_to_string(task.ok()?.path().join("schedstat")).ok()?;
            nanos += stat.split_whitespace().next()?.parse::<u64>().ok()?;
        }
        Some(Duration::from_nanos(nanos))
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        // Nothing of a scene is worth an orderly end; the world that it worked in goes away with it.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
