//! How pods fare: delays, what goes wrong, what scripts and commands do. All of it is given from outside.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use crate::k6::{Exit, Script};
use crate::s3::Fetched;

/// How long the steps of a pod's life take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delays {
    /// From a change of a Job or its pods to the controller's reaction.
    pub job: Duration,
    /// From a pod's creation to its binding to a node.
    pub schedule: Duration,
    /// From binding to the sandbox with its IP.
    pub sandbox: Duration,
    /// Pulling the image of a container and creating it.
    pub pull: Duration,
    /// How long an init container runs.
    pub init: Duration,
    /// How long a container runs that is not k6.
    pub command: Duration,
    /// From the k6 container's start to readiness when it has no readiness probe; one with a probe waits for its first period.
    pub ready: Duration,
    /// From the end of a pod's processes to the end of the object, when it is being deleted.
    pub gone: Duration,
    /// How much longer that takes for each pod that is ending already: a slow node.
    pub gone_each: Duration,
    /// From an owner's end to the deletion of its dependents.
    pub collect: Duration,
    /// From a lost node to the deletion of its pods.
    pub node_eviction: Duration,
}

impl Default for Delays {
    /// A small idle cluster with its images present.
    fn default() -> Self {
        let ms = Duration::from_millis;
        Self {
            job: ms(20),
            schedule: ms(20),
            sandbox: ms(100),
            pull: ms(50),
            init: ms(100),
            command: ms(200),
            ready: ms(200),
            gone: ms(50),
            gone_each: Duration::ZERO,
            collect: ms(50),
            node_eviction: Duration::from_secs(300),
        }
    }
}

/// Which of a pod's containers is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The first init container of the pod's own.
    Init,
    /// The first container.
    Main,
}

/// What goes wrong with a pod. Times count from the start of its main container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mishap {
    /// The Job controller may not create it; with the quota's words.
    Quota(String),
    /// No node takes it; with the scheduler's words.
    Unschedulable(String),
    /// An image is not there: `ErrImagePull`, then `ImagePullBackOff` in turns; with the runtime's words.
    Pull(Place, String),
    /// `InvalidImageName`.
    InvalidImage(Place),
    /// `CreateContainerConfigError`; with the kubelet's words.
    ConfigError(Place, String),
    /// The first init container of the pod's own ends like this.
    Init(Exit),
    /// The main container ends like this after a while.
    Exit(Duration, Exit),
    /// The main container is killed for its memory.
    OomKilled(Duration),
    /// The kubelet evicts the pod; with its words.
    Evicted(Duration, String),
    /// A drain or a preemption: DisruptionTarget, then deletion.
    Disrupted(Duration),
    /// The node is lost: nothing answers, and the pod's deletion never comes to an end.
    NodeLost(Duration),
    /// Somebody deletes the pod.
    Deleted(Duration),
}

/// A container that a webhook puts before a pod's own init containers. With `restartPolicy: Always` it is a sidecar: the next one
/// starts as soon as it runs, and it ends with the pod.
#[derive(Clone, Debug, PartialEq)]
pub struct Injected {
    /// Its spec.
    pub container: Value,
    /// When a sidecar ends by itself, from its first start, with which reason and code. It is started again 5 s later.
    pub ends: Vec<(Duration, &'static str, i32)>,
    /// With which code a sidecar ends when the pod does.
    pub last: i32,
}

impl Injected {
    /// A sidecar of that name that ends so, and with 143 when the pod does: SIGTERM ends it.
    pub fn sidecar(name: &str, ends: &[(Duration, &'static str, i32)]) -> Self {
        let container = json!({"name": name, "image": "mesh", "restartPolicy": "Always"});
        Self { container, ends: ends.to_vec(), last: 143 }
    }

    /// A plain init container of that name; how it ends is in [`PodPlan::commands`].
    pub fn init(name: &str) -> Self {
        Self { container: json!({"name": name, "image": "mesh"}), ends: Vec::new(), last: 0 }
    }
}

/// How pods of one name pattern fare.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PodPlan {
    /// What goes wrong, if anything.
    pub mishap: Option<Mishap>,
    /// The script that its k6 runs.
    pub script: Script,
    /// How containers that are not k6 end, and their log: by container name.
    pub commands: BTreeMap<String, (Exit, String)>,
    /// What a webhook adds to pods that Jobs make.
    pub injected: Option<Injected>,
}

impl PodPlan {
    /// A plan in which one thing goes wrong.
    pub fn mishap(mishap: Mishap) -> Self {
        Self { mishap: Some(mishap), ..Self::default() }
    }

    /// A plan in which nothing goes wrong with this script.
    pub fn script(script: Script) -> Self {
        Self { script, ..Self::default() }
    }
}

/// All there is to configure.
#[derive(Clone, Debug)]
pub struct Config {
    /// Delays.
    pub delays: Delays,
    /// Plans by pattern of the Job's name (`plz-test-101-2`, `*-1`), or of the pod's if no Job owns it. The first that
    /// matches counts; without any, all goes well.
    pub plans: Vec<(String, PodPlan)>,
    /// How the init container that downloads (the one with `PLZ_ARCHIVE_URL`) ends, by what came of the download.
    pub downloads: BTreeMap<Fetched, Exit>,
    /// The name of the only node.
    pub node: String,
    /// Whether the pods of a namespace that is being deleted go before all else, as they do since Kubernetes 1.33.
    pub pods_go_first: bool,
}

impl Default for Config {
    fn default() -> Self {
        let downloads = [
            (Fetched::Archive, Exit::default()),
            (Fetched::Denied, Exit::new(10, "the archive's URL has expired or is denied")),
            (Fetched::Network, Exit::new(11, "the archive's host cannot be reached")),
            (Fetched::NotAnArchive, Exit::new(12, "what came is not an archive")),
        ];
        Self {
            delays: Delays::default(),
            plans: Vec::new(),
            downloads: downloads.into(),
            node: "node-1".to_owned(),
            pods_go_first: true,
        }
    }
}

impl Config {
    /// The plan for a name.
    pub fn plan(&self, name: &str) -> PodPlan {
        let plan = self.plans.iter().find(|(pattern, _)| matches(pattern, name));
        plan.map(|(_, plan)| plan.clone()).unwrap_or_default()
    }

    /// Puts a plan before all others.
    pub fn prefer(&mut self, pattern: &str, plan: PodPlan) {
        self.plans.insert(0, (pattern.to_owned(), plan));
    }
}

/// Whether a pattern with `*` for any letters matches all of a name.
pub fn matches(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((head, tail)) => name.strip_prefix(head).is_some_and(|rest| {
            (0..=rest.len()).filter(|at| rest.is_char_boundary(*at)).any(|at| matches(tail, &rest[at..]))
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_whole_names() {
        for (pattern, name, expected) in [
            ("*", "a", true),
            ("a-*", "a-1", true),
            ("*-2", "a-12", false),
            ("a*c*", "abcd", true),
            ("a", "ab", false),
        ] {
            assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
        }
    }
}
