//! Who the agent is in an election, and where that is held.
//!
//! Owns the name of the host and the choice of the namespace. Invariant: no two processes have the same identity.

use std::fs;

use super::StartError;
use super::clock::Clock;
use crate::config::RunConfig;
use plz_core::event::ObjectKey;
use plz_core::lease::Candidacy;

/// Where the name of the host stands; the shipped systemd unit hides the first.
const HOST_NAME_FILES: [&str; 2] = ["/proc/sys/kernel/hostname", "/etc/hostname"];
/// Where nothing tells the name of the host.
const NAMELESS: &str = "plz-agent";

/// How the agent takes part in the election that it was told of, if it was.
pub(super) fn candidacy(
    config: &RunConfig,
    kube: &k8s::Config,
    clock: &Clock,
) -> Result<Option<Candidacy>, StartError> {
    let Some(lease) = place(config, kube)? else { return Ok(None) };
    let host = config.kube_env.pod_name.clone().or_else(host_name);
    let identity = clock.identity(host.as_deref().unwrap_or(NAMELESS));
    Ok(Some(Candidacy { lease, identity }))
}

/// The Lease of the election that the agent was told of, if it was.
pub(crate) fn place(config: &RunConfig, kube: &k8s::Config) -> Result<Option<ObjectKey>, StartError> {
    let Some(lease) = &config.lease else { return Ok(None) };
    let of_context = || kube.names_namespace.then(|| kube.namespace.clone());
    let namespace =
        lease.namespace.clone().or_else(|| config.kube_env.pod_namespace.clone()).or_else(of_context);
    let namespace = namespace.ok_or_else(|| StartError::NoLeaseNamespace(lease.name.clone()))?;
    Ok(Some(ObjectKey::new(namespace, lease.name.clone())))
}

fn host_name() -> Option<String> {
    let names = HOST_NAME_FILES.iter().filter_map(|file| fs::read_to_string(file).ok());
    names.map(|name| name.trim().to_owned()).find(|name| !name.is_empty())
}
