//! What happens in the world, told once, in order, while it happens.
//!
//! Owns what has been told already. Each look compares the world with that: changes of objects, the records of k6 and of
//! GCk6. What several runners do at the same time becomes one line, so a line is held for a moment before it is given out.
//! Invariant: lines come out in the order of their times, and nothing is told twice.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use sim::api::{Change, ChangeKind, Kind};
use sim::cloud::{Cloud, Run};
use sim::json;
use sim::k6::Runner;
use sim::world::World;

use super::words::{self, Words};

/// How long a line waits for more runners that do the same.
const HOLD: Duration = Duration::from_millis(200);

/// Who does something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Actor {
    /// The user.
    You,
    /// The agent.
    Agent,
    /// Controllers and kubelet.
    Cluster,
    /// The runners' processes.
    K6,
    /// Grafana Cloud k6.
    Cloud,
}

/// A line of the timeline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    /// Time since the start of the world.
    pub(super) at: Duration,
    /// Whose doing it is.
    pub(super) actor: Actor,
    text: Text,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Text {
    Said(String),
    Runners { run: u64, numbers: Vec<u64>, what: &'static str, last: Duration },
}

impl Line {
    /// The words of the line.
    pub(super) fn words(&self) -> String {
        match &self.text {
            Text::Said(text) => text.clone(),
            Text::Runners { run, numbers, what, last } => {
                let who = words::numbered(numbers);
                let millis = last.saturating_sub(self.at).as_micros().div_ceil(1000).max(1);
                match numbers.len() {
                    1 => format!("run {run}, {who}: {what}"),
                    _ => format!("run {run}, {who}: {what} (within {millis} ms)"),
                }
            }
        }
    }
}

/// When a run came to each of its stations; none for those it has not come to.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Stations {
    /// The TestRun was created.
    pub(super) created: Option<Duration>,
    /// The last of its pods was gone.
    pub(super) pods_gone: Option<Duration>,
    /// The TestRun was gone.
    pub(super) gone: Option<Duration>,
}

/// Looks, and remembers.
#[derive(Default)]
pub(super) struct Observer {
    version: u64,
    k6_told: BTreeSet<(String, &'static str)>,
    runs_told: BTreeMap<u64, (usize, usize, usize, usize, usize)>,
    zones_told: BTreeMap<String, u64>,
    polled: bool,
    deregistered: usize,
    held: Vec<Line>,
    /// By run.
    pub(super) stations: BTreeMap<u64, Stations>,
}

impl Observer {
    /// Begins after what the world holds already.
    pub(super) fn new(world: &World) -> Self {
        Self { version: world.api.version(), ..Self::default() }
    }

    /// Adds a line of the caller's own.
    pub(super) fn say(&mut self, at: Duration, actor: Actor, text: impl Into<String>) {
        self.held.push(Line { at, actor, text: Text::Said(text.into()) });
    }

    /// Takes in what has happened since the last look.
    pub(super) fn look(&mut self, now: Duration, world: &World) {
        let changes: Vec<&Change> = world.api.changes_since(self.version).collect();
        self.version = world.api.version();
        for change in changes {
            self.station(now, change);
            match words::of_change(change) {
                Some((actor, Words::Said(text))) => self.say(now, actor, text),
                Some((actor, Words::Runner(run, number, what))) => self.runner(now, actor, run, number, what),
                None => {}
            }
        }
        for ((_, pod), runner) in world.k6s.all("") {
            self.look_at_k6(now, pod, runner);
        }
        self.look_at_cloud(now, &world.cloud);
    }

    /// Whether lines wait that need not be held any longer.
    pub(super) fn has_ripe(&self, now: Duration) -> bool {
        self.held.iter().any(|line| line.at + HOLD <= now)
    }

    /// Gives out the lines up to the youngest that need not be held, in order.
    pub(super) fn ripe(&mut self, now: Duration) -> Vec<Line> {
        self.held.sort_by_key(|line| line.at);
        let count = self.held.partition_point(|line| line.at + HOLD <= now);
        self.held.drain(..count).collect()
    }

    fn runner(&mut self, at: Duration, actor: Actor, run: u64, number: u64, what: &'static str) {
        let same = self.held.iter_mut().find_map(|line| match &mut line.text {
            Text::Runners { run: of, numbers, what: does, last }
                if (*of, *does, line.actor) == (run, what, actor) =>
            {
                Some((&mut line.at, numbers, last))
            }
            _ => None,
        });
        match same {
            Some((first, numbers, last)) => {
                *first = at.min(*first);
                *last = at.max(*last);
                numbers.push(number);
                numbers.sort_unstable();
            }
            None => {
                let text = Text::Runners { run, numbers: vec![number], what, last: at };
                self.held.push(Line { at, actor, text });
            }
        }
    }

    fn station(&mut self, now: Duration, change: &Change) {
        let Some(run) = words::run_of(&change.key.name) else { return };
        let stations = self.stations.entry(run).or_default();
        match (change.key.kind, change.kind) {
            (Kind::TestRun, ChangeKind::Added) => stations.created = Some(now),
            (Kind::TestRun, ChangeKind::Deleted) => stations.gone = Some(now),
            (Kind::Pod, ChangeKind::Deleted) => stations.pods_gone = Some(now),
            _ => {}
        }
    }

    fn look_at_k6(&mut self, now: Duration, pod: &str, runner: &Runner) {
        let Some((run, number)) = words::runner_of(pod) else { return };
        let mut moments = vec![(runner.ready_at(), "ready, waiting to be started")];
        moments.extend(runner.setups.iter().map(|at| (*at, "setup() runs")));
        moments.extend(runner.data_puts.last().map(|(at, _)| (*at, "setup data received")));
        moments.extend(runner.resumed.map(|at| (at, "started")));
        let end = runner
            .ends_at()
            .map(|at| (at, if runner.stopped == Some(at) { "stopped" } else { "script run to its end" }));
        moments.extend(end);
        moments.extend(runner.teardowns.iter().map(|at| (*at, "teardown() runs")));
        moments.extend(runner.exits().map(|(at, _)| (at, "last metrics flushed, process ended")));
        for (at, what) in moments {
            if at <= now && self.k6_told.insert((pod.to_owned(), what)) {
                self.runner(at, Actor::K6, run, number, what);
            }
        }
    }

    fn look_at_cloud(&mut self, now: Duration, cloud: &Cloud) {
        for (name, zone) in &cloud.zones {
            if self.zones_told.insert(name.clone(), zone.registrations) != Some(zone.registrations) {
                self.say(now, Actor::Cloud, format!("knows the zone {name:?} now"));
            }
            if zone.polls > 0 && !self.polled {
                self.polled = true;
                self.say(now, Actor::Cloud, "is asked for test runs, from now on each second: none yet");
            }
        }
        if cloud.deregistered.len() > self.deregistered {
            self.deregistered = cloud.deregistered.len();
            self.say(now, Actor::Cloud, "has forgotten the zone");
        }
        for (id, run) in &cloud.runs {
            self.look_at_run(*id, run);
        }
    }

    fn look_at_run(&mut self, id: u64, run: &Run) {
        let seen = (
            usize::from(run.listed.is_some()),
            run.data_reads.len(),
            run.state_reads.len(),
            run.events.len(),
            run.finishes.len(),
        );
        let told = self.runs_told.insert(id, seen).unwrap_or_default();
        if let Some(at) = run.listed.filter(|_| told.0 == 0) {
            self.say(at, Actor::Cloud, format!("lists run {id}"));
        }
        for at in &run.data_reads[told.1..] {
            self.say(*at, Actor::Cloud, format!("run {id}: gives its data: image, environment, archive URL"));
        }
        for at in &run.state_reads[told.2..] {
            let status = words::run_status(run.status);
            self.say(*at, Actor::Cloud, format!("run {id}: says its state: {status}"));
        }
        for (at, event) in &run.events[told.3..] {
            let kind = json::text(event, "event_type");
            let detail = json::text(event, "event.error_detail");
            self.say(*at, Actor::Cloud, format!("run {id}: is told of a {kind} {detail}"));
        }
        for (at, body) in &run.finishes[told.4..] {
            let status = words::run_status(body["run_status"].as_i64().unwrap_or_default());
            self.say(*at, Actor::Cloud, format!("run {id}: is told that it is over: {status}"));
        }
    }
}
