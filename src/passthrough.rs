//! JSON that is carried from one object to another without looking inside.
//!
//! Owns the reading of such fields. It leaves alone what they mean: the API server judges that. Its invariant: a
//! carried value holds no null at any depth, because a null that is harmless in one object can be refused in another.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

/// Labels and annotations that are put on pods.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct PodMetadata {
    /// Annotations, by key.
    #[serde(deserialize_with = "k8s::meta::nullable", skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// Labels, by key.
    #[serde(deserialize_with = "k8s::meta::nullable", skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
}

impl PodMetadata {
    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.annotations.is_empty() && self.labels.is_empty()
    }
}

/// Reads an object or null.
pub fn object<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Ok(Option::<Value>::deserialize(deserializer)?.map(without_nulls))
}

/// Reads a list or null; elements that are null are skipped.
pub fn list<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Value>, D::Error> {
    let list = Option::<Vec<Value>>::deserialize(deserializer)?.unwrap_or_default();
    Ok(list.into_iter().filter(|value| !value.is_null()).map(without_nulls).collect())
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
