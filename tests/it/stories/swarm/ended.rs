//! What holds for a test run of a swarm that is over, each time that its TestRun was made.
//!
//! Leaves what is seen on the way there to [`rules`](super::rules). What is known and cannot be helped is left out here, each with its
//! reason, and nothing else.

use std::sync::LazyLock;

use sim::api::rbac::refused;
use sim::api::{Counted, Rule};
use sim::k6::{Runner, faults_of};

use super::super::*;
use super::rules::Watchman;

static RULES: LazyLock<Vec<Rule>> =
    LazyLock::new(|| Rule::from_yaml(include_str!("../../../../manifests/rbac/rbac.yaml")).unwrap());

/// The runners of one TestRun, by pod.
type Runners<'a> = BTreeMap<&'a str, &'a Runner>;

impl Watchman {
    /// What holds for a run that is over.
    pub(super) fn ended(&self, drive: &Drive, id: u64) {
        let prefix = format!("plz-test-{id}-");
        let mut generations = BTreeMap::<&str, Runners<'_>>::new();
        for ((_, pod), runner) in drive.world.k6s.all(&prefix) {
            let run = self.generations.get(pod).map_or("", String::as_str);
            generations.entry(run).or_default().insert(pod, runner);
        }
        for runners in generations.values() {
            let mut faults = self.faults(id, runners);
            faults.extend(drive.faults_of_setup(&format!("plz-test-{id}"), runners));
            let lives: Vec<_> = runners.iter().map(life).collect();
            assert_eq!(faults, Vec::<String>::new(), "run {id}: {lives:#?}");
        }
        let is_known = |complaint: &&String| {
            let is_of = |id: &u64| **complaint == format!("test run {id} was finished twice");
            // Known: an agent that takes over polls for a zone until its watch has told it that it is gone.
            complaint.starts_with("Poll for ")
                || self.gone.keys().any(|id| is_of(id) && self.may_be_finished_twice(drive, *id))
        };
        let complaints: Vec<_> = drive.world.cloud.complaints.iter().filter(|it| !is_known(it)).collect();
        assert_eq!(complaints, Vec::<&String>::new());
        // Those who reach runners through it have the rights of `manifests/outside` beside these.
        let counted = drive.world.api.counts.keys().filter(|counted| counted.subresource != "proxy");
        let refused = refused(&RULES, counted);
        assert_eq!(refused, Vec::<&Counted>::new(), "not covered by the shipped rules");
    }

    /// Known: of a run whose TestRun was let go nobody can tell any more how GCk6 was told that it ended. And an agent that takes over
    /// before its watch has told it that a TestRun is gone brings the run to an end by what it saw of it last.
    fn may_be_finished_twice(&self, drive: &Drive, id: u64) -> bool {
        let finishes = &drive.world.cloud.runs[&id].finishes;
        let is_after_takeover = finishes.windows(2).all(|pair| {
            let (first, second) = (pair[0].0, pair[1].0);
            let is_gone = self.gone.get(&id).is_some_and(|gone| (first..=second).contains(gone));
            is_gone && drive.has_lapsed_within(first, second)
        });
        self.let_go.contains(&id) || is_after_takeover
    }

    fn faults(&self, id: u64, runners: &Runners<'_>) -> Vec<String> {
        let prefix = format!("plz-test-{id}-");
        let mut faults = faults_of(&runners.values().copied().collect::<Vec<_>>());
        // Of setups, those without a reason are looked for.
        faults.retain(|fault| !fault.starts_with("setup ran"));
        // Known: a pod that a Job has made anew has its predecessor's segment, and is not ready when the others start.
        let jobs: Vec<&str> = runners.keys().map(|pod| job_of(pod)).collect();
        let is_replaced = jobs.windows(2).any(|pair| pair[0] == pair[1]);
        let is_of_replaced =
            |fault: &str| fault.contains("segment") || fault.starts_with("a runner was resumed");
        faults.retain(|fault| !(is_replaced && is_of_replaced(fault)));
        // Known: a runner that does not take "stop" for 10 s is not waited for, nor one whose node is lost.
        let has_missed_it = runners.values().any(|runner| runner.stopped.is_none());
        let is_deaf = self.node_lost.contains(&id)
            || self.ill_mannered.iter().any(|pod| pod.starts_with(&prefix))
            || has_missed_it && (self.by_proxy || self.bereft.contains(&id));
        // The next agent takes one that has not ended for a sign that teardown is still to be run.
        let is_excused =
            |fault: &str| fault.starts_with("teardown ran before") || fault.starts_with("teardown ran 2");
        faults.retain(|fault| !(is_deaf && is_excused(fault)));
        let mut started = BTreeMap::new();
        for (pod, runner) in runners {
            *started.entry(job_of(pod)).or_insert(0) += u32::from(runner.resumed.is_some());
        }
        if started.values().any(|times| *times > 1) {
            faults.push(format!("it was started again: {started:?}"));
        }
        faults
    }
}

fn life((pod, runner): (&&str, &&Runner)) -> String {
    let Runner { resumed, stopped, terminated, killed, setups, setups_abandoned, teardowns, .. } = runner;
    let end = runner.ends_at();
    format!(
        "{pod}: setups {setups:?} (abandoned {setups_abandoned:?}), resumed {resumed:?}, stopped {stopped:?}, ends {end:?}, \
         terminated {terminated:?}, killed {killed:?}, teardowns {teardowns:?}"
    )
}

fn job_of(pod: &str) -> &str {
    pod.rsplit_once('-').map_or(pod, |(job, _)| job)
}
