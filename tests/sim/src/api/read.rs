//! Lists: selection, paging, and the resourceVersion that a watch starts from.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::Api;
use super::resource::{Key, Kind};
use super::select::Selector;
use super::status::Status;
use crate::http::Request;

impl Api {
    /// Answers a list: `labelSelector`, `fieldSelector`, `limit`, `continue`. Every page carries the resourceVersion of the
    /// first one, so that a watch from there misses nothing; a token from before a compaction is refused with 410.
    pub(super) fn list(&self, kind: Kind, namespace: &str, request: &Request) -> Result<Value, Status> {
        let selector = selector(request)?;
        let limit =
            request.query("limit").and_then(|limit| limit.parse::<usize>().ok()).filter(|limit| *limit > 0);
        let (version, start) = match request.query("continue").filter(|token| !token.is_empty()) {
            Some(token) => self.resume(kind, token)?,
            None => (self.version, None),
        };
        let mut selected = self
            .objects(kind, namespace)
            .filter(|(key, _)| start.as_ref().is_none_or(|start| *key >= start))
            .filter(|(_, object)| selector.matches(object));
        let mut items: Vec<&Value> = Vec::new();
        let mut metadata = json!({"resourceVersion": version.to_string()});
        for (key, object) in selected.by_ref() {
            if limit.is_some_and(|limit| items.len() == limit) {
                metadata["continue"] = json!(token(version, key));
                metadata["remainingItemCount"] = json!(selected.count() + 1);
                break;
            }
            items.push(object);
        }
        let row = kind.row();
        let items: Value = items.into_iter().map(|item| shown_in_list(kind, item)).collect();
        let name = format!("{}List", row.name);
        Ok(json!({"kind": name, "apiVersion": row.api_version(), "metadata": metadata, "items": items}))
    }

    fn resume(&self, kind: Kind, token: &str) -> Result<(u64, Option<Key>), Status> {
        let bad = || Status::bad_request("continue key is not valid: malformed token");
        let plain =
            STANDARD.decode(token).ok().and_then(|bytes| String::from_utf8(bytes).ok()).ok_or_else(bad)?;
        let mut parts = plain.splitn(3, '/');
        let version = parts.next().and_then(|version| version.parse().ok()).ok_or_else(bad)?;
        let (Some(namespace), Some(name)) = (parts.next(), parts.next()) else { return Err(bad()) };
        if version < self.oldest {
            let message = "The provided continue parameter is too old to display a consistent list result. \
                You must start a new list without the continue parameter.";
            return Err(Status::new(410, "Expired", message));
        }
        Ok((version, Some(Key::new(kind, namespace, name))))
    }
}

/// An item of a list: those of built-in kinds say neither `apiVersion` nor `kind`, as those of a real server.
fn shown_in_list(kind: Kind, item: &Value) -> Value {
    let mut item = item.clone();
    if let (false, Some(fields)) = (kind.row().is_custom(), item.as_object_mut()) {
        fields.remove("apiVersion");
        fields.remove("kind");
    }
    item
}

fn token(version: u64, next: &Key) -> String {
    STANDARD.encode(format!("{version}/{}/{}", next.namespace, next.name))
}

/// The selectors of a request.
pub(super) fn selector(request: &Request) -> Result<Selector, Status> {
    let query = |name| request.query(name).unwrap_or_default();
    Selector::parse(query("labelSelector"), query("fieldSelector")).map_err(Status::bad_request)
}
