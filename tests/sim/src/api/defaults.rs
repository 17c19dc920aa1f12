//! What the API server fills in and checks for built-in kinds on creation.
//!
//! Owns the defaults that clients get to see (Jobs, pod templates, pods, Secrets) and the refusals that clients of these
//! models can run into. Invariant: defaults are filled in only where nothing was said.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::resource::Kind;
use super::status::{Cause, Status};
use super::validate;
use crate::json;

/// Fills in the defaults of a new object of a built-in kind; `object` has its name and uid already.
pub fn fill(kind: Kind, object: &mut Value) -> Result<(), Status> {
    match kind {
        Kind::Job => job(object),
        Kind::Pod => {
            object["status"] = json!({"phase": "Pending", "qosClass": "Burstable"});
            pod_spec(&mut object["spec"]);
        }
        Kind::Secret => secret(object)?,
        Kind::Namespace => {
            let name = object["metadata"]["name"].clone();
            object["metadata"]["labels"]["kubernetes.io/metadata.name"] = name;
            object["status"] = json!({"phase": "Active"});
        }
        Kind::CustomResourceDefinition => {
            let names = object["spec"]["names"].clone();
            object["status"] = json!({"acceptedNames": names, "storedVersions": ["v1alpha1"], "conditions": [
                {"type": "NamesAccepted", "status": "True", "reason": "NoConflicts", "message": "no conflicts found"},
                {"type": "Established", "status": "True", "reason": "InitialNamesAccepted", "message": "the initial names have been accepted"},
            ]});
        }
        _ => {}
    }
    Ok(())
}

fn default(object: &mut Value, path: &str, value: Value) {
    if json::at(object, path).is_null() {
        json::set(object, path, value);
    }
}

fn job(object: &mut Value) {
    let (name, uid) = (object["metadata"]["name"].clone(), object["metadata"]["uid"].clone());
    let labels = [
        ("batch.kubernetes.io/controller-uid", &uid),
        ("batch.kubernetes.io/job-name", &name),
        ("controller-uid", &uid),
        ("job-name", &name),
    ];
    let template = json::object(&mut object["spec"]["template"]);
    for (label, value) in labels {
        template.entry("metadata").or_insert(Value::Null)["labels"][label] = value.clone();
    }
    object["spec"]["selector"] = json!({"matchLabels": {"batch.kubernetes.io/controller-uid": uid}});
    for (path, value) in [
        ("spec.parallelism", json!(1)),
        ("spec.completions", json!(1)),
        ("spec.backoffLimit", json!(6)),
        ("spec.completionMode", json!("NonIndexed")),
        ("spec.suspend", json!(false)),
        ("spec.manualSelector", json!(false)),
        ("spec.podReplacementPolicy", json!("TerminatingOrFailed")),
    ] {
        default(object, path, value);
    }
    object["status"] = json!({});
    pod_spec(&mut object["spec"]["template"]["spec"]);
}

fn pod_spec(spec: &mut Value) {
    for (path, value) in [
        ("restartPolicy", json!("Always")),
        ("dnsPolicy", json!("ClusterFirst")),
        ("schedulerName", json!("default-scheduler")),
        ("securityContext", json!({})),
        ("terminationGracePeriodSeconds", json!(30)),
    ] {
        default(spec, path, value);
    }
    for list in ["initContainers", "containers"] {
        for container in spec[list].as_array_mut().into_iter().flatten() {
            let image = json::text(container, "image");
            let is_latest =
                image.ends_with(":latest") || !image.rsplit('/').next().unwrap_or_default().contains(':');
            let policy = if is_latest { "Always" } else { "IfNotPresent" };
            default(container, "imagePullPolicy", json!(policy));
            default(container, "resources", json!({}));
            default(container, "terminationMessagePath", json!("/dev/termination-log"));
            default(container, "terminationMessagePolicy", json!("File"));
            for port in container["ports"].as_array_mut().into_iter().flatten() {
                default(port, "protocol", json!("TCP"));
            }
        }
    }
}

fn secret(object: &mut Value) -> Result<(), Status> {
    default(object, "type", json!("Opaque"));
    if let Some(Value::Object(plain)) = object.as_object_mut().and_then(|secret| secret.remove("stringData"))
    {
        for (key, value) in plain {
            object["data"][key] = json!(STANDARD.encode(value.as_str().unwrap_or_default()));
        }
    }
    for value in json::at(object, "data").as_object().into_iter().flat_map(|data| data.values()) {
        if value.as_str().is_some_and(|text| STANDARD.decode(text).is_err()) {
            return Err(Status::bad_request(
                "Secret in version \"v1\" cannot be handled as a Secret: illegal base64 data",
            ));
        }
    }
    Ok(())
}

/// The causes for which a new or changed object of a built-in kind is refused.
pub fn causes(kind: Kind, object: &Value, old: Option<&Value>) -> Vec<Cause> {
    let mut causes = Vec::new();
    match kind {
        Kind::Job => {
            let template = json::at(object, "spec.template");
            if old.is_some_and(|old| json::at(old, "spec.template") != template) {
                causes.push(Cause::invalid("spec.template", &json!("…"), "field is immutable"));
            }
            validate::labels(json::at(template, "metadata.labels"), "spec.template.labels", &mut causes);
            let policy = json::text(template, "spec.restartPolicy");
            if !matches!(policy, "Never" | "OnFailure") {
                let message =
                    format!("Unsupported value: {policy:?}: supported values: \"OnFailure\", \"Never\"");
                let field = "spec.template.spec.restartPolicy".to_owned();
                causes.push(Cause { field, reason: "FieldValueNotSupported", message });
            }
            pod_causes(&template["spec"], "spec.template.spec", &mut causes);
        }
        Kind::Pod => pod_causes(&object["spec"], "spec", &mut causes),
        Kind::Event => event_causes(object, &mut causes),
        Kind::Lease => lease_causes(&object["spec"], &mut causes),
        _ => {}
    }
    causes
}

fn pod_causes(spec: &Value, path: &str, causes: &mut Vec<Cause>) {
    if json::list(spec, "containers").is_empty() {
        causes.push(Cause::required(&format!("{path}.containers")));
    }
    let volumes: Vec<&str> =
        json::list(spec, "volumes").iter().map(|volume| json::text(volume, "name")).collect();
    for list in ["initContainers", "containers"] {
        for (index, container) in json::list(spec, list).iter().enumerate() {
            let path = format!("{path}.{list}[{index}]");
            for field in ["name", "image"] {
                if json::text(container, field).is_empty() {
                    causes.push(Cause::required(&format!("{path}.{field}")));
                }
            }
            for (index, mount) in json::list(container, "volumeMounts").iter().enumerate() {
                let name = json::text(mount, "name");
                if !volumes.contains(&name) {
                    let field = format!("{path}.volumeMounts[{index}].name");
                    let message = format!("Not found: {name:?}");
                    causes.push(Cause { field, reason: "FieldValueNotFound", message });
                }
            }
            for (index, env) in json::list(container, "env").iter().enumerate() {
                let path = format!("{path}.env[{index}]");
                if json::text(env, "name").is_empty() {
                    causes.push(Cause::required(&format!("{path}.name")));
                }
                if !json::text(env, "value").is_empty() && env["valueFrom"].is_object() {
                    let why = "may not be specified when `value` is not empty";
                    causes.push(Cause::invalid(&format!("{path}.valueFrom"), &json!(""), why));
                }
            }
        }
    }
}

fn lease_causes(spec: &Value, causes: &mut Vec<Cause>) {
    let lowest = [
        ("leaseDurationSeconds", 1, "must be greater than 0"),
        ("leaseTransitions", 0, "must be greater than or equal to 0"),
    ];
    for (field, least, why) in lowest {
        if spec[field].as_i64().is_some_and(|given| given < least) {
            causes.push(Cause::invalid(&format!("spec.{field}"), &spec[field], why));
        }
    }
}

fn event_causes(event: &Value, causes: &mut Vec<Cause>) {
    let (inside, of) =
        (json::text(event, "metadata.namespace"), json::text(event, "involvedObject.namespace"));
    if inside != of && !(of.is_empty() && inside == "default") {
        let why = "does not match event.namespace";
        causes.push(Cause::invalid("involvedObject.namespace", &json!(of), why));
    }
    if !event["eventTime"].is_null() {
        for field in ["reportingComponent", "reportingInstance", "action", "reason"] {
            if json::text(event, field).is_empty() {
                causes.push(Cause::required(field));
            }
        }
        if !matches!(json::text(event, "type"), "Normal" | "Warning") {
            causes.push(Cause::invalid("type", &event["type"], "has invalid value"));
        }
    }
}
