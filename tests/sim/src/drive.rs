//! The driver with a virtual clock: the agent's own core against the models, without a thread or a socket.
//!
//! ```text
//!   watches ─► Core::absorb ─► Core::turn ─► tasks ─► (latency) ─► models ─► reports ─► Core::absorb
//! ```
//! Owns the clock and the agents, of which there may be several in one world. Leaves the decisions to the core and the world
//! to the models. Invariant: the same options give the same history; time moves only when nothing is left to do at its
//! present; and no agent begins to act while another one could.

mod follow;
mod process;
mod setups;
mod wire;

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime};

use plz_core::controller::{Core, Settings};
use plz_core::event::ObjectKey;
use plz_core::lease::Candidacy;
use plz_core::testrun::network::RunnerNetwork;
use plz_core::testrun::template;

pub use self::process::{Echo, Pace, Process};
use crate::world::{Options, World};

/// The agent as the models see it in their counts.
pub const USER_AGENT: &str = "plz-agent/sim";

/// How long an API server that has just started refuses everything.
const WARMING: Duration = Duration::from_secs(1);

/// More steps than this without the clock moving on is a loop.
const STEPS_PER_INSTANT_MAX: u32 = 100_000;

/// Settings for a core under the virtual clock: two workers, a poll each 10 s, 300 s for a start.
#[must_use]
pub fn settings(seed: u64) -> Settings {
    Settings {
        scopes: vec![None],
        operator_namespaces: BTreeSet::from(["k6-operator-system".to_owned()]),
        candidacy: None,
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

/// The same for one of several agents, which are elected by the Lease `default/plz-agent`.
#[must_use]
pub fn candidate(seed: u64, identity: &str) -> Settings {
    let candidacy =
        Candidacy { lease: ObjectKey::new("default", "plz-agent"), identity: identity.to_owned() };
    Settings { candidacy: Some(candidacy), ..settings(seed) }
}

/// The agents and the world that they live in.
pub struct Drive {
    /// The world.
    pub world: World,
    /// The agents, those that have ended included.
    pub agents: Vec<Process>,
    /// Virtual time since the world began.
    pub now: Duration,
    wall: SystemTime,
    steps_now: u32,
}

impl Drive {
    /// A world and an agent that has just been started in it.
    #[must_use]
    pub fn new(options: Options, settings: Settings) -> Self {
        let wall = options.wall.0;
        let agents = vec![Process::new(settings)];
        Self { world: World::new(options), agents, now: Duration::ZERO, wall, steps_now: 0 }
    }

    /// The core of the first agent.
    #[must_use]
    pub fn core(&self) -> &Core {
        &self.agents[0].core
    }

    /// Starts another agent; returns its place among them.
    pub fn join(&mut self, settings: Settings) -> usize {
        self.agents.push(Process::new(settings));
        self.agents.len() - 1
    }

    /// Kills the first agent and starts it again with an empty memory.
    pub fn restart(&mut self) {
        self.agents[0] = Process::new(self.agents[0].settings.clone());
    }

    /// Ends every watch of the first agent, as a server that goes away does. The next ones are opened at once.
    pub fn cut_watches(&mut self) {
        self.cut_watches_of(0);
    }

    /// The same for any agent.
    pub fn cut_watches_of(&mut self, agent: usize) {
        self.agents[agent].cut_watches(self.now);
    }

    /// Sends an agent SIGTERM.
    pub fn terminate(&mut self, agent: usize) {
        self.agents[agent].terminate(self.now);
    }

    /// Cuts an agent off from the API server for a while.
    pub fn cut(&mut self, agent: usize, time: Duration) {
        self.agents[agent].cut_until = self.now + time;
    }

    /// Restarts the API server: it is away for a while, and for the first second after that it knows of nobody's rights.
    pub fn restart_api(&mut self, away: Duration) {
        let back = self.now + away;
        for agent in &mut self.agents {
            agent.cut_watches(self.now);
            agent.cut_until = agent.cut_until.max(back);
        }
        self.world.api.warming_until = back + WARMING;
    }

    /// The agent that acts.
    #[must_use]
    pub fn active(&self) -> Option<usize> {
        self.agents.iter().position(|agent| agent.may_act(self.now))
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

    fn advance(&mut self, to: Duration) {
        if to > self.now {
            self.steps_now = 0;
            self.now = to;
        }
        self.world.tick(self.now);
    }

    /// Does one round of what can be done at this instant; false if there is nothing.
    fn step(&mut self) -> bool {
        self.steps_now += 1;
        assert!(self.steps_now < STEPS_PER_INSTANT_MAX, "the agents spin at {:?}", self.now);
        let mut is_busy = false;
        for at in 0..self.agents.len() {
            let (did, acts) = self.agents[at].step(self.now, self.wall, &mut self.world);
            is_busy |= did;
            if acts {
                self.acts_alone(at);
            }
        }
        is_busy
    }

    fn acts_alone(&self, at: usize) {
        let able: Vec<usize> =
            (0..self.agents.len()).filter(|other| self.agents[*other].may_act(self.now)).collect();
        assert_eq!(able, [at], "who may act at {:?} when agent {at} does", self.now);
    }

    fn next_event(&self) -> Option<Duration> {
        let agents = self.agents.iter().filter_map(Process::next_event);
        // What is due already has been done; asking for it again would stop the clock.
        agents.chain(self.world.next_wakeup()).map(|at| at.max(self.now + Duration::from_micros(1))).min()
    }
}
