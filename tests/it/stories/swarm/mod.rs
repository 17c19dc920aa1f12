//! A hostile world, by seed: agents that die, networks that lie, users who change their minds, all of it at any moment.
//!
//! ```text
//!   SWARM=17 cargo test --test it swarm -- --nocapture            replays one seed and tells what befell it
//!   SWARM=0..5000 cargo test --release --test it swarm            runs many
//! ```
//! Without the variable a test run has the same seeds as ever, and some that no run has had before.
//! Owns the order of events of one seed: [`Swarm`] deals out [`blows`] for a while and then leaves the world in peace; then every
//! run has to come to its end and the agents have to fall silent. In three seeds of four there is a [`tenant`] beside, who means no good.
//! Leaves what must hold at each step to [`rules`], and what of each run when it is over to [`ended`].
//! Invariant: the same seed gives the same history; its replay prints the odds that it drew and the number of its history.

#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a variable names seeds, or else the clock does, and a replayed one is told"
)]

mod blows;
mod ended;
mod odds;
mod rules;
mod tenant;

use std::env;
use std::panic::{AssertUnwindSafe, catch_unwind};

use sim::drive::candidate;
use sim::rng::Rng;

use self::odds::Odds;
use self::rules::Watchman;
use self::tenant::Tenant;
use super::outages::{keep_log, lines};
use super::*;

/// How many seeds every test run tries again.
const SEEDS: u64 = 50;
/// How many it tries beside them that depend on when it is run.
const FRESH_SEEDS: u64 = 20;
/// Seeds that have failed once, all of them before each seed had odds of its own.
const FOUND: [u64; 16] = [
    800_454, 2_003_777, 7_000_435, 7_101_273, 7_101_700, 7_101_840, 7_102_016, 7_102_079, 7_102_151,
    7_102_909, 20_202_496, 30_006_711, 30_014_663, 30_015_048, 30_017_533, 40_011_795,
];
/// Seeds that have failed with the odds that they draw.
const FOUND_BY_ODDS: [u64; 1] = [101_488];
/// Seeds that are run twice, to see that they do the same.
const REPEATED: [u64; 2] = [0, 2_003_777];
/// Makes another sequence of a seed.
const NAMESPACE_SALT: u64 = 0x6e73;
/// Zones there are.
const ZONES: [&str; 2] = [ZONE, "west"];
/// Until when all has to be over once the world is at peace: a start that is given up, and a setup after it.
const PEACE_MAX: Duration = s(2 * 3600);
/// How often it is looked whether all is over.
const LOOK_INTERVAL: Duration = s(20);
/// How long what is over is given to settle.
const SETTLING: Duration = s(90);
/// Within what time it shows that somebody has changed a Secret.
const SECRETS_ARE_READ: Duration = s(320);
/// How long nothing may happen without a cause.
const SILENCE: Duration = s(300);

/// One seed under way.
struct Swarm {
    seed: u64,
    story: Story,
    rng: Rng,
    /// What may befall its world, and how likely that is.
    odds: Odds,
    /// What was told of it so far, each with the number of its history, if those are compared.
    told: Vec<(String, u64)>,
    /// Whether the agents elect one of them; otherwise there is one at a time.
    is_elected: bool,
    /// Whether they reach runners through the API server.
    by_proxy: bool,
    /// The test runs queued so far.
    ids: Vec<u64>,
    watchman: Watchman,
    tenant: Tenant,
    /// Until when each of those that last goes on.
    wan_until: Duration,
    api_until: Duration,
    operator_until: Duration,
    /// Where a tenant renews a Lease like that of k6-operator, for ever: it stops nobody.
    forged: Option<&'static str>,
    renewals: u32,
    tokens: u32,
}

impl Swarm {
    fn new(seed: u64) -> Self {
        keep_log();
        let mut rng = Rng::new(seed);
        let is_elected = rng.below(2) == 0;
        let by_proxy = rng.below(3) == 0;
        let settings = if is_elected { candidate(seed, "agent-0") } else { settings(seed) };
        let mut story = Story::empty_with(settings);
        story.killed = true;
        let agent = &mut story.drive.agents[0];
        (agent.skew_s, agent.by_proxy) = (rng.skew(), by_proxy);
        for zone in ZONES {
            story.drive.world.apply_zone(Duration::ZERO, NAMESPACE, zone);
        }
        let mut swarm = Self {
            seed,
            story,
            rng,
            odds: odds(seed),
            told: Vec::new(),
            is_elected,
            by_proxy,
            ids: Vec::new(),
            watchman: Watchman::default(),
            tenant: Tenant::new(seed),
            wan_until: Duration::ZERO,
            api_until: Duration::ZERO,
            operator_until: Duration::ZERO,
            // A number of its own, so that the seeds that have failed once keep their histories.
            forged: [None, Some(NAMESPACE), Some("team")][Rng::new(!seed).below(3) as usize],
            renewals: 0,
            tokens: 0,
        };
        swarm.watchman.by_proxy = by_proxy;
        swarm.foreign_objects();
        swarm.tenant_comes();
        if is_elected {
            for _ in 0..swarm.rng.below(3) {
                swarm.join();
            }
        }
        swarm
    }

    /// Everything that befalls a world, then peace.
    fn run(&mut self) {
        // Drawn apart, so that seeds from before mean what they did.
        let mut rng = Rng::new(self.seed ^ NAMESPACE_SALT);
        let namespace_goes_at = if rng.below(8) == 0 { rng.below(20) } else { u64::MAX };
        for at in 0..10 + self.rng.below(30) {
            let pause = self.pause();
            self.wait(pause);
            if at == namespace_goes_at {
                self.namespace_goes();
            }
            self.blow();
            self.misdeed();
        }
        self.peace();
        self.all_is_over();
        self.wait(SETTLING);
        if self.tenant.is_there() {
            self.wait(SECRETS_ARE_READ);
        }
        self.silence();
    }

    fn pause(&mut self) -> Duration {
        self.odds.pause(&mut self.rng)
    }

    /// Lets time pass under the eyes of the watchman, and ends what has lasted long enough.
    fn wait(&mut self, time: Duration) {
        let end = self.story.drive.now + time;
        while self.story.drive.now < end {
            let until = self.endure(end);
            let watchman = &mut self.watchman;
            self.story.drive.run_until(until, |drive| {
                watchman.look(drive);
                false
            });
        }
    }

    /// Tells what befalls the world, and what the agents have logged since, of a seed that is replayed.
    fn say(&mut self, what: &str) {
        let is_replayed = is_replayed(self.seed);
        let trail = &mut self.story.drive.world.trail;
        if is_replayed || trail.is_on() {
            for line in lines() {
                trail.note(line.as_bytes());
                if is_replayed {
                    println!("{:>10} {line}", "");
                }
            }
        }
        if is_replayed {
            println!("{:>10.3} {what}", self.story.drive.now.as_secs_f64());
        }
        self.told.extend(trail.number().map(|number| (what.to_owned(), number)));
    }

    /// Every run comes to its end, GCk6 knows how, and nothing of it remains.
    fn all_is_over(&mut self) {
        let deadline = self.story.drive.now + PEACE_MAX;
        let is_over = |swarm: &Self| {
            let drive = &swarm.story.drive;
            swarm.ids.iter().all(|id| rules::is_over(drive, &swarm.watchman, *id)) && rules::zones_stay(drive)
        };
        while !is_over(self) && self.story.drive.now < deadline {
            self.zones_are_there();
            self.wait(LOOK_INTERVAL);
        }
        if !is_over(self) {
            self.say("too late");
            let ids = &self.ids;
            let drive = &self.story.drive;
            let left: Vec<u64> =
                ids.iter().copied().filter(|id| !rules::is_over(drive, &self.watchman, *id)).collect();
            let objects: Vec<_> =
                left.iter().map(|id| (id, test_run(drive, *id)["status"].clone())).collect();
            let known: Vec<_> = left.iter().map(|id| &drive.world.cloud.runs[id]).collect();
            panic!("not over in time: {objects:#?}\n{known:#?}\n{:#?}", zone(drive)["status"]);
        }
        self.say("all is over");
    }

    fn silence(&mut self) {
        for id in &self.ids {
            self.watchman.ended(&self.story.drive, *id);
        }
        rules::zones_agree(&self.story.drive);
        let before = rules::requests(&self.story.drive);
        self.wait(SILENCE);
        rules::nothing_but_polls(&before, &self.story.drive);
    }
}

/// Those of a seed. What has failed once goes on to mean what it did.
fn odds(seed: u64) -> Odds {
    if FOUND.contains(&seed) { Odds::even() } else { Odds::drawn(seed) }
}

fn is_replayed(seed: u64) -> bool {
    env::var_os("SWARM").is_some_and(|seeds| seeds == seed.to_string().as_str())
}

/// The numbers that a seed draws.
trait Draw {
    fn skew(&mut self) -> i64;
    fn millis(&mut self, most: u64) -> Duration;
}

impl Draw for Rng {
    fn skew(&mut self) -> i64 {
        [0, 0, 3, -45, 86_400, -315_360_000][self.below(6) as usize]
    }

    /// Microseconds count: a process may be killed between any two effects.
    fn millis(&mut self, most: u64) -> Duration {
        Duration::from_micros(self.below(most * 1000))
    }
}

fn seeds() -> Vec<u64> {
    let Some(asked) = env::var_os("SWARM") else {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        // Above the fixed ones, and never the same range twice.
        let fresh = 1_000_000 + u64::try_from(since.as_millis()).unwrap_or_default() / 10 * FRESH_SEEDS;
        println!("fresh seeds: {fresh}..{}", fresh + FRESH_SEEDS);
        return (0..SEEDS).chain(FOUND).chain(FOUND_BY_ODDS).chain(fresh..fresh + FRESH_SEEDS).collect();
    };
    let asked = asked.to_string_lossy().into_owned();
    let parts = asked.split_once("..").map_or((asked.as_str(), None), |(first, end)| (first, Some(end)));
    let first: u64 = parts.0.parse().expect("SWARM is a seed or a range of seeds");
    (first..parts.1.map_or(first + 1, |end| end.parse().expect("SWARM is a seed or a range of seeds")))
        .collect()
}

/// All that has befallen the world of a seed, and the number of its history after each of it.
fn history(seed: u64) -> Vec<(String, u64)> {
    let mut swarm = Swarm::new(seed);
    swarm.story.drive.world.trail.start();
    swarm.run();
    swarm.say("the end");
    swarm.told
}

#[test]
fn swarm() {
    let mut failed = Vec::new();
    for seed in seeds() {
        let is_well = catch_unwind(AssertUnwindSafe(|| {
            if is_replayed(seed) {
                println!("odds of seed {seed}: {}", odds(seed));
                let told = history(seed);
                println!("history of seed {seed}: {:016x}", told.last().map_or(0, |(_, number)| *number));
            } else {
                Swarm::new(seed).run();
            }
        }));
        if is_well.is_err() {
            println!("seed {seed} failed; SWARM={seed} cargo test --test it swarm -- --nocapture replays it");
            println!("odds of seed {seed}: {}", odds(seed));
            failed.push(seed);
        }
    }
    assert_eq!(failed, Vec::<u64>::new(), "seeds that failed");
}

#[test]
fn the_same_seed_gives_the_same_history() {
    let ends = REPEATED.map(|seed| {
        let (first, second) = (history(seed), history(seed));
        let parted = first.iter().zip(&second).find(|(one, other)| one != other);
        assert_eq!(parted, None, "where the histories of seed {seed} part");
        assert_eq!(first.len(), second.len(), "seed {seed}");
        first.last().map(|(_, number)| *number)
    });
    assert_ne!(ends[0], ends[1]);
}
