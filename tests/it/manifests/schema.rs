//! What an API server does with an object and a structural schema: prune, default, validate.
//!
//! Owns: the part of `apiextensions.k8s.io/v1` that the shipped schemas use. Leaves alone: embedded resources, `oneOf` and the
//! like, formats other than the integers', CEL: a keyword, pattern or rule that it does not know is a panic and never a pass.
//! Invariant: what it accepts, an API server accepts.

use serde_json::{Map, Value};

/// Keywords that a schema may use; everything else is one that the functions below do not heed.
const KEYWORDS: [&str; 19] = [
    "additionalProperties",
    "default",
    "description",
    "enum",
    "format",
    "items",
    "maxLength",
    "minLength",
    "minimum",
    "pattern",
    "properties",
    "required",
    "type",
    "x-kubernetes-int-or-string",
    "x-kubernetes-list-map-keys",
    "x-kubernetes-list-type",
    "x-kubernetes-map-type",
    "x-kubernetes-preserve-unknown-fields",
    "x-kubernetes-validations",
];

/// Quantities as Kubernetes reads them, `metav1.Condition`'s reason and type: the patterns of the reference definitions.
const QUANTITY: &str = r"^(\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))(([KMGTPE]i)|[numkMGTPE]|([eE](\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))))?$";
const REASON: &str = r"^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$";
const CONDITION_TYPE: &str = r"^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])$";
/// The one CEL rule that is shipped.
const LIMITS_RULE: &str = "has(self.limits) && 'cpu' in self.limits && 'memory' in self.limits";

/// What came of an object.
#[derive(Debug, Default)]
pub(super) struct Verdict {
    /// Paths of fields that no schema declares and that are lost.
    pub(super) pruned: Vec<String>,
    /// What the API server would answer, one line an error.
    pub(super) errors: Vec<String>,
}

/// Prunes and defaults `object` in place and says what is wrong with it.
pub(super) fn admit(schema: &Value, object: &mut Value) -> Verdict {
    let mut verdict = Verdict::default();
    visit(schema, object, "", &mut verdict);
    verdict
}

/// Says what keeps `schema` from being structural; `path` names it in the answer.
pub(super) fn structural_errors(schema: &Value, path: &str) -> Vec<String> {
    let node = schema.as_object().unwrap_or_else(|| panic!("{path}: a schema is an object"));
    let mut errors: Vec<String> = node
        .keys()
        .filter(|keyword| !KEYWORDS.contains(&keyword.as_str()))
        .map(|keyword| format!("{path}: unknown keyword {keyword}"))
        .collect();
    let mut complain = |problem: &str| errors.push(format!("{path}: {problem}"));
    if node.contains_key("type") == flag(schema, "x-kubernetes-int-or-string") {
        complain("either a type or int-or-string");
    }
    if node.contains_key("properties") && node.contains_key("additionalProperties") {
        complain("properties and additionalProperties exclude each other");
    }
    if schema["type"] == "array" && !node.contains_key("items") {
        complain("a list says what its items are");
    }
    if flag(schema, "x-kubernetes-preserve-unknown-fields") && schema["type"] != "object" {
        complain("only an object can preserve unknown fields");
    }
    for name in list(schema, "required").iter().filter_map(Value::as_str) {
        if schema["properties"].get(name).is_none() {
            complain(&format!("required {name} is not declared"));
        }
    }
    for key in list(schema, "x-kubernetes-list-map-keys").iter().filter_map(Value::as_str) {
        if !list(&schema["items"], "required").contains(&Value::from(key)) {
            complain(&format!("list key {key} is not required of the items"));
        }
    }
    if let Some(default) = node.get("default") {
        let verdict = admit(schema, &mut default.clone());
        errors.extend(verdict.errors);
        errors.extend(verdict.pruned);
    }
    for (name, child) in fields(schema) {
        errors.extend(structural_errors(child, &format!("{path}.{name}")));
    }
    for keyword in ["items", "additionalProperties"] {
        if let Some(child) = node.get(keyword) {
            errors.extend(structural_errors(child, &format!("{path}.{keyword}")));
        }
    }
    errors
}

fn visit(schema: &Value, value: &mut Value, path: &str, verdict: &mut Verdict) {
    if let Some(error) = type_error(schema, value) {
        verdict.errors.push(format!("{path}: {error}"));
        return;
    }
    match value {
        Value::Object(map) => visit_object(schema, map, path, verdict),
        Value::Array(items) => {
            for (index, item) in items.iter_mut().enumerate() {
                visit(&schema["items"], item, &format!("{path}[{index}]"), verdict);
            }
            duplicate_keys(schema, items, path, verdict);
        }
        scalar => verdict.errors.extend(scalar_error(schema, scalar).map(|error| format!("{path}: {error}"))),
    }
}

fn visit_object(schema: &Value, map: &mut Map<String, Value>, path: &str, verdict: &mut Verdict) {
    // None of the shipped fields is nullable: a null without a default is dropped before anything else looks at it. What
    // no schema declares keeps its nulls.
    map.retain(|name, value| {
        !value.is_null() || declared(schema, name).is_none_or(|child| child.get("default").is_some())
    });
    for (name, child) in fields(schema) {
        let absent = map.get(name).is_none_or(Value::is_null);
        if let (true, Some(default)) = (absent, child.get("default")) {
            map.insert(name.clone(), default.clone());
        }
    }
    // The server knows `metadata` better than any schema does.
    let kept = |name: &str| path.is_empty() && name == "metadata";
    let preserves = flag(schema, "x-kubernetes-preserve-unknown-fields");
    map.retain(|name, child| match declared(schema, name) {
        _ if kept(name) => true,
        Some(declared) => {
            visit(declared, child, &format!("{path}.{name}"), verdict);
            true
        }
        None if preserves => true,
        None => {
            verdict.pruned.push(format!("{path}.{name}"));
            false
        }
    });
    for name in list(schema, "required").iter().filter_map(Value::as_str) {
        if !map.contains_key(name) {
            verdict.errors.push(format!("{path}.{name}: required"));
        }
    }
    for rule in list(schema, "x-kubernetes-validations") {
        assert_eq!(rule["rule"], LIMITS_RULE, "{path}: a rule that this module does not know");
        let limits = map.get("limits");
        if !["cpu", "memory"].iter().all(|name| limits.is_some_and(|limits| limits.get(name).is_some())) {
            verdict
                .errors
                .push(format!("{path}: {}", rule["message"].as_str().expect("a rule has a message")));
        }
    }
}

fn duplicate_keys(schema: &Value, items: &[Value], path: &str, verdict: &mut Verdict) {
    let keys = list(schema, "x-kubernetes-list-map-keys");
    for key in keys.iter().filter_map(Value::as_str) {
        let mut seen: Vec<&Value> = Vec::new();
        for value in items.iter().filter_map(|item| item.get(key)) {
            if seen.contains(&value) {
                verdict.errors.push(format!("{path}: {value} twice"));
            }
            seen.push(value);
        }
    }
}

fn type_error(schema: &Value, value: &Value) -> Option<String> {
    let fits = match schema["type"].as_str() {
        None => value.is_i64() || value.is_string(),
        Some("object") => value.is_object(),
        Some("array") => value.is_array(),
        Some("string") => value.is_string(),
        Some("boolean") => value.is_boolean(),
        Some("integer") => match schema["format"].as_str() {
            Some("int32") => value.as_i64().is_some_and(|number| i32::try_from(number).is_ok()),
            _ => value.is_i64(),
        },
        Some(other) => panic!("a type that this module does not know: {other}"),
    };
    (!fits).then(|| format!("{value} is not of type {}", schema["type"].as_str().unwrap_or("int-or-string")))
}

fn scalar_error(schema: &Value, value: &Value) -> Option<String> {
    let choices = list(schema, "enum");
    if !choices.is_empty() && !choices.contains(value) {
        return Some(format!("{value} is none of {choices:?}"));
    }
    if let (Some(number), Some(minimum)) = (value.as_i64(), schema["minimum"].as_i64()) {
        return (number < minimum).then(|| format!("{number} is less than {minimum}"));
    }
    let text = value.as_str()?;
    let length = text.chars().count() as u64;
    if schema["minLength"].as_u64().is_some_and(|least| length < least)
        || schema["maxLength"].as_u64().is_some_and(|most| length > most)
    {
        return Some(format!("{value} is too short or too long"));
    }
    let matches = match schema["pattern"].as_str()? {
        QUANTITY => is_quantity(text),
        REASON => is_reason(text),
        CONDITION_TYPE => is_condition_type(text),
        other => panic!("a pattern that this module does not know: {other}"),
    };
    (!matches).then(|| format!("{value} does not match {}", schema["pattern"]))
}

fn is_quantity(text: &str) -> bool {
    let text = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (number, suffix) = text.split_at(text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len()));
    let suffix_fits = match suffix.chars().collect::<Vec<_>>()[..] {
        [] => true,
        [one] => "numkMGTPE".contains(one),
        [one, 'i'] => "KMGTPE".contains(one),
        ['e' | 'E', '+' | '-', ..] => is_decimal(&suffix[2..]),
        ['e' | 'E', ..] => is_decimal(&suffix[1..]),
        _ => false,
    };
    is_decimal(number) && suffix_fits
}

fn is_decimal(text: &str) -> bool {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    digits(whole) && digits(fraction) && !(whole.is_empty() && fraction.is_empty()) && !text.is_empty()
}

fn is_reason(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text.ends_with(|last: char| last.is_ascii_alphanumeric() || last == '_')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "_,:".contains(c))
        // A single letter has no last character of its own.
        && (text.len() > 1 || text.chars().all(|c| c.is_ascii_alphabetic()))
}

fn is_condition_type(text: &str) -> bool {
    // Prefixed types are none of ours; refusing them here keeps the invariant.
    text.starts_with(|first: char| first.is_ascii_alphanumeric())
        && text.ends_with(|last: char| last.is_ascii_alphanumeric())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
}

/// The schema of the field `name` of an object.
fn declared<'a>(schema: &'a Value, name: &str) -> Option<&'a Value> {
    schema["properties"].get(name).or(schema.get("additionalProperties"))
}

fn fields(schema: &Value) -> impl Iterator<Item = (&String, &Value)> {
    schema["properties"].as_object().into_iter().flatten()
}

fn list<'a>(schema: &'a Value, keyword: &str) -> &'a [Value] {
    schema[keyword].as_array().map_or(&[], Vec::as_slice)
}

fn flag(schema: &Value, keyword: &str) -> bool {
    schema[keyword] == true
}
