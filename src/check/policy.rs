//! Whether the cluster keeps tenants from making test runs that look like those of GCk6.
//!
//! Pure. Owns the name of the policy and the words. Leaves alone what the policy lets through, which is the API server's to decide.

use k8s::Error;
use serde_json::Value;

use super::finding::{Check, Finding};
use plz_core::outcome;

/// Name of the policy and of its binding, in the manifests and in the chart.
pub const NAME: &str = "plz-agent-test-runs";

const CHECK: Check = Check::AdmissionPolicy;
const FIX: &str = "kubectl apply -k manifests/tenants; with Helm: --set admissionPolicy.create=true";

/// What the reading of the policy's binding tells.
pub(super) fn judge(answer: Result<Vec<u8>, Error>) -> Finding {
    let body = match answer {
        Ok(body) => body,
        Err(error) if error.is_not_found() => {
            let message = format!(
                "the ValidatingAdmissionPolicy {NAME} is missing: anybody who may create TestRuns can create one that \
                 looks like GCk6's"
            );
            return Finding::warning(CHECK, &message, FIX);
        }
        Err(error) => {
            let why = outcome::text(&error);
            return Finding::skipped(
                CHECK,
                &format!("it is unknown whether the admission policy {NAME} exists: {why}"),
            );
        }
    };
    let binding: Value = serde_json::from_slice(&body).unwrap_or_default();
    let denies = binding["spec"]["validationActions"]
        .as_array()
        .is_some_and(|actions| actions.iter().any(|action| action == "Deny"));
    if denies && binding["spec"]["policyName"] == NAME {
        return Finding::ok(CHECK, "only an agent may create test runs of GCk6");
    }
    let message = format!("the binding of the admission policy {NAME} is not as shipped: it denies nothing");
    Finding::warning(CHECK, &message, FIX)
}

/// Who has the rights of some namespaces does not see what the whole cluster has.
pub(super) fn out_of_reach() -> Finding {
    let message = format!(
        "it is unknown whether the admission policy {NAME} exists: it is cluster-wide, and the cluster's \
         administrator installs it from manifests/tenants"
    );
    Finding::skipped(CHECK, &message)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::finding::Verdict;
    use super::*;

    #[test]
    fn a_binding_that_denies_is_what_is_wanted() {
        let check = |code: u16, body: &Value, verdict, says: &str| {
            let answer = k8s::status::interpret(code, None, body.to_string().into_bytes());
            let finding = judge(answer);
            assert_eq!(finding.verdict, verdict, "{finding:?}");
            assert!(finding.message.contains(says), "{finding:?}");
        };
        let spec = |policy: &str, action: &str| json!({ "spec": { "policyName": policy, "validationActions": [action] } });
        check(200, &spec(NAME, "Deny"), Verdict::Ok, "only an agent");
        check(200, &spec(NAME, "Audit"), Verdict::Warning, "denies nothing");
        check(200, &spec("other", "Deny"), Verdict::Warning, "denies nothing");
        check(200, &json!(null), Verdict::Warning, "denies nothing");
        check(404, &json!({}), Verdict::Warning, "missing");
        check(403, &json!({ "message": "no" }), Verdict::Skipped, "no");
        assert_eq!(out_of_reach().verdict, Verdict::Skipped);
    }

    #[test]
    fn the_shipped_binding_is_the_one_that_is_looked_for() {
        use serde::Deserialize as _;
        let text = include_str!("../../manifests/tenants/policy.yaml");
        let mut documents =
            serde_yaml::Deserializer::from_str(text).map(|one| Value::deserialize(one).unwrap());
        let binding = documents.find(|one| one["kind"] == "ValidatingAdmissionPolicyBinding").unwrap();
        assert_eq!(binding["metadata"]["name"], NAME);
        assert_eq!(judge(Ok(binding.to_string().into_bytes())).verdict, Verdict::Ok);
    }
}
