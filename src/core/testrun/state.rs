//! What the process remembers of a run between two turns.
//!
//! Owns what answers have told and the objects do not say: which Jobs were made, what runners answered, what GCk6 thinks.
//! Invariant: all of it can be lost. A new process starts with an empty memory and reaches the same end, because whatever
//! must not be done twice is recorded in the `TestRun` before or seen on the runners.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::credentials::Credentials;
use super::identity::Identity;
use super::life::Step;
use super::pod::RunnerPod;
use super::proof::Proof;
use super::table::Block;
use super::termination::{Cause, Termination};
use crate::announce::Announcement;
use crate::api::ObjectKey;
use crate::api::run::{RUNNERS_MAX, TestRun};
use crate::cloud::RunStatus;
use crate::maps::map_of;
use crate::runner::RunnerStatus;
use crate::testrun::action::{Action, StatusWrite};

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
}

/// What is remembered of a runner.
#[derive(Debug, Default)]
pub struct RunnerMemory {
    /// What is known of its Job.
    pub job: Job,
    /// Whether its pod has been seen.
    pub pod_seen: bool,
    /// When the Events of its Job were last read.
    pub events_read: Option<Duration>,
    /// Why its pod was refused, in the words of an Event. Whoever may create Events in the namespace may have written them.
    pub refusal: Option<String>,
    /// How far its pod has come on the way to k6.
    pub step: Step,
    /// When its pod was last seen to have taken a step.
    pub moved_at: Duration,
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

/// How far the Secret with the run's credentials is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Keeping {
    /// Nothing is known: an earlier process may have made it.
    #[default]
    Unknown,
    /// There is none, and this process does not have what belongs into it.
    Lost,
    /// There is none, and this process has what belongs into it.
    InHand(Credentials),
    /// It exists and is ours.
    Kept,
    /// One of that name exists and belongs to something else. It may be on its way out.
    Foreign,
    /// It cannot be made, for good.
    Refused(String),
}

impl RunnerMemory {
    /// Its pod was seen. Only a step forward is one: a pod that was made again begins anew and counts from there.
    pub fn saw(&mut self, now: Duration, pod: &RunnerPod) {
        if !self.pod_seen || pod.step > self.step {
            self.step = pod.step;
            self.moved_at = now;
        }
        self.pod_seen = true;
    }
}

/// What is known of a runner's Job.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Job {
    /// Nothing.
    #[default]
    Unknown,
    /// There was one of that name already; whose it is has to be looked up.
    Unclear,
    /// It exists and is ours. By the uid its pods are known: nothing else makes a pod our runner.
    Ours(String),
    /// One of that name exists and belongs to something else. It may be on its way out.
    Foreign,
    /// The API server refuses it, for good.
    Refused(String),
    /// This process has deleted it. The uid that it had.
    Deleted(String),
    /// The API server would not delete it: either another has its name by now, or something wrote to it meanwhile. Which of
    /// them has to be looked up. The uid that it had.
    Contested(String),
    /// It was gone or on its way out already when this process first looked. The uid that it had, if it was seen.
    Gone(String),
}

impl Job {
    /// Its uid, by which its pods are known; none while it is not known to be ours.
    #[must_use]
    pub fn uid(&self) -> Option<&str> {
        match self {
            Self::Ours(uid) | Self::Deleted(uid) | Self::Contested(uid) | Self::Gone(uid) => {
                Some(uid.as_str()).filter(|uid| !uid.is_empty())
            }
            Self::Unknown | Self::Unclear | Self::Foreign | Self::Refused(_) => None,
        }
    }
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
    /// It was run, with this result, or none; or all runners have it.
    Run(Option<SetupData>),
    /// It was run. Its result is on the runner of that number, and is read when there is room for it.
    OnRunner(u32),
    /// The script's `setup()` has failed.
    Failed(String),
}

/// What `setup()` has returned, on its way to all runners.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetupData {
    /// Raw JSON.
    pub text: Arc<String>,
    /// On which runner it is as well.
    pub runner: u32,
    /// Since when it is held.
    pub since: Duration,
}

impl Setup {
    /// Whether it was run, as far as is known.
    #[must_use]
    pub fn was_run(&self) -> bool {
        matches!(self, Self::Run(_) | Self::OnRunner(_))
    }

    /// How much is held of its result, in bytes.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        match self {
            Self::Run(Some(data)) => data.text.len(),
            _ => 0,
        }
    }
}

/// How many `setup()` and `teardown()` functions run while one waits for its turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Crowd {
    /// Of all namespaces.
    pub all: usize,
    /// Of the namespace of whoever waits.
    pub own: usize,
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
    /// An earlier process was killed while it ran, or just before, or after.
    Lost,
    /// An earlier process has got past it: Jobs are deleted only then, and one of them was found gone.
    Past,
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
            Self::NotOurs | Self::Past | Self::Due | Self::Running | Self::Done => None,
        }
    }

    /// Whether an earlier process has begun it, and nothing says how far it got.
    #[must_use]
    pub fn is_in_doubt(&self) -> bool {
        matches!(self, Self::Lost | Self::Unclear)
    }
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

    /// Notes what the API server refuses to it. Where no condition says so, an Event does.
    pub fn refuse(&mut self, refusal: Option<String>) {
        if let (None, Some(message), Block::Stopped | Block::Done | Block::Gone) =
            (&self.refusal, &refusal, self.block)
        {
            self.announcements.push(Announcement::warning("Refused", message.clone()));
        }
        self.refusal = refusal;
    }

    /// GCk6 is being told what there is to tell by now.
    pub fn sending_events(&mut self) {
        self.telling_teardown = self.teardown.trouble().is_some();
        self.telling_ending = true;
    }

    /// An action was decided on, and its call was never sent.
    pub fn withdrawn(&mut self, action: Action) {
        if let (Action::RunTeardown(_), Teardown::Running) = (action, &self.teardown) {
            self.teardown = Teardown::Due;
        }
    }

    /// Reads off the Jobs whether an earlier process has got past teardown. They prove nothing where somebody else deletes
    /// them: the garbage collector in a deletion in the foreground, whoever has taken a runner away, or whoever deletes the
    /// namespace.
    pub fn settle_teardown(&mut self, run: &TestRun) {
        if !self.teardown.is_in_doubt() || run.metadata.is_deleting_in_foreground() {
            return;
        }
        let mut jobs = self.runners.values().map(|runner| matches!(runner.job, Job::Gone(_)));
        let cause = self.ending.as_ref().map(|ending| ending.cause);
        if cause == Some(Cause::NamespaceDeleted) {
            return;
        }
        let one_was_taken = cause == Some(Cause::RunnerFailed);
        if if one_was_taken { jobs.all(|gone| gone) } else { jobs.any(|gone| gone) } {
            self.teardown = Teardown::Past;
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

    /// GCk6 has taken, or will never take, what it was told.
    pub fn told(&mut self) {
        self.told = true;
        self.teardown_told |= self.telling_teardown;
    }

    /// Setup data that all runners have are not needed any more.
    pub fn drop_handed_out_data(&mut self) {
        if self.setup.held_bytes() > 0 && self.runners.values().all(|runner| runner.data_sent) {
            self.setup = Setup::Run(None);
        }
    }

    /// Notes why the run ends. The first cause stands: what comes after is mostly its consequence.
    pub fn end(&mut self, now: Duration, ending: Termination) {
        if self.ending.is_none() {
            self.data_waits_since = None;
            self.ending = Some(ending);
            self.ending_since = now;
        }
    }

    /// The API server takes nothing new in the run's namespace, since that is being deleted. Returns whether that is the cause
    /// of what had looked like another end; GCk6 was not told of that one yet.
    pub fn namespace_goes(&mut self) -> bool {
        self.namespace_deleting = true;
        let Some(ending) = &mut self.ending else { return false };
        let is_it = ending.cause.may_be_of_namespace() && !self.telling_ending;
        if is_it {
            *ending = Termination::of_namespace(&self.identity.zone.namespace);
        }
        is_it
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn setup_data_are_held_until_all_runners_have_them() {
        let mut state = RunState::new(&TestRun::default(), 2, Block::Created, Duration::ZERO);
        let data = SetupData { text: Arc::new("[1]".to_owned()), runner: 1, since: Duration::ZERO };
        state.setup = Setup::Run(Some(data));
        for (n, held) in [(1, 3), (2, 0)] {
            state.runner(n).unwrap().data_sent = true;
            state.drop_handed_out_data();
            assert_eq!(state.setup.held_bytes(), held, "after runner {n}");
        }
        assert!(state.setup.was_run());
    }

    /// What is made of a teardown that an earlier process has begun, from what was found of the Jobs.
    #[track_caller]
    fn check(jobs: &[Job], cause: Option<Cause>, finalizers: &[&str], expected: &Teardown) {
        let mut run = TestRun::default();
        run.metadata.finalizers = finalizers.iter().map(|&text| text.to_owned()).collect();
        run.metadata.deletion_timestamp = (!finalizers.is_empty()).then(|| "2026-01-01T00:00:00Z".to_owned());
        let count = u32::try_from(jobs.len()).unwrap();
        let mut state = RunState::new(&run, count, Block::Stopped, Duration::ZERO);
        state.ending = cause.map(|cause| Termination { cause, message: String::new() });
        state.teardown = Teardown::Lost;
        for (runner, job) in state.runners.values_mut().zip(jobs) {
            runner.job = job.clone();
        }
        state.settle_teardown(&run);
        assert_eq!(state.teardown, *expected, "{jobs:?} {cause:?} {finalizers:?}");
    }

    #[test]
    fn a_job_that_is_gone_proves_that_teardown_is_over() {
        let ours = || Job::Ours("u".to_owned());
        let gone = || Job::Gone(String::new());
        check(&[ours(), Job::Unknown], None, &[], &Teardown::Lost);
        check(&[ours(), gone()], None, &[], &Teardown::Past);
        check(&[ours(), gone()], Some(Cause::AbortedByUser), &[], &Teardown::Past);
        // This process has deleted it, in doubt.
        check(&[ours(), Job::Deleted("u".to_owned())], None, &[], &Teardown::Lost);
        // The one may be what has failed.
        check(&[ours(), gone()], Some(Cause::RunnerFailed), &[], &Teardown::Lost);
        check(&[gone(), gone()], Some(Cause::RunnerFailed), &[], &Teardown::Past);
        // The garbage collector does not wait for teardown.
        check(&[gone()], Some(Cause::TestRunDeleted), &["foregroundDeletion"], &Teardown::Lost);
        check(&[gone()], Some(Cause::TestRunDeleted), &["other"], &Teardown::Past);
        // Nor does the namespace controller.
        check(&[gone(), gone()], Some(Cause::NamespaceDeleted), &[], &Teardown::Lost);
    }

    #[test]
    fn a_cause_gives_way_to_the_namespaces_end_until_gck6_is_told() {
        let check = |cause: Option<Cause>, is_told: bool, expected: Option<Cause>| {
            let mut state = RunState::new(&TestRun::default(), 1, Block::Started, Duration::ZERO);
            state.ending = cause.map(|cause| Termination { cause, message: String::new() });
            if is_told {
                state.sending_events();
            }
            assert_eq!(state.namespace_goes(), expected != cause, "{cause:?} {is_told}");
            assert_eq!(state.ending.map(|ending| ending.cause), expected, "{cause:?} {is_told}");
            assert!(state.namespace_deleting);
        };
        check(None, false, None);
        for cause in Cause::ALL {
            let stands = !cause.may_be_of_namespace();
            check(Some(cause), false, Some(if stands { cause } else { Cause::NamespaceDeleted }));
            check(Some(cause), true, Some(cause));
        }
    }
}
