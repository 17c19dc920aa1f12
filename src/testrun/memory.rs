//! What the process remembers of a run between two turns.
//!
//! Owns what answers have told and the objects do not say: which Jobs were made, what runners answered, what GCk6 thinks.
//! Invariant: all of it can be lost. A new process starts with an empty memory and reaches the same end, because whatever
//! must not be done twice is recorded in the `TestRun` before or seen on the runners.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::api::TestRun;
use super::ending::Ending;
use super::stage::Block;
use crate::announce::Announcement;
use crate::cloud::RunStatus;
use crate::event::{Action, RunStatusWrite};
use crate::maps::map_of;
use crate::runner::RunnerStatus;

/// See the module.
#[derive(Debug)]
pub struct RunMemory {
    /// The uid of the object that this is about; another object of the same name starts afresh.
    pub uid: String,
    /// In which block the run is, and since when this process has seen it there.
    pub block: Block,
    /// See `block`.
    pub since: Duration,
    /// Since when this process knows the run; the start deadline counts from here.
    pub known_since: Duration,
    /// The number of runners, fixed when the run is first seen: a spec that is edited mid-run changes nothing.
    pub parallelism: u32,
    /// The runners, by number from 1.
    pub runners: BTreeMap<u32, RunnerMemory>,
    /// When the first runner took "resume".
    pub first_resumed: Option<Duration>,
    /// When a runner was last seen to have ended.
    pub last_end: Option<Duration>,
    /// How far setup is.
    pub setup: Setup,
    /// How far teardown is.
    pub teardown: Teardown,
    /// When GCk6 was last asked about the run, and what it said.
    pub state_asked: Duration,
    /// See `state_asked`.
    pub state: Option<RunStatus>,
    /// How often in a row GCk6 said that it does not know the run.
    pub state_missing: u32,
    /// Why the run ends, once something has.
    pub ending: Option<Ending>,
    /// Since when it ends.
    pub ending_since: Duration,
    /// Whether GCk6 was told why it ends (or never will be).
    pub told: bool,
    /// Whether GCk6 was told of the teardown's failure.
    pub teardown_told: bool,
    /// Whether the message to GCk6 that is under way tells of it.
    telling_teardown: bool,
    /// Whether GCk6 knows that it is over, or why it could not be told.
    pub finish: Option<Result<(), String>>,
    /// Whether the API server has taken the deletion of the `TestRun`.
    pub deletion_sent: bool,
    /// The `TestRun` as it was before somebody deleted it.
    pub gone: Option<Box<TestRun>>,
    /// The status write that is under way.
    pub writing: Option<Writing>,
    /// What is wrong with the runners, as it was last written into the conditions.
    pub trouble_said: Option<String>,
    /// When that was.
    pub trouble_said_at: Option<Duration>,
    /// Events to post.
    pub announcements: Vec<Announcement>,
}

/// What a status write that is under way says beside the stage.
#[derive(Debug)]
pub struct Writing {
    /// Which write it is.
    pub write: RunStatusWrite,
    /// Whether it says that teardown has begun.
    pub teardown_due: bool,
    /// What it says is wrong with the runners.
    pub trouble: Option<String>,
}

/// What is remembered of a runner.
#[derive(Debug, Default)]
pub struct RunnerMemory {
    /// What is known of its Job.
    pub job: Job,
    /// Whether its pod has been seen.
    pub pod_seen: bool,
    /// When it was last asked for its status.
    pub asked: Option<Duration>,
    /// What it last answered.
    pub status: Option<RunnerStatus>,
    /// Whether it has been given the setup data.
    pub data_sent: bool,
    /// Whether it has taken "resume".
    pub resumed: bool,
    /// Whether it has taken "stop".
    pub stopped: bool,
    /// Since when it has not answered.
    pub silent_since: Option<Duration>,
    /// Why the last call to it failed.
    pub trouble: Option<String>,
}

/// What is known of a runner's Job.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Job {
    /// Nothing.
    #[default]
    Unknown,
    /// There was one of that name already; whose it is has to be looked up.
    Unclear,
    /// It exists and is ours. The uid tells its pods from those of a namesake.
    Ours(String),
    /// One of that name exists and belongs to something else. It may be on its way out.
    Foreign,
    /// The API server refuses it, for good.
    Refused(String),
    /// It is deleted.
    Deleted,
}

/// How far setup is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Setup {
    /// An earlier process may have run it. The last runner has to be asked whether it has the data: they are handed out
    /// only once setup is over, while the runner that ran it may hold what a setup that was cut short has returned.
    #[default]
    Unclear,
    /// It has none: setup has to be run.
    NotRun,
    /// It was run, with this result as raw JSON, or none.
    Run(Option<Arc<str>>),
    /// The script's `setup()` has failed.
    Failed(String),
}

/// How far teardown is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Teardown {
    /// This process may not run it: it was not due, or an earlier process may have run it.
    #[default]
    NotOurs,
    /// An earlier process has recorded that it runs it, together with why the run ends. It did not come to that if a
    /// runner has not been stopped; the runners have to be asked.
    Unclear,
    /// An earlier process was killed while it ran, or just before.
    Lost,
    /// This process has recorded that it runs it now.
    Due,
    /// It is being run. It is never run again, on whatever runner.
    Running,
    /// It was run.
    Done,
    /// It failed.
    Failed(String),
}

/// What a person is told of a teardown whose end nobody has heard.
const TEARDOWN_LOST: &str =
    "teardown() may have been cut short: the agent was restarted while it ran, and it is never run twice";

impl Teardown {
    /// What is wrong with it, for a person, if anything is.
    #[must_use]
    pub fn trouble(&self) -> Option<&str> {
        match self {
            Self::Failed(message) => Some(message),
            Self::Lost | Self::Unclear => Some(TEARDOWN_LOST),
            Self::NotOurs | Self::Due | Self::Running | Self::Done => None,
        }
    }
}

impl RunMemory {
    /// Nothing remembered yet of `run`, which has `parallelism` runners.
    #[must_use]
    pub fn new(run: &TestRun, parallelism: u32, block: Block, now: Duration) -> Self {
        Self {
            uid: run.metadata.uid.clone(),
            block,
            since: now,
            known_since: now,
            parallelism,
            runners: map_of((1..=parallelism).map(|n| (n, RunnerMemory::default()))),
            first_resumed: None,
            last_end: None,
            setup: Setup::default(),
            teardown: Teardown::default(),
            state_asked: now,
            state: None,
            state_missing: 0,
            ending: None,
            ending_since: now,
            told: false,
            teardown_told: false,
            telling_teardown: false,
            finish: None,
            deletion_sent: false,
            gone: None,
            writing: None,
            trouble_said: None,
            trouble_said_at: None,
            announcements: Vec::new(),
        }
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
            Action::CheckState => self.state_asked = now,
            Action::RunTeardown(_) => self.teardown = Teardown::Running,
            _ => {}
        }
    }

    /// GCk6 is being told what there is to tell by now.
    pub fn telling_cloud(&mut self) {
        self.telling_teardown = self.teardown.trouble().is_some();
    }

    /// An action was decided on, and its call was never sent.
    pub fn withdrawn(&mut self, action: Action) {
        if let (Action::RunTeardown(_), Teardown::Running) = (action, &self.teardown) {
            self.teardown = Teardown::Due;
        }
    }

    /// That the test has started, in words.
    #[must_use]
    pub fn all_started(&self) -> String {
        match self.parallelism {
            1 => "the runner was started".to_owned(),
            n => format!("all {n} runners were started together"),
        }
    }

    /// GCk6 has taken, or will never take, what it was told.
    pub fn told(&mut self) {
        self.told = true;
        self.teardown_told |= self.telling_teardown;
    }

    /// Notes why the run ends. The first cause stands: what comes after is mostly its consequence.
    pub fn end(&mut self, now: Duration, ending: Ending) {
        if self.ending.is_none() {
            self.ending = Some(ending);
            self.ending_since = now;
        }
    }
}
