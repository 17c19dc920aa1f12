//! The scheduler and the kubelet: a pod from its creation to the end of its processes.
//!
//! ```text
//! Unbound → Bound → Start(0) → Running init 0 → … → Start(main) → Main → Ended
//!    └ unschedulable   └ cannot start: tries again                 └ any → Terminating → gone
//! ```
//! Containers are numbered through: init containers first, then the first main container, whose start starts the rest.
//! Invariant: a step before its time does nothing, so that nudges are harmless.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use super::plan::{Mishap, Place, PodPlan};
use super::sidecar::Sidecar;
use super::status::{PodStatus, Readiness, State};
use super::{Around, Kube, Task, is_deleting};
use crate::api::{Change, DeleteOptions, Key, Part};
use crate::json;
use crate::k6::Exit;

/// After which time a lost node is removed, from the eviction of its pods on; those that still have not ended go with it.
const NODE_REMOVED_AFTER: Duration = Duration::from_secs(30 * 60);

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Unbound,
    Bound,
    /// Container n is about to be started.
    Start(usize),
    /// Init container n runs and will end like this.
    Init(usize, Exit),
    /// The main container runs; it is k6, or a command that will end like this.
    Main(Process),
    /// Nothing runs any more, or ever will.
    Ended,
    /// Everything has been told to end.
    Terminating,
    /// The node is lost.
    Lost,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Process {
    K6,
    Command(Duration, Exit),
}

/// Where a termination message comes from (`terminationMessagePolicy`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Words {
    File,
    Log,
}

/// A pod as the kubelet has it.
#[derive(Debug)]
pub(super) struct Sandbox {
    pub(super) status: PodStatus,
    pub(super) plan: PodPlan,
    pub(super) step: Step,
    pub(super) due: Duration,
    pub(super) inits: usize,
    /// Whether the main container's last words come from its log, for k6 writes no termination log.
    words: Words,
    /// When the main container was started.
    pub(super) main_since: Duration,
    pub(super) logs: BTreeMap<String, String>,
}

impl Sandbox {
    /// Whether calls to the main container go through.
    pub(super) fn is_reachable(&self) -> bool {
        let runs = self.status.mains.first().is_some_and(|main| matches!(main, State::Running(_)));
        runs && self.step != Step::Lost
    }

    /// The log of a container; an empty name is that of any which has one.
    pub(super) fn log(&self, container: &str) -> &str {
        let log =
            if container.is_empty() { self.logs.values().next_back() } else { self.logs.get(container) };
        log.map_or("", String::as_str)
    }

    pub(super) fn mishap_of(&self, container: usize) -> Option<&Mishap> {
        let own = usize::from(self.plan.injected.is_some());
        let place = if self.inits > own && container == own {
            Place::Init
        } else if container == self.inits {
            Place::Main
        } else {
            return None;
        };
        self.plan.mishap.as_ref().filter(|mishap| match mishap {
            Mishap::Pull(at, _) | Mishap::InvalidImage(at) | Mishap::ConfigError(at, _) => *at == place,
            _ => false,
        })
    }

    pub(super) fn set(&mut self, container: usize, state: State) {
        match container.checked_sub(self.inits) {
            None => self.status.inits[container] = state,
            Some(0) if matches!(state, State::Running(_)) => self.status.mains.fill(state),
            Some(main) => self.status.mains[main] = state,
        }
    }

    /// Ends what runs, and with it the pod.
    pub(super) fn end(&mut self, now: Duration, reason: &'static str, exit: &Exit) {
        let code = exit.code;
        self.end_sidecar(now);
        // Init containers write their termination log themselves.
        let main_message = if self.words == Words::Log { exit.message.as_str() } else { "" };
        let inits = self.status.inits.iter_mut().map(|state| (state, exit.message.as_str()));
        let mains = self.status.mains.iter_mut().map(|state| (state, main_message));
        for (state, message) in inits.chain(mains) {
            if let State::Running(started) = *state {
                let message = message.to_owned();
                *state = State::Terminated { code, reason, message, started, finished: now };
            }
        }
        self.status.phase = if code == 0 { "Succeeded" } else { "Failed" };
        self.status.ready = Readiness::NotReady;
        self.step = Step::Ended;
    }
}

impl Kube {
    /// Takes a new pod on.
    pub(super) fn take_pod(&mut self, now: Duration, change: &Change) {
        let pod = &change.object;
        let owner =
            json::list(pod, "metadata.ownerReferences").first().map(|owner| json::text(owner, "name"));
        let count = |list| json::list(&pod["spec"], list).len();
        let (inits, mains) = (count("initContainers"), count("containers"));
        let has_sidecar = pod["spec"]["initContainers"][0]["restartPolicy"] == "Always";
        let sandbox = Sandbox {
            status: PodStatus {
                sidecar: has_sidecar.then(Sidecar::default),
                ..PodStatus::fresh(inits, mains)
            },
            plan: self.config.plan(owner.unwrap_or(&change.key.name)),
            step: Step::Unbound,
            due: now + self.config.delays.schedule,
            inits,
            words: match json::text(&pod["spec"]["containers"][0], "terminationMessagePolicy") {
                "FallbackToLogsOnError" => Words::Log,
                _ => Words::File,
            },
            main_since: Duration::ZERO,
            logs: BTreeMap::new(),
        };
        self.tasks.insert((sandbox.due, Task::Pod(change.key.clone())));
        self.pods.insert(change.key.clone(), sandbox);
    }

    /// Takes a pod one step on, and writes what has become of it.
    pub(super) fn step_pod(&mut self, now: Duration, around: &mut Around<'_>, key: &Key) {
        let Some(pod) = around.api.object(key).cloned() else { return };
        let Some(mut sandbox) = self.pods.remove(key) else { return };
        let beside = sandbox.step_sidecar(now);
        let is_gone = sandbox.step == Step::Terminating && now >= sandbox.due;
        let next = if is_gone {
            sandbox.end(now, "Completed", &Exit::default());
            None
        } else if is_deleting(&pod) && !matches!(sandbox.step, Step::Terminating | Step::Lost) {
            Some(self.terminate(now, around, &pod, key, &mut sandbox))
        } else {
            self.advance(now, around, &pod, key, &mut sandbox)
        };
        if sandbox.step == Step::Ended {
            around.k6s.kill(now, &key.namespace, &key.name);
        }
        let status = sandbox.status.render(now, around.api.wall, &pod);
        around.api.modify(key, Part::Status, |pod| pod["status"] = status);
        for next in next.into_iter().chain(beside) {
            self.tasks.insert((next, Task::Pod(key.clone())));
        }
        if sandbox.step == Step::Bound && json::text(&pod, "spec.nodeName").is_empty() {
            let node = self.config.node.clone();
            around.api.modify(key, Part::Main, |pod| pod["spec"]["nodeName"] = node.into());
        }
        self.pods.insert(key.clone(), sandbox);
        if is_gone {
            let force = DeleteOptions { grace: Some(0), ..DeleteOptions::default() };
            around.api.delete(now, key, &force).expect("the pod was just written");
        }
    }

    /// Tells everything to end; returns when the pod will be gone.
    fn terminate(
        &self,
        now: Duration,
        around: &mut Around<'_>,
        pod: &Value,
        key: &Key,
        sandbox: &mut Sandbox,
    ) -> Duration {
        let grace = Duration::from_secs(pod["metadata"]["deletionGracePeriodSeconds"].as_u64().unwrap_or(0));
        let mut end = now;
        if sandbox.step == Step::Main(Process::K6)
            && let Some(runner) = around.k6s.runner_mut(&key.namespace, &key.name)
        {
            runner.terminated = Some(now);
            end = runner.exits().map_or(now, |(at, _)| at).clamp(now, now + grace);
        }
        sandbox.step = Step::Terminating;
        sandbox.status.ready = Readiness::NotReady;
        let others = self.pods.values().filter(|other| other.step == Step::Terminating).count();
        let queue = self.config.delays.gone_each * u32::try_from(others).unwrap_or(u32::MAX);
        sandbox.due = end + self.config.delays.gone + queue;
        sandbox.due
    }

    /// The next step of a pod that is not being deleted; returns when to look again.
    fn advance(
        &mut self,
        now: Duration,
        around: &mut Around<'_>,
        pod: &Value,
        key: &Key,
        sandbox: &mut Sandbox,
    ) -> Option<Duration> {
        if now < sandbox.due {
            return Some(sandbox.due);
        }
        let delays = self.config.delays.clone();
        match sandbox.step.clone() {
            Step::Unbound => {
                if let Some(Mishap::Unschedulable(words)) = &sandbox.plan.mishap {
                    sandbox.status.bound = Err(words.clone());
                    sandbox.step = Step::Ended;
                    return None;
                }
                sandbox.step = Step::Bound;
                sandbox.due = now + delays.sandbox;
            }
            Step::Bound => {
                sandbox.status.started = Some(now);
                sandbox.status.ip = (self.addresses)();
                self.pods_by_ip.insert(sandbox.status.ip.clone(), key.clone());
                sandbox.step = Step::Start(0);
                sandbox.due = now + delays.pull;
            }
            Step::Start(container) => self.start(now, around, pod, key, sandbox, container),
            Step::Init(container, exit) => {
                let name = json::text(&pod["spec"]["initContainers"][container], "name").to_owned();
                sandbox.logs.entry(name).or_insert_with(|| exit.message.clone());
                if exit.code != 0 {
                    sandbox.end(now, "Error", &exit);
                    return None;
                }
                if let State::Running(started) = sandbox.status.inits[container] {
                    let message = exit.message;
                    let done =
                        State::Terminated { code: 0, reason: "Completed", message, started, finished: now };
                    sandbox.set(container, done);
                }
                sandbox.step = Step::Start(container + 1);
                sandbox.due = now + delays.pull;
            }
            Step::Main(process) => return self.watch_main(now, around, pod, key, sandbox, &process),
            Step::Lost => {
                if !is_deleting(pod) {
                    sandbox.status.disrupted =
                        Some(("DeletionByTaintManager", "Taint manager: deleting due to NoExecute taint"));
                    sandbox.status.reason = "NodeLost";
                    around.api.delete(now, key, &DeleteOptions::default()).expect("the pod is there");
                }
                let removed = sandbox.due + NODE_REMOVED_AFTER;
                if now < removed {
                    return Some(removed);
                }
                sandbox.step = Step::Terminating;
            }
            Step::Ended | Step::Terminating => return None,
        }
        Some(sandbox.due)
    }
}
