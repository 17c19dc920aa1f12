//! What the process remembers of a run between two turns.
//!
//! Owns what answers have told and the objects do not say: which Jobs were made, what runners answered, what GCk6 thinks.
//! Invariant: all of it can be lost. A new process starts with an empty memory and reaches the same end, because whatever
//! must not be done twice is recorded in the `TestRun` before or seen on the runners.

mod ending;
mod objects;
mod runner;
mod setup;
mod teardown;

use crate::api::run::Stage;
use std::collections::BTreeMap;
use std::time::Duration;

use super::credentials::Credentials;
use super::identity::Identity;
use super::proof::Proof;
use super::table::Block;
use super::termination::Termination;
use crate::announce::Announcement;
use crate::api::ObjectKey;
use crate::api::run::{RUNNERS_MAX, TestRun};
use crate::cloud::RunStatus;
use crate::maps::map_of;
use crate::testrun::action::{Action, StatusWrite};

pub use objects::{Job, Keeping};
pub use runner::RunnerMemory;
pub use setup::{Setup, SetupData};
pub use teardown::Teardown;

/// See the module.
#[derive(Debug)]
pub struct RunState {
    /// The uid of the object that this is about; another object of the same name starts afresh.
    pub uid: String,
    /// In which block the run is, and since when this process has seen it there.
    pub block: Block,
    /// See `block`.
    pub since: Duration,
    /// Since when this process knows the run; the start deadline counts from here.
    pub known_since: Duration,
    /// Which test run at GCk6 it is, and of which zone; fixed when the run is first seen.
    pub identity: Identity,
    /// The Secret with the token of its zone, as last known. What the `TestRun` names is never read.
    pub secret: Option<ObjectKey>,
    /// Whether GCk6 has confirmed that.
    pub proof: Proof,
    /// Why it has not yet.
    pub proof_error: Option<String>,
    /// What the Jobs are made of, until they are: the `TestRun` as it would be made now. What stands in its spec is never used.
    pub plan: Option<Box<TestRun>>,
    /// How large that is, in bytes.
    pub plan_bytes: usize,
    /// What belongs into the run's Secret, should there be none.
    pub spare: Option<Credentials>,
    /// Why it has to end, by what GCk6 has said of it.
    pub verdict: Option<Termination>,
    /// The number of runners, fixed when it is known: a spec that is edited mid-run changes nothing.
    pub parallelism: u32,
    /// How far the Secret with the run's credentials is.
    pub keeping: Keeping,
    /// The runners, by number from 1.
    pub runners: BTreeMap<u32, RunnerMemory>,
    /// When the first runner took "resume".
    pub first_resumed: Option<Duration>,
    /// When a runner was last seen to have ended.
    pub last_end: Option<Duration>,
    /// When a Job of a runner was last deleted.
    pub jobs_deleted: Option<Duration>,
    /// How many pods of runners there were at the last look.
    pub pods: usize,
    /// When one of them last went.
    pub pod_went: Option<Duration>,
    /// How far setup is.
    pub setup: Setup,
    /// Since when the setup data wait for room, if they do.
    pub data_waits_since: Option<Duration>,
    /// Before whom `setup()` or `teardown()` waits for its turn, while it does.
    pub user_code_waits: Option<Crowd>,
    /// How far teardown is.
    pub teardown: Teardown,
    /// When GCk6 was last asked about the run.
    pub state_asked: Duration,
    /// When GCk6 was asked the last time that it has answered, and what it said.
    pub state_as_of: Option<Duration>,
    /// See `state_as_of`.
    pub cloud_status: Option<RunStatus>,
    /// How often in a row GCk6 said that it does not know the run.
    pub state_missing: u32,
    /// Why the run ends, once something has.
    pub ending: Option<Termination>,
    /// Since when it ends.
    pub ending_since: Duration,
    /// Whether the API server has said that the run's namespace is being deleted.
    pub namespace_deleting: bool,
    /// Whether GCk6 may have been told why it ends: from then on the cause stands, whatever comes to light.
    telling_ending: bool,
    /// Whether GCk6 was told why it ends (or never will be).
    pub told: bool,
    /// Whether GCk6 was told of the teardown's failure.
    pub teardown_told: bool,
    /// Whether the message to GCk6 that is under way tells of it.
    telling_teardown: bool,
    /// Whether GCk6 knows that it is over, or why it could not be told.
    pub finish: Option<Result<(), String>>,
    /// Since when this process has seen somebody delete it.
    pub deleting_since: Option<Duration>,
    /// Whether the API server has taken the deletion of the `TestRun`.
    pub deletion_sent: bool,
    /// The `TestRun` as it was before somebody deleted it.
    pub gone: Option<Box<TestRun>>,
    /// The status write that is under way.
    pub writing: Option<Writing>,
    /// The last stage that this process has recorded itself.
    pub recorded: Option<Stage>,
    /// What is wrong with the runners, as it was last written into the conditions.
    pub trouble_said: Option<String>,
    /// When that was.
    pub trouble_said_at: Option<Duration>,
    /// What the API server refuses to it.
    pub refusal: Option<String>,
    /// Events to post.
    pub announcements: Vec<Announcement>,
}

/// What a status write that is under way says beside the stage.
#[derive(Debug)]
pub struct Writing {
    /// Which write it is.
    pub write: StatusWrite,
    /// Whether it says that teardown has begun.
    pub teardown_due: bool,
    /// What it says is wrong with the runners.
    pub trouble: Option<String>,
    /// Whether an earlier try may have gone through: nobody has heard.
    pub unheard: bool,
}

/// How many `setup()` and `teardown()` functions run while one waits for its turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Crowd {
    /// Of all namespaces.
    pub all: usize,
    /// Of the namespace of whoever waits.
    pub own: usize,
}

impl RunState {
    /// Nothing remembered yet of `run`, which has `parallelism` runners.
    #[must_use]
    pub fn new(run: &TestRun, parallelism: u32, block: Block, now: Duration) -> Self {
        let mut state = Self {
            uid: run.metadata.uid.clone(),
            block,
            since: now,
            known_since: now,
            identity: Identity { id: run.run_id().unwrap_or_default(), ..Identity::default() },
            secret: None,
            proof: Proof::default(),
            proof_error: None,
            plan: None,
            plan_bytes: 0,
            spare: None,
            verdict: None,
            parallelism: 0,
            keeping: Keeping::default(),
            runners: BTreeMap::new(),
            first_resumed: None,
            last_end: None,
            jobs_deleted: None,
            pods: 0,
            pod_went: None,
            setup: Setup::default(),
            data_waits_since: None,
            user_code_waits: None,
            teardown: Teardown::default(),
            state_asked: now,
            state_as_of: None,
            cloud_status: None,
            state_missing: 0,
            ending: None,
            ending_since: now,
            namespace_deleting: false,
            telling_ending: false,
            told: false,
            teardown_told: false,
            telling_teardown: false,
            finish: None,
            deleting_since: None,
            deletion_sent: false,
            gone: None,
            writing: None,
            recorded: None,
            trouble_said: None,
            trouble_said_at: None,
            refusal: None,
            announcements: Vec::new(),
        };
        state.set_parallelism(parallelism);
        state
    }

    /// The run has so many runners, of which nothing is known. No more than [`RUNNERS_MAX`] are ever remembered.
    pub fn set_parallelism(&mut self, parallelism: u32) {
        self.parallelism = parallelism.min(RUNNERS_MAX);
        self.runners = map_of((1..=self.parallelism).map(|n| (n, RunnerMemory::default())));
    }

    /// The memory of one runner. Numbers beyond the run's own get none.
    pub fn runner(&mut self, n: u32) -> Option<&mut RunnerMemory> {
        self.runners.get_mut(&n)
    }

    /// An action has been decided on, and waits for a worker.
    pub fn dispatched(&mut self, now: Duration, action: Action) {
        match action {
            Action::AskRunner(n) => {
                if let Some(runner) = self.runner(n) {
                    runner.asked = Some(now);
                }
            }
            Action::ReadEvents(n) => {
                if let Some(runner) = self.runner(n) {
                    runner.events_read = Some(now);
                }
            }
            Action::CheckState => self.state_asked = now,
            Action::RunTeardown(_) => self.teardown = Teardown::Running,
            _ => {}
        }
    }

    /// What is held of GCk6's data, in bytes.
    #[must_use]
    pub fn data_bytes(&self) -> usize {
        self.plan.as_ref().map_or(0, |_| self.plan_bytes)
    }

    /// Another block of the table counts from now on: what was for the former alone is dropped.
    pub fn enter(&mut self, now: Duration, block: Block) {
        self.block = block;
        self.since = now;
        if block != Block::New {
            self.plan = None;
            self.spare = None;
        }
        if block == Block::Done {
            self.runners.clear();
        }
    }

    /// Notes what the API server refuses to it. Where no condition says so, an Event does.
    pub fn refuse(&mut self, refusal: Option<String>) {
        if let (None, Some(message), Block::Stopped | Block::Done | Block::Gone) =
            (&self.refusal, &refusal, self.block)
        {
            self.announcements.push(Announcement::warning("Refused", message.clone()));
        }
        self.refusal = refusal;
    }

    /// An action was decided on, and its call was never sent.
    pub fn withdrawn(&mut self, action: Action) {
        if let (Action::RunTeardown(_), Teardown::Running) = (action, &self.teardown) {
            self.teardown = Teardown::Due;
        }
    }

    /// Counts the pods of the runners.
    pub fn count_pods(&mut self, now: Duration, pods: usize) {
        if pods < self.pods {
            self.pod_went = Some(now);
        }
        self.pods = pods;
    }

    /// The API server has not answered: runners that are reached through it could not either, and their silence counts anew.
    pub fn forgive_silence(&mut self) {
        self.runners.values_mut().for_each(|runner| runner.silent_since = None);
    }

    /// That the test has started, in words.
    #[must_use]
    pub fn all_started(&self) -> String {
        match self.parallelism {
            1 => "the runner was started".to_owned(),
            n => format!("all {n} runners were started together"),
        }
    }
}

#[cfg(test)]
mod tests;
