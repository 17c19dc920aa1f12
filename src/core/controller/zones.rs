//! The core's side of zones: keeps their memories in step with the objects, and brings facts, table and queue together.

use super::{Core, Row, intake};
use crate::announce::Announcement;
use crate::api::zone::{PLZ_REGISTERED, PrivateLoadZone};
use crate::cloud::RunId;
use crate::event::{Call, Key, Now, ObjectKey, Reply, TaskId};
use crate::metrics::Poll;
use crate::outcome::Outcome;
use crate::testrun;
use crate::testrun::proof::Proof;
use crate::testrun::state::RunState;
use crate::testrun::template;
use crate::zone::claim::Claim;
use crate::zone::facts::Facts;
use crate::zone::reply::{self, Context};
use crate::zone::state::ZoneState;
use crate::zone::table::{Block, Fact};
use crate::zone::{Action, calls, conditions, decide};

/// How many Events of a zone wait to be posted. What comes on top of that is in the log, and GCk6 knows.
const ANNOUNCEMENTS_MAX: usize = 64;

impl Core {
    pub(super) fn zone_turn(&mut self, now: Now, key: &ObjectKey) {
        let id = Key::Zone(key.clone());
        if !self.remember_zone(now, key) {
            if self.zones.remove(key).is_some() {
                log::info!("PrivateLoadZone {key} is gone");
            }
            self.forget(&id);
            return;
        }
        self.want_token(&id);
        let Some(mut state) = self.zones.remove(key) else { return };
        self.step_out(now, key, &mut state);
        let claims = conditions::claims(&self.zone_facts(now, key, &state));
        state.complain(&claims);
        state.announcements.truncate(ANNOUNCEMENTS_MAX);
        let decision = decide::decide(&self.zone_facts(now, key, &state));
        *self.rows.entry(Row::Zone(decision.row.0, decision.row.1)).or_default() += 1;
        if let Some(at) = decision.wake {
            self.queue.wake(&id, at);
        }
        for action in decision.actions {
            self.start_for_zone(now, key, &state, action);
        }
        if decision.steps_down {
            log::warn!(
                "PrivateLoadZone {key} gives up its name to another zone, and is no longer polled for"
            );
            state.step_down();
            // What GCk6 was told last may have been this one's.
            for namesake in self.namesakes(key) {
                if let Some(state) = self.zones.get_mut(&namesake).filter(|zone| zone.registered.is_some()) {
                    state.step_down();
                }
                self.queue.mark(Key::Zone(namesake));
            }
        }
        self.zones.insert(key.clone(), state);
    }

    /// The zones of the same name in other namespaces.
    pub(super) fn namesakes(&self, key: &ObjectKey) -> Vec<ObjectKey> {
        let zones = self.store.zones.iter().map(|(other, _)| other);
        zones.filter(|other| other.name == key.name && *other != key).cloned().collect()
    }

    /// What a zone claims of its name. `state` is what is remembered of it.
    fn claim<'a>(
        &'a self,
        now: Now,
        key: &ObjectKey,
        zone: &'a PrivateLoadZone,
        state: Option<&ZoneState>,
    ) -> Option<Claim<'a>> {
        let secret = self.token_of(&Key::Zone(key.clone()));
        let token = secret.and_then(|secret| self.tokens.get(&secret));
        Claim::of(zone, state, token.map(Box::as_ref), now.mono)
    }

    fn start_for_zone(&mut self, now: Now, key: &ObjectKey, state: &ZoneState, action: Action) {
        let id = TaskId::zone(key, action);
        if !self.queue.is_free(now.mono, &id) {
            return;
        }
        if let Action::FetchData(_) = action
            && !self.may_ask_for_data(&key.namespace, state.data_bytes())
        {
            return self.queue.wake(&id.key, now.mono + intake::ASK_INTERVAL);
        }
        if calls::build(&self.zone_facts(now, key, state), action).is_some() {
            self.queue.push(id);
        }
    }

    /// The call of an action whose turn has come.
    pub(super) fn zone_call(&mut self, now: Now, key: &ObjectKey, action: Action) -> Option<Call> {
        let mut state = self.zones.remove(key)?;
        let facts = self.store.zones.find(key).map(|_| self.zone_facts(now, key, &state));
        let call = facts.as_ref().and_then(|facts| calls::build(facts, action));
        if action == Action::Register && call.is_some() {
            state.registering = facts.and_then(|facts| facts.registration().ok());
        }
        self.zones.insert(key.clone(), state);
        call
    }

    /// Brings the memory in step with the object. False if the object is gone.
    fn remember_zone(&mut self, now: Now, key: &ObjectKey) -> bool {
        let Some(zone) = self.store.zones.find(key) else { return false };
        let uid = zone.metadata.uid.clone();
        if self.zones.get(key).is_none_or(|state| state.uid != uid) {
            let interval = self.settings.poll_interval;
            let mut state =
                ZoneState::new(&uid, now.mono + interval.mul_f64(self.rng.fraction()), self.rng.next_u64());
            let facts = self.zone_facts(now, key, &state);
            let registered = is_registered_as_it_is(facts.zone).then(|| facts.registration().ok()).flatten();
            log::info!(
                "PrivateLoadZone {key} {}",
                if registered.is_some() { "is taken over: it is already registered" } else { "is new" }
            );
            state.registered = registered;
            self.zones.insert(key.clone(), Box::new(state));
        }
        let namespace = &key.namespace;
        let started: Vec<RunId> = self
            .zones
            .get(key)
            .into_iter()
            .flat_map(|state| state.listed.keys())
            .filter(|id| {
                let run = self.store.runs.find(&ObjectKey::new(namespace.clone(), template::name(**id)));
                run.is_some_and(|run| run.metadata.is_controlled_by(&uid))
            })
            .copied()
            .collect();
        self.leave_to_others(key);
        for id in started {
            // Before it is settled: the run takes over what is known of it.
            self.remember_run(now, &ObjectKey::new(namespace.clone(), template::name(id)));
            if let Some(state) = self.zones.get_mut(key) {
                state.settle(id);
            }
        }
        true
    }

    /// Settles the listed test runs that another zone of the name has begun with: a test runs once. Both are of one organisation then.
    fn leave_to_others(&mut self, key: &ObjectKey) {
        let ids = |zone: &ZoneState| zone.listed.keys().copied().collect::<Vec<RunId>>();
        let listed = self.zones.get(key).map(|zone| ids(zone)).unwrap_or_default();
        if listed.is_empty() {
            return;
        }
        for namesake in self.namesakes(key) {
            let other = self.zones.get(&namesake);
            let is_begun = |id: &&RunId| {
                let run = ObjectKey::new(namesake.namespace.clone(), template::name(**id));
                // Whoever may make TestRuns can make one that says it is that.
                let is_proven = |run: &RunState| run.proof == Proof::Proven && run.identity.zone == namesake;
                other.is_some_and(|zone| zone.has_begun(**id))
                    || self.runs.get(&run).is_some_and(|run| is_proven(run))
            };
            let begun: Vec<RunId> = listed.iter().filter(is_begun).copied().collect();
            let is_listed = |id: &RunId| other.is_some_and(|zone| zone.listed.contains_key(id));
            let contend = !begun.is_empty() || listed.iter().any(is_listed);
            let pair = [key, &namesake];
            for zone in pair.into_iter().filter(|_| contend) {
                if let Some(state) = self.zones.get_mut(zone).filter(|zone| zone.registered.is_some()) {
                    state.contends = true;
                }
                self.queue.mark(Key::Zone(zone.clone()));
            }
            let Some(state) = self.zones.get_mut(key) else { return };
            for id in begun {
                log::info!(
                    "PrivateLoadZone {key}: test run {id} is left to {namesake}, which has already started it"
                );
                state.settle(id);
            }
        }
    }

    /// Notes how far the way out is, and gives up what only holds it up.
    fn step_out(&mut self, now: Now, key: &ObjectKey, state: &mut ZoneState) {
        let facts = self.zone_facts(now, key, state);
        if facts.block() != Block::Leaving {
            return;
        }
        let runs_left = facts.holds(Fact::RunsLeft);
        let gives_up = facts.gives_up() && !state.deregistered && facts.was_registered();
        let why = facts.token.and_then(|token| token.problem.clone());
        let first = state.leaving_since.is_none();
        state.leaving_since.get_or_insert(now.mono);
        if !runs_left {
            state.deregistering_since.get_or_insert(now.mono);
        }
        if gives_up {
            let why = why.or_else(|| state.deregistration_error.clone()).unwrap_or_default();
            let message =
                format!("deleted without being deregistered from GCk6; delete the load zone there: {why}");
            log::warn!("PrivateLoadZone {key} is {message}");
            state.announcements.push(Announcement::warning("NotDeregistered", message));
            state.deregistered = true;
        }
        if first {
            log::info!("PrivateLoadZone {key} is being deleted");
            self.runs_in(&key.namespace).into_iter().for_each(|run| self.queue.mark(Key::Run(run)));
        }
    }

    fn zone_facts<'a>(&'a self, now: Now, key: &ObjectKey, state: &'a ZoneState) -> Facts<'a> {
        let zone = self.store.zones.find(key).expect("a zone that is remembered is in the store");
        let token = self
            .token_of(&Key::Zone(key.clone()))
            .and_then(|secret| self.tokens.get(&secret))
            .map(Box::as_ref);
        let namesakes = || {
            let zones = self.store.zones.iter().filter(|(other, _)| other.name == key.name && *other != key);
            zones.filter_map(|(other, zone)| {
                self.claim(now, other, zone, self.zones.get(other).map(Box::as_ref))
            })
        };
        let own = self.claim(now, key, zone, Some(state));
        let holder = own.and_then(|own| own.holder(namesakes()));
        let name_stays = namesakes().any(|other| other.stays());
        Facts {
            now: now.mono,
            wall: now.wall,
            zone,
            state,
            token,
            holder,
            name_stays,
            runs_left: self.runs_left(zone),
            settings: &self.settings.template,
        }
    }

    /// How many runs of the zone have not come to their end.
    fn runs_left(&self, zone: &PrivateLoadZone) -> usize {
        if !zone.metadata.is_deleting() {
            return 0;
        }
        self.runs
            .values()
            .filter(|state| state.identity.zone_uid == zone.metadata.uid)
            .filter(|state| state.block != testrun::table::Block::Done)
            .count()
    }

    pub(super) fn zone_report(
        &mut self,
        now: Now,
        key: &ObjectKey,
        id: &TaskId,
        action: Action,
        reply: Reply,
    ) {
        let data_room = self.data_room(id.action, &key.namespace);
        let Some(zone) = self.store.zones.find(key) else { return };
        let Some(state) = self.zones.get_mut(key) else { return };
        let context = Context {
            now: now.mono,
            data_room,
            zone,
            poll_interval: self.settings.poll_interval,
            settings: &self.settings.template,
        };
        let outcome = reply::apply_reply(state, &context, &mut self.rng, action, reply);
        if action == Action::Poll {
            let poll = match outcome {
                Outcome::TokenRefused(_) => Poll::Refused,
                _ if state.poll_error.is_some() => Poll::Error,
                _ => Poll::Ok,
            };
            if poll == Poll::Ok {
                state.polled_at = Some(now.wall);
            }
            self.tally.polled(poll);
        }
        self.apply(now, id, outcome);
    }
}

/// Whether the status says that GCk6 knows the zone with the spec that it has now. k6-operator does not say for which
/// generation its condition holds; it never updates a registration, so there is nothing better to assume.
fn is_registered_as_it_is(zone: &PrivateLoadZone) -> bool {
    zone.condition(PLZ_REGISTERED).is_some_and(|condition| {
        let observed = condition.observed_generation.unwrap_or_default();
        let is_current = condition.reason != conditions::UPDATE_FAILED;
        condition.is_true() && is_current && (observed == 0 || observed == zone.metadata.generation)
    })
}
