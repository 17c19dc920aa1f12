//! What lists and watches look like on the wire.
//!
//! Objects are read one by one: the frame around them first, then each by itself, so that one that is not as expected is
//! reported with its key and the others are none the worse.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use super::WatchEvent;
use crate::meta::Key;
use crate::status::{Error, decode_error, read_status};

/// The end of a page: where the list goes on, or since when to watch.
pub(super) struct Page {
    pub(super) continue_token: String,
    pub(super) resource_version: String,
}

impl Page {
    pub(super) fn read<T: DeserializeOwned>(
        body: &[u8],
        gathered: &mut Vec<T>,
        out: &mut Vec<WatchEvent<T>>,
    ) -> Result<Self, Error> {
        let list: WireList<'_> =
            serde_json::from_slice(body).map_err(|error| decode_error("the list", &error))?;
        for item in list.items.into_iter().flatten() {
            match read_object(item) {
                Ok(object) => gathered.push(object),
                Err((key, error)) => out.push(WatchEvent::Malformed { key, error, deleted: false }),
            }
        }
        Ok(Self {
            continue_token: list.metadata.continue_token,
            resource_version: list.metadata.resource_version,
        })
    }
}

/// One line of a watch.
pub(super) struct Line;

impl Line {
    /// Tells what the line says; an error only where the stream is of no further use.
    pub(super) fn read<T: DeserializeOwned>(
        line: &[u8],
        version: &mut String,
        out: &mut Vec<WatchEvent<T>>,
    ) -> Result<(), Error> {
        let event: WireEvent<'_> =
            serde_json::from_slice(line).map_err(|error| decode_error("an event of the watch", &error))?;
        let deleted = match event.type_.as_str() {
            "ADDED" | "MODIFIED" => false,
            "DELETED" => true,
            "BOOKMARK" => {
                advance(version, &PartialMeta::version_of(event.object));
                return Ok(());
            }
            "ERROR" => {
                return Err(Error::Api { status: read_status(0, None, event.object.get().as_bytes()) });
            }
            unknown => {
                log::debug!("an event of unknown type {unknown:?} is ignored");
                return Ok(());
            }
        };
        advance(version, &PartialMeta::version_of(event.object));
        out.push(match (read_object(event.object), deleted) {
            (Ok(object), false) => WatchEvent::Applied(object),
            (Ok(object), true) => WatchEvent::Deleted(object),
            (Err((key, error)), deleted) => WatchEvent::Malformed { key, error, deleted },
        });
        Ok(())
    }
}

fn read_object<T: DeserializeOwned>(raw: &RawValue) -> Result<T, (Key, Error)> {
    serde_json::from_slice(raw.get().as_bytes()).map_err(|error| {
        let PartialMeta { namespace, name, .. } = PartialMeta::of(raw);
        let key = Key { namespace: namespace.unwrap_or_default(), name: name.unwrap_or_default() };
        let error = decode_error(&key.to_string(), &error);
        (key, error)
    })
}

/// Moves on to `seen`, unless that is known to be older. Versions are to be numbers that grow (KEP-5504) and have always
/// been; one that is no number is believed as it stands.
fn advance(version: &mut String, seen: &str) {
    let older = match (seen.parse::<u64>(), version.parse::<u64>()) {
        (Ok(seen), Ok(version)) => seen < version,
        _ => seen.is_empty(),
    };
    if !older {
        seen.clone_into(version);
    }
}

#[derive(Deserialize)]
struct WireList<'a> {
    #[serde(default)]
    metadata: WireListMeta,
    #[serde(borrow, default)]
    items: Option<Vec<&'a RawValue>>,
}

#[derive(Default)]
struct WireListMeta {
    continue_token: String,
    resource_version: String,
}
crate::readable!(WireListMeta { continue_token: "continue", resource_version: "resourceVersion" });

#[derive(Deserialize)]
struct WireEvent<'a> {
    #[serde(rename = "type")]
    type_: String,
    #[serde(borrow)]
    object: &'a RawValue,
}

/// Derived, unlike what is read as a whole: to skip the rest of an object is cheaper than to make values of it twice.
#[derive(Default, Deserialize)]
struct Partial {
    metadata: Option<PartialMeta>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct PartialMeta {
    namespace: Option<String>,
    name: Option<String>,
    resource_version: Option<String>,
}

impl PartialMeta {
    fn of(raw: &RawValue) -> Self {
        let partial: Partial = serde_json::from_slice(raw.get().as_bytes()).unwrap_or_default();
        partial.metadata.unwrap_or_default()
    }

    fn version_of(raw: &RawValue) -> String {
        Self::of(raw).resource_version.unwrap_or_default()
    }
}
