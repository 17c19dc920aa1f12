//! GCk6's word that a test run is the zone's, and what its Jobs are made of.
//!
//! Owns what proves a run: GCk6 has given its data to the zone that this process polled for, or says to the zone's own token that the
//! run is distributed over that zone alone. Leaves alone what may be done before (`table`). Invariants: until then nothing is written
//! to GCk6 and no Job is made; and what Jobs are made of comes from GCk6 and the zone, never from the spec of the `TestRun`.

use std::time::Duration;

use super::facts::STATE_CHECK_INTERVAL;
use super::identity::Identity;
use super::prepared::Prepared;
use super::state::{Keeping, RunState};
use super::table::Block;
use super::termination::{Cause, Termination};
use crate::api::run::{RUNNERS_MAX, TestRun};
use crate::api::zone::PrivateLoadZone;
use crate::cloud::{self, TestRunData};
use crate::outcome::{Outcome, text};
use crate::testrun::template;

/// After how many refusals in a row GCk6 does not know the run.
const REFUSALS_MAX: u32 = 3;

/// Whether a run is known to be the zone's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Proof {
    /// GCk6 has not said so yet.
    #[default]
    Unknown,
    /// It is.
    Proven,
    /// GCk6 says that it is not. It never hears of it from here.
    Denied,
}

/// How long data that there is no room for are not asked for again: they are large, and the line may be slow.
pub const NO_ROOM_PAUSE: Duration = Duration::from_secs(5);

/// What learning needs beside the memory.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// The clock of deadlines.
    pub now: Duration,
    /// The object.
    pub run: &'a TestRun,
    /// Its zone, unless that is gone.
    pub zone: Option<&'a PrivateLoadZone>,
    /// What the agent adds to every test run.
    pub settings: &'a template::Settings,
    /// How large the data of a test run may be, in bytes, for Jobs to be made of them.
    pub data_room: usize,
}

/// Learns from the answer to the question whose the run is.
pub fn apply_reply(
    state: &mut RunState,
    context: &Context<'_>,
    reply: Result<Vec<u8>, cloud::Error>,
) -> Outcome {
    let error = match reply.and_then(|body| cloud::reply::test_run_data(&body)) {
        Ok(data) => return judge(state, context, &data),
        Err(error) => error,
    };
    state.proof_error = Some(text(&error));
    if error.is_unauthorized() {
        return Outcome::TokenRefused(text(&error));
    }
    if error.retry() != cloud::Retry::Never {
        return Outcome::again(error.retry(), &error);
    }
    state.state_missing += 1;
    if state.state_missing < REFUSALS_MAX {
        return Outcome::Again { after: Some(STATE_CHECK_INTERVAL), why: text(&error) };
    }
    let Identity { id, zone, .. } = &state.identity;
    let message =
        format!("GCk6 does not know test run {id} by the token of PrivateLoadZone {zone}: {}", text(&error));
    deny(state, message)
}

fn judge(state: &mut RunState, context: &Context<'_>, data: &TestRunData) -> Outcome {
    let Identity { id, zone, .. } = &state.identity;
    let zones: Vec<&str> = data.distribution.values().map(|place| place.load_zone.as_str()).collect();
    if data.id != Some(*id) || zones.is_empty() || zones == [""] {
        let why = "the answer does not say which load zone the test run belongs to".to_owned();
        state.proof_error = Some(why.clone());
        return Outcome::Again { after: None, why };
    }
    if zones != [zone.name.as_str()] {
        let message = format!(
            "GCk6 says that test run {id} belongs to load zone {}, and not to PrivateLoadZone {zone} alone",
            zones.join(", ")
        );
        return deny(state, message);
    }
    if state.block == Block::New && data.bytes() > context.data_room {
        let why = no_room(data);
        state.proof_error = Some(why.clone());
        return Outcome::Again { after: Some(NO_ROOM_PAUSE), why };
    }
    state.proof = Proof::Proven;
    state.proof_error = None;
    state.cloud_status = data.run_status;
    state.state_missing = 0;
    state.state_asked = context.now;
    if state.block == Block::New {
        let Some(zone) = context.zone else { return Outcome::Done };
        match Prepared::new(zone, state.identity.id, data, context.settings) {
            Ok(prepared) => {
                state.spare.clone_from(&prepared.credentials);
                plan(state, context.run, prepared);
            }
            Err(refusal) => state.verdict = cannot_start(refusal.to_string()),
        }
    } else if state.parallelism == 0 {
        let told =
            u32::try_from(data.config.instance_count).ok().filter(|count| (1..=RUNNERS_MAX).contains(count));
        state.set_parallelism(told.unwrap_or_else(|| context.run.runners()));
    }
    Outcome::Done
}

/// Why the data of a test run are not taken in yet.
#[must_use]
pub fn no_room(data: &TestRunData) -> String {
    format!(
        "its data ({} KiB) is waiting for room: the agent holds that of other test runs until their Jobs are created",
        data.bytes() / 1024
    )
}

fn deny(state: &mut RunState, message: String) -> Outcome {
    log::warn!("{message}");
    state.proof = Proof::Denied;
    state.state_missing = 0;
    state.verdict = Some(Termination { cause: Cause::NotOfZone, message });
    Outcome::Done
}

/// The zone has just got the data of the run, in this process.
pub fn given(state: &mut RunState, run: &TestRun, mut prepared: Prepared) {
    state.proof = Proof::Proven;
    state.proof_error = None;
    if state.keeping == Keeping::Unknown
        && let Some(credentials) = prepared.credentials.take()
    {
        state.keeping = Keeping::InHand(credentials);
    }
    plan(state, run, prepared);
}

/// Notes what the Jobs are made of.
fn plan(state: &mut RunState, run: &TestRun, prepared: Prepared) {
    let Prepared { run: mut plan, bytes, .. } = prepared;
    let (wanted, asked) = (plan.spec.parallelism, run.spec.parallelism);
    if !run.is_edited() && asked != wanted {
        state.verdict = cannot_start(run.runners_refused().unwrap_or_else(|| {
            format!(
                "TestRun {} asks for {asked} runners but GCk6 asks for {wanted}: it is not as the agent creates it; delete it",
                run.metadata.key()
            )
        }));
    }
    plan.metadata.uid.clone_from(&run.metadata.uid);
    state.set_parallelism(plan.runners());
    state.plan = Some(Box::new(plan));
    state.plan_bytes = bytes;
}

fn cannot_start(message: String) -> Option<Termination> {
    Some(Termination { cause: Cause::CouldNotStart, message })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::api::ObjectKey;
    use crate::cloud::{RunId, RunStatus};
    use crate::testrun::template::tests::{plain_data, plain_zone as zone, settings};

    fn run(parallelism: i64, generation: i64) -> TestRun {
        let metadata =
            json!({"name": "plz-test-101", "namespace": "ns", "uid": "u", "generation": generation});
        let spec = json!({"testRunId": "101", "parallelism": parallelism, "runner": {"image": "evil"}});
        serde_json::from_value(json!({"metadata": metadata, "spec": spec})).unwrap()
    }

    fn state(block: Block, run: &TestRun) -> RunState {
        let mut state = RunState::new(run, 0, block, Duration::ZERO);
        let zone = zone().metadata;
        state.identity = Identity { id: RunId(101), zone: zone.key(), zone_uid: zone.uid };
        state
    }

    fn context<'a>(
        run: &'a TestRun,
        zone: &'a PrivateLoadZone,
        settings: &'a template::Settings,
    ) -> Context<'a> {
        Context { now: Duration::ZERO, run, zone: Some(zone), settings, data_room: usize::MAX }
    }

    fn asked(state: &mut RunState, run: &TestRun, reply: Result<Value, cloud::Error>) -> Outcome {
        let (zone, settings) = (zone(), settings());
        apply_reply(state, &context(run, &zone, &settings), reply.map(|body| body.to_string().into_bytes()))
    }

    #[track_caller]
    fn check(answer: &Value, wanted: Proof) {
        let run = run(1, 1);
        let mut state = state(Block::Started, &run);
        let outcome = asked(&mut state, &run, Ok(answer.clone()));
        assert_eq!(state.proof, wanted, "{answer}");
        assert_eq!(matches!(outcome, Outcome::Again { .. }), wanted == Proof::Unknown, "{answer}");
        let cause = state.verdict.map(|verdict| verdict.cause);
        assert_eq!(cause, (wanted == Proof::Denied).then_some(Cause::NotOfZone), "{answer}");
        assert!(state.plan.is_none(), "Jobs are made before the start alone");
    }

    #[test]
    fn what_proves_a_run() {
        let zone = zone().metadata.name;
        let of = |zones: Value| json!({"id": 101, "run_status": 2, "load_zone_distribution": zones});
        check(&of(json!({"a": {"loadZone": zone}})), Proof::Proven);
        check(&of(json!({"a": {"loadZone": "other"}})), Proof::Denied);
        check(&of(json!({"a": {"loadZone": zone}, "b": {"loadZone": "other"}})), Proof::Denied);
        check(&of(json!({"a": {"loadZone": null}})), Proof::Unknown);
        check(&of(json!({})), Proof::Unknown);
        check(&of(json!(null)), Proof::Unknown);
        check(&json!({"id": 102, "load_zone_distribution": {"a": {"loadZone": zone}}}), Proof::Unknown);
        check(&json!({"load_zone_distribution": {"a": {"loadZone": zone}}}), Proof::Unknown);
        check(&json!({}), Proof::Unknown);
    }

    #[test]
    fn who_is_not_known_three_times_is_not_the_zones() {
        let run = run(1, 1);
        let mut state = state(Block::New, &run);
        let refusal = || Err(cloud::Error::Status { code: 404, message: "no".into(), retry_after: None });
        for _ in 1..REFUSALS_MAX {
            assert!(matches!(asked(&mut state, &run, refusal()), Outcome::Again { after: Some(_), .. }));
            let _ = asked(&mut state, &run, Err(cloud::Error::Transport("no route".into())));
            assert_eq!(state.proof, Proof::Unknown);
        }
        assert_eq!(asked(&mut state, &run, refusal()), Outcome::Done);
        assert_eq!(state.proof, Proof::Denied);
    }

    #[test]
    fn jobs_are_made_of_what_gck6_and_the_zone_say() {
        let (zone, settings) = (zone(), settings());
        let count = plain_data().config.instance_count;
        let plan_for = |run: &TestRun| {
            let mut state = state(Block::New, run);
            let prepared = Prepared::new(&zone, state.identity.id, &plain_data(), &settings).unwrap();
            given(&mut state, run, prepared);
            state
        };
        let state = plan_for(&run(count, 1));
        let plan = state.plan.as_ref().unwrap();
        assert_eq!((plan.metadata.uid.as_str(), state.runners.len() as i64), ("u", count));
        assert!(plan.spec.runner.image != "evil" && state.verdict.is_none());
        assert!(matches!(state.keeping, Keeping::InHand(_)) && state.proof == Proof::Proven);
        assert!(plan_for(&run(100_000, 2)).verdict.is_none(), "an edit changes nothing");
        for (asked, says) in [
            (7, "asks for 7 runners but GCk6 asks for"),
            (100_000, "asks for 100000 runners, but the agent runs 1 to 1000; delete it"),
            (-1, "asks for -1 runners, but the agent runs 1 to 1000; delete it"),
        ] {
            let other = plan_for(&run(asked, 1));
            assert!(other.verdict.unwrap().message.contains(says));
            assert_eq!(other.runners.len() as i64, count);
        }
    }

    #[test]
    fn the_number_of_runners_of_an_edited_run_is_what_gck6_says() {
        let name = zone().metadata.name;
        let answer = |config: Value| {
            let run = run(7, 2);
            let mut state = state(Block::Created, &run);
            let _ = asked(
                &mut state,
                &run,
                Ok(json!({"id": 101, "k8s_load_zones_config": config,
                "load_zone_distribution": {"a": {"loadZone": name}}})),
            );
            state.runners.len()
        };
        assert_eq!(answer(json!({"instance_count": 3})), 3);
        for nonsense in
            [json!(null), json!({"instance_count": 0}), json!({"instance_count": 4_000_000_000_u64})]
        {
            assert_eq!(answer(nonsense), 7);
        }
    }

    #[test]
    fn the_answer_is_the_state_as_well() {
        let run = run(1, 1);
        let mut state = state(Block::Created, &run);
        let name = &state.identity.zone.name;
        let answer =
            json!({"id": "101", "run_status": 5, "load_zone_distribution": {"a": {"loadZone": name}}});
        let _ = asked(&mut state, &run, Ok(answer));
        assert_eq!(state.cloud_status, Some(RunStatus::ABORTED_BY_USER));
        assert_eq!(state.identity.zone, ObjectKey::new(zone().metadata.namespace, zone().metadata.name));
    }
}
