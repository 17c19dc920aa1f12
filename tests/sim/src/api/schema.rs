//! Structural schemas of custom resources: pruning, defaulting, validation, as apiextensions does them.
//!
//! Owns the part of OpenAPI v3 that the CRDs of k6.io use: types, `properties`, `additionalProperties`, `items`, `required`,
//! `enum`, `pattern` (the ones of conditions), lengths, minimum, `default`, `nullable`, `x-kubernetes-*` markers, and rules
//! of the form `has(self.a.b) && has(self.c)`. Other patterns and rules are let through.
//! Invariant: null is refused wherever the schema does not say `nullable`, unless a default takes its place.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::status::Cause;
use crate::json;

/// The schemas that stand until CRDs are created: those of k6-operator 1.6, pod settings kept opaque.
const BUILTIN: &str = include_str!("crd/k6.yaml");

/// The `openAPIV3Schema`s of `(plural, schema)` that are installed from the start.
pub fn builtin() -> Vec<(String, Value)> {
    let schemas: Value = serde_yaml::from_str(BUILTIN).expect("the embedded schemas are valid YAML");
    let Value::Object(schemas) = schemas else { unreachable!("the embedded schemas are a map") };
    schemas.into_iter().filter(|(name, _)| !name.starts_with('.')).collect()
}

/// Prunes and defaults `value` in place and returns the causes for which it is refused.
pub fn admit(schema: &Value, value: &mut Value) -> Vec<Cause> {
    let mut causes = Vec::new();
    // Metadata, apiVersion and kind belong to apimachinery whatever the schema says of them.
    let fields = value.as_object_mut().expect("an object was decoded");
    let keep: Vec<(String, Value)> =
        ["apiVersion", "kind", "metadata"].iter().filter_map(|name| fields.remove_entry(*name)).collect();
    check(schema, value, "", &mut causes);
    json::object(value).extend(keep);
    causes
}

fn check(schema: &Value, value: &mut Value, path: &str, causes: &mut Vec<Cause>) {
    if schema["x-kubernetes-int-or-string"] == true {
        if !value.is_i64() && !value.is_string() {
            causes.push(type_cause(path, "integer or string", value));
        }
        return;
    }
    let kind = schema["type"].as_str().unwrap_or_default();
    let fits = match kind {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        _ => true,
    };
    if value.is_null() && schema["nullable"] == true {
        return;
    }
    if !fits {
        causes.push(type_cause(path, kind, value));
        return;
    }
    match value {
        Value::Object(_) => object(schema, value, path, causes),
        Value::Array(items) => {
            for (index, item) in items.iter_mut().enumerate() {
                check(&schema["items"], item, &format!("{path}[{index}]"), causes);
            }
            unique(schema, items, path, causes);
        }
        _ => scalar(schema, value, path, causes),
    }
    rules(schema, value, path, causes);
}

fn object(schema: &Value, value: &mut Value, path: &str, causes: &mut Vec<Cause>) {
    let map = value.as_object_mut().expect("the caller matched an object");
    let properties = schema["properties"].as_object();
    let additional = &schema["additionalProperties"];
    let keeps = schema["x-kubernetes-preserve-unknown-fields"] == true;
    let known = |name: &str| properties.is_some_and(|properties| properties.contains_key(name));
    map.retain(|name, _| {
        keeps || known(name) || additional.is_object() || path.is_empty() && name == "metadata"
    });
    for (name, schema) in properties.into_iter().flatten() {
        let default = &schema["default"];
        if !default.is_null()
            && map.get(name).is_none_or(|value| value.is_null() && schema["nullable"] != true)
        {
            map.insert(name.clone(), default.clone());
        }
    }
    for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        if !map.contains_key(name) {
            causes.push(Cause::required(&join(path, name)));
        }
    }
    for (name, value) in map.iter_mut() {
        let schema = properties.and_then(|properties| properties.get(name)).unwrap_or(additional);
        if schema.is_object() {
            check(schema, value, &join(path, name), causes);
        }
    }
}

fn scalar(schema: &Value, value: &Value, path: &str, causes: &mut Vec<Cause>) {
    if let Some(allowed) = schema["enum"].as_array()
        && !allowed.contains(value)
    {
        let allowed: Vec<String> = allowed.iter().map(Value::to_string).collect();
        let message = format!("Unsupported value: {value}: supported values: {}", allowed.join(", "));
        causes.push(Cause { field: path.to_owned(), reason: "FieldValueNotSupported", message });
    }
    if let Some(text) = value.as_str() {
        let length = text.chars().count() as u64;
        if schema["maxLength"].as_u64().is_some_and(|most| length > most) {
            let message = format!("Too long: may not be more than {} bytes", schema["maxLength"]);
            causes.push(Cause { field: path.to_owned(), reason: "FieldValueTooLong", message });
        }
        if schema["minLength"].as_u64().is_some_and(|least| length < least) {
            let why = format!("{path} in body should be at least {} chars long", schema["minLength"]);
            causes.push(Cause::invalid(path, value, &why));
        }
        if schema["format"] == "date-time" && humantime::parse_rfc3339(text).is_err() {
            causes.push(Cause::invalid(
                path,
                value,
                &format!("{path} in body must be of type date-time: {value}"),
            ));
        }
        let pattern = schema["pattern"].as_str().unwrap_or_default();
        if !pattern_matches(pattern, text) {
            let why = format!("{path} in body should match '{pattern}'");
            causes.push(Cause::invalid(path, value, &why));
        }
    }
    if let (Some(least), Some(number)) = (schema["minimum"].as_f64(), value.as_f64())
        && number < least
    {
        let why = format!("{path} in body should be greater than or equal to {least}");
        causes.push(Cause::invalid(path, value, &why));
    }
}

/// The patterns of `metav1.Condition`; any other matches.
fn pattern_matches(pattern: &str, text: &str) -> bool {
    match pattern {
        "^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$" => {
            let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
            text.bytes().next().is_some_and(|b| b.is_ascii_alphabetic())
                && text.bytes().all(|b| word(b) || matches!(b, b',' | b':'))
                && text.bytes().last().is_some_and(word)
        }
        _ => true,
    }
}

fn unique(schema: &Value, items: &[Value], path: &str, causes: &mut Vec<Cause>) {
    if schema["x-kubernetes-list-type"] != "map" {
        return;
    }
    let keys: Vec<&str> = schema["x-kubernetes-list-map-keys"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let mut seen = BTreeSet::new();
    for (index, item) in items.iter().enumerate() {
        let key: Vec<String> = keys.iter().map(|key| item[*key].to_string()).collect();
        if !seen.insert(key) {
            let shown: serde_json::Map<_, _> =
                keys.iter().map(|key| ((*key).to_owned(), item[*key].clone())).collect();
            let message = format!("Duplicate value: {}", json!(shown));
            causes.push(Cause { field: format!("{path}[{index}]"), reason: "FieldValueDuplicate", message });
        }
    }
}

/// Evaluates rules that are conjunctions of `has(self.…)`; any other holds.
fn rules(schema: &Value, value: &Value, path: &str, causes: &mut Vec<Cause>) {
    for rule in schema["x-kubernetes-validations"].as_array().into_iter().flatten() {
        let text = rule["rule"].as_str().unwrap_or_default();
        let holds = text.split("&&").all(|term| {
            let field = term.trim().strip_prefix("has(self.").and_then(|rest| rest.strip_suffix(')'));
            field.is_none_or(|field| !json::at(value, field).is_null())
        });
        if !holds {
            let why = rule["message"].as_str().map_or_else(|| format!("failed rule: {text}"), str::to_owned);
            causes.push(Cause::invalid(path, &json!("object"), &why));
        }
    }
}

fn type_cause(path: &str, kind: &str, value: &Value) -> Cause {
    let got = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    let message = format!("Invalid value: {got:?}: {path} in body must be of type {kind}: {got:?}");
    Cause { field: path.to_owned(), reason: "FieldValueTypeInvalid", message }
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(plural: &str, mut object: Value, expected: &[&str]) -> Value {
        let schema = builtin().into_iter().find(|(name, _)| name == plural).unwrap().1;
        let causes = admit(&schema, &mut object);
        let fields: Vec<&str> = causes.iter().map(|cause| cause.field.as_str()).collect();
        assert_eq!(fields, expected, "{causes:?}");
        object
    }

    #[test]
    fn zones_need_a_token_and_limits() {
        let limits = json!({"limits": {"cpu": "200m", "memory": "256Mi"}});
        check("privateloadzones", json!({"spec": {"token": "t", "resources": limits}}), &[]);
        check("privateloadzones", json!({"spec": {"resources": limits}}), &["spec.token"]);
        check(
            "privateloadzones",
            json!({"spec": {"token": "t", "resources": {"limits": {"cpu": 1}}}}),
            &["spec.resources"],
        );
        check("privateloadzones", json!({"spec": {"token": "t"}}), &["spec.resources"]);
    }

    #[test]
    fn null_is_no_list() {
        let spec = json!({"token": "t", "resources": {"limits": {"cpu": 1, "memory": 1}},
            "podTemplate": {"spec": {"containers": null}}});
        check("privateloadzones", json!({"spec": spec}), &["spec.podTemplate.spec.containers"]);
    }

    #[test]
    fn test_runs_are_pruned_and_defaulted() {
        let spec = json!({"parallelism": 2, "script": {"localFile": "/test/archive.tar"}, "unknown": 1, "paused": null});
        let object = check("testruns", json!({"metadata": {"x": 1}, "spec": spec, "more": {}}), &[]);
        let spec = json!({"parallelism": 2, "script": {"localFile": "/test/archive.tar"}, "paused": "true", "quiet": "true"});
        assert_eq!(object, json!({"metadata": {"x": 1}, "spec": spec}));
        check("testruns", json!({"spec": {"parallelism": "2"}}), &["spec.script", "spec.parallelism"]);
    }

    #[test]
    fn conditions_are_complete_and_once_each() {
        let base = json!({"parallelism": 1, "script": {}});
        let good = json!({"type": "TestRunRunning", "status": "True", "reason": "TestRunRunningTrue", "message": "",
            "lastTransitionTime": "2026-01-01T00:00:00Z"});
        let mut bad = good.clone();
        bad["reason"] = json!("");
        let status = |conditions: Value| json!({"spec": base, "status": {"conditions": conditions, "stage": "created"}});
        check("testruns", status(json!([good])), &[]);
        check("testruns", status(json!([good, good])), &["status.conditions[1]"]);
        check(
            "testruns",
            status(json!([bad])),
            &["status.conditions[0].reason", "status.conditions[0].reason"],
        );
        check("testruns", json!({"spec": base, "status": {"stage": "odd"}}), &["status.stage"]);
        check("testruns", json!({"spec": base, "status": {"conditions": null}}), &["status.conditions"]);
    }
}
