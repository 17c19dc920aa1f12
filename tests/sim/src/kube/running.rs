//! The main container while it runs: exit, readiness, and the mishaps that come by time.

use std::time::Duration;

use serde_json::Value;

use super::kubelet::{Process, Sandbox, Step};
use super::plan::Mishap;
use super::status::Readiness;
use super::{Around, Kube};
use crate::api::{DeleteOptions, Key};
use crate::json;
use crate::k6::{self, Exit};

impl Kube {
    /// Looks at the main container: mishaps, exit, readiness. All of it by time alone, so any moment is good.
    pub(super) fn watch_main(
        &mut self,
        now: Duration,
        around: &mut Around<'_>,
        pod: &Value,
        key: &Key,
        sandbox: &mut Sandbox,
        process: &Process,
    ) -> Option<Duration> {
        let mut later = Vec::new();
        if let Some((after, mishap)) = sandbox.plan.mishap.clone().and_then(timed) {
            let at = sandbox.main_since + after;
            if now >= at {
                return self.befall(now, around, key, sandbox, mishap);
            }
            later.push(at);
        }
        let exit = match process {
            Process::K6 => around.k6s.runner(&key.namespace, &key.name).and_then(|runner| runner.exits()),
            Process::Command(at, exit) => Some((*at, exit.clone())),
        };
        if let Some((at, exit)) = exit {
            if now >= at {
                let name = json::text(&pod["spec"]["containers"][0], "name").to_owned();
                sandbox.logs.entry(name).or_insert_with(|| exit.message.clone());
                let reason = if exit.code == 0 { "Completed" } else { "Error" };
                sandbox.end(now, reason, &exit);
                return None;
            }
            later.push(at);
        }
        let probe = &pod["spec"]["containers"][0]["readinessProbe"];
        let after = if probe.is_object() {
            let seconds =
                |field: &str, default| Duration::from_secs(probe[field].as_u64().unwrap_or(default));
            seconds("initialDelaySeconds", 0) + seconds("periodSeconds", 10)
        } else {
            self.config.delays.ready
        };
        let ready_at = sandbox.main_since + after;
        if now >= ready_at {
            sandbox.status.ready = Readiness::Ready;
        } else {
            later.push(ready_at);
        }
        later.into_iter().min()
    }

    fn befall(
        &mut self,
        now: Duration,
        around: &mut Around<'_>,
        key: &Key,
        sandbox: &mut Sandbox,
        mishap: Mishap,
    ) -> Option<Duration> {
        let killed = || Exit::new(k6::KILLED, "");
        match mishap {
            Mishap::Exit(_, exit) => {
                let reason = if exit.code == 0 { "Completed" } else { "Error" };
                sandbox.end(now, reason, &exit);
            }
            Mishap::OomKilled(_) => sandbox.end(now, "OOMKilled", &killed()),
            Mishap::Evicted(_, words) => {
                sandbox.end(now, "Error", &killed());
                sandbox.status.reason = "Evicted";
                sandbox.status.disrupted =
                    Some(("TerminationByKubelet", "The node was low on resource: memory."));
                sandbox.status.message = words;
            }
            Mishap::NodeLost(_) => {
                sandbox.step = Step::Lost;
                sandbox.status.ready = Readiness::NodeNotReady;
                sandbox.due = now + self.config.delays.node_eviction;
                return Some(sandbox.due);
            }
            Mishap::Disrupted(_) | Mishap::Deleted(_) => {
                if matches!(mishap, Mishap::Disrupted(_)) {
                    sandbox.status.disrupted = Some(("EvictionByEvictionAPI", "Eviction API: evicting"));
                }
                sandbox.plan.mishap = None;
                around.api.delete(now, key, &DeleteOptions::default()).expect("the pod is there");
            }
            _ => {}
        }
        None
    }
}

/// The mishaps that come by time, with their time after the start of the main container.
fn timed(mishap: Mishap) -> Option<(Duration, Mishap)> {
    let after = match &mishap {
        Mishap::Exit(after, _)
        | Mishap::OomKilled(after)
        | Mishap::Evicted(after, _)
        | Mishap::Disrupted(after)
        | Mishap::NodeLost(after)
        | Mishap::Deleted(after) => *after,
        _ => return None,
    };
    Some((after, mishap))
}
