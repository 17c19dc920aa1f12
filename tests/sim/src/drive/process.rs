//! One agent under the virtual clock: its core, its watches, its calls under way, and what befalls them.
//!
//! Owns what a process and its network are to the agent: calls take a while, an answer may be late, the way to the API server
//! may be cut, a signal lets the calls in hand end. Invariant: after its end it neither calls nor hears anything.

use std::time::{Duration, SystemTime};

use plz_core::cloud::Host;
use plz_core::controller::reach::Target;
use plz_core::controller::{Core, Settings};
use plz_core::event::{Call, Class, Event, Now, Reply, Report, Task};

use super::follow::{Follow, Pulse, follow_all};
use super::setups::Setups;
use super::wire;
use crate::http::{Answer, Response};
use crate::world::World;

/// How long a call takes unless a model makes it longer.
const LATENCY: Duration = Duration::from_millis(2);
/// After which time a call that nobody answers is given up, as the agent's client does with those for Leases.
const CUT_TIMEOUT: Duration = Duration::from_millis(2500);
/// How long calls in hand may take after a signal.
const GRACE: Duration = Duration::from_millis(1500);

/// See the module.
pub struct Process {
    /// The agent.
    pub core: Core,
    /// How far its calendar is ahead of the world's, in seconds.
    pub skew_s: i64,
    /// How its monotonic clock runs.
    pub pace: Pace,
    /// Whether it reaches runners through the API server.
    pub by_proxy: bool,
    /// Until when nothing passes between it and the API server.
    pub cut_until: Duration,
    /// By how much the answers to all calls but those for Leases are late.
    pub lag: Duration,
    /// How long all calls but those for Leases wait for a worker, which then makes only those that it still may.
    pub hold: Duration,
    /// By how much its calls, but those for Leases, are late in reaching whom they are for.
    pub drag: Duration,
    /// Until when its watches tell nothing, although they are open.
    pub deaf_until: Duration,
    /// How often its watches tell each line.
    pub echo: Echo,
    /// How often the core has been asked to decide.
    pub turns: u64,
    pub(super) settings: Settings,
    watches: Vec<Box<dyn Follow>>,
    pulse: Pulse,
    under_way: Vec<UnderWay>,
    life: Life,
    pub(super) setups: Setups,
}

/// A monotonic clock that neither stands still nor jumps, but runs faster or slower than the world's.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    permille: u32,
    /// A moment in the world's time, and the same moment on this clock.
    base: (Duration, Duration),
}

impl Default for Pace {
    fn default() -> Self {
        Self { permille: 1000, base: (Duration::ZERO, Duration::ZERO) }
    }
}

impl Pace {
    /// Lets it run at another rate from `now` on: 1000 is the world's.
    pub fn set(&mut self, now: Duration, permille: u32) {
        self.base = (now, self.reads(now));
        self.permille = permille;
    }

    /// What it shows at a time of the world.
    #[must_use]
    pub fn reads(&self, now: Duration) -> Duration {
        self.base.1 + now.saturating_sub(self.base.0) * self.permille / 1000
    }

    /// The first time of the world at which it shows that much.
    fn when(&self, mono: Duration) -> Duration {
        let nanos = (mono.saturating_sub(self.base.1) * 1000).as_nanos().div_ceil(self.permille.into());
        self.base.0 + Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }
}

/// How often a watch tells what has happened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Echo {
    /// As it should.
    #[default]
    Once,
    /// Twice, all lines of one read after another.
    Twice,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Life {
    Runs,
    /// It has got a signal and gives its calls until then.
    Leaves(Duration),
    Over,
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

impl Process {
    pub(super) fn new(settings: Settings) -> Self {
        let watches = follow_all(&settings);
        Self {
            core: Core::new(settings.clone()),
            skew_s: 0,
            pace: Pace::default(),
            by_proxy: false,
            cut_until: Duration::ZERO,
            lag: Duration::ZERO,
            hold: Duration::ZERO,
            drag: Duration::ZERO,
            deaf_until: Duration::ZERO,
            echo: Echo::Once,
            turns: 0,
            settings,
            watches,
            pulse: Pulse::default(),
            under_way: Vec::new(),
            life: Life::Runs,
            setups: Setups::default(),
        }
    }

    /// Ends it at once. Calls on their way there never arrive; of those on their way back nobody hears.
    pub fn kill(&mut self) {
        self.life = Life::Over;
        self.under_way.clear();
        self.watches.clear();
    }

    pub(super) fn cut_watches(&mut self, now: Duration) {
        self.watches.iter_mut().for_each(|watch| watch.cut(now));
    }

    /// Sends it SIGTERM.
    pub fn terminate(&mut self, now: Duration) {
        self.life = Life::Leaves(now + GRACE);
        self.watches.clear();
    }

    /// How many calls are under way.
    #[must_use]
    pub fn calls_under_way(&self) -> usize {
        self.under_way.len()
    }

    /// Whether it has ended.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.life == Life::Over
    }

    /// Whether it would begin a call now that only one agent may make.
    #[must_use]
    pub fn may_act(&self, now: Duration) -> bool {
        self.life == Life::Runs && self.pace.reads(now) < self.core.acts_until()
    }

    fn clock(&self, now: Duration, wall: SystemTime) -> Now {
        let skew = Duration::from_secs(self.skew_s.unsigned_abs());
        let wall = wall + now;
        Now { mono: self.pace.reads(now), wall: if self.skew_s < 0 { wall - skew } else { wall + skew } }
    }

    /// Does what can be done at this instant. Says whether that was anything, and whether it began to act.
    pub(super) fn step(&mut self, now: Duration, wall: SystemTime, world: &mut World) -> (bool, bool) {
        let acts = self.may_act(now);
        self.setups.acts(now, acts);
        let clock = self.clock(now, wall);
        let mut seen = Vec::new();
        if now >= self.silent_until() {
            for watch in &mut self.watches {
                watch.poll(now, world, self.echo, &mut self.pulse, &mut seen);
            }
        }
        let mut is_busy = !seen.is_empty();
        for event in seen {
            self.core.absorb(clock, event);
        }
        while let Some(at) = self.under_way.iter().position(|call| call.due <= now) {
            is_busy = true;
            match self.under_way.remove(at).leg {
                Leg::There(task) if is_for_lease(&task) || self.may_act(now) => {
                    self.arrive(now, &task, world);
                }
                Leg::There(task) if self.life == Life::Runs => {
                    self.core.absorb(clock, Event::Unsent(task.id));
                }
                Leg::There(_) => {}
                Leg::Back(report) => self.hear(now, clock, *report),
            }
        }
        match self.life {
            Life::Runs => {}
            Life::Leaves(end) => return (is_busy | self.leave(now, clock, end, world), false),
            Life::Over => return (is_busy, false),
        }
        let mut acts = false;
        self.turns += 1;
        for task in self.core.turn(clock) {
            is_busy = true;
            acts |= !is_for_lease(&task);
            let wait = if is_for_lease(&task) { Duration::ZERO } else { self.hold + self.drag };
            self.under_way.push(UnderWay { due: now + wait + LATENCY / 2, leg: Leg::There(Box::new(task)) });
        }
        for (plural, _) in self.core.take_wants_list() {
            self.watches.iter_mut().for_each(|watch| watch.list_anew(plural));
        }
        (is_busy, acts)
    }

    pub(super) fn next_event(&self) -> Option<Duration> {
        let calls = self.under_way.iter().map(|call| call.due);
        let silent = self.silent_until();
        let watches = self.watches.iter().map(|watch| watch.next_wakeup(self.pulse).max(silent));
        let own = match self.life {
            Life::Runs => self.core.next_deadline().map(|mono| self.pace.when(mono)),
            Life::Leaves(end) => Some(end),
            Life::Over => None,
        };
        calls.chain(watches).chain(own).min()
    }

    fn silent_until(&self) -> Duration {
        self.cut_until.max(self.deaf_until)
    }

    fn is_cut(&self, now: Duration) -> bool {
        now < self.cut_until
    }

    /// A call reaches its model.
    fn arrive(&mut self, now: Duration, task: &Task, world: &mut World) {
        let Task { id, call, timeout } = task;
        self.setups.arrived(now, id);
        let mut given_up = Duration::ZERO;
        type Convert<'a> = Box<dyn FnOnce(Option<Response>) -> Reply + 'a>;
        let (answer, convert): (Answer, Convert<'_>) = match call {
            Call::Kubernetes(request) => {
                let answer = if self.is_cut(now) {
                    Answer::Drop
                } else {
                    world.serve_api(now, &wire::to_api(request)).answer()
                };
                (answer, Box::new(|response| Reply::Kubernetes(wire::from_api_kept(request, response))))
            }
            Call::Cloud { request, token } => {
                let target = match request.host {
                    Host::Api => Target::Cloud,
                    Host::Ingest => Target::Ingest,
                };
                assert_eq!(Target::of(id.action), Some(target), "whose outage {:?} feels", id.action);
                let sent = wire::to_cloud(request, token.expose());
                (world.serve_cloud(now, &sent), Box::new(|response| Reply::Cloud(wire::from_cloud(response))))
            }
            Call::Runner { target, request } => {
                let mut answer = if !self.by_proxy {
                    world.serve_pod(now, &target.ip, &wire::to_runner(request))
                } else if self.is_cut(now) {
                    Answer::Drop
                } else {
                    world.serve_api(now, &wire::to_api(&wire::to_proxy(target, request))).answer()
                };
                if let (Answer::After(late, _), Some(timeout)) = (&answer, timeout)
                    && *late > *timeout
                {
                    given_up = *timeout;
                    answer = Answer::Drop;
                }
                let convert = if self.by_proxy { wire::from_proxy } else { wire::from_runner };
                (answer, Box::new(move |response| Reply::Runner(convert(request, response))))
            }
        };
        let mut late = if let Answer::After(late, _) = &answer { *late } else { given_up };
        if !is_for_lease(task) {
            late += self.lag;
        }
        let is_to_api =
            matches!(call, Call::Kubernetes(_)) || self.by_proxy && matches!(call, Call::Runner { .. });
        if self.is_cut(now) && is_to_api {
            late += CUT_TIMEOUT;
        }
        let reply = convert(answer.response());
        if let Reply::Kubernetes(reply) = &reply {
            self.pulse.heed(reply);
        }
        let report = Box::new(Report { id: id.clone(), reply });
        self.under_way.push(UnderWay { due: now + late + LATENCY / 2, leg: Leg::Back(report) });
    }

    fn hear(&mut self, now: Duration, clock: Now, report: Report) {
        if self.life == Life::Runs || report.id.action.class() == Class::Lease {
            self.setups.heard(now, &report);
            self.core.absorb(clock, Event::Done(report));
        }
    }

    /// Gives up the Lease once the calls in hand have ended, as the shell does, and is over.
    fn leave(&mut self, now: Duration, clock: Now, end: Duration, world: &mut World) -> bool {
        if !self.under_way.is_empty() && now < end {
            return false;
        }
        let writes = |call: &UnderWay| {
            let id = match &call.leg {
                Leg::There(task) => &task.id,
                Leg::Back(report) => &report.id,
            };
            id.action.may_outlast_us()
        };
        let is_open = self.under_way.iter().any(writes);
        if let Some(task) = self.core.leave(clock).filter(|_| !is_open) {
            self.arrive(now, &task, world);
        }
        self.kill();
        true
    }
}

fn is_for_lease(task: &Task) -> bool {
    matches!(task.id.action.class(), Class::Lease | Class::Operator)
}
