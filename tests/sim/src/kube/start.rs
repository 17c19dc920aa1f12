//! The start of a container: environment, command line, and what a process of it does.

use std::time::Duration;

use serde_json::Value;

use super::kubelet::{Process, Sandbox, Step};
use super::plan::Mishap;
use super::status::State;
use super::{Around, Kube, env};
use crate::api::{Api, Key, Kind};
use crate::json;
use crate::k6::{Argv, Exit};

/// How long the kubelet waits before it tries a container again that it could not start.
const RETRY: Duration = Duration::from_secs(10);
/// From the start of a command that k6 refuses to its exit.
const REFUSAL: Duration = Duration::from_millis(50);

impl Kube {
    /// Starts a container, or writes down why it cannot be started and tries again later.
    pub(super) fn start(
        &self,
        now: Duration,
        around: &mut Around<'_>,
        pod: &Value,
        key: &Key,
        sandbox: &mut Sandbox,
        container: usize,
    ) {
        if !is_mounted(around.api, pod) {
            // The kubelet tells of this in an Event; the status goes on to say that the containers are being made.
            sandbox.due = now + RETRY;
            return;
        }
        let is_init = container < sandbox.inits;
        let spec = match container.checked_sub(sandbox.inits) {
            None => &pod["spec"]["initContainers"][container],
            Some(main) => &pod["spec"]["containers"][main],
        };
        let env = env::resolve(around.api, pod, &sandbox.status.ip, spec);
        if let Some((reason, message)) = refusal(sandbox, container, json::text(spec, "image"), &env) {
            sandbox.set(container, State::Waiting { reason, message });
            sandbox.due = now + RETRY;
            return;
        }
        if container == 0
            && let Some(sidecar) = &mut sandbox.status.sidecar
        {
            sidecar.since = Some(now);
            sandbox.set(0, State::Running(now));
            sandbox.step = Step::Start(1);
            sandbox.due = now + self.config.delays.pull;
            return;
        }
        let env = env.expect("an unresolved environment is refused above");
        let argv = env::argv(spec, &env);
        sandbox.set(container, State::Running(now));
        let name = json::text(spec, "name");
        if is_init {
            let url =
                env.iter().rev().find(|(name, _)| name == "PLZ_ARCHIVE_URL").map(|(_, url)| url.as_str());
            let exit = match (&sandbox.plan.mishap, url) {
                (Some(Mishap::Init(exit)), _)
                    if container == usize::from(sandbox.plan.injected.is_some()) =>
                {
                    exit.clone()
                }
                (_, Some(url)) => {
                    let fetched = around.s3.fetch(now, url);
                    self.config.downloads.get(&fetched).cloned().unwrap_or_default()
                }
                _ => command(sandbox, name),
            };
            sandbox.step = Step::Init(container, exit);
            sandbox.due = now + self.config.delays.init;
            return;
        }
        sandbox.status.phase = "Running";
        sandbox.main_since = now;
        let process = match Argv::read(&argv) {
            Some(Ok(argv)) => {
                let script = sandbox.plan.script.clone();
                around.k6s.start(now, &key.namespace, &key.name, argv, script);
                Process::K6
            }
            Some(Err(exit)) => Process::Command(now + REFUSAL, exit),
            None => Process::Command(now + self.config.delays.command, command(sandbox, name)),
        };
        sandbox.step = Step::Main(process);
        sandbox.due = now;
    }
}

/// Whether every ConfigMap that is to be mounted exists, with the keys that are asked for.
fn is_mounted(api: &Api, pod: &Value) -> bool {
    let namespace = json::text(pod, "metadata.namespace");
    let mut sources = json::list(pod, "spec.volumes")
        .iter()
        .map(|volume| &volume["configMap"])
        .filter(|source| source.is_object() && source["optional"] != true);
    sources.all(|source| {
        let key = Key::new(Kind::ConfigMap, namespace, json::text(source, "name"));
        let mut items = json::list(source, "items").iter().map(|item| json::text(item, "key"));
        api.object(&key).is_some_and(|object| items.all(|item| object["data"][item].is_string()))
    })
}

/// Why a container cannot be started, as `waiting.reason` and message.
fn refusal(
    sandbox: &Sandbox,
    container: usize,
    image: &str,
    env: &Result<env::Env, String>,
) -> Option<(&'static str, String)> {
    let state = match container.checked_sub(sandbox.inits) {
        None => &sandbox.status.inits[container],
        Some(main) => &sandbox.status.mains[main],
    };
    match (sandbox.mishap_of(container), env) {
        (Some(Mishap::Pull(_, words)), _) => {
            let was_error = matches!(state, State::Waiting { reason: "ErrImagePull", .. });
            Some(if was_error {
                ("ImagePullBackOff", format!("Back-off pulling image {image:?}: ErrImagePull: {words}"))
            } else {
                ("ErrImagePull", words.clone())
            })
        }
        (Some(Mishap::InvalidImage(_)), _) => {
            let words = format!(
                "Failed to apply default image tag {image:?}: couldn't parse image name: invalid reference format"
            );
            Some(("InvalidImageName", words))
        }
        (Some(Mishap::ConfigError(_, words)), _) => Some(("CreateContainerConfigError", words.clone())),
        (_, Err(words)) => Some(("CreateContainerConfigError", words.clone())),
        _ => None,
    }
}

/// How a container ends that is neither k6 nor a download; its log is put down.
fn command(sandbox: &mut Sandbox, name: &str) -> Exit {
    let (exit, log) = sandbox.plan.commands.get(name).cloned().unwrap_or_default();
    sandbox.logs.insert(name.to_owned(), log);
    exit
}
