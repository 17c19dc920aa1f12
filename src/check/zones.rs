//! What a list of zones tells.
//!
//! Pure. Owns which zones can be registered. The rules are those of `zone::facts`. Invariant: every zone of the list has one
//! finding.

use std::time::Duration;

use k8s::fields;
use serde_json::Value;

use super::finding::{Check, Finding};
use plz_core::api::zone::PrivateLoadZone;
use plz_core::zone::claim::Claim;
use plz_core::zone::facts::registration;

/// The zones of a page, and what can be said of each without asking anybody.
pub(super) fn judge(items: &[Value]) -> (Vec<PrivateLoadZone>, Vec<Finding>) {
    let mut findings = Vec::new();
    let mut zones: Vec<PrivateLoadZone> = Vec::new();
    for item in items {
        match fields::read(item) {
            Ok(zone) => zones.push(zone),
            Err(why) => {
                let text = |field: &str| item["metadata"][field].as_str().unwrap_or_default().to_owned();
                let key = format!("{}/{}", text("namespace"), text("name"));
                let message = format!("zone {key} does not have the expected shape: {why}");
                findings.push(Finding::failed(Check::ZoneSpec, &message, "correct that field").about(&key));
            }
        }
    }
    findings.extend(zones.iter().map(|zone| one(zone, &zones)));
    (zones, findings)
}

fn one(zone: &PrivateLoadZone, zones: &[PrivateLoadZone]) -> Finding {
    let metadata = &zone.metadata;
    let key = format!("{}/{}", metadata.namespace, metadata.name);
    let claim = |zone| Claim::of(zone, None, None, Duration::ZERO);
    let namesakes = zones.iter().filter(|other| {
        other.metadata.name == metadata.name && other.metadata.namespace != metadata.namespace
    });
    let holder = claim(zone).and_then(|own| own.holder(namesakes.filter_map(claim)));
    let finding = if metadata.is_deleting() {
        Finding::ok(Check::ZoneSpec, &format!("zone {key} is being deleted"))
    } else if let Some(holder) = holder {
        let message = format!(
            "zone {key}: GCk6 tells zones apart by name only, and the one in namespace {} comes first if GCk6 accepts \
             its token",
            holder.zone.namespace
        );
        Finding::failed(Check::ZoneSpec, &message, "rename one of them")
    } else if let Err(why) = registration(zone) {
        Finding::told(Check::ZoneSpec, &format!("zone {key}: {why}"), "correct its spec")
    } else {
        Finding::ok(Check::ZoneSpec, &format!("zone {key} {}", state(zone)))
    };
    finding.about(&key)
}

/// For information: how far the zone has come.
fn state(zone: &PrivateLoadZone) -> String {
    let registered = if zone.is_registered() { "is registered" } else { "is not registered yet" };
    let finalizer = if zone.has_finalizer() { "with the finalizer" } else { "without the finalizer" };
    match zone.recorded_uid() {
        Some(id) => format!("{registered}, {finalizer}, provider id {id}"),
        None => format!("{registered}, {finalizer}, without a provider id"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::finding::Verdict;
    use super::*;

    fn zone(namespace: &str, patch: &Value) -> Value {
        let mut zone = json!({
            "metadata": {"name": "edge", "namespace": namespace},
            "spec": {"token": "t", "resources": {"limits": {"cpu": "1", "memory": "1Gi"}}},
        });
        for (part, fields) in patch.as_object().unwrap() {
            for (name, value) in fields.as_object().unwrap() {
                zone[part][name] = value.clone();
            }
        }
        zone
    }

    #[track_caller]
    fn check(items: &[Value], wanted: &[(Verdict, &str)]) {
        let (_, findings) = judge(items);
        assert_eq!(findings.len(), wanted.len());
        for (finding, (verdict, says)) in findings.iter().zip(wanted) {
            assert_eq!(finding.verdict, *verdict, "{finding:?}");
            assert!(finding.message.contains(says), "{finding:?}");
        }
    }

    #[test]
    fn zones_are_judged_as_the_agent_does() {
        let plain = || zone("a", &json!({}));
        check(&[], &[]);
        check(&[plain()], &[(Verdict::Ok, "zone a/edge is not registered yet, without the finalizer")]);
        let known = json!({"metadata": {
            "finalizers": ["privateloadzones.k6.io/finalizer"], "annotations": {"privateloadzones.k6.io/plz-uid": "u-1"},
        }, "status": {"conditions": [{"type": "PLZRegistered", "status": "True"}]}});
        let known = zone("b", &known);
        check(
            std::slice::from_ref(&known),
            &[(Verdict::Ok, "is registered, with the finalizer, provider id u-1")],
        );
        check(&[plain(), known], &[(Verdict::Failed, "in namespace b comes first"), (Verdict::Ok, "b/edge")]);
        check(&[zone("a", &json!({"spec": {"token": null}}))], &[(Verdict::Failed, "spec.token is empty")]);
        check(
            &[zone("a", &json!({"spec": {"resources": null}}))],
            &[(Verdict::Failed, "limits.cpu is missing")],
        );
        check(&[zone("a", &json!({"spec": {"token": 7}}))], &[(Verdict::Failed, "spec.token is not text")]);
        // Who cannot be registered holds no name.
        check(
            &[plain(), zone("0", &json!({"spec": {"token": null}}))],
            &[(Verdict::Ok, "a/edge"), (Verdict::Failed, "in namespace a comes first")],
        );
        let leaving = json!({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}});
        check(&[zone("a", &leaving)], &[(Verdict::Ok, "is being deleted")]);
    }
}
