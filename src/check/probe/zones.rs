//! The zones: their list, their Secrets, and whether GCk6 accepts what stands in them.

use std::sync::Arc;

use k8s::SECRETS;
use k8s::resource::ListOptions;
use serde_json::Value;

use super::super::finding::{Check, Finding};
use super::super::side::{Task, side_by_side};
use super::super::{cloud, zones};
use super::{MARGIN, Probes, TIMEOUT, ZONES_MAX};
use crate::net::{HttpClient, NetError};
use plz_core::api::zone::{self, PrivateLoadZone};
use plz_core::event::ObjectKey;
use plz_core::{cloud as gck6, outcome, token};

impl Probes {
    /// All zones: what can be said of them, their Secrets, and their tokens if GCk6 can be asked.
    pub(in crate::check) fn zones(
        self: &Arc<Self>,
        cloud: &Arc<HttpClient>,
        is_reached: bool,
    ) -> Vec<Finding> {
        let mut findings = Vec::new();
        let mut items = Vec::new();
        let mut is_cut = false;
        for scope in &self.scopes {
            let options = ListOptions { limit: Some(ZONES_MAX), ..ListOptions::default() };
            let answer = self.client.call_as::<Page>(&zone::RESOURCE.list(scope.as_deref(), &options));
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
            (count, true) => format!("zones: {count} checked, there are more"),
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
                format!("zone {subject}: it is unknown whether GCk6 accepts its token, because {why}");
            Finding::skipped(Check::ZoneToken, &message).about(&subject)
        };
        let reply = self.client.call(&SECRETS.get(Some(namespace), &secret.name));
        let token = match token::read(&secret, reply) {
            Ok(token) => token,
            Err(why) => {
                let why = Finding::told(
                    Check::ZoneSecret,
                    &format!("zone {subject}: {why}"),
                    "check the API server",
                );
                return vec![why.about(&subject), untried("there is no token")];
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
    let message = |why: &str| format!("cannot list the zones{place}: {why}");
    if error.is_forbidden() {
        return Finding::skipped(Check::Zones, &message("the agent may not list them"));
    }
    let fix = "try again; if that does not help, check the API server";
    Finding::failed(Check::Zones, &message(&outcome::text(error)), fix)
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
