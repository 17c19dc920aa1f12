//! From numbers to the page.
//!
//! Owns which value goes into which family. Leaves the families' names to `families` and the format to `text`.
//! Invariant: what can be zero is shown as zero, so that a graph or an alert needs no guess about what is missing.

use super::calls::Calls;
use super::families::Metric;
use super::text::{Page, Value};
use crate::health::{ROLES, Watches, role_label};
use plz_core::event::Class;
use plz_core::lease::Role;
use plz_core::metrics::{Census, ZoneLine, ZonePhase};
use plz_core::testrun::table::Block;
use plz_core::watched;

/// All that the loop has to tell.
#[derive(Clone, Copy, Debug)]
pub struct Status<'a> {
    /// From the core.
    pub census: &'a Census<'a>,
    /// The workers' calls.
    pub calls: &'a Calls,
    /// The watches.
    pub watches: &'a Watches,
    /// What the agent does.
    pub role: &'a Role,
}

/// Writes the page but for the process.
#[must_use]
pub fn render(status: &Status<'_>) -> Page {
    let mut page = Page::default();
    let Status { census, calls, watches, role } = *status;
    page.family(Metric::BuildInfo).sample(&[env!("CARGO_PKG_VERSION")], Value::Whole(1));
    let mut duties = page.family(Metric::Role);
    ROLES.into_iter().for_each(|label| duties.sample(&[label], Value::from(label == role_label(role))));
    let mut failing = page.family(Metric::WatchFailing);
    for resource in watched::RESOURCES {
        failing.sample(&[resource], Value::from(watches.failing(resource)));
    }
    page.family(Metric::OperatorLeasesIgnored).sample(&[], Value::from(census.operators_elsewhere));
    page.family(Metric::StoreBytes).sample(&[], Value::from(census.store_bytes));
    let mut ignored = page.family(Metric::ObjectsIgnored);
    for (resource, cause, count) in census.tally.ignored_objects() {
        ignored.sample(&[resource, cause], Value::Whole(count));
    }
    zones(&mut page, &census.zones);
    runs(&mut page, census);
    requests(&mut page, census, calls);
    page
}

fn zones(page: &mut Page, zones: &[ZoneLine<'_>]) {
    let mut states = page.family(Metric::Zones);
    for (phase, label) in ZonePhase::ALL {
        states.sample(&[label], Value::from(zones.iter().filter(|zone| zone.phase == phase).count()));
    }
    type Read = fn(&ZoneLine<'_>) -> Option<Value>;
    let gauges: [(Metric, Read); 4] = [
        (Metric::ZoneRegistered, |zone| Some(Value::from(zone.is_registered))),
        (Metric::ZoneTokenRefused, |zone| Some(Value::from(zone.is_token_refused))),
        (Metric::ZoneLastSuccessfulPoll, |zone| zone.last_poll.map(Value::Seconds)),
        (Metric::ZonePollFailures, |zone| Some(Value::Whole(u64::from(zone.poll_failures)))),
    ];
    for (metric, read) in gauges {
        let mut samples = page.family(metric);
        for zone in zones {
            if let Some(value) = read(zone) {
                samples.sample(&[zone.namespace, zone.name], value);
            }
        }
    }
}

fn runs(page: &mut Page, census: &Census<'_>) {
    let tally = census.tally;
    let mut polls = page.family(Metric::Polls);
    tally.polls().for_each(|(result, count)| polls.sample(&[result], Value::Whole(count)));
    let mut counts = page.family(Metric::TestRuns);
    for stage in &census.stages {
        counts.sample(&[stage_label(stage.block)], Value::from(stage.count));
    }
    let mut ages = page.family(Metric::OldestTestRunStageAge);
    for stage in &census.stages {
        ages.sample(&[stage_label(stage.block)], Value::Seconds(stage.oldest));
    }
    let mut ended = page.family(Metric::TestRunsEnded);
    for (cause, count) in tally.ends() {
        let (outcome, cause) = match cause {
            None => ("finished", ""),
            Some(cause) if cause.is_verdict() => ("finished", cause.reason()),
            Some(cause) if cause.is_failure() => ("failed", cause.reason()),
            Some(cause) => ("aborted", cause.reason()),
        };
        ended.sample(&[outcome, cause], Value::Whole(*count));
    }
    page.family(Metric::TestRunStartSkew).histogram(&[], tally.skew());
}

fn requests(page: &mut Page, census: &Census<'_>, calls: &Calls) {
    let mut counts = page.family(Metric::Requests);
    for ((target, verb, code), count) in calls.counts() {
        let code = match code {
            None => "error".to_owned(),
            Some(class @ 0..100) => format!("{class}xx"),
            Some(code) => code.to_string(),
        };
        counts.sample(&[target, verb, &code], Value::Whole(*count));
    }
    let mut durations = page.family(Metric::RequestDuration);
    for ((target, verb), histogram) in calls.durations() {
        durations.histogram(&[target, verb], histogram);
    }
    let mut waiting = page.family(Metric::QueueDepth);
    for load in &census.loads {
        waiting.sample(&[class_label(load.class)], Value::from(load.waiting));
    }
    let mut in_flight = page.family(Metric::CallsInFlight);
    for load in &census.loads {
        in_flight.sample(&[class_label(load.class)], Value::from(load.in_flight));
    }
}

/// The stage as users know it; `finished` and `error` are one block.
fn stage_label(block: Block) -> &'static str {
    match block {
        Block::New => "new",
        Block::Created => "created",
        Block::Started => "started",
        Block::Stopped => "stopped",
        Block::Done => "ended",
        Block::Gone => "gone",
    }
}

fn class_label(class: Class) -> &'static str {
    match class {
        Class::Kubernetes => "kubernetes",
        Class::Cloud => "gck6",
        Class::CloudNews => "gck6_news",
        Class::Runner => "runner",
        Class::UserCode => "user_code",
        Class::Lease => "lease",
        Class::Operator => "operator",
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::calls::CallDone;
    use super::*;
    use crate::golden;
    use crate::metrics::FAMILIES;
    use plz_core::ignored::Ignored;
    use plz_core::metrics::{Load, Poll, StageCount, Tally};
    use plz_core::testrun::termination::Cause;

    fn page_of_a_busy_agent() -> String {
        let mut tally = Tally::default();
        tally.polled(Poll::Ok);
        tally.polled(Poll::Error);
        tally.ended(None);
        tally.ended(Some(Cause::OutOfMemory));
        tally.started(Duration::from_millis(12));
        tally.ignored(watched::RESOURCES[1], Ignored::TooLarge);
        let zone = |name, state, last_poll| ZoneLine {
            namespace: "load",
            name,
            phase: state,
            is_registered: state == ZonePhase::Registered,
            is_token_refused: state == ZonePhase::TokenRefused,
            last_poll,
            poll_failures: u32::from(state == ZonePhase::TokenRefused),
        };
        let census = Census {
            zones: vec![
                zone("edge", ZonePhase::Registered, Some(Duration::from_millis(1_700_000_000_500))),
                zone("lab", ZonePhase::TokenRefused, None),
            ],
            stages: Block::ALL
                .map(|block| {
                    let count = usize::from(block == Block::Gone);
                    StageCount { block, count, oldest: Duration::from_millis(61_500) * count as u32 }
                })
                .to_vec(),
            loads: Class::ALL[..5].iter().map(|&class| Load { class, waiting: 0, in_flight: 1 }).collect(),
            store_bytes: 81_920,
            operators_elsewhere: 1,
            tally: &tally,
        };
        let mut calls = Calls::default();
        let took = Duration::from_millis(40);
        calls.done(CallDone { target: "kubernetes", verb: "create", code: Some(201), took });
        calls.done(CallDone { target: "gck6", verb: "get", code: None, took });
        let watches = Watches::new(&[None], &[None]);
        let status = Status { census: &census, calls: &calls, watches: &watches, role: &Role::Active };
        render(&status).into_text()
    }

    #[test]
    fn the_page_of_a_busy_agent() {
        golden::check("metrics.txt", &page_of_a_busy_agent().replace(env!("CARGO_PKG_VERSION"), "VERSION"));
    }

    #[test]
    fn every_family_but_those_of_the_process_is_on_the_page_once_and_in_order() {
        let page = page_of_a_busy_agent();
        let shown: Vec<&str> =
            page.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect();
        let expected = FAMILIES.iter().map(|family| family.name).filter(|name| !name.starts_with("process_"));
        assert_eq!(shown, expected.collect::<Vec<_>>());
    }
}
