//! What the answers of the API server mean for an agent that is to work with it.
//!
//! Pure. Owns the words. Leaves the asking to `probe`. Invariant: an answer that nobody has thought of is a failure with the
//! answer in it, never a success.

use k8s::{Error, ServerVersion};
use serde_json::Value;

use super::finding::{Check, Finding};
use super::sample;
use plz_core::outcome;

/// The oldest minor version of Kubernetes 1 that the agent is made for.
const MINOR_MIN: u32 = 30;
/// Lost fields that are named.
const LOST_SHOWN_MAX: usize = 5;

const CRDS: &str = "kubectl apply -k manifests/crds";

/// What is served of the custom resources: each has to be there with its status.
const SERVED: [&str; 4] = ["privateloadzones", "privateloadzones/status", "testruns", "testruns/status"];

/// No answer at all. `proxy` says whether the kubeconfig names one.
pub(super) fn unreached(error: &Error, proxy: Option<&str>) -> Finding {
    let text = outcome::text(error);
    let has = |words: &[&str]| words.iter().any(|word| text.contains(word));
    let otherwise = if has(&["lookup", "name is not known"]) {
        "correct the server's name in the kubeconfig, or fix this machine's DNS"
    } else if proxy.is_some() {
        "check that the proxy-url of the kubeconfig leads there"
    } else if has(&["refused"]) {
        "correct the server's address and port in the kubeconfig, or start the API server"
    } else {
        "check the server's address and port, routes, firewalls and network policies"
    };
    match error {
        // The files of the kubeconfig and its plugins: these messages have their fix.
        Error::Auth { .. } if text.contains("credential plugin") => {
            let by_hand =
                "run the plugin by hand as the user that the agent runs as, and fix what it reports";
            Finding::told(Check::Configuration, &text, by_hand)
        }
        Error::Auth { .. } => Finding::told(Check::Configuration, &text, "correct the kubeconfig"),
        _ => Finding::told(Check::Connection, &text, otherwise),
    }
}

/// The answer to `GET /version`, whatever it is.
pub(super) fn version(code: u16, body: &[u8]) -> Vec<Finding> {
    let answer = k8s::status::interpret(code, None, body.to_vec());
    let version = answer.and_then(|body| k8s::status::decode::<ServerVersion>("the version", &body));
    let version = match version {
        Ok(version) if !version.git_version.is_empty() => version,
        // Refused for want of credentials, which is the next question.
        Err(error) if matches!(error.code(), Some(401 | 403)) => {
            return vec![Finding::skipped(Check::Version, "the API server does not give its version")];
        }
        Ok(_) => return vec![not_kubernetes("its answer has no version")],
        Err(error) => return vec![not_kubernetes(&outcome::text(&error))],
    };
    let number = |text: &str| {
        let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        text[..digits].parse::<u32>().unwrap_or_default()
    };
    let (major, minor) = (number(&version.major), number(&version.minor));
    let name = &version.git_version;
    vec![if (major, minor) >= (1, MINOR_MIN) {
        Finding::ok(Check::Version, &format!("Kubernetes {name}"))
    } else {
        let message = format!(
            "Kubernetes {name} is older than 1.{MINOR_MIN}, the oldest version that the agent supports"
        );
        Finding::failed(Check::Version, &message, "upgrade the cluster")
    }]
}

fn not_kubernetes(why: &str) -> Finding {
    let message = format!("something answers, but it is not an API server: {why}");
    Finding::failed(Check::Connection, &message, "correct the server's address and port in the kubeconfig")
}

/// The answer to `GET /apis/k6.io/v1alpha1`, which everybody may ask who is somebody.
pub(super) fn discovery(answer: Result<Vec<u8>, Error>) -> Vec<Finding> {
    let accepted = Finding::ok(Check::Credentials, "the agent's credentials are accepted");
    let absent = |what: &str| Finding::failed(Check::Definitions, what, CRDS);
    let body = match answer {
        Ok(body) => body,
        Err(error) if error.is_unauthorized() => {
            let message = "the API server rejects the agent's credentials";
            let fix = "put a valid token or certificate into the kubeconfig; tokens from `kubectl create token` expire";
            return vec![Finding::failed(Check::Credentials, message, fix)];
        }
        Err(error) if error.is_forbidden() && error.to_string().contains("anonymous") => {
            let message = "the agent has no credentials: the API server treats it as an anonymous user";
            let fix = "put a token, a client certificate or a credential plugin into the kubeconfig";
            return vec![Finding::failed(Check::Credentials, message, fix)];
        }
        Err(error) if error.is_not_found() => {
            return vec![
                accepted,
                absent("the cluster does not know PrivateLoadZones and TestRuns (k6.io/v1alpha1)"),
            ];
        }
        Err(error) if error.is_forbidden() => {
            let message = format!("the API server does not list its resources: {}", outcome::text(&error));
            let fix = "put the agent's account into the group system:authenticated, which may read /apis";
            return vec![accepted, Finding::failed(Check::Definitions, &message, fix)];
        }
        Err(error) => return vec![unreached(&error, None)],
    };
    let document: Value = serde_json::from_slice(&body).unwrap_or_default();
    let served = |name: &str| {
        let resources = document["resources"].as_array();
        resources.is_some_and(|all| all.iter().any(|one| one["name"] == name))
    };
    let missing: Vec<&str> = SERVED.into_iter().filter(|name| !served(name)).collect();
    vec![
        accepted,
        if missing.is_empty() {
            Finding::ok(Check::Definitions, "PrivateLoadZones and TestRuns (k6.io/v1alpha1) are served")
        } else {
            absent(&format!("the cluster does not serve {} of k6.io/v1alpha1", missing.join(", ")))
        },
    ]
}

/// What the dry run of a test run in a namespace tells.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Tried {
    /// Of the namespace.
    pub(super) namespace: Finding,
    /// Of the custom resource; none where the answer does not tell.
    pub(super) fields: Option<Finding>,
}

/// The answer to the dry run of `sent` in `namespace`.
pub(super) fn dry_run(namespace: &str, sent: &Value, answer: Result<Vec<u8>, Error>) -> Tried {
    let there = || Finding::ok(Check::Namespace, &format!("namespace {namespace} exists")).about(namespace);
    let unclear = |why: &str| {
        let message = format!("namespace {namespace}: {why}");
        Finding::skipped(Check::Namespace, &message).about(namespace)
    };
    let error = match answer {
        Ok(body) => return Tried { namespace: there(), fields: Some(kept(sent, &body)) },
        Err(error) => error,
    };
    let text = outcome::text(&error);
    if error.is_not_found() {
        let message = format!("namespace {namespace} does not exist");
        let fix = format!("kubectl create namespace {namespace}, or leave it out of --namespace");
        let namespace = Finding::failed(Check::Namespace, &message, &fix).about(namespace);
        return Tried { namespace, fields: None };
    }
    // RBAC speaks before anybody looks at the namespace.
    if error.is_forbidden() && text.contains("cannot create resource") {
        let namespace =
            unclear("without the right to create test runs, the agent cannot see whether it exists");
        return Tried { namespace, fields: None };
    }
    let fields = match error.code() {
        Some(409) => None,
        Some(400) if text.contains("dry run") => {
            let message = format!("a webhook for test runs does not support dry runs: {text}");
            Some(Finding::skipped(Check::Fields, &message))
        }
        Some(403) => {
            let message = format!("the API server rejects test runs in namespace {namespace}: {text}");
            let fix = "follow its message: the cause is an admission webhook, a policy, a quota, or a namespace that is \
                 being deleted";
            Some(Finding::failed(Check::Fields, &message, fix))
        }
        Some(400 | 422) => {
            let message = format!("the API server rejects a test run as the agent writes it: {text}");
            Some(Finding::failed(Check::Fields, &message, CRDS))
        }
        _ => {
            let message = format!("could not try a test run in namespace {namespace}: {text}");
            Some(Finding::failed(
                Check::Fields,
                &message,
                "try again; if that does not help, check the API server",
            ))
        }
    };
    match error.code() {
        Some(400 | 403 | 409 | 422) => Tried { namespace: there(), fields },
        _ => Tried { namespace: unclear("could not check whether it exists"), fields },
    }
}

fn kept(sent: &Value, body: &[u8]) -> Finding {
    let Ok(kept) = serde_json::from_slice::<Value>(body) else {
        let message = "the API server answers a dry run with something that is not a test run";
        return Finding::failed(Check::Fields, message, CRDS);
    };
    let mut lost = sample::lost(sent, &kept);
    if lost.is_empty() {
        return Finding::ok(
            Check::Fields,
            "the installed custom resource TestRun keeps every field that the agent writes",
        );
    }
    let more = lost.len().saturating_sub(LOST_SHOWN_MAX);
    lost.truncate(LOST_SHOWN_MAX);
    let more = if more == 0 { String::new() } else { format!(" and {more} more") };
    let message = format!(
        "the installed custom resource TestRun is a different version and drops {}{more}",
        lost.join(", ")
    );
    Finding::failed(Check::Fields, &message, CRDS)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::finding::Verdict;
    use super::*;

    fn refusal(code: u16, reason: &str, message: &str) -> Error {
        let body = json!({"kind": "Status", "reason": reason, "message": message, "code": code}).to_string();
        k8s::status::interpret(code, None, body.into_bytes()).unwrap_err()
    }

    #[track_caller]
    fn is(finding: &Finding, check: Check, verdict: Verdict, says: &str) {
        assert_eq!((finding.check, finding.verdict), (check, verdict), "{finding:?}");
        assert!(finding.message.contains(says), "{finding:?}");
        assert_eq!(finding.fix.is_empty(), matches!(verdict, Verdict::Ok | Verdict::Skipped), "{finding:?}");
    }

    #[test]
    fn versions() {
        let check = |code, body: &str, check, verdict, says: &str| {
            is(&version(code, body.as_bytes())[0], check, verdict, says);
        };
        let of =
            |minor: &str| format!(r#"{{"major":"1","minor":"{minor}","gitVersion":"v1.{minor}.2+k3s1"}}"#);
        check(200, &of("30"), Check::Version, Verdict::Ok, "v1.30.2+k3s1");
        check(200, &of("36+"), Check::Version, Verdict::Ok, "v1.36+");
        check(200, &of("29"), Check::Version, Verdict::Failed, "older than 1.30");
        check(200, "<html>", Check::Connection, Verdict::Failed, "not an API server");
        check(200, "{}", Check::Connection, Verdict::Failed, "no version");
        check(502, "<html>Bad gateway", Check::Connection, Verdict::Failed, "Bad gateway");
        check(401, "{}", Check::Version, Verdict::Skipped, "");
    }

    #[test]
    fn discoveries() {
        let check = |answer: Result<Value, Error>, wanted: &[(Check, Verdict, &str)]| {
            let found = discovery(answer.map(|body| body.to_string().into_bytes()));
            assert_eq!(found.len(), wanted.len(), "{found:?}");
            for (finding, (check, verdict, says)) in found.iter().zip(wanted) {
                is(finding, *check, *verdict, says);
            }
        };
        let (credentials, definitions) = (Check::Credentials, Check::Definitions);
        let ok = (credentials, Verdict::Ok, "accepted");
        let all = json!({"resources": SERVED.map(|name| json!({"name": name}))});
        check(Ok(all), &[ok, (definitions, Verdict::Ok, "are served")]);
        check(
            Ok(json!({"resources": [{"name": "testruns"}, {"name": "testruns/status"}]})),
            &[ok, (definitions, Verdict::Failed, "privateloadzones, privateloadzones/status")],
        );
        check(Ok(json!({"resources": null})), &[ok, (definitions, Verdict::Failed, "does not serve")]);
        check(Err(refusal(404, "NotFound", "x")), &[ok, (definitions, Verdict::Failed, "does not know")]);
        check(
            Err(refusal(401, "Unauthorized", "Unauthorized")),
            &[(credentials, Verdict::Failed, "rejects")],
        );
        check(
            Err(refusal(403, "Forbidden", "User \"system:anonymous\" cannot get path")),
            &[(credentials, Verdict::Failed, "no credentials")],
        );
        check(
            Err(refusal(403, "Forbidden", "User \"x\" cannot get path")),
            &[ok, (definitions, Verdict::Failed, "cannot get path")],
        );
    }

    #[test]
    fn what_is_not_reached_has_a_fix_of_its_own() {
        let check = |cause: &str, fix: &str| {
            let error = Error::Transport { server: "https://s:6443".to_owned(), cause: cause.to_owned() };
            let finding = unreached(&error, None);
            is(&finding, Check::Connection, Verdict::Failed, "https://s:6443 cannot be reached");
            assert!(finding.fix.contains(fix), "{finding:?}");
        };
        check("failed to lookup address information: Name or service not known", "DNS");
        check("Connection refused (os error 111)", "start the API server");
        check("No route to host", "routes");
        check("its certificate is bad; set the clock", "set the clock");
        let error = Error::Auth { message: "/token: cannot be read; see that it exists".to_owned() };
        is(&unreached(&error, None), Check::Configuration, Verdict::Failed, "/token");
        let error =
            Error::Auth { message: "the credential plugin p of user \"u\" took longer than 30 s".to_owned() };
        assert!(unreached(&error, None).fix.starts_with("run the plugin by hand"));
    }

    #[test]
    fn dry_runs() {
        let sent = json!({"spec": {"args": ["a"], "n": 1}});
        let check = |answer: Result<Value, Error>, namespace: Verdict, fields: Option<(Verdict, &str)>| {
            let tried = dry_run("ns", &sent, answer.map(|body| body.to_string().into_bytes()));
            is(&tried.namespace, Check::Namespace, namespace, "ns");
            assert_eq!(tried.fields.is_some(), fields.is_some(), "{tried:?}");
            if let (Some(finding), Some((verdict, says))) = (&tried.fields, fields) {
                is(finding, Check::Fields, verdict, says);
            }
        };
        let rbac = "testruns.k6.io is forbidden: User \"x\" cannot create resource \"testruns\" in API group \"k6.io\"";
        check(Ok(sent.clone()), Verdict::Ok, Some((Verdict::Ok, "keeps every field")));
        check(Ok(json!({"spec": {"n": 1}})), Verdict::Ok, Some((Verdict::Failed, "drops spec.args")));
        check(Err(refusal(404, "NotFound", "namespaces \"ns\" not found")), Verdict::Failed, None);
        check(Err(refusal(403, "Forbidden", rbac)), Verdict::Skipped, None);
        check(
            Err(refusal(403, "Forbidden", "exceeded quota")),
            Verdict::Ok,
            Some((Verdict::Failed, "exceeded quota")),
        );
        check(Err(refusal(409, "AlreadyExists", "x")), Verdict::Ok, None);
        check(Err(refusal(422, "Invalid", "spec.args")), Verdict::Ok, Some((Verdict::Failed, "spec.args")));
        check(
            Err(refusal(400, "BadRequest", "admission webhook \"w\" does not support dry run")),
            Verdict::Ok,
            Some((Verdict::Skipped, "webhook")),
        );
        check(Err(refusal(503, "", "overloaded")), Verdict::Skipped, Some((Verdict::Failed, "overloaded")));
    }
}
