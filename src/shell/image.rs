//! The image of the init container: the agent's own, unless one is named.
//!
//! Owns the reading of the agent's own Pod. Invariant: an API server that cannot be reached yet is waited for; one that
//! refuses is an error with a mend.

use std::time::Duration;

use k8s::{Client, PODS, Retry, Stop};

use super::StartError;
use crate::config::{KubeEnv, RunConfig};

/// Between two tries to read the pod.
const RETRY_INTERVAL: Duration = Duration::from_secs(3);

/// The name of the agent's container in the shipped manifests; the first container counts if none has it.
const CONTAINER: &str = "plz-agent";

#[derive(Default)]
struct Pod {
    spec: Spec,
}
k8s::readable!(Pod { spec: "spec" });

#[derive(Default)]
struct Spec {
    containers: Vec<Container>,
}
k8s::readable!(Spec { containers: "containers" });

#[derive(Default)]
struct Container {
    name: String,
    image: String,
}
k8s::readable!(Container { name: "name", image: "image" });

/// The image, or `None` if the agent was stopped while it waited for it.
pub(super) fn fetch_image(
    config: &RunConfig,
    client: &Client,
    stop: &Stop,
) -> Result<Option<String>, StartError> {
    if let Some(image) = &config.fetch_image {
        return Ok(Some(image.clone()));
    }
    let (namespace, name) = own_pod(&config.kube_env)?;
    let request = PODS.get(Some(namespace), name);
    let mut told = false;
    loop {
        match client.call_as::<Pod>(&request) {
            Ok(pod) => return image_of(pod).map(Some),
            Err(error) if error.retry() == Retry::Never => return Err(unreadable(namespace, name, &error)),
            Err(error) if !told => {
                told = true;
                log::warn!("Pod {namespace}/{name}, the agent's own, cannot be read yet: {error}");
            }
            Err(_) => {}
        }
        if stop.wait(RETRY_INTERVAL) {
            return Ok(None);
        }
    }
}

/// The image of the agent's own pod, by one look.
pub(crate) fn look(env: &KubeEnv, client: &Client) -> Result<String, StartError> {
    let (namespace, name) = own_pod(env)?;
    let pod = client.call_as::<Pod>(&PODS.get(Some(namespace), name));
    pod.map_err(|error| unreadable(namespace, name, &error)).and_then(image_of)
}

fn own_pod(env: &KubeEnv) -> Result<(&str, &str), StartError> {
    match (&env.pod_namespace, &env.pod_name) {
        (Some(namespace), Some(name)) => Ok((namespace, name)),
        _ => Err(StartError::OwnImage("POD_NAME and POD_NAMESPACE are not both set".to_owned())),
    }
}

fn unreadable(namespace: &str, name: &str, error: &k8s::Error) -> StartError {
    StartError::OwnImage(format!("Pod {namespace}/{name}: {error}"))
}

fn image_of(pod: Pod) -> Result<String, StartError> {
    let containers = pod.spec.containers;
    let own = containers.iter().find(|container| container.name == CONTAINER).or(containers.first());
    let image = own.map(|container| container.image.clone()).filter(|image| !image.is_empty());
    image.ok_or_else(|| StartError::OwnImage("it has no container with an image".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pod: &str, expected: Option<&str>) {
        let image = image_of(serde_json::from_str(pod).unwrap()).ok();
        assert_eq!(image.as_deref(), expected);
    }

    #[test]
    fn a_sidecar_is_not_taken_for_the_agent() {
        check(
            r#"{"spec":{"containers":[{"name":"istio","image":"a"},{"name":"plz-agent","image":"b"}]}}"#,
            Some("b"),
        );
        check(r#"{"spec":{"containers":[{"name":"main","image":"a"}]}}"#, Some("a"));
        check(r#"{"spec":{"containers":null}}"#, None);
    }
}
