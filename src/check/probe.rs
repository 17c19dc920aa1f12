//! The asking: one function for each probe, from a call or a few to findings.
//!
//! Owns calls, time limits and their order. Leaves what an answer means to the pure modules beside it. Invariant: nothing is
//! changed anywhere. Every call is a GET, a SelfSubjectAccessReview, which makes no object, or a create that is a dry run.

#![expect(clippy::disallowed_methods, reason = "waiting has a deadline")]

mod ways;
mod zones;

use std::sync::Arc;
use std::time::{Duration, Instant};

use k8s::{ADMISSION_POLICY_BINDINGS, Client, LEASES};

use super::finding::{Check, Finding};
use super::rights::{Named, Place, RIGHTS, Right, When};
use super::side::Task;
use super::{kubernetes, operator, policy, sample};
use crate::config::RunConfig;
use crate::shell::image;
use plz_core::event::ObjectKey;
use plz_core::lease::operator::{NAME, scopes};
use plz_core::lease::record::Record;
use plz_core::outcome;
use plz_core::testrun::network::{RunnerNetwork, ShareProxy};
use plz_core::testrun::template;

use ways::named_image;
pub(super) use ways::{api_server, configuration, host};

/// For an answer to begin, and again for it to end.
const TIMEOUT: Duration = Duration::from_secs(6);
/// For a connection to the API server.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(4);
/// For a credential plugin.
const PLUGIN_TIMEOUT: Duration = Duration::from_secs(8);
/// Between two looks at the Lease of k6-operator, which renews it every 2 s.
const LOOK_INTERVAL: Duration = Duration::from_secs(5);
/// What is left of the time when the zones have had theirs.
const MARGIN: Duration = Duration::from_secs(1);
/// Zones that are asked for.
const ZONES_MAX: u32 = 100;

/// What all probes share.
#[derive(Debug)]
pub(super) struct Probes {
    pub(super) config: Arc<RunConfig>,
    pub(super) client: Client,
    pub(super) scopes: Vec<Option<String>>,
    /// The Lease of the election.
    pub(super) lease: Option<ObjectKey>,
    pub(super) deadline: Instant,
}

impl Probes {
    /// One task for each resource that the agent has to do with.
    pub(super) fn permissions(self: &Arc<Self>) -> Vec<Task> {
        let in_cluster = self.client.config().is_in_cluster();
        let wanted = |right: &&Right| match right.when {
            When::Always => true,
            When::ClusterWide => self.is_cluster_wide(),
            When::ProxyAccess => self.config.runner_access.is_proxied(in_cluster),
            // Without a name for its own namespace another check says so.
            When::OwnImage => {
                let is_known = self.config.kube_env.pod_namespace.is_some();
                in_cluster && is_known && self.config.fetch_image.is_none()
            }
            When::Elects => self.lease.is_some(),
        };
        let tasks = RIGHTS.iter().filter(wanted).map(|right| {
            let probes = self.clone();
            Task::new(Check::Permission, &right.subject(), move || vec![probes.permission(right)])
        });
        tasks.collect()
    }

    fn permission(&self, right: &Right) -> Finding {
        let own = [self.config.kube_env.pod_namespace.clone()];
        let elected = [self.lease.as_ref().map(|lease| lease.namespace.clone())];
        let lookout = self.lookout();
        let scopes = match right.place {
            Place::Watched => self.scopes.as_slice(),
            Place::Lookout => lookout.as_slice(),
            Place::Cluster => &[None],
            Place::Own => own.as_slice(),
            Place::Lease => elected.as_slice(),
        };
        let name = match right.named {
            Named::Any => "",
            Named::Policy => policy::NAME,
            Named::Operator => NAME,
            Named::Lease => self.lease.as_ref().map_or("", |lease| &lease.name),
        };
        let mut missing = Vec::new();
        for &verb in right.verbs {
            let mut lacking = Vec::new();
            for scope in scopes {
                match self.client.review_access(&right.attributes(verb, scope.as_deref(), name)) {
                    Ok(review) if review.allowed => {}
                    Ok(_) => lacking.push(scope.clone().unwrap_or_else(|| "all namespaces".to_owned())),
                    Err(error) => {
                        let message = format!(
                            "{}: the API server does not say whether the agent has this right: {}",
                            right.subject(),
                            outcome::text(&error)
                        );
                        let fix =
                            "put the agent's account into the group system:authenticated, and try again";
                        return Finding::failed(Check::Permission, &message, fix).about(&right.subject());
                    }
                }
            }
            if !lacking.is_empty() {
                missing.push((verb, lacking));
            }
        }
        right.judge(scopes, name, &missing)
    }

    /// Whether it works in all namespaces, as far as it was told.
    fn is_cluster_wide(&self) -> bool {
        self.scopes.contains(&None)
    }

    /// The binding of the admission policy for test runs.
    pub(super) fn admission_policy(&self) -> Vec<Finding> {
        if !self.is_cluster_wide() {
            return vec![policy::out_of_reach()];
        }
        vec![policy::judge(self.client.call(&ADMISSION_POLICY_BINDINGS.get(None, policy::NAME)))]
    }

    /// What becomes of a test run, in each namespace by name, or in the agent's own.
    pub(super) fn dry_runs(&self) -> Vec<Finding> {
        let settings = template::Settings {
            fetch_image: "check".to_owned(),
            ingest: self.config.cloud_ingest.clone(),
            // What a run may be refused for are its volumes; a proxy's address is nobody's business here.
            network: RunnerNetwork::new(
                &self.config.proxies.variables(),
                ShareProxy::None,
                self.config.runner_ca.clone(),
            ),
        };
        let own = self.config.kube_env.pod_namespace.clone();
        let own = own.unwrap_or_else(|| self.client.config().namespace.clone());
        let mut findings = Vec::new();
        let mut fields: Option<Finding> = None;
        for scope in &self.scopes {
            let namespace = scope.as_deref().unwrap_or(&own);
            let (request, sent) = sample::dry_run(namespace, &settings);
            let tried = kubernetes::dry_run(namespace, &sent, self.client.call(&request));
            if scope.is_some() {
                findings.push(tried.namespace);
            }
            // The schema is the same everywhere; a refusal is of one namespace, and counts more.
            let is_worse = |new: &Finding| {
                fields
                    .as_ref()
                    .is_none_or(|old| old.verdict != new.verdict && new.verdict == super::Verdict::Failed)
            };
            if let Some(new) = tried.fields.filter(is_worse) {
                fields = Some(new);
            }
        }
        findings.push(fields.unwrap_or_else(|| {
            let message = "it is unknown whether the API server keeps every field of a test run: the agent may not \
                create one in any namespace";
            Finding::skipped(Check::Fields, message)
        }));
        findings
    }

    /// Looks for the Lease of k6-operator, and again if somebody holds it.
    pub(super) fn operator(&self) -> Vec<Finding> {
        let named = &self.config.operator_namespaces;
        let (first, mut findings) = self.operator_leases();
        if first.is_empty() && findings.is_empty() {
            return operator::judge(named, &first, &first);
        }
        if !first.is_empty() {
            let left = self.deadline.saturating_duration_since(Instant::now());
            let _ = k8s::Stop::new().wait(LOOK_INTERVAL.min(left));
            let (second, unseen) = self.operator_leases();
            findings = operator::judge(named, &first, &second);
            findings.extend(unseen);
        }
        findings
    }

    /// Those that are held, and what is to be said of the places that cannot be seen.
    fn operator_leases(&self) -> (Vec<Record>, Vec<Finding>) {
        let (mut held, mut unseen) = (Vec::new(), Vec::new());
        for scope in self.lookout() {
            let answer = self.client.call(&LEASES.find(scope.as_deref(), NAME));
            match answer.and_then(|body| Record::read_list(&body)) {
                Ok(leases) => held.extend(leases.into_iter().filter(|lease| !lease.holder.is_empty())),
                Err(error) => unseen.push(operator::unseen(scope.as_deref(), &error)),
            }
        }
        (held, unseen)
    }

    /// The places where k6-operator's Lease is watched.
    fn lookout(&self) -> Vec<Option<String>> {
        scopes(&self.scopes, &self.config.operator_namespaces)
    }

    /// The Lease of the election.
    pub(super) fn election(&self) -> Vec<Finding> {
        let Some(lease) = &self.lease else { return Vec::new() };
        let answer = self.client.call(&LEASES.get(Some(&lease.namespace), &lease.name));
        vec![operator::election(&lease.to_string(), answer.and_then(|body| Record::read(&body)))]
    }

    /// The image of the agent's own pod.
    pub(super) fn own_image(&self) -> Vec<Finding> {
        match image::look(&self.config.kube_env, &self.client) {
            Ok(image) => vec![named_image(Some(&image))],
            Err(error) => {
                let text = outcome::text(&error);
                let fix = "set POD_NAME and POD_NAMESPACE as in manifests/base/deployment.yaml, or name the image \
                    with --fetch-image";
                vec![Finding::told(Check::FetchImage, &text, fix)]
            }
        }
    }
}
