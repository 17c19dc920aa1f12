//! The ways out: the configuration, the API server and the two hosts of GCk6, as far as they show before one is let in.

#![expect(clippy::disallowed_methods, reason = "clocks are compared, and certificates read from their files")]

use std::time::SystemTime;

use k8s::config::{Credentials, Origin, Pem};
use k8s::{Client, Request};

use super::super::finding::{Check, Finding};
use super::super::{clock, cloud, expiry, kubernetes};
use super::{CONNECT_TIMEOUT, PLUGIN_TIMEOUT, TIMEOUT};
use crate::config::{RunConfig, RunnerAccess};
use crate::net::{HttpClient, parse_http_date};
use plz_core::outcome;

/// The configuration and what can be said of it without a call.
pub(in crate::check) fn configuration(config: &RunConfig) -> (Vec<Finding>, Option<Client>) {
    let mut kube = match config.kube() {
        Ok(kube) => kube,
        Err(error) => {
            let text = outcome::text(&error);
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
    findings.extend(kube.warnings.iter().map(|text| {
        let (message, fix) = text.rsplit_once("; ").unwrap_or((text, ""));
        Finding::warning(Check::Configuration, message, fix)
    }));
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
        let chain = k8s::tls::certificates(&bytes);
        found("the client certificate", chain.first().and_then(|first| k8s::tls::not_after(first)));
    }
    if let Credentials::Token(token) = &kube.credentials {
        found("the token", expiry::expires(token.expose()));
    }
    findings
}

fn runner_access(access: RunnerAccess, in_cluster: bool) -> Finding {
    let check = Check::RunnerAccess;
    if access.is_proxied(in_cluster) {
        return Finding::ok(check, "the agent reaches runners through the API server's pod proxy");
    }
    if in_cluster {
        return Finding::ok(check, "the agent reaches runners at their pods' addresses");
    }
    let message =
        "the agent reaches runners at their pods' addresses, but this machine is not in the cluster";
    Finding::warning(
        check,
        message,
        "make sure that this machine has a route to pod addresses, or drop --runner-access direct",
    )
}

pub(super) fn named_image(image: Option<&str>) -> Finding {
    let Some(image) = image else {
        let message = "outside a cluster, the image of plz-agent must be named";
        return Finding::failed(Check::FetchImage, message, "--fetch-image IMAGE or PLZ_FETCH_IMAGE");
    };
    let message = format!("runners download archives with the image {image}");
    let last = image.rsplit('/').next().unwrap_or(image);
    if !image.contains('@') && (last.ends_with(":latest") || !last.contains(':')) {
        let message = format!("{message}, which has no version, so that nodes pull it for every runner");
        return Finding::warning(Check::FetchImage, &message, "name a version, as in plz-agent:0.1.0");
    }
    Finding::ok(Check::FetchImage, &message)
}

/// Whether the API server is reached, whether it lets us in, its version, its clock, and what it serves.
pub(in crate::check) fn api_server(client: &Client) -> Vec<Finding> {
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
        let message = format!("{} is reachable", client.config().server);
        findings.push(Finding::ok(Check::Connection, &message));
        let date = response.date.as_deref().and_then(parse_http_date);
        findings.push(clock::judge(Check::KubernetesClock, "the API server", date, sent, received));
        findings.extend(kubernetes::discovery(client.call(&Request::read("/apis/k6.io/v1alpha1"))));
    }
    findings
}

/// One of the two hosts of GCk6; of the first also the clock.
pub(in crate::check) fn host(check: Check, base: &str, client: &HttpClient) -> Vec<Finding> {
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

#[cfg(test)]
mod tests {
    use super::super::super::finding::Verdict;
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
            assert_eq!(access.is_proxied(in_cluster), proxy, "{access:?}");
        };
        check(RunnerAccess::Auto, true, Verdict::Ok, false);
        check(RunnerAccess::Auto, false, Verdict::Ok, true);
        check(RunnerAccess::Proxy, true, Verdict::Ok, true);
        check(RunnerAccess::Direct, false, Verdict::Warning, false);
    }
}
