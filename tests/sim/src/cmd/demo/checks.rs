//! Everything that has to have come to pass when the story is over.
//!
//! Owns the list. Each entry says what holds, with its figure, in words that are right whether it holds or not.

use std::time::Duration;

use serde_json::Value;
use sim::api::rbac::refused;
use sim::api::{Kind, Rule};
use sim::cloud::{ABORTED_BY_USER, FINISHED};
use sim::world::{REQUESTS_OF_RUN, World, requests_goal};

use super::summary::Figures;
use super::{BEARER_TOKEN, CLOUD_TOKEN, LEASE, LEASE_NAMESPACE, RUNNERS, STOP_TIMEOUT, TEST_RUN_TOKEN};

/// The goal for the spread of a start.
const SKEW_MAX: Duration = Duration::from_millis(50);
/// From an abort to the last runner's stop: the state is asked for every 10 s, and what comes then takes no second.
const ABORT_MAX: Duration = Duration::from_secs(11);

/// From a SIGKILL to the other agent's work: the Lease is good for 15 s, and the other one looks every 5 s.
const TAKEOVER_MAX: Duration = Duration::from_secs(21);

/// Whether something holds, and what.
pub(super) type Check = (Result<(), ()>, String);

/// The whole list.
pub(super) fn all(world: &World, rules: &[Rule], figures: &Figures, log: &str) -> Vec<Check> {
    let found_nothing = figures.checked.as_ref().is_some_and(|(status, _)| status.success());
    let checked =
        format!("plz-agent check found {} things in place and none amiss", figures.things_in_place());
    let mut checks = vec![check(found_nothing && figures.things_in_place() > 0, &checked)];
    checks.extend(zone(world));
    for id in world.cloud.runs.keys() {
        checks.extend(run(world, figures, *id));
    }
    checks.extend(election(world, figures));
    checks.extend(manners(world, rules, log));
    let stopped = figures.stopped;
    let is_well = stopped.is_some_and(|(status, after)| status.success() && after <= STOP_TIMEOUT);
    checks.push(check(is_well, "SIGTERM ended the agent with exit code 0 within 2 s"));
    checks
}

fn election(world: &World, figures: &Figures) -> Vec<Check> {
    let killed = figures.killed;
    let after = killed.and_then(|(_, killed, taken)| Some(taken?.saturating_sub(killed)));
    let took = after.map_or("never".to_owned(), |after| format!("after {:.1} s", after.as_secs_f64()));
    let run = killed.map_or("–".to_owned(), |(run, ..)| run.to_string());
    let lease = world.object(Kind::Lease, LEASE_NAMESPACE, LEASE);
    let is_given_up = lease["spec"]["holderIdentity"] == "" && lease["spec"]["leaseTransitions"] == 1;
    vec![
        check(
            after.is_some_and(|after| after <= TAKEOVER_MAX),
            &format!("run {run}: its agent was killed, and the other one took over {took}"),
        ),
        check(is_given_up, "the Lease changed hands once, and was given up at the end"),
    ]
}

fn zone(world: &World) -> Vec<Check> {
    let registrations = world.cloud.counts.get(&sim::cloud::Route::Register).copied().unwrap_or_default();
    let is_single = registrations == 1 && world.cloud.doubles.is_empty();
    let is_gone = world.api.objects(Kind::PrivateLoadZone, "").next().is_none();
    vec![
        check(is_single, "the zone was registered once, under one provider id"),
        check(is_gone && world.cloud.zones.is_empty(), "the zone was deregistered and let go"),
    ]
}

fn run(world: &World, figures: &Figures, id: u64) -> Vec<Check> {
    let prefix = format!("plz-test-{id}-");
    let run = &world.cloud.runs[&id];
    let runners: Vec<_> = world.k6s.all(&prefix).map(|(_, runner)| runner).collect();
    let skew = world.k6s.start_skew(&prefix).filter(|_| runners.len() as u64 == RUNNERS);
    let apart = skew.map_or("never".to_owned(), |skew| format!("{:.1} ms apart", skew.as_secs_f64() * 1e3));
    let setups: usize = runners.iter().map(|runner| runner.setups.len()).sum();
    let teardowns: usize = runners.iter().map(|runner| runner.teardowns.len()).sum();
    let data: Vec<_> = runners.iter().map(|runner| runner.data_puts.last().map(|(_, data)| data)).collect();
    let have_data =
        data.iter().all(|have| have.is_some_and(|data| data.as_ref().is_some_and(Value::is_object)));
    let faults = world.faults(id);
    let mut checks = vec![
        check(
            skew.is_some_and(|skew| skew <= SKEW_MAX),
            &format!("run {id}: {RUNNERS} runners started together: {apart}"),
        ),
        check(setups == 1, &format!("run {id}: setup() ran once ({setups})")),
        check(have_data, &format!("run {id}: every runner had what setup() returned")),
        check(teardowns == 1, &format!("run {id}: teardown() ran once ({teardowns})")),
        check(faults.is_empty(), &format!("run {id}: no fault in the order of things {}", faults.join("; "))),
    ];
    let finishes: Vec<i64> =
        run.finishes.iter().filter_map(|(_, body)| body["run_status"].as_i64()).collect();
    match figures.aborted.filter(|(aborted, _)| *aborted == id) {
        Some((_, at)) => {
            let stops: Option<Vec<Duration>> = runners.iter().map(|runner| runner.stopped).collect();
            let after = stops.and_then(|stops| stops.into_iter().max()).map(|last| last.saturating_sub(at));
            let took =
                after.map_or("never".to_owned(), |after| format!("after {:.1} s", after.as_secs_f64()));
            let in_time = after.is_some_and(|after| after <= ABORT_MAX);
            checks.push(check(in_time, &format!("run {id}: the abort stopped all runners: {took}")));
            let is_right = finishes == [ABORTED_BY_USER];
            checks.push(check(is_right, &format!("run {id}: finished once, as aborted by the user (5)")));
        }
        None => {
            let by_themselves = runners.iter().all(|runner| runner.stopped.is_none());
            checks.push(check(by_themselves, &format!("run {id}: no runner was stopped before its end")));
            checks.push(check(finishes == [FINISHED], &format!("run {id}: finished once, as finished (3)")));
        }
    }
    let lasted = run.finishes.first().map(|(at, _)| at.saturating_sub(run.listed.unwrap_or_default()));
    let mut states_max = lasted.unwrap_or_default().as_secs() / 10 + 1;
    if figures.killed.is_some_and(|(killed, ..)| killed == id) {
        // Its second agent has to look at things that the first one had seen.
        states_max += 1;
    } else {
        let (count, goal) = (figures.requests(id), requests_goal(run.spec.instances));
        let asked = count.map_or("–".to_owned(), |count| count.to_string());
        checks.push(check(
            count.is_some_and(|count| count <= goal),
            &format!("run {id}: {asked} requests to the API server, at most {REQUESTS_OF_RUN} + 2 × {RUNNERS} = {goal}"),
        ));
    }
    let states = run.state_reads.len();
    checks.push(check(
        states as u64 <= states_max,
        &format!("run {id}: {states} state check(s), at most one each 10 s by one agent"),
    ));
    checks
}

fn manners(world: &World, rules: &[Rule], log: &str) -> Vec<Check> {
    let left: Vec<String> = [Kind::TestRun, Kind::Job, Kind::Pod]
        .into_iter()
        .flat_map(|kind| world.api.objects(kind, ""))
        .map(|(key, _)| key.name.clone())
        .collect();
    let complaints = &world.cloud.complaints;
    let forbidden = refused(rules, world.api.counts.keys());
    let mut secrets = vec![CLOUD_TOKEN, BEARER_TOKEN, TEST_RUN_TOKEN];
    let urls = world.cloud.runs.values().map(|run| run.spec.archive_url.as_str());
    secrets.extend(urls.filter_map(|url| url.split_once("X-Amz-Signature=")).map(|(_, signature)| signature));
    let shown = secrets.iter().filter(|secret| log.contains(**secret)).count();
    vec![
        check(left.is_empty(), &format!("no TestRun, Job or pod is left {}", left.join(", "))),
        check(complaints.is_empty(), &format!("GCk6 has nothing to complain of {}", complaints.join("; "))),
        check(
            !rules.is_empty() && forbidden.is_empty(),
            &format!(
                "the shipped rights permit all {} requests to the API server {}",
                world.api.requests(),
                forbidden
                    .iter()
                    .map(|what| format!("{} {}", what.verb, what.resource))
                    .collect::<Vec<_>>()
                    .join(", ")
            ),
        ),
        check(
            shown == 0 && !log.is_empty(),
            &format!(
                "{shown} of {} tokens and presigned URLs show in the {} lines of the agent's log",
                secrets.len(),
                log.lines().count()
            ),
        ),
    ]
}

/// One entry of the list.
pub(super) fn check(holds: bool, text: &str) -> Check {
    (if holds { Ok(()) } else { Err(()) }, text.trim_end().to_owned())
}
