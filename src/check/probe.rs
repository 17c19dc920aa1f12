//! The asking: one function for each probe, from a call or a few to findings.
//!
//! Owns calls, time limits and their order. Leaves what an answer means to the pure modules beside it. Invariant: nothing is
//! changed anywhere. Every call is a GET, a SelfSubjectAccessReview, which makes no object, or a create that is a dry run.

#![expect(clippy::disallowed_methods, reason = "clocks are compared, and waiting has a deadline")]

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use k8s::config::{Credentials, Origin, Pem};
use k8s::resource::ListOptions;
use k8s::{Client, LEASES, Request, SECRETS};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use serde_json::Value;

use super::finding::{Check, Finding};
use super::rights::{Named, Place, RIGHTS, Right, When};
use super::side::{Task, side_by_side};
use super::{clock, cloud, expiry, kubernetes, operator, sample, zones};
use crate::config::{RunConfig, RunnerAccess};
use crate::event::ObjectKey;
use crate::lease::operator::NAME;
use crate::lease::record::Record;
use crate::net::{HttpClient, NetError, parse_http_date};
use crate::shell::{self, image};
use crate::zone::api::{self, PrivateLoadZone};
use crate::zone::network::{RunnerNetwork, ShareProxy};
use crate::zone::template;
use crate::{cloud as gck6, lesson, token};

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

/// The configuration and what can be said of it without a call.
pub(super) fn configuration(config: &RunConfig) -> (Vec<Finding>, Option<Client>) {
    let mut kube = match k8s::Config::infer(&shell::source(config)) {
        Ok(kube) => kube.with_user_agent(concat!("plz-agent/", env!("CARGO_PKG_VERSION"))),
        Err(error) => {
            let text = lesson::text(&error);
            return (vec![Finding::told(Check::Configuration, &text, "correct that entry")], None);
        }
    };
    let origin = match &kube.origin {
        Origin::InCluster => "the service account of this pod".to_owned(),
        Origin::Kubeconfig { context } => format!("context {context:?} of the kubeconfig"),
    };
    let through = if kube.proxy.is_some() { ", through its proxy-url" } else { "" };
    let message = format!("{origin}, API server {}{through}", kube.server);
    let mut findings = vec![Finding::ok(Check::Configuration, &message)];
    findings.extend(expiries(&kube));
    kube.limits.connect = CONNECT_TIMEOUT;
    kube.limits.response = TIMEOUT;
    kube.limits.body = TIMEOUT;
    kube.limits.plugin = PLUGIN_TIMEOUT;
    let in_cluster = kube.is_in_cluster();
    findings.push(runner_access(config.runner_access, in_cluster));
    if config.fetch_image.is_some() || !in_cluster {
        findings.push(named_image(config.fetch_image.as_deref()));
    }
    (findings, Some(Client::new(kube)))
}

/// How long what the kubeconfig holds is valid. A service account's own token is renewed by the kubelet, what a plugin makes
/// by the plugin.
fn expiries(kube: &k8s::Config) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut found = |what, after: Option<SystemTime>| {
        findings.extend(after.map(|after| expiry::judge(what, after, SystemTime::now())));
    };
    if let Some((pem, _)) = &kube.identity {
        let bytes = match pem {
            Pem::Inline(bytes) => bytes.clone(),
            // A file that cannot be read is told by the first call.
            Pem::File(file) => std::fs::read(file).unwrap_or_default(),
        };
        let first = CertificateDer::from_pem_slice(&bytes).ok();
        found("the client certificate", first.and_then(|first| expiry::not_after(&first)));
    }
    if let Credentials::Token(token) = &kube.credentials {
        found("the token", expiry::expires(&token.0));
    }
    findings
}

/// Whether runners are reached through the API server.
pub(super) fn uses_proxy(access: RunnerAccess, in_cluster: bool) -> bool {
    match access {
        RunnerAccess::Proxy => true,
        RunnerAccess::Direct => false,
        RunnerAccess::Auto => !in_cluster,
    }
}

fn runner_access(access: RunnerAccess, in_cluster: bool) -> Finding {
    let check = Check::RunnerAccess;
    if uses_proxy(access, in_cluster) {
        return Finding::ok(check, "runners are reached through the API server's pod proxy");
    }
    if in_cluster {
        return Finding::ok(check, "runners are reached at their pods' addresses");
    }
    let message = "runners are reached at their pods' addresses, from a machine that is not in the cluster";
    Finding::warning(
        check,
        message,
        "see that pod addresses are routed to here, or leave out --runner-access direct",
    )
}

fn named_image(image: Option<&str>) -> Finding {
    let Some(image) = image else {
        let message = "outside a cluster the image of plz-agent has to be named";
        return Finding::failed(Check::FetchImage, message, "--fetch-image IMAGE or PLZ_FETCH_IMAGE");
    };
    let message = format!("archives are downloaded with the image {image}");
    let last = image.rsplit('/').next().unwrap_or(image);
    if !image.contains('@') && (last.ends_with(":latest") || !last.contains(':')) {
        let message = format!("{message}, which nodes pull for every runner since it bears no version");
        return Finding::warning(Check::FetchImage, &message, "name a version, as in plz-agent:0.1.0");
    }
    Finding::ok(Check::FetchImage, &message)
}

/// Whether the API server is reached, whether it lets us in, its version, its clock, and what it serves.
pub(super) fn api_server(client: &Client) -> Vec<Finding> {
    let sent = SystemTime::now();
    let response = match client.send(&Request::read("/version")) {
        Ok(response) => response,
        Err(error) => {
            let proxy = client.config().proxy.as_ref().map(|_| "proxy-url");
            return vec![kubernetes::unreached(&error, proxy)];
        }
    };
    let received = SystemTime::now();
    let mut findings = kubernetes::version(response.code, &response.body);
    if findings.iter().all(|finding| finding.check != Check::Connection) {
        let message = format!("{} is reached", client.config().server);
        findings.push(Finding::ok(Check::Connection, &message));
        let date = response.date.as_deref().and_then(parse_http_date);
        findings.push(clock::judge(Check::KubernetesClock, "the API server", date, sent, received));
        findings.extend(kubernetes::discovery(client.call(&Request::read("/apis/k6.io/v1alpha1"))));
    }
    findings
}

/// One of the two hosts of GCk6; of the first also the clock.
pub(super) fn host(check: Check, base: &str, client: &HttpClient) -> Vec<Finding> {
    let url = format!("{base}/");
    let proxy = client.proxy_for(&url);
    let sent = SystemTime::now();
    let answer = client.download(&url, TIMEOUT, TIMEOUT);
    let received = SystemTime::now();
    let date = answer.as_ref().ok().map(|answer| answer.date);
    let mut findings = vec![cloud::host(check, base, proxy.as_deref(), answer.map(|answer| answer.status))];
    if let Some(date) = date.filter(|_| check == Check::CloudApi) {
        findings.push(clock::judge(Check::CloudClock, "GCk6", date, sent, received));
    }
    findings
}

impl Probes {
    /// One task for each resource that the agent has to do with.
    pub(super) fn permissions(self: &Arc<Self>) -> Vec<Task> {
        let in_cluster = self.client.config().is_in_cluster();
        let wanted = |right: &&Right| match right.when {
            When::Always => true,
            When::ProxyAccess => uses_proxy(self.config.runner_access, in_cluster),
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
        let scopes = match right.place {
            Place::Watched => self.scopes.as_slice(),
            Place::Own => own.as_slice(),
            Place::Lease => elected.as_slice(),
        };
        let name = match right.named {
            Named::Any => "",
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
                            "{}: the API server does not say whether the agent may: {}",
                            right.subject(),
                            lesson::text(&error)
                        );
                        let mend = "let the agent's account be one of system:authenticated, and try again";
                        return Finding::failed(Check::Permission, &message, mend).about(&right.subject());
                    }
                }
            }
            if !lacking.is_empty() {
                missing.push((verb, lacking));
            }
        }
        right.judge(scopes, name, &missing)
    }

    /// What becomes of a test run, in each namespace by name, or in the agent's own.
    pub(super) fn dry_runs(&self) -> Vec<Finding> {
        let settings = template::Settings {
            fetch_image: "check".to_owned(),
            ingest: self.config.cloud_ingest.clone(),
            // What a run may be refused for are its volumes; a proxy's address is nobody's business here.
            network: RunnerNetwork::new(
                &self.config.proxies,
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
            let message = "whether test runs are taken whole: no namespace in which the agent may create one";
            Finding::skipped(Check::Fields, message)
        }));
        findings
    }

    /// Looks for the Lease of k6-operator, and again if somebody holds it.
    pub(super) fn operator(&self) -> Vec<Finding> {
        let first = match self.operator_leases() {
            Ok(leases) => leases,
            Err(finding) => return vec![finding],
        };
        if first.is_empty() {
            return vec![operator::judge(&first, &first)];
        }
        let left = self.deadline.saturating_duration_since(Instant::now());
        let _ = k8s::Stop::new().wait(LOOK_INTERVAL.min(left));
        match self.operator_leases() {
            Ok(second) => vec![operator::judge(&first, &second)],
            Err(finding) => vec![finding],
        }
    }

    fn operator_leases(&self) -> Result<Vec<Record>, Finding> {
        let mut held = Vec::new();
        for scope in &self.scopes {
            let answer = self.client.call(&LEASES.find(scope.as_deref(), NAME));
            match answer.and_then(|body| Record::read_list(&body)) {
                Ok(leases) => held.extend(leases.into_iter().filter(|lease| !lease.holder.is_empty())),
                Err(error) => return Err(operator::unseen(&error)),
            }
        }
        Ok(held)
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
                let text = lesson::text(&error);
                let mend = "take POD_NAME and POD_NAMESPACE from manifests/base/deployment.yaml, or name the image with --fetch-image";
                vec![Finding::told(Check::FetchImage, &text, mend)]
            }
        }
    }

    /// All zones: what can be said of them, their Secrets, and their tokens if GCk6 can be asked.
    pub(super) fn zones(self: &Arc<Self>, cloud: &Arc<HttpClient>, is_reached: bool) -> Vec<Finding> {
        let mut findings = Vec::new();
        let mut items = Vec::new();
        let mut is_cut = false;
        for scope in &self.scopes {
            let options = ListOptions { limit: Some(ZONES_MAX), ..ListOptions::default() };
            let answer = self.client.call_as::<Page>(&api::RESOURCE.list(scope.as_deref(), &options));
            match answer {
                Ok(page) => {
                    is_cut |= !page.metadata.continue_token.is_empty();
                    items.extend(page.items);
                }
                Err(error) => findings.push(unlisted(scope.as_deref(), &error)),
            }
        }
        let (zones, judged) = zones::judge(&items);
        let count = match (items.len(), is_cut) {
            (0, _) if findings.len() == self.scopes.len() => return findings,
            (0, _) => "there is no zone yet".to_owned(),
            (count, false) => format!("zones: {count}"),
            (count, true) => format!("zones: {count} were looked at, there are more"),
        };
        findings.push(Finding::ok(Check::Zones, &count));
        findings.extend(judged);
        let named = zones.into_iter().filter(|zone| !zone.spec.token.is_empty());
        let tasks = named.map(|zone| {
            let (probes, cloud) = (self.clone(), cloud.clone());
            let subject = format!("{}/{}", zone.metadata.namespace, zone.metadata.name);
            Task::new(Check::ZoneToken, &subject, move || probes.token(&zone, is_reached.then_some(&*cloud)))
        });
        // Sooner than the whole, or one zone that hangs would take the others' findings with it.
        let deadline = self.deadline.checked_sub(MARGIN).unwrap_or(self.deadline);
        findings.extend(side_by_side(tasks.collect(), deadline));
        findings
    }

    fn token(&self, zone: &PrivateLoadZone, cloud: Option<&HttpClient>) -> Vec<Finding> {
        let namespace = &zone.metadata.namespace;
        let subject = format!("{namespace}/{}", zone.metadata.name);
        let secret = ObjectKey::new(namespace.clone(), zone.spec.token.clone());
        let untried = |why: &str| {
            let message =
                format!("zone {subject}: whether GCk6 accepts its token was not tried, since {why}");
            Finding::skipped(Check::ZoneToken, &message).about(&subject)
        };
        let reply = self.client.call(&SECRETS.get(Some(namespace), &secret.name));
        let token = match token::read(&secret, reply) {
            Ok(token) => token,
            Err(why) => {
                let why =
                    Finding::told(Check::ZoneSecret, &format!("zone {subject}: {why}"), "see the API server");
                return vec![why.about(&subject), untried("there is none")];
            }
        };
        let message = format!("zone {subject}: Secret {secret} holds a token");
        let readable = Finding::ok(Check::ZoneSecret, &message).about(&subject);
        let Some(cloud) = cloud else { return vec![readable, untried("GCk6 was not reached")] };
        let answer = self.poll(cloud, &zone.metadata.name, token.expose());
        let accepted = cloud::token(&subject, &secret.to_string(), zone.is_registered(), answer);
        vec![readable, accepted.without(token.expose())]
    }

    /// How many test runs wait for a zone.
    fn poll(&self, cloud: &HttpClient, zone: &str, token: &str) -> Result<usize, gck6::Error> {
        let request = gck6::request::poll(zone);
        let url = format!("{}{}", self.config.cloud_api, request.path);
        let authorization = format!("Token {token}");
        let headers = [("Authorization", authorization.as_str()), ("Content-Type", "application/json")];
        let transport = |error: NetError| gck6::Error::Transport(error.to_string());
        let reply = cloud.send(request.method, &url, &headers, &[], TIMEOUT).map_err(transport)?;
        gck6::reply::interpret(reply.status, reply.retry_after, &reply.body)?;
        gck6::reply::listed_runs(&reply.body).map(|runs| runs.len())
    }
}

/// The zones of a scope are not known. That a right is missing is told by another check already.
fn unlisted(scope: Option<&str>, error: &k8s::Error) -> Finding {
    let place = scope.map_or_else(String::new, |scope| format!(" of namespace {scope}"));
    let message = |why: &str| format!("the zones{place} are not known: {why}");
    if error.is_forbidden() {
        return Finding::skipped(Check::Zones, &message("they may not be listed"));
    }
    let mend = "try again; if it stays, look at the API server";
    Finding::failed(Check::Zones, &message(&lesson::text(error)), mend)
}

/// A page of zones, each read by itself, so that one that is odd does not hide the others.
#[derive(Default)]
struct Page {
    metadata: PageMeta,
    items: Vec<Value>,
}
k8s::readable!(Page { metadata: "metadata", items: "items" });

#[derive(Default)]
struct PageMeta {
    continue_token: String,
}
k8s::readable!(PageMeta { continue_token: "continue" });

#[cfg(test)]
mod tests {
    use super::super::finding::Verdict;
    use super::*;

    #[test]
    fn images_without_a_version_are_pulled_again_and_again() {
        let check = |image, verdict| assert_eq!(named_image(image).verdict, verdict, "{image:?}");
        check(Some("plz-agent:0.1.0"), Verdict::Ok);
        check(Some("registry:5000/plz-agent@sha256:00"), Verdict::Ok);
        check(Some("registry:5000/plz-agent"), Verdict::Warning);
        check(Some("plz-agent:latest"), Verdict::Warning);
        check(None, Verdict::Failed);
    }

    #[test]
    fn the_way_to_the_runners() {
        let check = |access, in_cluster, verdict, proxy| {
            assert_eq!(runner_access(access, in_cluster).verdict, verdict, "{access:?}");
            assert_eq!(uses_proxy(access, in_cluster), proxy, "{access:?}");
        };
        check(RunnerAccess::Auto, true, Verdict::Ok, false);
        check(RunnerAccess::Auto, false, Verdict::Ok, true);
        check(RunnerAccess::Proxy, true, Verdict::Ok, true);
        check(RunnerAccess::Direct, false, Verdict::Warning, false);
    }
}
