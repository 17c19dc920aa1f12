//! The driver with a virtual clock: the agent's own core against the models, without a thread or a socket.
//!
//! ```text
//!   watches ─► Core::absorb ─► Core::turn ─► tasks ─► (latency) ─► models ─► reports ─► Core::absorb
//! ```
//! Owns the clock, the calls under way and the watches' connections. Leaves the decisions to the core and the world to the
//! models. Invariant: the same options give the same history; time moves only when nothing is left to do at its present.

use std::time::{Duration, SystemTime};

use k8s::watch::{Step, Watcher};
use k8s::{Pod, WatchEvent, WatchSpec};
use plz_agent::cloud;
use plz_agent::core::{Core, Settings};
use plz_agent::event::{Call, Event, Now, Reply, Report, Seen, Task, TaskId};
use plz_agent::runner;
use plz_agent::testrun::api::{LABEL_TEST_RUN, TestRun};
use plz_agent::zone::api::PrivateLoadZone;
use plz_agent::zone::network::RunnerNetwork;
use plz_agent::zone::template;
use serde::de::DeserializeOwned;

use crate::api::serve::Served;
use crate::api::watch::Watch;
use crate::http::{Answer, Method, Request, Response};
use crate::world::{Options, World};

/// The agent as the models see it in their counts.
pub const USER_AGENT: &str = "plz-agent/sim";

/// How long a call takes unless a model makes it longer.
const LATENCY: Duration = Duration::from_millis(2);
/// How long a watch that failed waits.
const WATCH_PAUSE: Duration = Duration::from_secs(1);
/// More steps than this without the clock moving on is a loop.
const STEPS_PER_INSTANT_MAX: u32 = 100_000;

/// Settings for a core under the virtual clock: two workers, a poll each 10 s, 300 s for a start.
#[must_use]
pub fn settings(seed: u64) -> Settings {
    Settings {
        scopes: vec![None],
        workers: 4,
        poll_interval: Duration::from_secs(10),
        start_deadline: Duration::from_secs(300),
        template: template::Settings {
            fetch_image: "plz-agent:sim".to_owned(),
            ingest: "https://ingest.sim.invalid".to_owned(),
            network: RunnerNetwork::default(),
        },
        seed,
    }
}

/// The agent and the world that it lives in.
pub struct Drive {
    /// The world.
    pub world: World,
    /// The agent.
    pub core: Core,
    /// Virtual time since the world began.
    pub now: Duration,
    /// How often the core has been asked to decide.
    pub turns: u64,
    settings: Settings,
    watches: Vec<Box<dyn Follow>>,
    under_way: Vec<UnderWay>,
    wall: SystemTime,
    steps_now: u32,
}

/// A call under way: first on its way to the model, then its answer on the way back.
struct UnderWay {
    due: Duration,
    leg: Leg,
}

enum Leg {
    There(Box<Task>),
    Back(Box<Report>),
}

impl Drive {
    /// A world and an agent that has just been started in it.
    #[must_use]
    pub fn new(options: Options, settings: Settings) -> Self {
        let wall = options.wall.0;
        Self {
            world: World::new(options),
            core: Core::new(settings.clone()),
            now: Duration::ZERO,
            turns: 0,
            settings,
            watches: follow_all(),
            under_way: Vec::new(),
            wall,
            steps_now: 0,
        }
    }

    /// Kills the agent and starts it again with an empty memory. Calls on their way there never arrive; of those on their
    /// way back nobody hears.
    pub fn restart(&mut self) {
        self.core = Core::new(self.settings.clone());
        self.watches = follow_all();
        self.under_way.clear();
    }

    /// Lets time pass until `holds`; false if it does not hold by `deadline`.
    pub fn run_until(&mut self, deadline: Duration, mut holds: impl FnMut(&Self) -> bool) -> bool {
        loop {
            while self.step() {
                if holds(self) {
                    return true;
                }
            }
            if holds(self) {
                return true;
            }
            match self.next_event() {
                Some(next) if next <= deadline => self.advance(next),
                _ => {
                    self.advance(deadline);
                    while self.step() {}
                    return holds(self);
                }
            }
        }
    }

    /// Lets this much time pass.
    pub fn run_for(&mut self, time: Duration) {
        self.run_until(self.now + time, |_| false);
    }

    /// Ends every watch, as a server that goes away does. The next one is opened at once.
    pub fn cut_watches(&mut self) {
        for watch in &mut self.watches {
            watch.cut(self.now);
        }
    }

    /// Calls that wait for a model or are on their way back.
    #[must_use]
    pub fn calls_under_way(&self) -> usize {
        self.under_way.len()
    }

    fn clock(&self) -> Now {
        Now { mono: self.now, wall: self.wall + self.now }
    }

    fn advance(&mut self, to: Duration) {
        if to > self.now {
            self.steps_now = 0;
            self.now = to;
        }
        self.world.tick(self.now);
    }

    /// Does one thing that can be done at this instant; false if there is none.
    fn step(&mut self) -> bool {
        self.steps_now += 1;
        assert!(self.steps_now < STEPS_PER_INSTANT_MAX, "the agent spins at {:?}", self.now);
        let now = self.clock();
        let mut seen = Vec::new();
        for watch in &mut self.watches {
            watch.poll(self.now, &mut self.world, &mut seen);
        }
        let mut busy = !seen.is_empty();
        for what in seen {
            self.core.absorb(now, Event::Seen { scope: None, what: Box::new(what) });
        }
        while let Some(at) = self.under_way.iter().position(|call| call.due <= self.now) {
            busy = true;
            match self.under_way.remove(at).leg {
                Leg::There(task) => self.arrive(*task),
                Leg::Back(report) => self.core.absorb(now, Event::Done(*report)),
            }
        }
        self.turns += 1;
        for task in self.core.turn(now) {
            busy = true;
            self.under_way.push(UnderWay { due: self.now + LATENCY / 2, leg: Leg::There(Box::new(task)) });
        }
        busy
    }

    fn next_event(&self) -> Option<Duration> {
        let calls = self.under_way.iter().map(|call| call.due);
        let watches = self.watches.iter().map(|watch| watch.next_wakeup());
        let core = self.core.next_deadline();
        let world = self.world.next_wakeup();
        // What is due already has been done; asking for it again would stop the clock.
        calls
            .chain(watches)
            .chain(core)
            .chain(world)
            .map(|at| at.max(self.now + Duration::from_micros(1)))
            .min()
    }

    /// A call reaches its model.
    fn arrive(&mut self, Task { id, call }: Task) {
        let (answer, convert): (Answer, fn(Option<Response>) -> Reply) = match &call {
            Call::Kubernetes(request) => {
                (self.world.serve_api(self.now, &to_api(request)).answer(), |response| {
                    Reply::Kubernetes(from_api(response))
                })
            }
            Call::Cloud { request, token } => {
                let sent = to_cloud(request, token.expose());
                (self.world.serve_cloud(self.now, &sent), |response| Reply::Cloud(from_cloud(response)))
            }
            Call::Runner { target, request } => {
                let sent = to_runner(request);
                (self.world.serve_pod(self.now, &target.ip, &sent), |response| {
                    Reply::Runner(from_runner(response))
                })
            }
        };
        let late = if let Answer::After(late, _) = &answer { *late } else { Duration::ZERO };
        self.answer(id, late, convert(answer.response()));
    }

    fn answer(&mut self, id: TaskId, late: Duration, reply: Reply) {
        let report = Box::new(Report { id, reply });
        self.under_way.push(UnderWay { due: self.now + late + LATENCY / 2, leg: Leg::Back(report) });
    }
}

fn to_api(request: &k8s::Request) -> Request {
    let method = Method::parse(request.method.as_str()).expect("the models know the client's methods");
    let mut sent = Request::new(method, &request.target).with_header("user-agent", USER_AGENT);
    if let Some(content_type) = request.content_type {
        sent = sent.with_header("content-type", content_type);
    }
    sent.body.clone_from(&request.body);
    sent
}

fn from_api(response: Option<Response>) -> Result<Vec<u8>, k8s::Error> {
    let Some(response) = response else {
        return Err(k8s::Error::Transport { server: "sim".to_owned(), cause: "connection reset".to_owned() });
    };
    k8s::status::interpret(response.status, retry_after(&response), response.body)
}

fn to_cloud(request: &cloud::Request, token: &str) -> Request {
    let method = Method::parse(request.method).expect("the models know the agent's methods");
    let mut sent = Request::new(method, &request.path)
        .with_header("authorization", &format!("Token {token}"))
        .with_header("content-type", "application/json")
        .with_header("user-agent", USER_AGENT);
    if let Some(key) = &request.idempotency_key {
        sent = sent.with_header("k6-idempotency-key", key);
    }
    sent.body = request.body.clone().unwrap_or_default();
    sent
}

fn from_cloud(response: Option<Response>) -> Result<Vec<u8>, cloud::Error> {
    let response = response.ok_or_else(|| cloud::Error::Transport("connection reset".to_owned()))?;
    cloud::reply::interpret(response.status, retry_after(&response), &response.body)?;
    Ok(response.body)
}

fn to_runner(request: &runner::Request) -> Request {
    let method = Method::parse(request.method).expect("the models know the agent's methods");
    let mut sent = Request::new(method, request.path);
    if let Some(content_type) = request.content_type {
        sent = sent.with_header("content-type", content_type);
    }
    sent.body.clone_from(&request.body);
    sent
}

fn from_runner(response: Option<Response>) -> Result<Vec<u8>, runner::Error> {
    let response = response.ok_or_else(|| runner::Error::Unreachable("connection refused".to_owned()))?;
    runner::interpret(response.status, &response.body)?;
    Ok(response.body)
}

fn retry_after(response: &Response) -> Option<Duration> {
    response.header("retry-after")?.parse().ok().map(Duration::from_secs)
}

/// One watch of the agent, whatever its kind.
trait Follow {
    /// Takes what has come, and opens what is closed.
    fn poll(&mut self, now: Duration, world: &mut World, seen: &mut Vec<Seen>);

    /// When there may be more although nothing changes.
    fn next_wakeup(&self) -> Duration;

    /// Ends the stream.
    fn cut(&mut self, now: Duration);
}

struct Following<T> {
    watcher: Watcher<T>,
    stream: Option<Watch>,
    not_before: Duration,
    wrap: fn(WatchEvent<T>) -> Seen,
}

fn follow_all() -> Vec<Box<dyn Follow>> {
    let zones = WatchSpec::new(plz_agent::zone::api::RESOURCE, None);
    let runs = WatchSpec::new(plz_agent::testrun::api::RESOURCE, None);
    let pods = WatchSpec::new(k8s::PODS, None).with_labels(LABEL_TEST_RUN);
    vec![
        following::<PrivateLoadZone>(zones, Seen::Zone),
        following::<TestRun>(runs, Seen::Run),
        following::<Pod>(pods, Seen::Pod),
    ]
}

fn following<T: DeserializeOwned + 'static>(
    spec: WatchSpec,
    wrap: fn(WatchEvent<T>) -> Seen,
) -> Box<dyn Follow> {
    Box::new(Following { watcher: Watcher::new(spec), stream: None, not_before: Duration::ZERO, wrap })
}

impl<T: DeserializeOwned> Follow for Following<T> {
    fn poll(&mut self, now: Duration, world: &mut World, seen: &mut Vec<Seen>) {
        let mut out = Vec::new();
        if let Some(stream) = &mut self.stream {
            let polled = stream.poll(now, &world.api);
            let mut step =
                if polled.lines.is_empty() { Step::Read } else { self.watcher.read(&polled.lines, &mut out) };
            if step == Step::Read && polled.is_over {
                step = self.watcher.cut(k8s::watch::Cut::End, &mut out);
            }
            self.take(now, &step);
        } else if self.not_before <= now {
            let request = to_api(&self.watcher.request());
            let served = world.serve_api(now, &request);
            let step = match served {
                Served::Watch(stream) => {
                    self.stream = Some(stream);
                    self.watcher.opened(Ok(()), &mut out)
                }
                Served::Answer(answer) => {
                    let answer = from_api(answer.response());
                    if self.watcher.is_watching() {
                        self.watcher.opened(answer.map(drop), &mut out)
                    } else {
                        self.watcher.listed(answer, &mut out)
                    }
                }
            };
            self.take(now, &step);
        }
        seen.extend(out.into_iter().map(self.wrap));
    }

    fn next_wakeup(&self) -> Duration {
        self.stream.as_ref().map_or(self.not_before, Watch::next_wakeup)
    }

    fn cut(&mut self, now: Duration) {
        if self.stream.is_some() {
            let step = self.watcher.cut(k8s::watch::Cut::End, &mut Vec::new());
            self.take(now, &step);
            self.stream = None;
        }
    }
}

impl<T: DeserializeOwned> Following<T> {
    fn take(&mut self, now: Duration, step: &Step) {
        match step {
            Step::Read => {}
            Step::Send => self.stream = None,
            Step::Wait(_) => {
                self.stream = None;
                self.not_before = now + WATCH_PAUSE;
            }
        }
    }
}
