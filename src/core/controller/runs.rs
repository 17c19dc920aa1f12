//! The core's side of test runs: keeps their memories in step with the objects, and brings facts, table and queue together.

use std::collections::btree_map::Entry;
use std::time::Duration;

use super::reach::{Reach, Target};
use super::{Core, Row, intake, room};
use crate::announce::Announcement;
use crate::api::run::TestRun;
use crate::api::zone::PrivateLoadZone;
use crate::event::{Call, Class, Key, Now, ObjectKey, Reply, TaskId};
use crate::objects::Object as _;
use crate::store::Store;
use crate::testrun::facts::{Facts, Runner};
use crate::testrun::identity::{self, Alien, Identity};
use crate::testrun::life::Step;
use crate::testrun::proof::{self, Proof};
use crate::testrun::reply;
use crate::testrun::state::{RunState, Writing};
use crate::testrun::table::Block;
use crate::testrun::termination::{Cause, Termination};
use crate::testrun::{Action, StatusWrite, calls, conditions, decide, diagnose, recorded};
use crate::zone::state::Listed;

/// How many runs of a zone wait for GCk6's word at a time. Whoever may make `TestRun`s can make any number that could be runs of a
/// zone.
const UNPROVEN_PER_ZONE_MAX: usize = 16;

/// What a `TestRun` is to the agent.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// A zone's, and remembered.
    Known,
    /// It may be a zone's, and is looked at when others of that zone are proven.
    Waits,
    /// Nothing that the agent has to do with.
    Ignored,
    /// It says that it is a zone's, and is not.
    Refused(Alien),
}

impl Core {
    /// The run as the API server has it, or as it was when somebody deleted it.
    pub(super) fn run_object(&self, key: &ObjectKey) -> Option<&TestRun> {
        self.store.runs.find(key).or_else(|| self.runs.get(key)?.gone.as_deref())
    }

    /// A `TestRun` is gone. If its run was not over, GCk6 has to hear of it.
    pub(super) fn run_gone(&mut self, now: Now, key: &ObjectKey, run: TestRun) {
        let Some(state) = self.runs.get_mut(key).filter(|state| state.uid == run.uid()) else { return };
        if state.block == Block::Done || state.finish.is_some() || state.deletion_sent {
            if state.block != Block::Done {
                self.tally.ended(state.ending.as_ref().map(|ending| ending.cause));
            }
            self.drop_run(key);
            return;
        }
        let message = format!("TestRun {key} was deleted in the cluster before its test was over");
        log::warn!("{message}");
        state.announcements.clear();
        if state.ending.is_none() {
            state.announcements.push(Announcement::normal("Aborted", message.clone()));
        }
        state.end(now.mono, Termination { cause: Cause::TestRunDeleted, message });
        self.leaving.take(&mut state.setup);
        state.block = Block::Gone;
        state.since = now.mono;
        state.gone = Some(Box::new(run));
    }

    pub(super) fn run_turn(&mut self, now: Now, key: &ObjectKey) {
        let id = Key::Run(key.clone());
        match self.remember_run(now, key) {
            Standing::Known => self.accept_run(now, key),
            Standing::Waits => return self.drop_run(key),
            standing => {
                self.forget_memory(key);
                if self.let_go(now, key) {
                    return;
                }
                if let Standing::Refused(alien) = standing {
                    return self.refuse_run(now, key, &alien);
                }
                self.accept_run(now, key);
                return self.forget(&id);
            }
        }
        self.want_token(&id);
        let token = self.token_of(&id).and_then(|secret| self.tokens.get(&secret)?.value.clone());
        let Some(mut state) = self.runs.remove(key) else { return };
        let zone_deleting = self.zone_is_deleting(&state.identity);
        if state.proof != Proof::Unknown {
            self.next_candidate(&state.identity.zone_uid);
        }
        state.user_code_waits = self.queue.user_code_waits(&id);
        self.note_termination(now, key, &mut state, zone_deleting);
        let facts = run_facts(&self.store, now, key, &state, zone_deleting, self.settings.start_deadline);
        let decision = decide::decide(&facts);
        *self.rows.entry(Row::Run(decision.row.0, decision.row.1)).or_default() += 1;
        if let Some(at) = decision.wake {
            self.queue.wake(&id, at);
        }
        let mut started = Vec::new();
        for action in decision.actions {
            let id = TaskId::run(key, action);
            if self.queue.is_free(now.mono, &id) && calls::is_ready(&facts, action, token.as_ref()) {
                started.push(action);
            }
        }
        drop(facts);
        started.retain(|action| {
            let ask_again = self.ask_again_after(now, key, &mut state, *action);
            ask_again.into_iter().for_each(|pause| self.queue.wake(&id, now.mono + pause));
            ask_again.is_none()
        });
        for action in started {
            if action.class() == Class::UserCode {
                // To say so if it still waits for its turn then.
                self.queue.wake(&id, now.mono + diagnose::HOLD_UP_PATIENCE);
            }
            self.queue.push(TaskId::run(key, action));
            state.dispatched(now.mono, action);
        }
        if decision.forget {
            log::info!("TestRun {key} was deleted, and GCk6 has been told");
            self.tally.ended(state.ending.as_ref().map(|ending| ending.cause));
            self.forget(&id);
        } else {
            self.runs.insert(key.clone(), state);
        }
    }

    /// Notes why the run ends, if it does, and says so.
    fn note_termination(&mut self, now: Now, key: &ObjectKey, state: &mut RunState, zone_deleting: bool) {
        let facts = run_facts(&self.store, now, key, state, zone_deleting, self.settings.start_deadline);
        let (ending, pods) = (diagnose::diagnose(&facts), facts.pods_left);
        state.count_pods(now.mono, pods);
        let Some(ending) = ending.filter(|_| state.ending.is_none()) else { return };
        let cause = ending.cause;
        let how = if cause.is_verdict() { "has not passed" } else { "ends early" };
        log::warn!("TestRun {key} {how} ({}): {}", cause.reason(), ending.message);
        let message = ending.message.clone();
        state.announcements.push(if cause.is_failure() {
            Announcement::warning("Failed", message)
        } else if cause.is_verdict() {
            Announcement::warning("NotPassed", message)
        } else {
            Announcement::normal("Aborted", message)
        });
        state.end(now.mono, ending);
        self.leaving.take(&mut state.setup);
    }

    /// After what pause an action is to be looked at again, since there is no room yet for what it brings; none if it may be started.
    fn ask_again_after(
        &mut self,
        now: Now,
        key: &ObjectKey,
        state: &mut RunState,
        action: Action,
    ) -> Option<Duration> {
        let (may, pause) = match action {
            Action::TakeSetupData(_) => (self.may_take_setup_data(now.mono, key, state), room::ASK_INTERVAL),
            Action::Confirm if state.block == Block::New => {
                (self.may_ask_for_data(&key.namespace, state.data_bytes()), intake::ASK_INTERVAL)
            }
            _ => (true, Duration::ZERO),
        };
        (!may).then_some(pause)
    }

    /// Takes our finalizer off a `TestRun` that somebody deletes and that is no run of ours, so that it does not stay for ever.
    /// False if there is none.
    fn let_go(&mut self, now: Now, key: &ObjectKey) -> bool {
        let run = self.store.runs.find(key);
        if !run.is_some_and(|run| run.metadata.is_deleting() && run.has_finalizer()) {
            return false;
        }
        let id = TaskId::run(key, Action::Release);
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
        let Some(state) = self.runs.get(key) else { return self.refusal_call(now, key, action) };
        if let Some(n) = action.runner() {
            let run = self.run_object(key)?;
            let runner = Runner::new(run, n, state.runners.get(&n)?, &self.store.pods);
            return calls::for_runner(run, state, runner, action);
        }
        self.run_object(key)?;
        let token = self.token_of(&Key::Run(key.clone())).and_then(|secret| self.tokens.get(&secret));
        let token = token.and_then(|token| token.value.as_ref());
        let zone_deleting = self.zone_is_deleting(&state.identity);
        let facts = run_facts(&self.store, now, key, state, zone_deleting, self.settings.start_deadline);
        let call = calls::build(&facts, action, token)?;
        let writing = match action {
            Action::WriteStatus(write) => {
                let (teardown_due, trouble) =
                    (conditions::teardown_is_due(&facts), diagnose::trouble(&facts));
                let before = state.writing.as_ref().filter(|before| before.write == write);
                let unheard = before.is_some_and(|before| before.unheard);
                Some(Writing { write, teardown_due, trouble, unheard })
            }
            _ => None,
        };
        let state = self.runs.get_mut(key)?;
        match action {
            Action::WriteStatus(_) => state.writing = writing,
            Action::SendEvents => state.sending_events(),
            _ => {}
        }
        Some(call)
    }

    /// Brings the memory in step with the object.
    pub(super) fn remember_run(&mut self, now: Now, key: &ObjectKey) -> Standing {
        let Some(run) = self.store.runs.find(key) else {
            let is_gone = self.runs.get(key).is_some_and(|state| state.gone.is_some());
            return if is_gone { Standing::Known } else { Standing::Ignored };
        };
        let Some(block) = Block::of(run.status.stage) else { return Standing::Ignored };
        let known = self.runs.get(key).filter(|state| state.uid == run.uid() && state.gone.is_none());
        if known.is_none() {
            let zone = |name: &str| self.store.zones.find(&ObjectKey::new(key.namespace.clone(), name));
            let identity = match identity::of(run, block, zone) {
                Ok(Some(identity)) => identity,
                Ok(None) => return Standing::Ignored,
                Err(alien) => return Standing::Refused(alien),
            };
            if block != Block::Done && self.has_to_wait(&identity) {
                self.candidates.entry(identity.zone_uid).or_default().insert(key.clone());
                return Standing::Waits;
            }
            let runners = match block {
                // Known once GCk6 has said it, as it is where somebody has edited the spec.
                Block::New | Block::Done => 0,
                _ if run.is_edited() => 0,
                _ => run.runners(),
            };
            let mut state = RunState::new(run, runners, block, now.mono);
            state.identity = identity;
            recorded::read_back(&mut state, run, block);
            self.runs.insert(key.clone(), Box::new(state));
        }
        self.see_zone(key);
        let Some(run) = self.store.runs.find(key) else { return Standing::Ignored };
        let Some(state) = self.runs.get_mut(key) else { return Standing::Ignored };
        if state.block != block {
            log::info!("TestRun {key}: {} → {}", state.block, run.status.stage);
            reply::recorded(state, now.mono, StatusWrite::Stage(run.status.stage));
            state.enter(now.mono, block);
            if state.recorded != Some(run.status.stage) {
                recorded::read_back(state, run, block);
            }
            if block == Block::Done {
                self.tally.ended(state.ending.as_ref().map(|ending| ending.cause));
            }
        }
        if run.metadata.is_deleting() {
            state.deleting_since.get_or_insert(now.mono);
        }
        // It may be over before its zone is looked at, or before the answer to its creation comes.
        if let Some(zone) = self.zones.get_mut(&state.identity.zone)
            && zone.uid == state.identity.zone_uid
        {
            zone.settle(state.identity.id);
        }
        state.settle_teardown(run);
        for runner in state.runners.values_mut().filter(|runner| runner.step < Step::Started) {
            let uid = runner.job.uid();
            let pods = uid.into_iter().flat_map(|uid| self.store.pods.of_job(&key.namespace, uid));
            if let Some(pod) = pods.max_by_key(|pod| pod.step) {
                runner.saw(now.mono, pod);
            }
        }
        Standing::Known
    }

    /// Takes over what the run's zone knows: where its token is, and the data of the run while it has them at hand.
    fn see_zone(&mut self, key: &ObjectKey) {
        let Self { store, runs, zones, .. } = self;
        let (Some(state), Some(run)) = (runs.get_mut(key), store.runs.find(key)) else { return };
        let Some(zone) = zone_of(store, &state.identity) else { return };
        state.secret = zone.secret();
        if state.proof == Proof::Unknown
            && state.block == Block::New
            && let Some(known) =
                zones.get_mut(&state.identity.zone).filter(|zone| zone.uid == state.identity.zone_uid)
            && let Entry::Occupied(listed) = known.listed.entry(state.identity.id)
            && matches!(listed.get(), Listed::Ready { .. })
            && let Listed::Ready { prepared, .. } = listed.remove()
        {
            proof::given(state, run, *prepared);
        }
    }

    /// Whether as many runs of the zone as may wait for GCk6's word do so already.
    fn has_to_wait(&self, identity: &Identity) -> bool {
        let of_zone = self.runs.values().filter(|state| state.identity.zone_uid == identity.zone_uid);
        let unproven = of_zone.filter(|state| state.proof == Proof::Unknown && state.block != Block::Done);
        unproven.count() >= UNPROVEN_PER_ZONE_MAX
    }

    fn next_candidate(&mut self, zone_uid: &str) {
        if let Some(waiting) = self.candidates.get_mut(zone_uid) {
            waiting.pop_first().into_iter().for_each(|key| self.queue.mark(Key::Run(key)));
            if waiting.is_empty() {
                self.candidates.remove(zone_uid);
            }
        }
    }

    fn drop_run(&mut self, key: &ObjectKey) {
        self.forget_memory(key);
        self.forget(&Key::Run(key.clone()));
    }

    fn forget_memory(&mut self, key: &ObjectKey) {
        if let Some(state) = self.runs.remove(key) {
            self.next_candidate(&state.identity.zone_uid);
        }
    }

    fn zone_is_deleting(&self, identity: &Identity) -> bool {
        zone_of(&self.store, identity).is_none_or(|zone| zone.metadata.is_deleting())
    }

    pub(super) fn run_report(
        &mut self,
        now: Now,
        key: &ObjectKey,
        id: &TaskId,
        action: Action,
        reply: Reply,
    ) {
        let way_is_gone = self.reach.get(&Target::Kubernetes).is_some_and(Reach::is_away);
        let data_room = self.data_room(id.action, &key.namespace);
        let Self { store, runs, settings, .. } = self;
        let Some(state) = runs.get_mut(key) else {
            let outcome = match action {
                Action::Release => reply::released(reply.kubernetes()),
                action => self.refusal_report(now, key, action, reply),
            };
            return self.apply(now, id, outcome);
        };
        let outcome = match action {
            Action::Confirm => {
                let zone = zone_of(store, &state.identity);
                let Some(run) = state.gone.clone().or_else(|| store.runs.find(key).cloned().map(Box::new))
                else {
                    return;
                };
                let settings = &settings.template;
                let context = proof::Context { now: now.mono, run: &run, zone, settings, data_room };
                proof::apply_reply(state, &context, reply.cloud())
            }
            action => reply::apply_reply(state, now.mono, action, reply),
        };
        if let (true, Some(runner)) = (way_is_gone, action.runner().and_then(|n| state.runner(n))) {
            // Its silence counts from when the API server answers: it may be what it is reached through.
            runner.silent_since = None;
        }
        if let Action::ResumeRunner(_) = action
            && state.runners.values().all(|runner| runner.resumed)
            && let Some(first) = state.first_resumed.take()
        {
            self.tally.started(now.mono.saturating_sub(first));
        }
        if let Action::RunSetup(_) | Action::ReadSetup(_) | Action::TakeSetupData(_) = action {
            self.settle_setup_data(key);
        }
        self.apply(now, id, outcome);
    }
}

/// The very zone that controls the run.
fn zone_of<'a>(store: &'a Store, identity: &Identity) -> Option<&'a PrivateLoadZone> {
    store.zones.find(&identity.zone).filter(|zone| zone.metadata.uid == identity.zone_uid)
}

fn run_facts<'a>(
    store: &'a Store,
    now: Now,
    key: &ObjectKey,
    state: &'a RunState,
    zone_deleting: bool,
    start_deadline: Duration,
) -> Facts<'a> {
    let run = state.gone.as_deref().or_else(|| store.runs.find(key));
    let run = run.expect("a run that is remembered is in the store or kept beside it");
    Facts::new((now.mono, now.wall), run, &store.pods, state, zone_deleting, start_deadline)
}
