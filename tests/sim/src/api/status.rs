//! Errors of the API server: `metav1.Status`, in the words of the real one.

use serde_json::{Value, json};

use super::resource::{Key, Resource};
use crate::http::Response;

/// One cause of an `Invalid` error (`details.causes[]`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cause {
    /// Dotted path of the field.
    pub field: String,
    /// `FieldValueRequired`, `FieldValueInvalid`, `FieldValueNotSupported`, `FieldValueTypeInvalid`, …
    pub reason: &'static str,
    /// What is wrong, without the field.
    pub message: String,
}

impl Cause {
    /// A required field that is missing.
    pub fn required(field: &str) -> Self {
        Self { field: field.to_owned(), reason: "FieldValueRequired", message: "Required value".to_owned() }
    }

    /// A value that does not do.
    pub fn invalid(field: &str, value: &Value, why: &str) -> Self {
        let message = format!("Invalid value: {value}: {why}");
        Self { field: field.to_owned(), reason: "FieldValueInvalid", message }
    }

    /// A change that is not allowed.
    pub fn forbidden(field: &str, why: &str) -> Self {
        Self { field: field.to_owned(), reason: "FieldValueForbidden", message: format!("Forbidden: {why}") }
    }
}

/// A refusal.
#[derive(Clone, Debug, PartialEq)]
pub struct Status {
    /// HTTP status code.
    pub code: u16,
    /// `reason` of the Status: a word that programs compare.
    pub reason: &'static str,
    /// The sentence for people.
    pub message: String,
    /// `details`; null if none.
    pub details: Value,
}

impl Status {
    /// A refusal without details.
    pub fn new(code: u16, reason: &'static str, message: impl Into<String>) -> Self {
        Self { code, reason, message: message.into(), details: Value::Null }
    }

    /// 400.
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, "BadRequest", message)
    }

    /// 404 for an object.
    pub fn not_found(key: &Key) -> Self {
        let row = key.kind.row();
        Self::new(404, "NotFound", format!("{} {:?} not found", row.qualified(), key.name))
            .about(row, &key.name)
    }

    /// 404 for a path that leads nowhere.
    pub fn no_such_path() -> Self {
        Self::new(404, "NotFound", "the server could not find the requested resource")
    }

    /// 409 on creation.
    pub fn already_exists(key: &Key) -> Self {
        let row = key.kind.row();
        let message = format!("{} {:?} already exists", row.qualified(), key.name);
        Self::new(409, "AlreadyExists", message).about(row, &key.name)
    }

    /// 409 when a precondition does not hold.
    pub fn conflict(key: &Key, why: &str) -> Self {
        let row = key.kind.row();
        let message = format!("Operation cannot be fulfilled on {} {:?}: {why}", row.qualified(), key.name);
        Self::new(409, "Conflict", message).about(row, &key.name)
    }

    /// 409 when the object has changed since the resourceVersion that the writer gave.
    pub fn modified(key: &Key) -> Self {
        Self::conflict(
            key,
            "the object has been modified; please apply your changes to the latest version and try again",
        )
    }

    /// 403.
    pub fn forbidden(row: &Resource, name: &str, why: &str) -> Self {
        let message = format!("{} {name:?} is forbidden: {why}", row.qualified());
        Self::new(403, "Forbidden", message).about(row, name)
    }

    /// 422 with its causes.
    pub fn invalid(row: &Resource, name: &str, causes: &[Cause]) -> Self {
        let words: Vec<String> =
            causes.iter().map(|cause| format!("{}: {}", cause.field, cause.message)).collect();
        let list = if words.len() == 1 { words[0].clone() } else { format!("[{}]", words.join(", ")) };
        let message = format!("{} {name:?} is invalid: {list}", row.qualified_kind());
        let mut status = Self::new(422, "Invalid", message);
        status.details = json!({"name": name, "group": row.group, "kind": row.name, "causes": causes.iter().map(|cause| {
            json!({"reason": cause.reason, "message": cause.message, "field": cause.field})
        }).collect::<Vec<_>>()});
        status
    }

    /// 410, as HTTP status or in an ERROR event.
    pub fn expired(asked: u64, oldest: u64) -> Self {
        Self::new(410, "Expired", format!("too old resource version: {asked} ({oldest})"))
    }

    fn about(mut self, row: &Resource, name: &str) -> Self {
        self.details = json!({"name": name, "group": row.group, "kind": row.plural});
        self
    }

    /// The object of the wire.
    pub fn value(&self) -> Value {
        let mut value = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": self.message, "reason": self.reason, "code": self.code});
        if !self.details.is_null() {
            value["details"] = self.details.clone();
        }
        value
    }

    /// The response.
    pub fn response(&self) -> Response {
        Response::json(self.code, &self.value())
    }
}
