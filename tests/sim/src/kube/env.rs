//! A container's environment and arguments as the kubelet makes them.
//!
//! Owns `value`, `valueFrom` (Secret, ConfigMap, fields), `envFrom` and the expansion of `$(NAME)`. Invariant: what is
//! missing is an error in the kubelet's words, unless it is marked optional.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::api::{Api, Key, Kind};
use crate::json;

/// The variables of a container in their order.
pub type Env = Vec<(String, String)>;

/// Expands `$(NAME)` by `env`; `$$` is a dollar sign, and what is not defined stays as it is.
pub fn expand(text: &str, env: &[(String, String)]) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        let tail = &rest[at + 1..];
        if let Some(after) = tail.strip_prefix('$') {
            out.push('$');
            rest = after;
            continue;
        }
        let name = tail.strip_prefix('(').and_then(|inner| inner.split_once(')'));
        match name {
            Some((name, after)) => {
                match env.iter().rev().find(|(key, _)| key == name) {
                    Some((_, value)) => out.push_str(value),
                    None => out.push_str(&format!("$({name})")),
                }
                rest = after;
            }
            None => {
                out.push('$');
                rest = tail;
            }
        }
    }
    out.push_str(rest);
    out
}

/// The environment of a container of a pod; the error is the message of `CreateContainerConfigError`.
pub fn resolve(api: &Api, pod: &Value, ip: &str, container: &Value) -> Result<Env, String> {
    let namespace = json::text(pod, "metadata.namespace");
    let mut env = Env::new();
    for source in json::list(container, "envFrom") {
        let prefix = json::text(source, "prefix");
        for (kind, field) in [(Kind::ConfigMap, "configMapRef"), (Kind::Secret, "secretRef")] {
            let reference = &source[field];
            if reference.is_object() {
                let values = all(api, kind, namespace, reference)?;
                env.extend(values.into_iter().map(|(key, value)| (format!("{prefix}{key}"), value)));
            }
        }
    }
    for variable in json::list(container, "env") {
        let name = json::text(variable, "name").to_owned();
        let from = &variable["valueFrom"];
        let value = if from["secretKeyRef"].is_object() {
            one(api, Kind::Secret, namespace, &from["secretKeyRef"])?
        } else if from["configMapKeyRef"].is_object() {
            one(api, Kind::ConfigMap, namespace, &from["configMapKeyRef"])?
        } else if from["fieldRef"].is_object() {
            Some(match json::text(from, "fieldRef.fieldPath") {
                "status.podIP" => ip.to_owned(),
                path => json::text(pod, path).to_owned(),
            })
        } else {
            Some(expand(json::text(variable, "value"), &env))
        };
        env.extend(value.map(|value| (name, value)));
    }
    Ok(env)
}

/// The argv of a container: command and args, expanded.
pub fn argv(container: &Value, env: &[(String, String)]) -> Vec<String> {
    ["command", "args"]
        .into_iter()
        .flat_map(|field| json::list(container, field))
        .map(|word| expand(word.as_str().unwrap_or_default(), env))
        .collect()
}

fn all(api: &Api, kind: Kind, namespace: &str, reference: &Value) -> Result<Env, String> {
    let name = json::text(reference, "name");
    let Some(object) = api.object(&Key::new(kind, namespace, name)) else {
        return missing(reference, Env::new(), || {
            format!("{} {name:?} not found", kind.row().name.to_lowercase())
        });
    };
    let values = object["data"].as_object().into_iter().flatten();
    Ok(values.map(|(key, value)| (key.clone(), plain(kind, value))).collect())
}

fn one(api: &Api, kind: Kind, namespace: &str, reference: &Value) -> Result<Option<String>, String> {
    let (name, key) = (json::text(reference, "name"), json::text(reference, "key"));
    let kind_name = kind.row().name.to_lowercase();
    let Some(object) = api.object(&Key::new(kind, namespace, name)) else {
        return missing(reference, None, || format!("{kind_name} {name:?} not found"));
    };
    match object["data"].get(key) {
        Some(value) => Ok(Some(plain(kind, value))),
        None => missing(reference, None, || {
            format!("couldn't find key {key} in {} {namespace}/{name}", kind.row().name)
        }),
    }
}

fn missing<T>(reference: &Value, nothing: T, message: impl FnOnce() -> String) -> Result<T, String> {
    if reference["optional"] == true { Ok(nothing) } else { Err(message()) }
}

fn plain(kind: Kind, value: &Value) -> String {
    let text = value.as_str().unwrap_or_default();
    if kind != Kind::Secret {
        return text.to_owned();
    }
    let bytes = STANDARD.decode(text).expect("the API server takes base64 only");
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expansion_is_the_kubelets() {
        let env = [("A".to_owned(), "1".to_owned()), ("A".to_owned(), "2".to_owned())];
        for (text, expected) in [
            ("$(A)", "2"),
            ("$$(A)", "$(A)"),
            ("$$$(A)", "$2"),
            ("$(B)", "$(B)"),
            ("$A $", "$A $"),
            ("$(A", "$(A"),
            ("x$(A)y$(A)", "x2y2"),
        ] {
            assert_eq!(expand(text, &env), expected, "{text}");
        }
    }
}
