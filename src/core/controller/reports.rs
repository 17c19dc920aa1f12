//! What becomes of the answers: who is told of it, and when a call is made again.
//!
//! Owns the pace of each lane, and what the silence or the return of a host means for all that waits for it. Leaves what an answer
//! teaches to the resource that it is about.

use std::time::Duration;

use super::reach::{Reach, Sign, Target};
use super::{Core, RETURN_SPREAD};
use crate::event::{Action, Class, Key, Now, Reply, Report, TaskId};
use crate::outcome::Outcome;
use crate::pace;
use crate::queue::Completion;
use crate::{testrun, token, zone};

impl Core {
    /// Learns from a report, and sets the pace of the lane that it came from.
    pub(super) fn report(&mut self, now: Now, Report { id, reply }: Report) {
        let outcome = if reply.is_ok() { Completion::Answered } else { Completion::Failed };
        let is_awaited = self.queue.done(now.mono, &id, outcome);
        if let (Some(target), Some(sign)) = (Target::of(id.action), Sign::of(&reply)) {
            self.heed(now, target, sign);
        }
        if self.rejected.is_about(&id) {
            return self.rejected_report(now, &id, reply);
        }
        if !is_awaited {
            return;
        }
        let reply = self.settle(now, &id, reply);
        let accepted = match &reply {
            Reply::Cloud(Ok(_)) => true,
            // To whom it does not take GCk6 says nothing of what it knows.
            Reply::Cloud(Err(error)) => error.is_not_found(),
            _ => false,
        };
        let object = id.key.object();
        match id.action {
            Action::Token(token::Action::Read) => self.token_report(now, object, reply),
            Action::Zone(action) => self.zone_report(now, object, &id, action, reply),
            Action::Run(action) => self.run_report(now, object, &id, action, reply),
            Action::Lease(_) | Action::FindOperator => {}
        }
        if accepted {
            self.token_accepted(now, &id.key);
        }
    }

    /// Makes of a refusal that may pass one that is tried again, and lets the object's conditions say what is refused.
    pub(super) fn settle(&mut self, now: Now, id: &TaskId, reply: Reply) -> Reply {
        let back = self.reach.get(&Target::Kubernetes).and_then(Reach::back_since);
        let reply = self.refusals.judge(now.mono, back, id, reply);
        let refusal = self.refusals.of(now.mono, &id.key);
        match &id.key {
            Key::Zone(zone) => {
                if let Some(state) = self.zones.get_mut(zone) {
                    state.refusal = refusal;
                }
            }
            Key::Run(run) => {
                if let Some(state) = self.runs.get_mut(run) {
                    state.refuse(refusal);
                }
            }
            Key::Token(_) | Key::Lease(_) | Key::Operator(_) => {}
        }
        reply
    }

    /// A task of which nothing has left the process is decided on anew: nobody has failed.
    pub(super) fn unsent(&mut self, now: Now, id: &TaskId) {
        if self.queue.done(now.mono, id, Completion::Unmade)
            && let Action::Run(action) = id.action
            && let Some(state) = self.runs.get_mut(id.key.object())
        {
            state.withdrawn(action);
        }
    }

    /// Takes a sign of life, or of its absence. Who answers again is asked soon for all that waits for it.
    pub(super) fn heed(&mut self, now: Now, target: Target, sign: Sign) {
        let is_silent = matches!(sign, Sign::Silence(_));
        let reach = self.reach.entry(target).or_default();
        let (is_back, line) = reach.heed(now.mono, target, sign);
        if let Some(line) = line {
            log::log!(line.level, "{}", line.text);
        }
        if target == Target::Kubernetes && is_silent {
            // It may be what runners are reached through; nor does their silence count while it lasts.
            self.runs.values_mut().for_each(|run| run.forgive_silence());
        }
        if !is_back {
            return;
        }
        if target == Target::Kubernetes {
            self.queue.hasten(now.mono, RETURN_SPREAD, |action| action.class() == Class::Kubernetes);
            return;
        }
        // Both hosts of GCk6 are behind the same line.
        let to_cloud = |action: Action| matches!(action.class(), Class::Cloud | Class::CloudNews);
        self.queue.hasten(now.mono, RETURN_SPREAD, to_cloud);
        for (key, zone) in self.zones.iter_mut().filter(|(_, zone)| zone.poll_unanswered) {
            let soon = now.mono + RETURN_SPREAD.mul_f64(self.rng.fraction());
            zone.next_poll = zone.next_poll.min(soon);
            self.queue.mark(Key::Zone(key.clone()));
        }
    }

    /// Whether it was said already that nobody there answers, so that a call that fails by that is no news.
    pub(super) fn is_away(&self, action: Action) -> bool {
        Target::of(action).and_then(|target| self.reach.get(&target)).is_some_and(Reach::is_away)
    }

    /// Does what a report teaches beside the memories: the store learns the object, the lane its pace.
    pub(super) fn apply(&mut self, now: Now, id: &TaskId, outcome: Outcome) {
        match outcome {
            Outcome::Done => self.queue.succeeded(id),
            Outcome::Zone(zone) => {
                self.queue.succeeded(id);
                let _ = self.store.apply_zone(*zone);
                self.mark(id.key.clone());
            }
            Outcome::Run(run) => {
                self.queue.succeeded(id);
                let key = run.metadata.key();
                if let Action::Zone(zone::Action::CreateTestRun(_)) = id.action {
                    log::info!("TestRun {key} has been created");
                }
                let _ = self.store.apply_run(*run);
                self.mark(Key::Run(key));
            }
            Outcome::EventRefused { code, why } => {
                self.queue.succeeded(id);
                if let Some(line) = self.notices.event_refused(now.mono, code, &why) {
                    log::warn!("{line}");
                }
            }
            Outcome::Again { after, why } => self.try_again(now, id, after, &why),
            Outcome::TokenRefused(why) => {
                self.token_refused(now, id, &why);
                if id.action == Action::Zone(zone::Action::Poll) {
                    // The poll keeps its own pace.
                    self.queue.succeeded(id);
                }
            }
        }
    }

    /// A task went wrong and is tried again later. One line says so when it begins, not one for every try; none when it went
    /// wrong with everything else that goes there.
    pub(super) fn try_again(&mut self, now: Now, id: &TaskId, after: Option<Duration>, why: &str) {
        let to_runner = matches!(id.action.class(), Class::Runner | Class::UserCode);
        let pace = match id.action {
            _ if to_runner => pace::RUNNER,
            Action::Zone(zone::Action::InspectTestRun(_)) | Action::Run(testrun::Action::CreateJob(_)) => {
                pace::LOOK
            }
            // Whether it lasts is to be known when it counts.
            _ if self.refusals.is_young(now.mono, id) => pace::LOOK,
            _ => pace::REMOTE,
        };
        let wait = self.queue.failed(now.mono, id, pace, after);
        // A runner that does not listen yet is no news; one that did and does not any more is.
        let quiet = to_runner
            && !matches!(
                id.action,
                Action::Run(testrun::Action::ResumeRunner(_) | testrun::Action::StopRunner(_))
            );
        let quiet = quiet || self.is_away(id.action);
        let level = if quiet || self.queue.failures(id) > 1 { log::Level::Debug } else { log::Level::Warn };
        log::log!(
            level,
            "{}: {} failed and will be retried in {} ms: {why}",
            id.key,
            id.action,
            wait.as_millis()
        );
    }
}
