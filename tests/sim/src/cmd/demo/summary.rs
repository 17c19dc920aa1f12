//! The figures of the demo: how long each run took, and what it cost in calls.

use std::collections::BTreeMap;
use std::process::ExitStatus;
use std::time::Duration;

use sim::api::Counted;
use sim::world::{World, requests_goal};

use super::observer::Stations;
use super::terminal::Terminal;

/// What the story notes down on its way.
#[derive(Default)]
pub(super) struct Figures {
    /// How `plz-agent check` ended, and what it printed.
    pub(super) checked: Option<(ExitStatus, String)>,
    /// By run: requests of single objects before it was queued, and for it.
    requests: BTreeMap<u64, (u64, Option<u64>)>,
    /// The run that the user aborted, and when.
    pub(super) aborted: Option<(u64, Duration)>,
    /// The run whose agent was killed, when that was, and when the other agent took over.
    pub(super) killed: Option<(u64, Duration, Option<Duration>)>,
    /// How the agent ended, and how long after SIGTERM.
    pub(super) stopped: Option<(ExitStatus, Duration)>,
}

impl Figures {
    /// Those of the time before the agent was started.
    pub(super) fn new(checked: Option<(ExitStatus, String)>) -> Self {
        Self { checked, ..Self::default() }
    }

    /// How many things `plz-agent check` has found in place.
    pub(super) fn things_in_place(&self) -> usize {
        self.checked.as_ref().map_or(0, |(_, report)| report.matches('✓').count())
    }

    /// A run is about to begin.
    pub(super) fn begin(&mut self, run: u64, world: &World) {
        self.requests.insert(run, (single(world), None));
    }

    /// A run is over.
    pub(super) fn end(&mut self, run: u64, world: &World) {
        if let Some((before, of_run)) = self.requests.get_mut(&run) {
            *of_run = Some(single(world) - *before);
        }
    }

    /// Requests to the API server for a run that is over.
    pub(super) fn requests(&self, run: u64) -> Option<u64> {
        self.requests.get(&run)?.1
    }
}

/// Requests but those that serve all runs together (lists, watches, leases) and those that are the runners', which the API
/// server only passes on.
fn single(world: &World) -> u64 {
    let is_single = |what: &Counted| {
        !matches!(what.verb, "list" | "watch") && what.resource != "leases" && what.subresource != "proxy"
    };
    let counts = world.api.counts.iter();
    counts.filter(|(what, _)| is_single(what)).map(|(_, count)| count).sum()
}

/// Prints all tables.
pub(super) fn print(
    terminal: &Terminal,
    world: &World,
    figures: &Figures,
    stations: &BTreeMap<u64, Stations>,
) {
    terminal.heading("Runs (seconds after GCk6 had listed them)");
    terminal.table(&runs(world, figures, stations));
    terminal.heading("The agents' requests to the API server");
    terminal.table(&requests(world));
    terminal.heading("The agents' requests to GCk6");
    terminal.table(&calls(world));
}

fn runs(world: &World, figures: &Figures, stations: &BTreeMap<u64, Stations>) -> Vec<Vec<String>> {
    let mut rows = vec![row(&[
        "run",
        "TestRun",
        "started",
        "apart",
        "ended",
        "pods gone",
        "finished",
        "cleaned up",
        "requests",
        "goal",
        "state checks",
    ])];
    for (id, run) in &world.cloud.runs {
        let prefix = format!("plz-test-{id}-");
        let listed = run.listed.unwrap_or_default();
        let since = |at: Option<Duration>| {
            at.map_or("–".to_owned(), |at| format!("{:.2}", at.saturating_sub(listed).as_secs_f64()))
        };
        let last = |times: fn(&sim::k6::Runner) -> Option<Duration>| {
            world.k6s.all(&prefix).filter_map(|(_, runner)| times(runner)).max()
        };
        let of = stations.get(id).copied().unwrap_or_default();
        let skew = world.k6s.start_skew(&prefix);
        rows.push(vec![
            id.to_string(),
            since(of.created),
            since(last(|runner| runner.resumed)),
            skew.map_or("–".to_owned(), |skew| format!("{:.1} ms", skew.as_secs_f64() * 1000.0)),
            since(last(sim::k6::Runner::ends_at)),
            since(of.pods_gone),
            since(run.finishes.first().map(|(at, _)| *at)),
            since(of.gone),
            figures.requests(*id).map_or("–".to_owned(), |count| count.to_string()),
            format!("≤ {}", requests_goal(run.spec.instances)),
            run.state_reads.len().to_string(),
        ]);
    }
    rows
}

fn requests(world: &World) -> Vec<Vec<String>> {
    let mut sums: BTreeMap<(String, &str), u64> = BTreeMap::new();
    for (what, count) in &world.api.counts {
        *sums.entry((resource(what), what.verb)).or_default() += count;
    }
    let mut rows = vec![row(&["resource", "verb", "count"])];
    rows.extend(
        sums.iter().map(|((what, verb), count)| vec![what.clone(), (*verb).to_owned(), count.to_string()]),
    );
    rows.push(vec!["all together".to_owned(), String::new(), world.api.requests().to_string()]);
    rows
}

fn resource(what: &Counted) -> String {
    match what.subresource.as_str() {
        "" => what.resource.to_owned(),
        subresource => format!("{}/{subresource}", what.resource),
    }
}

fn calls(world: &World) -> Vec<Vec<String>> {
    let mut rows = vec![row(&["call", "count"])];
    let counts = world.cloud.counts.iter();
    rows.extend(counts.map(|(route, count)| vec![format!("{route:?}").to_lowercase(), count.to_string()]));
    rows.push(vec!["all together".to_owned(), world.cloud.requests().to_string()]);
    rows
}

fn row(cells: &[&str]) -> Vec<String> {
    cells.iter().map(|cell| (*cell).to_owned()).collect()
}
