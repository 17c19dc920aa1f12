//! From the table to actions on a zone.
//!
//! Owns which listed test runs are taken up. Invariant: the same facts give the same decision; nothing is changed here.

use std::time::Duration;

use super::conditions;
use super::facts::{DEREGISTRATION_PATIENCE, Facts, RUNS_PATIENCE};
use super::state::Listed;
use super::table::{self, Block, Fact, Write};
use crate::zone::action::Action;

/// How many listed test runs a zone takes up at once. The others wait for the next turn.
const STARTS_AT_ONCE_MAX: usize = 16;

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
    /// Whether it leaves its name to another zone.
    pub steps_down: bool,
}

/// Decides by the table.
pub fn decide(facts: &Facts<'_>) -> Decision {
    let block = facts.block();
    let row =
        table::rows(block).iter().find(|row| facts.holds(row.fact)).expect("every block ends with Otherwise");
    let mut decision =
        Decision { row: (block, row.fact), actions: Vec::new(), wake: wake(facts), steps_down: false };
    for write in row.writes {
        decision.spell_out(*write, facts);
    }
    if !facts.state.announcements.is_empty() {
        decision.actions.insert(0, Action::Announce);
    }
    decision
}

/// When a fact may next turn over although nothing happens.
fn wake(facts: &Facts<'_>) -> Option<Duration> {
    let state = facts.state;
    let runs = state.leaving_since.map(|since| since + RUNS_PATIENCE);
    let deregistration = state.deregistering_since.map(|since| since + DEREGISTRATION_PATIENCE);
    let name = facts.name_lapses_at();
    runs.into_iter().chain(deregistration).chain(name).filter(|at| *at > facts.now).min()
}

impl Decision {
    fn spell_out(&mut self, write: Write, facts: &Facts<'_>) {
        let state = facts.state;
        match write {
            Write::WriteStatus => {
                if conditions::patch(facts).is_some() {
                    self.actions.push(Action::WriteStatus);
                }
            }
            Write::Adopt => self.actions.push(Action::Adopt),
            Write::Register => self.actions.push(Action::Register),
            Write::StepDown => self.steps_down = true,
            Write::Poll | Write::TryToken => {
                if state.next_poll <= facts.now {
                    self.actions.push(Action::Poll);
                } else {
                    self.wake = Some(self.wake.map_or(state.next_poll, |wake| wake.min(state.next_poll)));
                }
            }
            Write::StartRuns => {
                let starts = state.listed.iter().take(STARTS_AT_ONCE_MAX).map(|(&id, listed)| match listed {
                    Listed::New { .. } => Action::FetchData(id),
                    Listed::Ready { prepared, .. } if prepared.is_for(facts.zone) => {
                        Action::CreateTestRun(id)
                    }
                    Listed::Ready { .. } => Action::FetchData(id),
                    Listed::Unclear { .. } => Action::InspectTestRun(id),
                    Listed::Refused(_) => Action::Refuse(id),
                });
                self.actions.extend(starts);
            }
            Write::Deregister => self.actions.push(Action::Deregister),
            Write::Release => self.actions.push(Action::Release),
        }
    }
}
