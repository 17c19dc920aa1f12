//! Reading JSON into structs field by field, by tables that [`readable!`](crate::readable) takes.
//!
//! Owns the tolerance that every reader here has: a `null` is as good as an absence, unknown fields are skipped. Invariants:
//! a text is read once, from its first byte to its last, and no tree is made of what is looked into; what is of the wrong type
//! reads as its default, and the first such place is told, without the text that stands there.
//!
//! Serde's own derive does the same by code of its own for each struct. For the 76 structs that the agent reads, tables save
//! 168 KB of 2.75 MB (static release binary for x86_64, against readers built as the derive builds them).

mod cursor;
mod leaves;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
#[doc(hidden)]
pub use serde_json::Value;
use serde_json::value::RawValue;

use crate::shape::Shape;
pub use cursor::Cursor;

/// What a field can hold.
pub trait Read: Default {
    /// What of it is read.
    const SHAPE: &'static Shape = &Shape::Whole;

    /// Reads a value; null is the default. What is of the wrong type is a fault, and the default too.
    fn read(value: &Value, faults: &mut Faults) -> Self;

    /// The same, off a text: of what is looked into part by part no tree is made.
    fn take(cursor: &mut Cursor<'_>, faults: &mut Faults) -> Self {
        Self::read(&cursor.tree(faults), faults)
    }
}

/// Where the reading is, and the first thing that was wrong.
#[derive(Debug, Default)]
pub struct Faults {
    path: Vec<&'static str>,
    first: Option<String>,
}

impl Faults {
    /// Notes that something else was expected here: `a whole number`.
    pub fn expected(&mut self, wanted: &str) {
        if self.first.is_none() {
            let path = if self.path.is_empty() { "the whole".to_owned() } else { self.path.join(".") };
            self.first = Some(format!("{path} is not {wanted}"));
        }
    }
}

/// Reads a value, or says where it is not as expected: `spec.parallelism is not a whole number`.
pub fn read<T: Read>(value: &Value) -> Result<T, String> {
    let mut faults = Faults::default();
    let read = T::read(value, &mut faults);
    faults.first.map_or(Ok(read), Err)
}

/// Reads a value off its text, or says where it is not as expected.
pub fn read_text<T: Read>(text: &[u8]) -> Result<T, serde_json::Error> {
    let text = std::str::from_utf8(text).map_err(serde_json::Error::custom)?;
    read_object(text).map_err(serde_json::Error::custom)
}

fn read_object<T: Read>(text: &str) -> Result<T, String> {
    let (mut cursor, mut faults) = (Cursor::new(text), Faults::default());
    if cursor.peek() != b'{' {
        return Err("an object is expected".to_owned());
    }
    let read = T::take(&mut cursor, &mut faults);
    if cursor.peek() != 0 {
        faults.expected("to be read");
    }
    faults.first.map_or(Ok(read), Err)
}

/// For [`readable!`](crate::readable): a struct out of a tree, which is rare.
#[doc(hidden)]
pub fn read_tree<T: Read>(value: &Value, faults: &mut Faults) -> T {
    T::take(&mut Cursor::new(&value.to_string()), faults)
}

/// For [`readable!`](crate::readable): a field's name, and what reads its value into its place.
#[doc(hidden)]
pub type Row<S> = (&'static str, fn(&mut S, &mut Cursor<'_>, &mut Faults));

/// For [`readable!`](crate::readable): a struct off its text. Of a name that comes twice the last value counts, as with every
/// reader of JSON in Kubernetes.
#[doc(hidden)]
pub fn take_rows<S: Default>(rows: &[Row<S>], cursor: &mut Cursor<'_>, faults: &mut Faults) -> S {
    let mut this = S::default();
    cursor.members(faults, &mut |name, cursor, faults| {
        let Some((name, put)) = rows.iter().find(|(known, _)| *known == name) else {
            cursor.value(faults);
            return;
        };
        faults.path.push(name);
        put(&mut this, cursor, faults);
        faults.path.pop();
    });
    this
}

/// For [`readable!`](crate::readable): the shape of a field, found by its type.
#[doc(hidden)]
pub const fn shape_of<S, T: Read>(_: fn(&S) -> &T) -> &'static Shape {
    T::SHAPE
}

/// For [`readable!`](crate::readable): puts a field into its place.
#[doc(hidden)]
pub fn put<T: Read>(field: &mut T, cursor: &mut Cursor<'_>, faults: &mut Faults) {
    *field = T::take(cursor, faults);
}

/// The same, read by a function of its own.
#[doc(hidden)]
pub fn put_by<T>(
    field: &mut T,
    cursor: &mut Cursor<'_>,
    faults: &mut Faults,
    how: fn(&Value, &mut Faults) -> T,
) {
    *field = how(&cursor.tree(faults), faults);
}

/// For [`readable!`](crate::readable): the `Deserialize` of a struct that is an object, not null. No tree is made of it, since
/// one of many small values takes thirty times as much as its text.
pub fn deserialize<'de, D: Deserializer<'de>, T: Read>(deserializer: D) -> Result<T, D::Error> {
    let text = Box::<RawValue>::deserialize(deserializer)?;
    read_object(text.get()).map_err(D::Error::custom)
}

/// Makes a struct readable: each field with its name on the wire, `by` a function where not its type's own, and with `pick`
/// where a reader of many objects names the keys that it wants of a map.
///
/// ```
/// #[derive(Default)]
/// struct Port {
///     number: u16,
///     host_ip: String,
/// }
/// k8s::readable!(Port { number: "containerPort", host_ip: "hostIP" });
/// # let port: Port = serde_json::from_str(r#"{"containerPort":80,"hostIP":null}"#).unwrap();
/// # assert_eq!((port.number, port.host_ip.as_str()), (80, ""));
/// ```
#[macro_export]
macro_rules! readable {
    ($type:ty { $($field:ident: $name:literal $(pick $pick:ident)? $(by $how:path)?),* $(,)? }) => {
        impl $crate::fields::Read for $type {
            const SHAPE: &'static $crate::shape::Shape = &$crate::shape::Shape::Fields(&[&[
                $(($name, $crate::readable!(@shape $field [$($pick)? $($how)?]))),*
            ]]);

            fn read(value: &$crate::fields::Value, faults: &mut $crate::fields::Faults) -> Self {
                $crate::fields::read_tree(value, faults)
            }

            fn take(cursor: &mut $crate::fields::Cursor<'_>, faults: &mut $crate::fields::Faults) -> Self {
                const ROWS: &[$crate::fields::Row<$type>] = &[$(
                    ($name, |this, cursor, faults| {
                        $crate::readable!(@put &mut this.$field, cursor, faults $(, $how)?)
                    })
                ),*];
                $crate::fields::take_rows(ROWS, cursor, faults)
            }
        }

        impl<'de> $crate::fields::serde::Deserialize<'de> for $type {
            fn deserialize<D>(deserializer: D) -> Result<Self, D::Error>
            where
                D: $crate::fields::serde::Deserializer<'de>,
            {
                $crate::fields::deserialize(deserializer)
            }
        }
    };
    (@put $place:expr, $cursor:ident, $faults:ident) => { $crate::fields::put($place, $cursor, $faults) };
    (@put $place:expr, $cursor:ident, $faults:ident, $how:path) => {
        $crate::fields::put_by($place, $cursor, $faults, $how)
    };
    (@shape $field:ident []) => { $crate::fields::shape_of(|this: &Self| &this.$field) };
    (@shape $field:ident [Labels]) => { &$crate::shape::Shape::Picked($crate::shape::Pick::Labels) };
    (@shape $field:ident [Annotations]) => { &$crate::shape::Shape::Picked($crate::shape::Pick::Annotations) };
    (@shape $field:ident [$how:path]) => { &$crate::shape::Shape::Whole };
}

#[doc(hidden)]
pub use serde;

#[cfg(test)]
mod tests;
