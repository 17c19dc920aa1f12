//! JSON that is carried from one object to another without looking inside.
//!
//! Owns the reading of such fields. It leaves alone what they mean: the API server judges that. Its invariant: a
//! carried value holds no null at any depth, because a null that is harmless in one object can be refused in another.

use std::collections::BTreeMap;

use k8s::fields::{Faults, Read};
use serde::Serialize;
use serde_json::{Map, Value};

/// Labels and annotations that are put on pods.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct PodMetadata {
    /// Annotations, by key.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// Labels, by key.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
}
k8s::readable!(PodMetadata { annotations: "annotations", labels: "labels" });

impl PodMetadata {
    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.annotations.is_empty() && self.labels.is_empty()
    }
}

/// Reads an object or null.
pub fn object(value: &Value, faults: &mut Faults) -> Option<Value> {
    Option::<Value>::read(value, faults).map(without_nulls)
}

/// Reads a list or null; elements that are null are skipped.
pub fn list(value: &Value, faults: &mut Faults) -> Vec<Value> {
    Vec::<Value>::read(value, faults).into_iter().map(without_nulls).collect()
}

/// `value` without the nulls in it, at any depth.
pub fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(map) => {
            let filled = map.into_iter().filter(|(_, value)| !value.is_null());
            let mut kept = Map::new();
            kept.extend(filled.map(|(key, value)| (key, without_nulls(value))));
            Value::Object(kept)
        }
        Value::Array(list) => {
            Value::Array(list.into_iter().filter(|value| !value.is_null()).map(without_nulls).collect())
        }
        other => other,
    }
}
