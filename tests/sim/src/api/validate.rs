//! What every object has to satisfy: names, labels, annotations, owner references (apimachinery's rules).

use serde_json::{Value, json};

use super::resource::Kind;
use super::status::Cause;
use crate::json;

/// Longest RFC 1123 subdomain, label value, and label.
const SUBDOMAIN_LEN_MAX: usize = 253;
const LABEL_LEN_MAX: usize = 63;
/// Total size of annotations in bytes.
const ANNOTATIONS_BYTES_MAX: usize = 256 * 1024;

const SUBDOMAIN: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character";
const LABEL: &str = "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character";

/// Whether `name` is an RFC 1123 subdomain.
pub fn is_subdomain(name: &str) -> bool {
    name.len() <= SUBDOMAIN_LEN_MAX && !name.is_empty() && name.split('.').all(is_dns_label)
}

fn is_dns_label(label: &str) -> bool {
    let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    !label.is_empty() && label.bytes().all(inner) && !label.starts_with('-') && !label.ends_with('-')
}

/// Whether `value` may be the value of a label.
pub fn is_label_value(value: &str) -> bool {
    value.is_empty() || is_qualified_part(value)
}

fn is_qualified_part(part: &str) -> bool {
    let ends = |letter: Option<char>| letter.is_some_and(|letter| letter.is_ascii_alphanumeric());
    part.len() <= LABEL_LEN_MAX
        && part.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
        && ends(part.chars().next())
        && ends(part.chars().last())
}

fn is_qualified_name(name: &str) -> bool {
    match name.split_once('/') {
        Some((prefix, part)) => is_subdomain(prefix) && is_qualified_part(part),
        None => is_qualified_part(name),
    }
}

/// The causes for which metadata is refused.
pub fn metadata(kind: Kind, object: &Value) -> Vec<Cause> {
    let mut causes = Vec::new();
    let name = json::text(object, "metadata.name");
    if !is_subdomain(name) {
        causes.push(Cause::invalid("metadata.name", &json!(name), SUBDOMAIN));
    }
    if matches!(kind, Kind::Job | Kind::Service | Kind::Namespace) && name.len() > LABEL_LEN_MAX {
        causes.push(Cause::invalid("metadata.name", &json!(name), "must be no more than 63 characters"));
    }
    labels(json::at(object, "metadata.labels"), "metadata.labels", &mut causes);
    if let Some(annotations) = json::at(object, "metadata.annotations").as_object() {
        let mut bytes = 0;
        for (key, value) in annotations {
            bytes += key.len() + value.as_str().map_or(0, str::len);
            if !is_qualified_name(&key.to_lowercase()) {
                causes.push(Cause::invalid(
                    "metadata.annotations",
                    &json!(key),
                    "name part must consist of alphanumeric characters, '-', '_' or '.'",
                ));
            }
        }
        if bytes > ANNOTATIONS_BYTES_MAX {
            causes.push(Cause {
                field: "metadata.annotations".to_owned(),
                reason: "FieldValueTooLong",
                message: format!("Too long: may not be more than {ANNOTATIONS_BYTES_MAX} bytes"),
            });
        }
    }
    owners(object, &mut causes);
    for finalizer in json::list(object, "metadata.finalizers") {
        let finalizer = finalizer.as_str().unwrap_or_default();
        if !is_qualified_name(finalizer) {
            causes.push(Cause::invalid(
                "metadata.finalizers",
                &json!(finalizer),
                "name part must be non-empty",
            ));
        }
    }
    causes
}

/// Appends the causes for which a map of labels at `path` is refused.
pub fn labels(labels: &Value, path: &str, causes: &mut Vec<Cause>) {
    for (key, value) in labels.as_object().into_iter().flatten() {
        if !is_qualified_name(key) {
            causes.push(Cause::invalid(path, &json!(key), "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character"));
        }
        let text = value.as_str().unwrap_or_default();
        if text.len() > LABEL_LEN_MAX {
            causes.push(Cause::invalid(path, value, "must be no more than 63 bytes"));
        } else if !is_label_value(text) {
            causes.push(Cause::invalid(path, value, LABEL));
        }
    }
}

fn owners(object: &Value, causes: &mut Vec<Cause>) {
    let owners = json::list(object, "metadata.ownerReferences");
    for field in ["apiVersion", "kind", "name", "uid"] {
        if owners.iter().any(|owner| json::text(owner, field).is_empty()) {
            let message = "must not be empty";
            causes.push(Cause::invalid(&format!("metadata.ownerReferences.{field}"), &json!(""), message));
        }
    }
    if owners.iter().filter(|owner| owner["controller"] == true).count() > 1 {
        causes.push(Cause::invalid(
            "metadata.ownerReferences",
            &json!(null),
            "Only one reference can have Controller set to true",
        ));
    }
}

/// Refuses metadata of the wrong types with the words of the decoder (HTTP 400); null is fine anywhere.
pub fn decodes(object: &Value) -> Result<(), String> {
    let metadata = json::at(object, "metadata");
    let wrong = |field: &str, got: &Value, want: &str| {
        let got = match got {
            Value::Bool(_) => "bool",
            Value::Number(_) => "number",
            Value::String(_) => "string",
            Value::Array(_) => "array",
            _ => "object",
        };
        Err(format!(
            "json: cannot unmarshal {got} into Go struct field ObjectMeta.metadata.{field} of type {want}"
        ))
    };
    for field in ["labels", "annotations"] {
        match &metadata[field] {
            Value::Null => {}
            Value::Object(map) => {
                if let Some(value) = map.values().find(|value| !value.is_string() && !value.is_null()) {
                    return wrong(field, value, "string");
                }
            }
            other => return wrong(field, other, "map[string]string"),
        }
    }
    for field in ["finalizers", "ownerReferences"] {
        let value = &metadata[field];
        if !value.is_null() && !value.is_array() {
            return wrong(field, value, "[]");
        }
    }
    for field in ["name", "namespace", "uid", "resourceVersion", "generateName"] {
        let value = &metadata[field];
        if !value.is_null() && !value.is_string() {
            return wrong(field, value, "string");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_labels() {
        for (name, good) in [
            ("a", true),
            ("plz-test-1", true),
            ("a.b", true),
            ("A", false),
            ("-a", false),
            ("a_b", false),
            ("", false),
            ("a..b", false),
        ] {
            assert_eq!(is_subdomain(name), good, "{name}");
        }
        for (value, good) in [("", true), ("A.b_c-d", true), ("-a", false), ("a/b", false), ("a b", false)] {
            assert_eq!(is_label_value(value), good, "{value}");
        }
        assert!(!is_label_value(&"x".repeat(64)));
    }

    #[test]
    fn metadata_of_wrong_types_does_not_decode() {
        assert!(decodes(&json!({"metadata": {"labels": {"a": 1}}})).is_err());
        assert!(decodes(&json!({"metadata": {"labels": null, "finalizers": null, "name": "x"}})).is_ok());
        assert!(decodes(&json!({"metadata": {"finalizers": "x"}})).is_err());
    }
}
