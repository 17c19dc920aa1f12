//! What the agents have heard of `setup()`, and when they have stopped being the one that acts.
//!
//! Owns the record, of which a setup that runs a second time needs a reason. Leaves the judgement to [`Drive::faults_of_setup`].
//! Invariant: a call is written down when it arrives at its runner, at the time that the runner writes down too.

use std::collections::BTreeMap;
use std::time::Duration;

use plz_core::event::{Action, Reply, Report, TaskId};
use plz_core::testrun;

use super::Drive;
use crate::k6::Runner;

/// A call that ran `setup()`.
#[derive(Clone, Debug)]
pub(super) struct SetupCall {
    id: TaskId,
    at: Duration,
    heard: Option<Heard>,
}

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Heard {
    /// The runner's answer, whatever it says.
    Answer,
    /// That there is none.
    Lost(Duration),
}

/// The record of one agent.
#[derive(Clone, Debug, Default)]
pub(super) struct Setups {
    calls: Vec<SetupCall>,
    /// When it stopped acting: by its end, by losing the lead, or for a k6-operator.
    lapses: Vec<Duration>,
    acted: bool,
}

impl Setups {
    pub(super) fn arrived(&mut self, now: Duration, id: &TaskId) {
        if let Action::Run(testrun::Action::RunSetup(_)) = id.action {
            self.calls.push(SetupCall { id: id.clone(), at: now, heard: None });
        }
    }

    pub(super) fn heard(&mut self, now: Duration, report: &Report) {
        let is_it = |call: &&mut SetupCall| call.heard.is_none() && call.id == report.id;
        let Some(call) = self.calls.iter_mut().rev().find(is_it) else { return };
        let is_lost = matches!(&report.reply, Reply::Runner(Err(error)) if error.is_transient());
        call.heard = Some(if is_lost { Heard::Lost(now) } else { Heard::Answer });
    }

    /// Whether it acts now.
    pub(super) fn acts(&mut self, now: Duration, acts: bool) {
        if self.acted && !acts {
            self.lapses.push(now);
        }
        self.acted = acts;
    }

    /// Whether it had the setup of `first` run, and there is a reason for that of `second`.
    fn excuse(&self, run: &str, first: Duration, second: Duration, recorded: Duration) -> bool {
        let is_it = |call: &&SetupCall| call.at == first && call.id.key.object().name == run;
        let Some(call) = self.calls.iter().find(is_it) else { return false };
        let is_lost = matches!(call.heard, Some(Heard::Lost(at)) if at <= second);
        is_lost || self.lapses.iter().any(|at| (first..=recorded).contains(at))
    }
}

impl Drive {
    /// What is wrong with the setups of the TestRun of that name, whose runners these are by pod. It runs again only where the
    /// agent that had it run was not told of its end, or stopped acting before the runners had what it returned; and never once
    /// one of them is let go.
    #[must_use]
    pub fn faults_of_setup(&self, run: &str, runners: &BTreeMap<&str, &Runner>) -> Vec<String> {
        let agents: Vec<&Setups> = self.agents.iter().map(|agent| &agent.setups).collect();
        faults(&agents, run, runners)
    }

    /// Whether an agent stopped acting at a time within these, by its end, by losing the lead, or for a k6-operator.
    #[must_use]
    pub fn has_lapsed_within(&self, from: Duration, to: Duration) -> bool {
        self.agents.iter().any(|agent| agent.setups.lapses.iter().any(|at| (from..=to).contains(at)))
    }
}

fn faults(agents: &[&Setups], run: &str, runners: &BTreeMap<&str, &Runner>) -> Vec<String> {
    let all = runners.values().flat_map(|runner| runner.setups.iter().chain(&runner.setups_abandoned));
    let mut setups: Vec<Duration> = all.copied().collect();
    setups.sort_unstable();
    let mut faults = Vec::new();
    for pair in setups.windows(2) {
        let (first, second) = (pair[0], pair[1]);
        let recorded = recorded(runners, first, second);
        if !agents.iter().any(|agent| agent.excuse(run, first, second, recorded)) {
            faults.push(format!("setup ran at {first:?} and without a cause again at {second:?}"));
        }
    }
    let resumed = runners.values().filter_map(|runner| runner.resumed).min();
    let late = setups.last().zip(resumed).filter(|(setup, resumed)| *setup > resumed);
    faults.extend(
        late.map(|(setup, at)| format!("setup ran at {setup:?}, after a runner was let go at {at:?}")),
    );
    faults
}

/// Until when another agent cannot know that the setup of `first` was run: until the runner that it asks has been given the data. One
/// that is alone is not asked, and that there are no data looks as if nothing had been run: then until the second setup.
fn recorded(runners: &BTreeMap<&str, &Runner>, first: Duration, second: Duration) -> Duration {
    let number =
        |pod: &str| pod.rsplit('-').nth(1).and_then(|number| number.parse::<u32>().ok()).unwrap_or_default();
    let last = runners.keys().map(|pod| number(pod)).max().unwrap_or_default();
    let asked = runners
        .iter()
        .filter(|(pod, runner)| last > 1 && number(pod) == last && runner.started <= second)
        .max_by_key(|(_, runner)| runner.started);
    let taken = asked.and_then(|(_, runner)| {
        runner.data_puts.iter().find(|(at, data)| *at >= first && data.is_some()).map(|(at, _)| *at)
    });
    taken.unwrap_or(second).min(second)
}

#[cfg(test)]
mod tests {
    use plz_core::event::ObjectKey;
    use plz_core::runner;
    use serde_json::json;

    use super::*;
    use crate::k6::{Argv, Script};

    const RUN: &str = "plz-test-1";

    fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn id() -> TaskId {
        TaskId::run(&ObjectKey::new("load", RUN), testrun::Action::RunSetup(1))
    }

    /// An agent that has had setup run at second 10, and the reply that it heard at second 11.
    fn agent(reply: Option<Result<Vec<u8>, runner::Error>>) -> Setups {
        let mut setups = Setups::default();
        setups.acts(s(0), true);
        setups.arrived(s(10), &id());
        if let Some(reply) = reply {
            setups.heard(s(11), &Report { id: id(), reply: Reply::Runner(reply) });
        }
        setups
    }

    fn lapses(mut setups: Setups, at: u64) -> Setups {
        setups.acts(s(at), false);
        setups.acts(s(at + 1), true);
        setups
    }

    /// What is wrong when setup runs at seconds 10 and 20 on the first of so many runners, of which the last takes data at second 12.
    fn check(of: &[Setups], count: usize, resumed: Option<u64>) -> Vec<String> {
        let argv = Argv::read(&["k6", "run", "x", "--paused"].map(str::to_owned)).unwrap().unwrap();
        let mut all = vec![Runner::new(s(1), argv, Script::default()); count];
        all[0].setups = vec![s(10)];
        all[0].setups_abandoned = vec![s(20)];
        all[0].resumed = resumed.map(s);
        all[count - 1].data_puts.push((s(12), Some(json!(1))));
        let names: Vec<String> = (1..=count).map(|n| format!("{RUN}-{n}-abcde")).collect();
        let runners = names.iter().map(String::as_str).zip(&all).collect();
        faults(&of.iter().collect::<Vec<_>>(), RUN, &runners)
    }

    #[test]
    fn a_second_setup_needs_a_lapse_before_its_end_is_on_record_or_a_lost_answer() {
        let again = ["setup ran at 10s and without a cause again at 20s"];
        let lost = || Some(Err(runner::Error::Unreachable("reset".to_owned())));
        assert_eq!(check(&[agent(None)], 2, None), again);
        assert_eq!(check(&[agent(Some(Ok(Vec::new())))], 2, None), again);
        assert_eq!(check(&[agent(Some(Err(runner::Error::TooLarge)))], 2, None), again);
        assert!(check(&[agent(lost())], 2, None).is_empty());
        assert!(check(&[lapses(agent(None), 10)], 2, None).is_empty());
        assert!(check(&[Setups::default(), lapses(agent(Some(Ok(Vec::new()))), 12)], 2, None).is_empty());
        // The data are where the next agent looks, if there is more than one runner.
        assert_eq!(check(&[lapses(agent(Some(Ok(Vec::new()))), 13)], 2, None), again);
        assert!(check(&[lapses(agent(Some(Ok(Vec::new()))), 13)], 1, None).is_empty());
        assert_eq!(check(&[lapses(agent(Some(Ok(Vec::new()))), 21)], 1, None), again);
        // It is not the reason of another's.
        assert_eq!(check(&[agent(None), lapses(Setups::default(), 11)], 2, None), again);
    }

    #[test]
    fn setup_never_runs_once_a_runner_is_let_go() {
        let agents = [lapses(agent(None), 11)];
        assert!(check(&agents, 2, Some(20)).is_empty());
        assert_eq!(check(&agents, 2, Some(19)), ["setup ran at 20s, after a runner was let go at 19s"]);
    }
}
