//! The core's side of test runs: keeps their memories in step with the objects, and brings facts, table and queue together.

use std::time::Duration;

use super::{Core, Row};
use crate::announce::Announcement;
use crate::event::{Action, Call, Key, Now, ObjectKey, Reply, RunStatusWrite, TaskId};
use crate::store::{Object as _, Store};
use crate::testrun::api::{CLOUD_TEST_RUN_ABORTED, TEARDOWN_EXECUTED, TEST_RUN_RUNNING, TestRun};
use crate::testrun::credentials::Credentials;
use crate::testrun::ending::{Cause, Ending};
use crate::testrun::facts::{Facts, Runner};
use crate::testrun::learn;
use crate::testrun::life::Step;
use crate::testrun::memory::{Keeping, RunMemory, Teardown, Writing};
use crate::testrun::stage::Block;
use crate::testrun::{calls, conditions, decide, detect};
use crate::zone;
use crate::zone::memory::Listed;

impl Core {
    /// The run as the API server has it, or as it was when somebody deleted it.
    pub(super) fn run_object(&self, key: &ObjectKey) -> Option<&TestRun> {
        self.store.runs.find(key).or_else(|| self.runs.get(key)?.gone.as_deref())
    }

    /// A `TestRun` is gone. If its run was not over, GCk6 has to hear of it.
    pub(super) fn run_gone(&mut self, now: Now, key: &ObjectKey, run: TestRun) {
        let Some(memory) = self.runs.get_mut(key).filter(|memory| memory.uid == run.uid()) else { return };
        if memory.block == Block::Done || memory.finish.is_some() || memory.deletion_sent {
            if memory.block != Block::Done {
                self.tally.ended(memory.ending.as_ref().map(|ending| ending.cause));
            }
            self.runs.remove(key);
            self.forget(&Key::Run(key.clone()));
            return;
        }
        let message = format!("TestRun {key} was deleted in the cluster before its test was over");
        log::warn!("{message}");
        memory.end(now.mono, Ending { cause: Cause::TestRunDeleted, message });
        memory.block = Block::Gone;
        memory.since = now.mono;
        memory.announcements.clear();
        memory.gone = Some(Box::new(run));
    }

    pub(super) fn run_turn(&mut self, now: Now, key: &ObjectKey) {
        let id = Key::Run(key.clone());
        if !self.remember_run(now, key) {
            self.runs.remove(key);
            if !self.let_go(now, key) {
                self.forget(&id);
            }
            return;
        }
        self.want_token(&id);
        let token = self.token_of(&id).and_then(|secret| self.tokens.get(&secret)?.value.clone());
        let zone_deleting = self.zone_is_deleting(key);
        let Some(mut memory) = self.runs.remove(key) else { return };
        let facts = run_facts(&self.store, now, key, &memory, zone_deleting, self.settings.start_deadline);
        let (ending, pods) = (detect::detect(&facts), facts.pods_left);
        memory.count_pods(now.mono, pods);
        if let Some(ending) = ending.filter(|_| memory.ending.is_none()) {
            let cause = ending.cause;
            let how = if cause.is_verdict() { "has not passed" } else { "ends early" };
            log::warn!("TestRun {key} {how} ({}): {}", cause.reason(), ending.message);
            let announcement = if cause.is_failure() {
                Announcement::warning("Failed", ending.message.clone())
            } else if cause.is_verdict() {
                Announcement::warning("NotPassed", ending.message.clone())
            } else {
                Announcement::normal("Aborted", ending.message.clone())
            };
            memory.announcements.push(announcement);
            memory.end(now.mono, ending);
        }
        let facts = run_facts(&self.store, now, key, &memory, zone_deleting, self.settings.start_deadline);
        let decision = decide::decide(&facts);
        *self.rows.entry(Row::Run(decision.row.0, decision.row.1)).or_default() += 1;
        if let Some(at) = decision.wake {
            self.queue.wake(&id, at);
        }
        let mut started = Vec::new();
        for action in decision.actions {
            let id = TaskId { key: id.clone(), action };
            if self.queue.is_free(now.mono, &id) && calls::is_ready(&facts, action, token.as_ref()) {
                self.queue.push(id);
                started.push(action);
            }
        }
        drop(facts);
        for action in started {
            memory.dispatched(now.mono, action);
        }
        if decision.forget {
            log::info!("TestRun {key} is forgotten: it was deleted, and GCk6 knows");
            self.tally.ended(memory.ending.as_ref().map(|ending| ending.cause));
            self.forget(&id);
        } else {
            self.runs.insert(key.clone(), memory);
        }
    }

    /// Takes our finalizer off a `TestRun` that somebody deletes and that is no run of ours, so that it does not stay for ever.
    /// False if there is none.
    fn let_go(&mut self, now: Now, key: &ObjectKey) -> bool {
        let run = self.store.runs.find(key);
        if !run.is_some_and(|run| run.metadata.is_deleting() && run.has_finalizer()) {
            return false;
        }
        let id = TaskId { key: Key::Run(key.clone()), action: Action::Release };
        if self.queue.is_free(now.mono, &id) {
            self.queue.push(id);
        }
        true
    }

    /// The call of an action whose turn has come, by what is known now.
    pub(super) fn run_call(&mut self, now: Now, key: &ObjectKey, action: Action) -> Option<Call> {
        if action == Action::Release {
            return self.run_object(key).map(calls::release);
        }
        let memory = self.runs.get(key)?;
        if let Some(n) = action.runner() {
            let run = self.run_object(key)?;
            let runner = Runner::new(run, n, memory.runners.get(&n)?, &self.store);
            return calls::for_runner(run, memory, runner, action);
        }
        self.run_object(key)?;
        let token = self.token_of(&Key::Run(key.clone())).and_then(|secret| self.tokens.get(&secret));
        let token = token.and_then(|token| token.value.as_ref());
        let zone_deleting = self.zone_is_deleting(key);
        let facts = run_facts(&self.store, now, key, memory, zone_deleting, self.settings.start_deadline);
        let call = calls::build(&facts, action, token)?;
        let writing = match action {
            Action::WriteRunStatus(write) => {
                let (teardown_due, trouble) = (conditions::teardown_is_due(&facts), detect::trouble(&facts));
                Some(Writing { write, teardown_due, trouble })
            }
            _ => None,
        };
        let memory = self.runs.get_mut(key)?;
        match action {
            Action::WriteRunStatus(_) => memory.writing = writing,
            Action::TellCloud => memory.telling_cloud(),
            _ => {}
        }
        Some(call)
    }

    /// Brings the memory in step with the object. False if there is nothing to do for it.
    pub(super) fn remember_run(&mut self, now: Now, key: &ObjectKey) -> bool {
        let Some(run) = self.store.runs.find(key) else {
            return self.runs.get(key).is_some_and(|memory| memory.gone.is_some());
        };
        let block = Block::of(run.status.stage);
        let (Some(block), true, Some(_)) = (block, run.is_plz(), run.run_id()) else {
            log::debug!(
                "TestRun {key} is no test run of a PrivateLoadZone, or of a later version, and is left alone"
            );
            return false;
        };
        let known = self.runs.get(key).filter(|memory| memory.uid == run.uid() && memory.gone.is_none());
        if known.is_none() {
            let claimed = || self.store.highest_claim(key);
            let mut memory = RunMemory::new(run, parallelism(run, block, claimed), block, now.mono);
            if let Some(credentials) = self.credentials_of(key, run) {
                memory.keeping = Keeping::InHand(credentials);
            }
            memory.ending = recorded_ending(run, block);
            if teardown_had_begun(run, block) {
                let early = memory.ending.as_ref().is_some_and(|ending| !ending.cause.is_verdict());
                memory.teardown = if early { Teardown::Unclear } else { Teardown::Lost };
            }
            self.runs.insert(key.clone(), Box::new(memory));
        }
        let Some(memory) = self.runs.get_mut(key) else { return false };
        if memory.block != block {
            log::info!("TestRun {key}: {} → {}", memory.block, run.status.stage);
            learn::recorded(memory, now.mono, RunStatusWrite::Stage(run.status.stage));
            memory.block = block;
            memory.since = now.mono;
            if block == Block::Done {
                self.tally.ended(memory.ending.as_ref().map(|ending| ending.cause));
            }
        }
        if run.metadata.is_deleting() {
            memory.deleting_since.get_or_insert(now.mono);
        }
        memory.settle_teardown(run);
        for runner in memory.runners.values_mut().filter(|runner| runner.step < Step::Started) {
            let uid = runner.job.uid();
            let pods = uid.into_iter().flat_map(|uid| self.store.pods_of_job(&key.namespace, uid));
            if let Some(pod) = pods.max_by_key(|pod| pod.step) {
                runner.saw(now.mono, pod);
            }
        }
        true
    }

    /// What belongs into the run's Secret, where its zone has just had it made.
    fn credentials_of(&self, key: &ObjectKey, run: &TestRun) -> Option<Credentials> {
        let id = run.run_id()?;
        let zones = self.zones.iter().filter(|(zone, _)| zone.namespace == key.namespace);
        let mut owners = zones.filter(|(_, zone)| run.metadata.is_controlled_by(&zone.uid));
        match owners.next()?.1.listed.get(&id)? {
            Listed::Ready { data, .. } => Credentials::of(data),
            _ => None,
        }
    }

    fn zone_is_deleting(&self, key: &ObjectKey) -> bool {
        let Some(run) = self.run_object(key) else { return false };
        let owner = run.metadata.owner_references.iter().find(|owner| owner.kind == zone::api::KIND);
        let zone = owner.and_then(|owner| {
            self.store.zones.find(&ObjectKey::new(key.namespace.clone(), owner.name.clone()))
        });
        zone.is_some_and(|zone| zone.metadata.is_deleting())
    }

    pub(super) fn run_report(&mut self, now: Now, key: &ObjectKey, id: &TaskId, reply: Reply) {
        let Some(memory) = self.runs.get_mut(key) else {
            if let (Action::Release, Reply::Kubernetes(reply)) = (id.action, reply) {
                self.apply(now, id, learn::released(reply));
            }
            return;
        };
        let lesson = learn::learn(memory, now.mono, id.action, reply);
        if let Action::ResumeRunner(_) = id.action
            && memory.runners.values().all(|runner| runner.resumed)
            && let Some(first) = memory.first_resumed.take()
        {
            self.tally.started(now.mono.saturating_sub(first));
        }
        self.apply(now, id, lesson);
    }
}

fn run_facts<'a>(
    store: &'a Store,
    now: Now,
    key: &ObjectKey,
    memory: &'a RunMemory,
    zone_deleting: bool,
    start_deadline: Duration,
) -> Facts<'a> {
    let run = memory.gone.as_deref().or_else(|| store.runs.find(key));
    let run = run.expect("a run that is remembered is in the store or kept beside it");
    Facts::new((now.mono, now.wall), run, store, memory, zone_deleting, start_deadline)
}

/// The number of runners that the run was started with. A spec that was edited since then says another number; its pods
/// do not.
fn parallelism(run: &TestRun, block: Block, claimed: impl Fn() -> Option<u32>) -> u32 {
    let is_edited = run.metadata.generation > 1 && block > Block::New;
    is_edited.then(claimed).flatten().unwrap_or_else(|| run.runners())
}

/// Whether an earlier process has recorded that it runs teardown now.
fn teardown_had_begun(run: &TestRun, block: Block) -> bool {
    let condition = run.condition(TEARDOWN_EXECUTED);
    block == Block::Stopped
        && condition.is_some_and(|condition| condition.reason == conditions::TEARDOWN_BEGUN)
}

/// Why the run ends, as an earlier process has recorded it.
fn recorded_ending(run: &TestRun, block: Block) -> Option<Ending> {
    if block < Block::Stopped {
        return None;
    }
    let Some(condition) = run.condition(CLOUD_TEST_RUN_ABORTED).filter(|condition| condition.is_true())
    else {
        // How a test came out is the reason for which it does not run any more.
        let condition = run.condition(TEST_RUN_RUNNING)?;
        let verdict = Cause::from_reason(&condition.reason).filter(|cause| cause.is_verdict())?;
        return Some(Ending { cause: verdict, message: condition.message.clone() });
    };
    // k6-operator writes its own reason; it aborts only what GCk6 says a user has aborted.
    let cause = Cause::from_reason(&condition.reason).unwrap_or(Cause::AbortedByUser);
    Some(Ending { cause, message: condition.message.clone() })
}
