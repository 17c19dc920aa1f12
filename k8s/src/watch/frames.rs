//! What lists and watches look like on the wire, and what is read of them.
//!
//! Objects are read one by one, as they arrive: one that is not as expected, or too large, is reported with its key, and the
//! others are none the worse.

use std::borrow::Cow;
use std::marker::PhantomData;

use super::WatchEvent;
use crate::fields::{Cursor, Faults, Read, read_text};
use crate::meta::Key;
use crate::shape::{Field, Shape};
use crate::sieve::{Kept, Limits};
use crate::status::{Error, decode_error, read_status};

const WHOLE: &Shape = &Shape::Whole;
/// What a `metav1.Status` has beside what objects have.
const STATUS: &[Field] =
    &[("kind", WHOLE), ("code", WHOLE), ("reason", WHOLE), ("message", WHOLE), ("details", WHOLE)];
const LIST_META: &[Field] = &[("continue", WHOLE), ("resourceVersion", WHOLE)];

/// The shapes of answers with objects of a type.
pub(super) struct Frames<T>(PhantomData<T>);

impl<T: Read> Frames<T> {
    /// A page of a list: `{"metadata":{…},"items":[…]}`.
    pub(super) const LIST: &'static Shape =
        &Shape::Fields(&[&[("metadata", &Shape::Fields(&[LIST_META])), ("items", &Shape::Items(T::SHAPE))]]);
    /// A line of a watch: `{"type":"ADDED","object":{…}}`.
    pub(super) const LINE: &'static Shape =
        &Shape::Fields(&[&[("type", WHOLE), ("object", &Shape::Fields(&[Self::FIELDS, STATUS]))]]);
    const FIELDS: &'static [Field] = match T::SHAPE {
        Shape::Fields([fields]) => fields,
        _ => &[],
    };
}

/// How deep the fields of an object lie in a list's item, and in a line.
pub(super) const ITEM_FIELD_DEPTH: usize = 1;
pub(super) const LINE_FIELD_DEPTH: usize = 2;

/// The end of a page: where the list goes on, or since when to watch.
#[derive(Debug, Default)]
pub(super) struct Page {
    pub(super) continue_token: String,
    pub(super) resource_version: String,
}
crate::readable!(Page { continue_token: "continue", resource_version: "resourceVersion" });

#[derive(Default)]
struct WireList {
    metadata: Page,
}
crate::readable!(WireList { metadata: "metadata" });

impl Page {
    /// Reads all of a list but its items.
    pub(super) fn read(kept: &Kept<'_>) -> Result<Self, Error> {
        let list: WireList = read_text(kept.json).map_err(|error| decode_error("the list", &error))?;
        Ok(list.metadata)
    }
}

/// An item of a list.
pub(super) fn item<T: Read>(kept: &Kept<'_>, limits: Limits) -> WatchEvent<T> {
    object(kept.json, kept, limits, false)
}

/// Tells what a line says; an error only where the stream is of no further use.
pub(super) fn line<T: Read>(
    kept: &Kept<'_>,
    limits: Limits,
    version: &mut String,
) -> Result<Option<WatchEvent<T>>, Error> {
    let (type_, object) = parts(kept.json)?;
    let deleted = match &*type_ {
        "ADDED" | "MODIFIED" => false,
        "DELETED" => true,
        "BOOKMARK" => {
            advance(version, &PartialMeta::of(object).resource_version);
            return Ok(None);
        }
        "ERROR" => return Err(Error::Api { status: read_status(0, None, object.as_bytes()) }),
        unknown => {
            log::debug!("an event of unknown type {unknown:?} is ignored");
            return Ok(None);
        }
    };
    advance(version, &PartialMeta::of(object).resource_version);
    Ok(Some(self::object(object.as_bytes(), kept, limits, deleted)))
}

/// The type of an event and its object, whichever comes first.
fn parts(line: &[u8]) -> Result<(Cow<'_, str>, &str), Error> {
    let what = "an event of the watch";
    let wrong = |cause: String| Error::Decode { what: what.to_owned(), cause };
    let text = std::str::from_utf8(line).map_err(|error| wrong(error.to_string()))?;
    let (mut type_, mut object, mut faults) = (Cow::Borrowed(""), "", Faults::default());
    Cursor::new(text).members(&mut faults, &mut |name, cursor, faults| match name {
        "type" => type_ = cursor.text(faults),
        "object" => object = cursor.value(faults),
        _ => drop(cursor.value(faults)),
    });
    if object.is_empty() || type_.is_empty() {
        return Err(wrong("it has no type or no object".to_owned()));
    }
    Ok((type_, object))
}

fn object<T: Read>(text: &[u8], kept: &Kept<'_>, limits: Limits, deleted: bool) -> WatchEvent<T> {
    let object = match read_text(text) {
        Ok(object) => object,
        Err(error) => {
            let PartialMeta { namespace, name, uid, .. } = PartialMeta::of(&String::from_utf8_lossy(text));
            let key = Key { namespace, name };
            let error = decode_error(&key.to_string(), &error);
            return WatchEvent::Malformed { key, uid, error, deleted };
        }
    };
    match kept.left_out {
        _ if deleted => WatchEvent::Deleted(object),
        None => WatchEvent::Applied(object),
        Some(path) => WatchEvent::Partial { object, error: too_large(path, kept.bytes, limits) },
    }
}

fn too_large(path: &str, bytes: usize, limits: Limits) -> Error {
    let path = path.strip_prefix("object.").unwrap_or(path);
    let kib = bytes.div_ceil(1024);
    if bytes > limits.text_bytes {
        let what = format!("with {path} an object of {kib} KiB");
        return Error::TooLarge { what, limit_bytes: limits.text_bytes };
    }
    let what = format!("with {path}, of many small parts, what an object of {kib} KiB takes in memory");
    Error::TooLarge { what, limit_bytes: limits.value_bytes }
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

/// What identifies an object, of one that may be wrong in any other place.
#[derive(Default)]
struct PartialMeta {
    namespace: String,
    name: String,
    uid: String,
    resource_version: String,
}
crate::readable!(PartialMeta {
    namespace: "namespace",
    name: "name",
    uid: "uid",
    resource_version: "resourceVersion",
});

impl PartialMeta {
    /// Looks no further than it has to: metadata mostly comes first.
    fn of(text: &str) -> Self {
        let mut meta = Self::default();
        Cursor::new(text).members(&mut Faults::default(), &mut |name, cursor, faults| {
            if name == "metadata" {
                meta = Self::take(cursor, faults);
                cursor.stop();
            } else {
                cursor.value(faults);
            }
        });
        meta
    }
}
