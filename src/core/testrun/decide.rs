//! From the table to actions: picks the row, spells its writes out runner by runner.
//!
//! Owns how often a runner and GCk6 are asked. Leaves alone how a call looks (see `calls`) and what is made of its
//! answer (see `reply`). Invariant: the same facts give the same decision; nothing is changed here.

use std::time::Duration;

use super::calls;
use super::diagnose;
use super::facts::{
    Facts, HEARTBEAT_INTERVAL_MAX, HEARTBEAT_INTERVAL_MIN, HEARTBEATS_PER_SECOND_MAX, READY_POLL_INTERVAL,
    RUNNER_POLL_INTERVAL, Runner, STATE_CHECK_INTERVAL,
};
use super::state::{Job, Keeping, Setup, Teardown};
use super::table::{self, Block, Fact, Then, Write};
use crate::testrun::action::{Action, StatusWrite};

/// How long what was said stands before it is replaced by something else.
const TROUBLE_INTERVAL: Duration = Duration::from_secs(30);

/// How long a Job may be without a pod before its Events are read.
const PODLESS_MAX: Duration = Duration::from_secs(3);
/// How often they are read again as long as it is.
const EVENTS_INTERVAL: Duration = Duration::from_secs(15);

/// What to do now.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub struct Decision {
    /// The row that was chosen.
    pub row: (Block, Fact),
    /// What to start, unless it is under way or has to wait.
    pub actions: Vec<Action>,
    /// When to look again although nothing happens.
    pub wake: Option<Duration>,
    /// Whether the run is to be forgotten.
    pub forget: bool,
}

/// Decides by the table.
pub fn decide(facts: &Facts<'_>) -> Decision {
    let block = facts.state.block;
    let rows = table::rows(block);
    let row = rows.iter().find(|row| facts.holds(row.fact)).expect("every block ends with Otherwise");
    let mut decision =
        Decision { row: (block, row.fact), actions: Vec::new(), wake: facts.next_change(), forget: false };
    for write in row.writes {
        decision.spell_out(*write, facts);
    }
    match row.then {
        Then::Stay => {}
        Then::Record(stage) => decision.actions.push(Action::WriteStatus(StatusWrite::Stage(stage))),
        Then::RecordEnd => {
            let stage = calls::end_stage(facts);
            decision.actions.push(Action::WriteStatus(StatusWrite::Stage(stage)));
        }
        Then::Forget => decision.forget = true,
    }
    if !facts.state.announcements.is_empty() {
        decision.actions.insert(0, Action::Announce);
        decision.forget = false;
    }
    decision
}

impl Decision {
    fn spell_out(&mut self, write: Write, facts: &Facts<'_>) {
        let state = facts.state;
        match write {
            Write::Confirm => self.actions.push(Action::Confirm),
            Write::KeepCredentials => self.keep_credentials(facts),
            Write::CreateJobs => self.each(facts, |runner| match runner.state.job {
                Job::Unknown | Job::Foreign => Some(Action::CreateJob(runner.number)),
                Job::Unclear => Some(Action::InspectJob(runner.number)),
                _ => None,
            }),
            Write::InspectJobs => {
                self.each(facts, |runner| {
                    runner.job_is_unseen().then_some(Action::InspectJob(runner.number))
                });
            }
            Write::AskRunners => {
                for runner in
                    facts.runners().filter(|runner| !runner.is_ready() && runner.address().is_some())
                {
                    self.ask(facts, runner, READY_POLL_INTERVAL);
                }
            }
            Write::ReadEvents => self.read_events(facts),
            Write::WatchRunners => self.watch_runners(facts),
            Write::ReportTrouble => self.report_trouble(facts),
            Write::RunSetup => self.run_setup(facts),
            Write::SendSetupData => self.each(facts, |runner| {
                (!runner.state.data_sent).then_some(Action::SendSetupData(runner.number))
            }),
            Write::ResumeRunners => {
                self.each(facts, |runner| {
                    runner.is_to_resume().then_some(Action::ResumeRunner(runner.number))
                });
            }
            Write::StopRunners => {
                self.each(facts, |runner| runner.is_to_stop().then_some(Action::StopRunner(runner.number)));
            }
            Write::CheckState => self.check_state(facts),
            Write::SendEvents => self.send_events(facts),
            Write::RunTeardown => {
                let due = state.teardown == Teardown::Due;
                self.actions.extend(
                    facts.for_teardown().filter(|_| due).map(|runner| Action::RunTeardown(runner.number)),
                );
            }
            Write::DeleteJobs => self.each(facts, |runner| match runner.state.job {
                Job::Ours(_) => Some(Action::DeleteJob(runner.number)),
                _ => None,
            }),
            Write::Finish => self.actions.push(Action::Finish),
            Write::Release => self.actions.push(Action::Release),
            Write::DeleteTestRun => {
                if !state.deletion_sent && facts.run.metadata.deletion_timestamp.is_none() {
                    self.actions.push(Action::DeleteTestRun);
                }
            }
        }
    }

    fn keep_credentials(&mut self, facts: &Facts<'_>) {
        match facts.state.keeping {
            Keeping::Unknown | Keeping::Foreign => self.actions.push(Action::InspectCredentials),
            Keeping::Lost => self.actions.push(Action::FetchCredentials),
            Keeping::InHand(_) => self.actions.push(Action::CreateCredentials),
            Keeping::Kept | Keeping::Refused(_) => {}
        }
    }

    /// Pods that are refused are mostly refused for one cause: the first speaks for all.
    fn read_events(&mut self, facts: &Facts<'_>) {
        let Some(runner) = facts.runners().find(Runner::lacks_pod) else { return };
        let first = facts.state.since + PODLESS_MAX;
        let due = runner.state.events_read.map_or(first, |read| read + EVENTS_INTERVAL);
        self.at(facts.now, due, Action::ReadEvents(runner.number));
    }

    fn run_setup(&mut self, facts: &Facts<'_>) {
        let state = facts.state;
        let first = state.runners.keys().next().copied().unwrap_or(1);
        let last = state.runners.keys().next_back().copied().unwrap_or(1);
        match state.setup {
            Setup::Unclear if last > first => self.actions.push(Action::ReadSetup(last)),
            Setup::Unclear | Setup::NotRun => self.actions.push(Action::RunSetup(first)),
            Setup::OnRunner(runner) => self.actions.push(Action::TakeSetupData(runner)),
            Setup::Run(_) | Setup::Failed(_) => {}
        }
    }

    fn check_state(&mut self, facts: &Facts<'_>) {
        let state = facts.state;
        if facts.holds(Fact::Unproven) {
            return self.actions.push(Action::Confirm);
        }
        let is_due_now = facts.holds(Fact::EndUnclear) && Some(state.state_asked) < state.last_end;
        let due = if is_due_now { facts.now } else { state.state_asked + STATE_CHECK_INTERVAL };
        self.at(facts.now, due, Action::CheckState);
    }

    fn send_events(&mut self, facts: &Facts<'_>) {
        if facts.holds(Fact::Unproven) {
            self.actions.push(Action::Confirm);
        } else if facts.holds(Fact::EventsDue) && !facts.may_be_of_namespace() {
            self.actions.push(Action::SendEvents);
        }
    }

    /// While all is quiet one runner speaks for all: as long as the first that has not ended runs, the run is not over.
    /// As soon as one has ended, and whenever nothing is known of one, the others are asked at once. So the end is seen
    /// within one interval. Each of the others is asked now and then, the less often the more there are, so that one that
    /// has cut its test short or fallen silent is noticed.
    fn watch_runners(&mut self, facts: &Facts<'_>) {
        let mut speaker = true;
        let heartbeat = heartbeat(facts.state.parallelism);
        for runner in facts.runners().filter(|runner| !runner.has_ended()) {
            let state = runner.state;
            let unheard = state.status.is_none() || state.asked < facts.state.last_end;
            let interval = match (unheard, speaker) {
                (true, _) => Duration::ZERO,
                (false, true) => RUNNER_POLL_INTERVAL,
                (false, false) => heartbeat,
            };
            if runner.address().is_some() {
                self.ask(facts, runner, interval);
            }
            speaker = false;
        }
    }

    fn report_trouble(&mut self, facts: &Facts<'_>) {
        let state = facts.state;
        if diagnose::trouble(facts) != state.trouble_said {
            let due = state.trouble_said_at.map_or(facts.now, |at| at + TROUBLE_INTERVAL);
            self.at(facts.now, due, Action::WriteStatus(StatusWrite::Conditions));
        }
        if state.block != Block::Started
            && let Some(at) = diagnose::stalls_at(facts).filter(|at| *at > facts.now)
        {
            self.wake_at(at);
        }
    }

    fn ask(&mut self, facts: &Facts<'_>, runner: Runner<'_>, interval: Duration) {
        let due = runner.state.asked.map_or(facts.now, |asked| asked + interval);
        self.at(facts.now, due, Action::AskRunner(runner.number));
    }

    fn each(&mut self, facts: &Facts<'_>, action: impl Fn(Runner<'_>) -> Option<Action>) {
        self.actions.extend(facts.runners().filter_map(action));
    }

    /// The action if it is due, otherwise a look at the clock when it will be.
    fn at(&mut self, now: Duration, due: Duration, action: Action) {
        if due <= now {
            self.actions.push(action);
        } else {
            self.wake_at(due);
        }
    }

    fn wake_at(&mut self, at: Duration) {
        self.wake = Some(self.wake.map_or(at, |wake| wake.min(at)));
    }
}

/// How often each of so many runners is asked while one speaks for all.
fn heartbeat(runners: u32) -> Duration {
    let at_that_rate = Duration::from_secs(1) * runners / HEARTBEATS_PER_SECOND_MAX;
    at_that_rate.clamp(HEARTBEAT_INTERVAL_MIN, HEARTBEAT_INTERVAL_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_more_runners_the_less_often_each_is_asked() {
        for (runners, seconds) in [(1, 2), (2, 2), (20, 2), (100, 10), (300, 30), (u32::MAX, 30)] {
            assert_eq!(heartbeat(runners).as_secs(), seconds, "{runners}");
        }
    }
}
