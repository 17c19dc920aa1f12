//! `sim demo`: the agent, as a process of its own, in a world on loopback; what happens is told as it happens.
//!
//! Owns the story: what the user does and when. What is seen is [`observer`]'s and [`words`]', what has to have come to pass
//! [`checks`]', the figures [`summary`]'s. Invariant: whatever way it ends, the agent's process has ended before.

mod checks;
mod observer;
mod options;
mod scrapes;
mod summary;
mod terminal;
mod words;

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::json;
use sim::agent::{Agent, Launch, Signal};
use sim::api::{DeleteOptions, Key, Kind, Rule};
use sim::json;
use sim::k6::Script;
use sim::kube::PodPlan;
use sim::loopback::{Loopback, Scheme};
use sim::world::{self, World};

use self::observer::{Actor, Observer};
use self::options::Options;
use self::scrapes::Scrapes;
use self::summary::Figures;
use self::terminal::Terminal;
use super::Error;

const NAMESPACE: &str = "load";
const ZONE: &str = "edge";
/// The Lease of the shipped Deployment.
const LEASE: &str = "plz-agent";
const LEASE_NAMESPACE: &str = "plz-agent-system";
const RUNNERS: u64 = 3;
/// What the agent must not show.
const CLOUD_TOKEN: &str = "glc_demo-3f1c07d2a9";
const BEARER_TOKEN: &str = "sa_demo-b64f0e58c1";
const TEST_RUN_TOKEN: &str = "trt_demo-90ad4c77e2";

/// Until the first agent ever acts: a Lease that was not there may have been deleted under a leader.
const FIRST_LEAD: Duration = Duration::from_secs(25);
/// For what takes the agent no time to speak of.
const SOON: Duration = Duration::from_secs(10);
/// For a whole test run, or for an abort with its state check every 10 s.
const RUN_TIMEOUT: Duration = Duration::from_secs(25);
/// Until the other agent is active when one was killed.
const TAKEOVER_TIMEOUT: Duration = Duration::from_secs(30);
/// For `plz-agent check`, which never takes longer.
const CHECK_TIMEOUT: Duration = Duration::from_secs(30);
/// What the agent has after SIGTERM.
const STOP_TIMEOUT: Duration = Duration::from_secs(2);
/// How much of the agent's log is shown when it fails.
const LOG_TAIL_LINES: usize = 15;
/// What shells report of a program that Ctrl-C has ended.
const EXIT_INTERRUPTED: u8 = 130;

/// Why the story broke off.
enum Break {
    /// The user has seen enough.
    Interrupted,
    /// In words.
    Failed(String),
}

/// Plays the demo.
pub(super) fn run(parser: &mut lexopt::Parser) -> Result<ExitCode, Error> {
    let options = match Options::read(parser)? {
        Ok(options) => options,
        Err(code) => return Ok(code),
    };
    let io = |what: &str| {
        let what = what.to_owned();
        move |cause| Error::Io { what, cause }
    };
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        signal_hook::flag::register(signal, Arc::clone(&stop)).map_err(io("a signal handler"))?;
    }
    let scratch = options.scratch().map_err(io("a directory for the agent's files"))?;
    let rules = options.rules().map_err(io("the agent's rights"))?;
    let sim = world(&rules).map_err(io("the stand-ins on loopback"))?;
    let log = options.log.clone().unwrap_or_else(|| scratch.file("agent.log"));
    std::fs::write(&log, "").map_err(io(&format!("writing {}", log.display())))?;
    let program = options.launch(&log).map_err(io("the agent's program"))?;
    let launch = |program: Launch| {
        let launch = program.against(&sim, &scratch).map_err(io("the agent's files"))?;
        let launch = launch.args(["--runner-access", options.access.name(), "--listen", "127.0.0.1:0"]);
        Ok::<_, Error>(launch.args([format!("--lease={LEASE_NAMESPACE}/{LEASE}")]))
    };
    let check = launch(program.clone().args(["check"]))?;
    let launch = launch(program)?;

    let terminal = Terminal::new();
    terminal.heading("plz-agent: a Private Load Zone from its beginning to its end");
    terminal.text(
        "  agents: the real ones, two processes · cluster, k6, GCk6: stand-ins on loopback, over HTTPS\n",
    );
    let observer = sim.with(|world, _| Observer::new(world));
    let second = launch.clone().env("POD_NAME", "agent-2");
    let agent = launch.env("POD_NAME", "agent-1");
    let mut checked = check.spawn().map_err(io("starting the check"))?;
    let (checked, report) = (checked.wait(CHECK_TIMEOUT), checked.log());
    let agent = agent.spawn().map_err(io("starting the agent"))?;
    let (figures, scrapes) =
        (Figures::new(checked.map(|status| (status, report))), Scrapes::new(options.metrics));
    let mut demo = Demo { sim, rules, agent, second, observer, terminal, stop, figures, scrapes };
    let ended = demo.story();
    Ok(demo.over(ended))
}

/// A world with namespaces, the agent's rights, and three tests: two that end and one that would go on for long.
fn world(rules: &[Rule]) -> std::io::Result<Loopback> {
    let mut options = world::Options { token: CLOUD_TOKEN.to_owned(), ..world::Options::default() };
    let seconds = Duration::from_secs;
    let setup_data = json!({"user": "demo"});
    let setup = Duration::from_millis(300);
    let script = Script { duration: seconds(3), setup, setup_data, ..Script::default() };
    let endless = Script { duration: seconds(600), ..script.clone() };
    options.kube.prefer("*", PodPlan::script(endless));
    let longer = Script { duration: seconds(8), ..script.clone() };
    options.kube.prefer("plz-test-101-*", PodPlan::script(script));
    options.kube.prefer("plz-test-103-*", PodPlan::script(longer));
    let sim = Loopback::start(options, Scheme::Https)?;
    sim.require_bearer(Some(BEARER_TOKEN));
    sim.with(|world, now| {
        world.api.rules = Some(rules.to_vec());
        for name in [NAMESPACE, LEASE_NAMESPACE] {
            let namespace = json!({"metadata": {"name": name}});
            world.api.create(now, Kind::Namespace, "", namespace).expect("the namespace is new");
        }
        world.bind_policy(now);
    });
    Ok(sim)
}

struct Demo {
    sim: Loopback,
    rules: Vec<Rule>,
    /// The one that is, or is to be, active.
    agent: Agent,
    second: Launch,
    observer: Observer,
    terminal: Terminal,
    stop: Arc<AtomicBool>,
    figures: Figures,
    scrapes: Scrapes,
}

impl Demo {
    fn story(&mut self) -> Result<(), Break> {
        let found = self.figures.things_in_place();
        self.say(Actor::You, &format!("plz-agent check: {found} things are in place"));
        self.say(Actor::You, "start plz-agent: agent-1");
        self.until_active("agent-1", SOON)?;
        self.say(Actor::You, "start another one, which stands by: agent-2");
        let failed = |error| Break::Failed(format!("agent-2 could not be started: {error}"));
        let standby = self.second.spawn().map_err(failed)?;
        self.say(Actor::You, &format!("kubectl apply: a Secret and the PrivateLoadZone {NAMESPACE}/{ZONE}"));
        self.sim.with(|world, now| world.apply_zone(now, NAMESPACE, ZONE));
        self.until(FIRST_LEAD, "the zone is registered and GCk6 is polled", |world| {
            let zone = world.object(Kind::PrivateLoadZone, NAMESPACE, ZONE);
            let is_registered = zone["status"]["conditions"][0]["status"] == "True";
            is_registered && world.cloud.zones.get(ZONE).is_some_and(|zone| zone.polls > 0)
        })?;

        self.scrapes.take(&self.agent, "idle");
        let first =
            self.queue(&format!("start a test of {RUNNERS} runners in Grafana Cloud; its script takes 3 s"));
        self.until_gone(first)?;

        let second = self.queue("start another test, which would take 10 minutes");
        let prefix = format!("plz-test-{second}-");
        self.until(SOON, "all runners of the second run are started", |world| {
            let run = world.object(Kind::TestRun, NAMESPACE, &format!("plz-test-{second}"));
            run["status"]["stage"] == "started" && world.k6s.start_skew(&prefix).is_some()
        })?;
        self.scrapes.take(&self.agent, "run");
        self.say(Actor::You, &format!("abort run {second}; the agent asks for its state every 10 s"));
        let aborted = self.sim.with(|world, now| {
            world.cloud.abort(second);
            now
        });
        self.figures.aborted = Some((second, aborted));
        self.until_gone(second)?;

        self.scrapes.take(&self.agent, "end");
        self.scrapes.look(&standby, "standby");
        self.kill_in_mid_run(standby)?;

        self.say(Actor::You, &format!("kubectl delete plz {ZONE}"));
        self.sim.with(|world, now| {
            let key = Key::new(Kind::PrivateLoadZone, NAMESPACE, ZONE);
            world.api.delete(now, &key, &DeleteOptions::default()).map(drop).expect("the zone is there");
        });
        self.until(SOON, "the zone is deregistered and gone", |world| {
            world.object(Kind::PrivateLoadZone, NAMESPACE, ZONE).is_null()
                && world.cloud.deregistered == [ZONE]
        })?;
        self.stop_agent()
    }

    /// Kills the active agent while a test runs; the other one ends it.
    fn kill_in_mid_run(&mut self, standby: Agent) -> Result<(), Break> {
        let third = self.queue("start a third test; its script takes 8 s");
        self.until(SOON, "all runners of the third run are started", |world| {
            let run = world.object(Kind::TestRun, NAMESPACE, &format!("plz-test-{third}"));
            run["status"]["stage"] == "started"
        })?;
        self.say(Actor::You, "kill -9 agent-1; the test goes on without it");
        let killed = self.sim.now();
        self.figures.killed = Some((third, killed, None));
        let failed = |error| Break::Failed(format!("SIGKILL could not be sent: {error}"));
        self.agent.signal(Signal::Kill).map_err(failed)?;
        self.agent = standby;
        self.until_active("agent-2", TAKEOVER_TIMEOUT)?;
        self.figures.killed = Some((third, killed, Some(self.sim.now())));
        self.until_gone(third)
    }

    fn until_active(&mut self, agent: &str, timeout: Duration) -> Result<(), Break> {
        self.until(timeout, &format!("{agent} holds the Lease"), |world| {
            let lease = world.object(Kind::Lease, LEASE_NAMESPACE, LEASE);
            json::text(&lease, "spec.holderIdentity").starts_with(agent)
        })
    }

    /// Queues a run and notes what the API server was asked so far.
    fn queue(&mut self, words: &str) -> u64 {
        self.say(Actor::You, words);
        let data = json!({"test_run_token": TEST_RUN_TOKEN, "secrets_config":
            {"endpoint": "https://secrets.sim.invalid/{key}", "response_path": "plaintext"}});
        self.sim.with(|world, now| {
            let id = world.queue_run_with(now, ZONE, RUNNERS, data);
            self.figures.begin(id, world);
            id
        })
    }

    fn until_gone(&mut self, id: u64) -> Result<(), Break> {
        let name = format!("plz-test-{id}");
        self.until(
            RUN_TIMEOUT,
            &format!("run {id} is finished, cleaned up and announced as over"),
            |world| {
                // The last word on a run may come after its end; it counts among the run's requests.
                let has_last_word = world.api.objects(Kind::Event, NAMESPACE).any(|(_, event)| {
                    event["involvedObject"]["name"] == name
                        && matches!(json::text(event, "reason"), "Finished" | "Aborted" | "Failed")
                });
                world.object(Kind::TestRun, NAMESPACE, &name).is_null()
                    && !world.cloud.runs[&id].finishes.is_empty()
                    && has_last_word
            },
        )?;
        self.sim.with(|world, _| self.figures.end(id, world));
        Ok(())
    }

    fn stop_agent(&mut self) -> Result<(), Break> {
        self.say(Actor::You, "send SIGTERM to agent-2");
        let sent = self.sim.now();
        let failed = |error| Break::Failed(format!("SIGTERM could not be sent: {error}"));
        self.agent.signal(Signal::Term).map_err(failed)?;
        let status = self.agent.wait(STOP_TIMEOUT);
        let after = self.sim.now().saturating_sub(sent);
        let Some(status) = status else {
            return Err(Break::Failed(format!("the agent still runs {STOP_TIMEOUT:?} after SIGTERM")));
        };
        self.figures.stopped = Some((status, after));
        self.say(Actor::Agent, &format!("ends after {} ms: {status}", after.as_millis()));
        Ok(())
    }

    fn say(&mut self, actor: Actor, words: &str) {
        self.observer.say(self.sim.now(), actor, words);
    }

    /// Tells what happens until something holds.
    fn until(
        &mut self,
        timeout: Duration,
        what: &str,
        mut holds: impl FnMut(&World) -> bool,
    ) -> Result<(), Break> {
        let deadline = self.sim.now() + timeout;
        loop {
            let mut is_reached = false;
            let mut died = None;
            let left = deadline.saturating_sub(self.sim.now());
            let Self { sim, agent, observer, stop, .. } = self;
            sim.wait(left, |world| {
                observer.look(sim.now(), world);
                is_reached = holds(world);
                died = agent.exited();
                is_reached || died.is_some() || stop.load(Ordering::Relaxed) || observer.has_ripe(sim.now())
            });
            self.print();
            if self.stop.load(Ordering::Relaxed) {
                return Err(Break::Interrupted);
            }
            if let Some(status) = died {
                return Err(Break::Failed(format!("the agent has died ({status})")));
            }
            if is_reached {
                return Ok(());
            }
            if self.sim.now() >= deadline {
                return Err(Break::Failed(format!("not within {timeout:?}: {what}")));
            }
        }
    }

    /// Prints what is ripe; never under the world's lock, for a terminal may be slow.
    fn print(&mut self) {
        for line in self.observer.ripe(self.sim.now()) {
            self.terminal.line(&line);
        }
    }

    fn over(mut self, ended: Result<(), Break>) -> ExitCode {
        let Self { sim, observer, .. } = &mut self;
        sim.with(|world, now| observer.look(now, world));
        for line in self.observer.ripe(Duration::MAX) {
            self.terminal.line(&line);
        }
        if matches!(ended, Err(Break::Interrupted)) {
            self.terminal.text("\ninterrupted");
            return ExitCode::from(EXIT_INTERRUPTED);
        }
        let log = self.agent.log();
        let (terminal, figures, stations) = (&self.terminal, &self.figures, &self.observer.stations);
        let rules = &self.rules;
        let mut checks = self.sim.with(|world, _| {
            summary::print(terminal, world, figures, stations);
            checks::all(world, rules, figures, &log)
        });
        checks.push(self.scrapes.check());
        if let Err(Break::Failed(why)) = ended {
            checks.push((Err(()), why));
        }
        terminal.heading("What had to come to pass");
        for (holds, text) in &checks {
            terminal.check(*holds, text);
        }
        let failed = checks.iter().filter(|(holds, _)| holds.is_err()).count();
        if failed == 0 {
            let took = self.sim.now().as_secs_f64();
            terminal.heading(&format!("Everything came to pass, in {took:.1} s."));
            return ExitCode::SUCCESS;
        }
        terminal.heading(&format!(
            "{failed} of {} did not come to pass. The end of the agent's log:",
            checks.len()
        ));
        terminal.text(&self.agent.log_tail(LOG_TAIL_LINES));
        ExitCode::FAILURE
    }
}
