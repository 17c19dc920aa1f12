//! The watch threads: one for each kind in each watched namespace.
//!
//! Owns what is said when a single watch goes blind and sees again: one line each, and the mend where it is known. Leaves to
//! the core what is said when the API server is away and all of them are blind, and of single objects, and what was seen. Invariant: a thread that cannot hand over what it has seen waits; nothing is dropped.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crossbeam_channel::Sender;
use k8s::fields::Read;
use k8s::{Client, Stop, WatchEvent, WatchSpec};

use super::{StartError, spawn};
use plz_core::controller::reach;
use plz_core::event::{Event, News, Seen};
use plz_core::watched;

/// The first refusal passes by itself within a second where an API server has just been given new definitions, or has just been
/// started and does not know its own roles yet.
const TOLD_AT: u32 = 2;

/// Starts the watches. They end with `stop`, or when nobody listens any more.
pub(super) fn start(
    client: &Client,
    scopes: &[Option<String>],
    lookout: &[Option<String>],
    seen: &Sender<Vec<Event>>,
    stop: &Stop,
) -> Result<Again, StartError> {
    let mut again = Again::default();
    for scope in scopes {
        let scope = scope.as_deref();
        again.watch(client, watched::zones(scope), seen, stop, watched::zone)?;
        again.watch(client, watched::runs(scope), seen, stop, watched::run)?;
        again.watch(client, watched::pods(scope), seen, stop, watched::pod)?;
    }
    for scope in lookout {
        again.watch(client, watched::operators(scope.as_deref()), seen, stop, watched::operator)?;
    }
    Ok(again)
}

/// By which the loop asks a watch to list everything anew when its present stream ends: by the watch's resource and scope.
#[derive(Debug, Default)]
pub(super) struct Again(Vec<(&'static str, Option<String>, Arc<AtomicBool>)>);

impl Again {
    pub(super) fn ask(&self, plural: &str, scope: Option<&str>) {
        let these = self.0.iter().filter(|(known, of, _)| *known == plural && of.as_deref() == scope);
        these.for_each(|(_, _, again)| again.store(true, Ordering::Relaxed));
    }

    fn watch<T: Read + Send + 'static>(
        &mut self,
        client: &Client,
        spec: WatchSpec,
        seen: &Sender<Vec<Event>>,
        stop: &Stop,
        wrap: fn(WatchEvent<T>) -> Seen,
    ) -> Result<(), StartError> {
        let (client, seen, stop) = (client.clone(), seen.clone(), stop.clone());
        let again = Arc::new(AtomicBool::new(false));
        self.0.push((spec.resource.plural, spec.namespace.clone(), again.clone()));
        let name = format!("watch-{}", spec.resource.plural);
        let watch = move || {
            let mut refusals = 0;
            client.watch::<T>(&spec, &again, &stop, &mut |events| {
                let see = |event| {
                    let what = Box::new(wrap(event));
                    tell(&spec, &what, &mut refusals);
                    Event::Seen { scope: spec.namespace.clone(), what }
                };
                let events: Vec<Event> = events.into_iter().map(see).collect();
                if seen.send(events).is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
            });
        };
        spawn(&name, Box::new(watch))
    }
}

/// `refusals` is how many there have been in a row.
fn tell(spec: &WatchSpec, seen: &Seen, refusals: &mut u32) {
    let plural = spec.resource.plural;
    let place =
        spec.namespace.as_ref().map_or_else(String::new, |namespace| format!(" in namespace {namespace}"));
    match seen.news() {
        News::Failing(error) if !reach::is_outage(error) => {
            *refusals = refusals.saturating_add(1);
            // What the look-out is refused it tells itself, with what follows.
            let is_told = plural == k8s::LEASES.plural && error.is_forbidden();
            let level = if *refusals == TOLD_AT && !is_told { log::Level::Warn } else { log::Level::Debug };
            log::log!(
                level,
                "the watch on {plural}{place} failed and will be retried: {error}{}",
                mend(plural, error)
            );
        }
        News::Failing(error) => log::debug!("the watch on {plural}{place} failed: {error}"),
        News::Overlong(error) => {
            let level = if *refusals < TOLD_AT { log::Level::Warn } else { log::Level::Debug };
            *refusals = TOLD_AT;
            log::log!(
                level,
                "the agent does not see all {plural}{place}: {error}; it serves those that it has read, and will \
                 retry; delete what is not needed, or set a quota on count/{plural}"
            );
        }
        News::Recovered => {
            let was_told = std::mem::take(refusals) >= TOLD_AT;
            let level = if was_told { log::Level::Info } else { log::Level::Debug };
            log::log!(level, "the watch on {plural}{place} works again");
        }
        News::Listed => log::debug!("{plural}{place} listed"),
        News::Malformed { .. } | News::Object => {}
    }
}

fn mend(plural: &str, error: &k8s::Error) -> String {
    if error.is_forbidden() {
        format!(
            "; grant the agent list and watch on {plural}, or name the namespaces it may see with --namespace"
        )
    } else if error.is_unauthorized() {
        "; its account is gone or its token has expired: give the agent a new kubeconfig, then restart it"
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
        let refused = Seen::Pod(WatchEvent::Failing(k8s::Error::Api { status }));
        tell(&spec, &refused, &mut refusals);
        assert!(refusals < TOLD_AT);
        tell(&spec, &refused, &mut refusals);
        assert_eq!(refusals, TOLD_AT);
        tell(&spec, &Seen::Pod(WatchEvent::Recovered), &mut refusals);
        assert_eq!(refusals, 0);
    }

    #[test]
    fn what_is_refused_is_told_with_its_mend() {
        for (code, part) in
            [(401, "new kubeconfig"), (403, "list and watch on pods"), (404, "manifests/crds")]
        {
            let status = k8s::status::Status { code, ..k8s::status::Status::default() };
            let mend = mend("pods", &k8s::Error::Api { status });
            assert!(mend.starts_with("; ") && mend.contains(part), "{mend}");
        }
    }
}
