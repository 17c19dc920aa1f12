//! k6: the processes that the kubelet has started, by pod.
//!
//! Owns every process's state machine ([`rest`]), command line ([`argv`]) and record of what was asked of it. Leaves pods
//! and their phases to [`crate::kube`]. A process stays on record after its pod is gone: tests look at when it was resumed.

pub mod argv;
pub mod rest;

use std::collections::BTreeMap;
use std::time::Duration;

pub use self::argv::Argv;
pub use self::rest::{Exit, Fails, Manners, Runner, Script, Version};
use crate::http::{Answer, Request};

/// Stopped over REST.
pub const STOPPED_BY_REST: i32 = 103;
/// Invalid configuration.
pub const INVALID_CONFIG: i32 = 104;
/// Ended by a signal.
pub const ABORTED: i32 = 105;
/// Killed by the kernel or the kubelet.
pub const KILLED: i32 = 137;
/// An exception in the script.
pub const SCRIPT_EXCEPTION: i32 = 107;
/// The script called `test.fail()`.
pub const MARKED_AS_FAILED: i32 = 110;

/// All processes, by namespace and name of their pods.
#[derive(Debug, Default)]
pub struct K6s {
    runners: BTreeMap<(String, String), Runner>,
}

impl K6s {
    /// Starts a process in a pod.
    pub fn start(&mut self, now: Duration, namespace: &str, pod: &str, argv: Argv, script: Script) {
        self.runners.insert((namespace.to_owned(), pod.to_owned()), Runner::new(now, argv, script));
    }

    /// The process of a pod, alive or not.
    pub fn runner(&self, namespace: &str, pod: &str) -> Option<&Runner> {
        self.runners.get(&(namespace.to_owned(), pod.to_owned()))
    }

    /// The same, to change its script or manners mid-run.
    pub fn runner_mut(&mut self, namespace: &str, pod: &str) -> Option<&mut Runner> {
        self.runners.get_mut(&(namespace.to_owned(), pod.to_owned()))
    }

    /// Ends the process of a pod at once, unless it has ended before.
    pub fn kill(&mut self, now: Duration, namespace: &str, pod: &str) {
        if let Some(runner) = self.runner_mut(namespace, pod) {
            runner.killed.get_or_insert(now);
        }
    }

    /// All processes whose pod's name starts with `prefix`, by namespace and pod.
    pub fn all(&self, prefix: &str) -> impl Iterator<Item = (&(String, String), &Runner)> {
        self.runners.iter().filter(move |((_, pod), _)| pod.starts_with(prefix))
    }

    /// The same, to change them.
    pub fn all_mut(&mut self, prefix: &str) -> impl Iterator<Item = (&(String, String), &mut Runner)> {
        self.runners.iter_mut().filter(move |((_, pod), _)| pod.starts_with(prefix))
    }

    /// Answers a REST call to the process of a pod; the caller knows that the container runs.
    pub fn serve(&mut self, now: Duration, namespace: &str, pod: &str, request: &Request) -> Answer {
        match self.runner_mut(namespace, pod) {
            Some(runner) => runner.serve(now, request),
            None => Answer::Drop,
        }
    }

    /// The spread between the first and the last resume of the processes whose pod's name starts with `prefix`; none
    /// unless all of them were resumed.
    pub fn start_skew(&self, prefix: &str) -> Option<Duration> {
        let resumed: Option<Vec<Duration>> = self.all(prefix).map(|(_, runner)| runner.resumed).collect();
        let resumed = resumed?;
        Some(*resumed.iter().max()? - *resumed.iter().min()?)
    }

    /// What is wrong with the processes of one test run together, whose pods' names start with `prefix`: segments that do not
    /// make up a whole, setup or teardown more than once, teardown before the end, resumed before all had answered.
    pub fn faults(&self, prefix: &str) -> Vec<String> {
        let runners: Vec<&Runner> = self.all(prefix).map(|(_, runner)| runner).collect();
        faults_of(&runners)
    }
}

/// The same for these processes.
#[must_use]
pub fn faults_of(runners: &[&Runner]) -> Vec<String> {
    let mut faults = Vec::new();
    let count = |times: fn(&Runner) -> usize| runners.iter().map(|runner| times(runner)).sum::<usize>();
    for (what, times) in
        [("setup", count(|runner| runner.setups.len())), ("teardown", count(|runner| runner.teardowns.len()))]
    {
        if times > 1 {
            faults.push(format!("{what} ran {times} times"));
        }
    }
    let mut segments: Vec<&str> =
        runners.iter().filter_map(|runner| runner.argv.segment.as_deref()).collect();
    segments.sort_unstable();
    segments.dedup();
    if runners.len() > 1 && segments.len() != runners.len() {
        faults.push(format!("{} runners share {} segments", runners.len(), segments.len()));
    }
    let mut sequences: Vec<_> = runners.iter().map(|runner| &runner.argv.sequence).collect();
    sequences.dedup();
    if sequences.len() > 1 {
        faults.push("runners disagree about the segment sequence".to_owned());
    }
    let ready = runners.iter().map(|runner| runner.ready_at()).max().unwrap_or_default();
    if runners.iter().any(|runner| runner.resumed.is_some_and(|at| at < ready)) {
        faults.push("a runner was resumed before all of them were ready".to_owned());
    }
    let teardown = runners.iter().flat_map(|runner| &runner.teardowns).min();
    let is_early = |teardown: &Duration| {
        runners.iter().any(|runner| {
            // A signal ends the test at once, although the process may take longer to flush.
            let signalled = runner.terminated.is_some_and(|at| at <= *teardown);
            let dead = signalled || runner.exits().is_some_and(|(at, _)| at <= *teardown);
            runner.resumed.is_some() && !dead && runner.ends_at().is_none_or(|end| end > *teardown)
        })
    };
    if teardown.is_some_and(is_early) {
        faults.push("teardown ran before all runners had ended".to_owned());
    }
    faults
}

#[cfg(test)]
mod tests;
