//! The Jobs of a test run.
//!
//! Owns what the objects look like. It leaves alone when they are created and deleted. Its invariant: every object
//! is owned by its run, carries the run's labels, and holds no null.

pub mod runner;

use serde_json::{Map, Value};

/// Builds an object field by field, and leaves out what says nothing.
#[derive(Default)]
pub(crate) struct Fields(Map<String, Value>);

impl Fields {
    /// Adds a field unless its value is null, an empty text, list or object.
    pub(crate) fn with(mut self, key: &str, value: impl serde::Serialize) -> Self {
        let value = serde_json::to_value(value).expect("fields are text, lists and maps with text as keys");
        let says_nothing = match &value {
            Value::Null => true,
            Value::String(text) => text.is_empty(),
            Value::Array(list) => list.is_empty(),
            Value::Object(map) => map.is_empty(),
            Value::Bool(_) | Value::Number(_) => false,
        };
        if !says_nothing {
            self.0.insert(key.to_owned(), value);
        }
        self
    }

    /// The object.
    pub(crate) fn build(self) -> Value {
        Value::Object(self.0)
    }
}
