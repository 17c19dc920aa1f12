//! Reading and merging of JSON trees, tolerant of what is missing or null.
//!
//! Owns RFC 7396 (merge patch), the few operations of RFC 6902 (JSON patch) that clients use, and dotted paths.
//! Knows nothing of Kubernetes.

use serde_json::{Map, Value};

/// The value at a dotted path (`spec.token`); null when any part is missing.
pub fn at<'a>(value: &'a Value, path: &str) -> &'a Value {
    path.split('.').fold(value, |value, name| match value {
        Value::Array(items) => {
            name.parse::<usize>().ok().and_then(|index| items.get(index)).unwrap_or(&Value::Null)
        }
        _ => value.get(name).unwrap_or(&Value::Null),
    })
}

/// The string at a dotted path; empty when it is missing or something else.
pub fn text<'a>(value: &'a Value, path: &str) -> &'a str {
    at(value, path).as_str().unwrap_or_default()
}

/// The list at a dotted path; empty when it is missing, null or something else.
pub fn list<'a>(value: &'a Value, path: &str) -> &'a [Value] {
    at(value, path).as_array().map_or(&[], Vec::as_slice)
}

/// Sets the value at a dotted path, making the objects on the way.
pub fn set(value: &mut Value, path: &str, new: impl Into<Value>) {
    let mut place = value;
    for name in path.split('.') {
        place = object(place).entry(name).or_insert(Value::Null);
    }
    *place = new.into();
}

/// Removes the value at a dotted path, if it is there.
pub fn remove(value: &mut Value, path: &str) {
    let (parents, name) = path.rsplit_once('.').unwrap_or(("", path));
    let mut place = Some(value);
    for parent in parents.split('.').filter(|parent| !parent.is_empty()) {
        place = place.and_then(|place| place.get_mut(parent));
    }
    if let Some(Value::Object(map)) = place {
        map.remove(name);
    }
}

/// The value as an object; anything else becomes an empty one first.
pub fn object(value: &mut Value) -> &mut Map<String, Value> {
    if !value.is_object() {
        *value = Value::Object(Map::new());
    }
    value.as_object_mut().expect("made an object above")
}

/// Applies a merge patch as RFC 7396 has it: null removes, objects merge, all else replaces.
pub fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(fields) = patch else {
        *target = patch.clone();
        return;
    };
    let map = object(target);
    for (name, value) in fields {
        if value.is_null() {
            map.remove(name);
        } else {
            merge(map.entry(name).or_insert(Value::Null), value);
        }
    }
}

/// Applies a strategic merge patch in the measure that clients of these models use it: as [`merge`], but lists of named
/// objects merge by `name` (`type` for conditions), `$patch: delete` removes an element, other directives are dropped.
pub fn merge_strategic(target: &mut Value, patch: &Value) {
    let Value::Object(fields) = patch else {
        *target = patch.clone();
        return;
    };
    let map = object(target);
    for (name, value) in fields.iter().filter(|(name, _)| !name.starts_with('$')) {
        match value {
            Value::Null => {
                map.remove(name);
            }
            Value::Array(items) => merge_items(map.entry(name).or_insert(Value::Null), items),
            _ => merge_strategic(map.entry(name).or_insert(Value::Null), value),
        }
    }
}

fn merge_items(target: &mut Value, patch: &[Value]) {
    let key =
        ["name", "type", "uid"].into_iter().find(|key| patch.iter().all(|item| item.get(key).is_some()));
    let (Some(key), Value::Array(items), false) = (key, &mut *target, patch.is_empty()) else {
        *target = Value::Array(patch.to_vec());
        return;
    };
    for new in patch {
        let place = items.iter().position(|item| item.get(key) == new.get(key));
        match (place, text(new, "$patch") == "delete") {
            (Some(place), true) => {
                items.remove(place);
            }
            (Some(place), false) => merge_strategic(&mut items[place], new),
            (None, true) => {}
            (None, false) => items.push(new.clone()),
        }
    }
}

/// Applies the `add`, `replace`, `remove` and `test` operations of a JSON patch (RFC 6902); the error says which failed.
pub fn patch(target: &mut Value, operations: &Value) -> Result<(), String> {
    for operation in operations.as_array().ok_or("a JSON patch is a list of operations")? {
        let (name, path) = (text(operation, "op"), text(operation, "path"));
        let fail = || format!("JSON patch {name} failed on {path}");
        let value = operation.get("value");
        let (parent, last) = path.rsplit_once('/').ok_or_else(fail)?;
        let last = last.replace("~1", "/").replace("~0", "~");
        if name == "test" {
            if target.pointer(path) != value {
                return Err(fail());
            }
            continue;
        }
        match (target.pointer_mut(parent).ok_or_else(fail)?, name) {
            (Value::Object(map), "remove") => drop(map.remove(&last).ok_or_else(fail)?),
            (Value::Object(map), "replace") if !map.contains_key(&last) => return Err(fail()),
            (Value::Object(map), "add" | "replace") => {
                map.insert(last, value.cloned().ok_or_else(fail)?);
            }
            (Value::Array(items), "add") if last == "-" => items.push(value.cloned().ok_or_else(fail)?),
            (Value::Array(items), _) => {
                let index =
                    last.parse::<usize>().ok().filter(|index| *index <= items.len()).ok_or_else(fail)?;
                match name {
                    "add" => items.insert(index, value.cloned().ok_or_else(fail)?),
                    "remove" if index < items.len() => drop(items.remove(index)),
                    "replace" if index < items.len() => items[index] = value.cloned().ok_or_else(fail)?,
                    _ => return Err(fail()),
                }
            }
            _ => return Err(fail()),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn merge_patch_follows_the_rfc() {
        let cases = [
            (json!({"a": "b"}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": "b", "b": "c"}), json!({"a": null}), json!({"b": "c"})),
            (json!({"a": ["b"]}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": {"b": "c"}}), json!({"a": {"b": "d", "c": null}}), json!({"a": {"b": "d"}})),
            (json!({"a": [{"b": "c"}]}), json!({"a": [1]}), json!({"a": [1]})),
            (json!({}), json!({"a": {"bb": {"ccc": null}}}), json!({"a": {"bb": {}}})),
            (json!({"e": null}), json!({"a": 1}), json!({"e": null, "a": 1})),
            (json!([1, 2]), json!({"a": "b"}), json!({"a": "b"})),
        ];
        for (mut target, patch, expected) in cases {
            merge(&mut target, &patch);
            assert_eq!(target, expected);
        }
    }

    #[test]
    fn strategic_merge_goes_by_name() {
        let mut target = json!({"env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]});
        let patch = json!({"$setElementOrder/env": [], "env": [{"name": "B", "value": "3"}, {"name": "A", "$patch": "delete"}]});
        merge_strategic(&mut target, &patch);
        assert_eq!(target, json!({"env": [{"name": "B", "value": "3"}]}));
    }

    #[test]
    fn json_patch_tests_and_changes() {
        let mut target = json!({"metadata": {"finalizers": ["a", "b"]}});
        let operations = json!([{"op": "test", "path": "/metadata/finalizers/0", "value": "a"},
            {"op": "remove", "path": "/metadata/finalizers/0"}, {"op": "add", "path": "/metadata/x~1y", "value": 1}]);
        patch(&mut target, &operations).unwrap();
        assert_eq!(target, json!({"metadata": {"finalizers": ["b"], "x/y": 1}}));
        assert!(
            patch(&mut target, &json!([{"op": "test", "path": "/metadata/finalizers/0", "value": "a"}]))
                .is_err()
        );
    }
}
