//! The watch threads: one for each kind in each watched namespace.
//!
//! Owns what is said when a single watch goes blind and sees again: one line each, and the mend where it is known. Leaves to
//! the core what is said when the API server is away and all of them are blind, and what was seen. Invariant: a thread that cannot hand over what it has seen waits; nothing is dropped.

use std::ops::ControlFlow;

use crossbeam_channel::Sender;
use k8s::{Client, Stop, WatchEvent, WatchSpec};
use serde::de::DeserializeOwned;

use super::{StartError, spawn};
use crate::core::reach;
use crate::event::{Event, Seen};
use crate::testrun::api::LABEL_TEST_RUN;
use crate::{testrun, zone};

/// The first refusal passes by itself within a second where an API server has just been given new definitions, or has just been
/// started and does not know its own roles yet.
const TOLD_AT: u32 = 2;

/// Starts the watches. They end with `stop`, or when nobody listens any more.
pub(super) fn start(
    client: &Client,
    scopes: &[Option<String>],
    seen: &Sender<Event>,
    stop: &Stop,
) -> Result<(), StartError> {
    for scope in scopes {
        let namespace = scope.as_deref();
        let zones = WatchSpec::new(zone::api::RESOURCE, namespace);
        let runs = WatchSpec::new(testrun::api::RESOURCE, namespace);
        let pods = WatchSpec::new(k8s::PODS, namespace).with_labels(LABEL_TEST_RUN);
        watch(client, zones, seen, stop, Seen::Zone)?;
        watch(client, runs, seen, stop, Seen::Run)?;
        watch(client, pods, seen, stop, Seen::Pod)?;
    }
    Ok(())
}

fn watch<T: DeserializeOwned + Send + 'static>(
    client: &Client,
    spec: WatchSpec,
    seen: &Sender<Event>,
    stop: &Stop,
    wrap: fn(WatchEvent<T>) -> Seen,
) -> Result<(), StartError> {
    let (client, seen, stop) = (client.clone(), seen.clone(), stop.clone());
    let name = format!("watch-{}", spec.resource.plural);
    let watch = move || {
        let mut refusals = 0;
        client.watch::<T>(&spec, &stop, &mut |event| {
            tell(&spec, &event, &mut refusals);
            let event = Event::Seen { scope: spec.namespace.clone(), what: Box::new(wrap(event)) };
            if seen.send(event).is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        });
    };
    spawn(&name, Box::new(watch))
}

/// `refusals` is how many there have been in a row.
fn tell<T>(spec: &WatchSpec, event: &WatchEvent<T>, refusals: &mut u32) {
    let plural = spec.resource.plural;
    let place =
        spec.namespace.as_ref().map_or_else(String::new, |namespace| format!(" in namespace {namespace}"));
    match event {
        WatchEvent::Failing(error) if !reach::is_outage(error) => {
            *refusals = refusals.saturating_add(1);
            let level = if *refusals == TOLD_AT { log::Level::Warn } else { log::Level::Debug };
            log::log!(
                level,
                "the watch on {plural}{place} fails and is tried again: {error}{}",
                mend(plural, error)
            );
        }
        WatchEvent::Failing(error) => log::debug!("the watch on {plural}{place} fails: {error}"),
        WatchEvent::Recovered => {
            let was_told = std::mem::take(refusals) >= TOLD_AT;
            let level = if was_told { log::Level::Info } else { log::Level::Debug };
            log::log!(level, "the watch on {plural}{place} sees again");
        }
        WatchEvent::Malformed { key, error, .. } => {
            log::warn!("{plural} {key} cannot be read and is left alone: {error}");
        }
        WatchEvent::Snapshot { items, .. } => log::debug!("{} {plural}{place} listed", items.len()),
        WatchEvent::Applied(_) | WatchEvent::Deleted(_) => {}
    }
}

fn mend(plural: &str, error: &k8s::Error) -> String {
    if error.is_forbidden() {
        format!(
            "; grant the agent list and watch on {plural}, or name the namespaces it may see with --namespace"
        )
    } else if error.is_unauthorized() {
        "; its account is gone or its token has ended: give the agent a new kubeconfig, then restart it"
            .to_owned()
    } else if error.is_not_found() {
        "; install the custom resource definitions: kubectl apply -k manifests/crds".to_owned()
    } else {
        String::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_refusal_is_no_news() {
        let status = k8s::status::Status { code: 403, ..k8s::status::Status::default() };
        let spec = WatchSpec::new(k8s::PODS, None);
        let mut refusals = 0;
        let refused = WatchEvent::<k8s::Pod>::Failing(k8s::Error::Api { status });
        tell(&spec, &refused, &mut refusals);
        assert!(refusals < TOLD_AT);
        tell(&spec, &refused, &mut refusals);
        assert_eq!(refusals, TOLD_AT);
        tell(&spec, &WatchEvent::<k8s::Pod>::Recovered, &mut refusals);
        assert_eq!(refusals, 0);
    }

    #[test]
    fn what_is_refused_is_told_with_its_mend() {
        for (code, part) in
            [(401, "new kubeconfig"), (403, "list and watch on pods"), (404, "manifests/crds")]
        {
            let status = k8s::status::Status {
                code,
                reason: String::new(),
                message: String::new(),
                retry_after: None,
            };
            let mend = mend("pods", &k8s::Error::Api { status });
            assert!(mend.starts_with("; ") && mend.contains(part), "{mend}");
        }
    }
}
