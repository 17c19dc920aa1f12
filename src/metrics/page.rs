//! From numbers to the page.
//!
//! Owns which value goes into which family. Leaves the families' names to `families` and the format to `text`.
//! Invariant: what can be zero is shown as zero, so that a graph or an alert needs no guess about what is missing.

use std::time::Duration;

use super::counts::{Calls, Tally};
use super::families::Metric;
use super::text::{Page, Value};
use crate::event::Class;
use crate::health::{DUTIES, Watches, duty_label};
use crate::lease::Duty;
use crate::testrun::stage::Block;

/// The state of a zone, as the metrics tell it: the first of these that fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ZoneState {
    /// It is being deleted.
    Leaving,
    /// GCk6 refuses its token.
    TokenRefused,
    /// There is no token to speak to GCk6 with.
    TokenMissing,
    /// GCk6 does not know it.
    NotRegistered,
    /// GCk6 knows it.
    Registered,
}

impl ZoneState {
    /// All of them, with their label.
    const ALL: [(Self, &'static str); 5] = [
        (Self::Registered, "registered"),
        (Self::NotRegistered, "not_registered"),
        (Self::TokenMissing, "token_missing"),
        (Self::TokenRefused, "token_refused"),
        (Self::Leaving, "leaving"),
    ];
}

/// What there is to tell of one zone.
#[derive(Clone, Debug)]
pub struct ZoneLine<'a> {
    /// Its namespace.
    pub namespace: &'a str,
    /// Its name.
    pub name: &'a str,
    /// Where it stands.
    pub state: ZoneState,
    /// Whether GCk6 knows it.
    pub is_registered: bool,
    /// Whether GCk6 refuses its token.
    pub is_token_refused: bool,
    /// When GCk6 last answered a poll, as the time since 1970.
    pub last_poll: Option<Duration>,
    /// How many polls have failed since.
    pub poll_failures: u32,
}

/// The test runs in one block of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StageCount {
    /// The block.
    pub block: Block,
    /// How many.
    pub count: usize,
    /// For how long the oldest of them has been in it.
    pub oldest: Duration,
}

/// The calls of one class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Load {
    /// Which class.
    pub class: Class,
    /// How many wait.
    pub waiting: usize,
    /// How many are with the workers.
    pub in_flight: usize,
}

/// What is there now.
#[derive(Clone, Debug)]
pub struct Census<'a> {
    /// The zones; none unless the agent acts, since only then it knows of them.
    pub zones: Vec<ZoneLine<'a>>,
    /// The test runs, one row for every block.
    pub stages: Vec<StageCount>,
    /// The calls, one row for every class that goes through the queue.
    pub loads: Vec<Load>,
    /// What the store takes in memory.
    pub store_bytes: usize,
    /// How many Leases look like k6-operator's where they do not count.
    pub operators_elsewhere: usize,
    /// What the core has counted so far.
    pub tally: &'a Tally,
}

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
    pub duty: &'a Duty,
}

/// Writes the page but for the process.
#[must_use]
pub fn render(status: &Status<'_>) -> Page {
    let mut page = Page::default();
    let Status { census, calls, watches, duty } = *status;
    page.family(Metric::BuildInfo).sample(&[env!("CARGO_PKG_VERSION")], Value::Whole(1));
    let mut duties = page.family(Metric::Duty);
    DUTIES.into_iter().for_each(|label| duties.sample(&[label], Value::from(label == duty_label(duty))));
    let mut failing = page.family(Metric::WatchFailing);
    for resource in Watches::RESOURCES {
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
    for (state, label) in ZoneState::ALL {
        states.sample(&[label], Value::from(zones.iter().filter(|zone| zone.state == state).count()));
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
    use super::super::counts::{CallDone, Poll};
    use super::*;
    use crate::golden;
    use crate::metrics::FAMILIES;
    use crate::testrun::ending::Cause;

    fn page_of_a_busy_agent() -> String {
        let mut tally = Tally::default();
        tally.polled(Poll::Ok);
        tally.polled(Poll::Error);
        tally.ended(None);
        tally.ended(Some(Cause::OutOfMemory));
        tally.started(Duration::from_millis(12));
        tally.ignored(Watches::RESOURCES[1], crate::core::notices::Cause::TooLarge);
        let zone = |name, state, last_poll| ZoneLine {
            namespace: "load",
            name,
            state,
            is_registered: state == ZoneState::Registered,
            is_token_refused: state == ZoneState::TokenRefused,
            last_poll,
            poll_failures: u32::from(state == ZoneState::TokenRefused),
        };
        let census = Census {
            zones: vec![
                zone("edge", ZoneState::Registered, Some(Duration::from_millis(1_700_000_000_500))),
                zone("lab", ZoneState::TokenRefused, None),
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
        let status = Status { census: &census, calls: &calls, watches: &watches, duty: &Duty::Active };
        render(&status).into_text()
    }

    #[test]
    fn the_page_of_a_busy_agent() {
        golden::check_text(
            "metrics.txt",
            &page_of_a_busy_agent().replace(env!("CARGO_PKG_VERSION"), "VERSION"),
        );
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
