//! Reading JSON into structs field by field, by tables that [`readable!`](crate::readable) takes.
//!
//! Owns the tolerance that every reader here has: a `null` is as good as an absence, unknown fields are skipped. Serde's own
//! derive makes several KB of code for each struct; a table makes some 50 bytes for each field. Invariant: what is of the
//! wrong type reads as its default, and the first such place is told, without the text that stands there.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
#[doc(hidden)]
pub use serde_json::{Value, value::RawValue};

use crate::shape::Shape;

/// What a field can hold.
pub trait Read: Default {
    /// What of it is read.
    const SHAPE: &'static Shape = &Shape::Whole;

    /// Reads a value; null is the default. What is of the wrong type is a fault, and the default too.
    fn read(value: &Value, faults: &mut Faults) -> Self;

    /// The same, from text: of what is looked into part by part no tree is made.
    fn take(text: &RawValue, faults: &mut Faults) -> Self {
        Self::read(&faults.tree(text), faults)
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

    /// Reads the field `name` of an object; an absent one as null.
    pub fn field<T>(&mut self, object: &Value, name: &'static str, read: fn(&Value, &mut Self) -> T) -> T {
        self.path.push(name);
        let value = read(object.get(name).unwrap_or(&Value::Null), self);
        self.path.pop();
        value
    }

    /// Those members of an object that have one of these names; none of what is null or no object, which is a fault.
    pub fn members<'a>(&mut self, text: &'a RawValue, names: &[&str]) -> Members<'a> {
        let members = serde_json::Deserializer::from_str(text.get()).deserialize_map(Gather(names));
        if members.is_err() && text.get() != "null" {
            self.expected("an object");
        }
        members.unwrap_or_default()
    }

    /// Takes the field `name` of an object; an absent one as null.
    pub fn take<T>(
        &mut self,
        members: &Members<'_>,
        name: &'static str,
        take: fn(&RawValue, &mut Self) -> T,
    ) -> T {
        self.path.push(name);
        let found = members.0.iter().find(|(member, _)| member == name);
        let value = take(found.map_or(RawValue::NULL, |(_, value)| value), self);
        self.path.pop();
        value
    }

    /// A text as values.
    pub fn tree(&mut self, text: &RawValue) -> Value {
        serde_json::from_str(text.get()).unwrap_or_else(|_| {
            self.expected("to be read");
            Value::Null
        })
    }

    /// Notes where `value` is neither an object nor null.
    pub fn check_object(&mut self, value: &Value) {
        if !value.is_object() && !value.is_null() {
            self.expected("an object");
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
    read_raw(serde_json::from_slice(text)?).map_err(serde_json::Error::custom)
}

fn read_raw<T: Read>(text: &RawValue) -> Result<T, String> {
    if !text.get().starts_with('{') {
        return Err("an object is expected".to_owned());
    }
    let mut faults = Faults::default();
    let value = T::take(text, &mut faults);
    faults.first.map_or(Ok(value), Err)
}

/// The members of an object, as text.
#[derive(Debug, Default)]
pub struct Members<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

/// Of a name that comes twice the last value counts, as with every reader of JSON in Kubernetes.
struct Gather<'n>(&'n [&'n str]);

impl<'de> Visitor<'de> for Gather<'_> {
    type Value = Members<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
        let mut members: Vec<(Cow<'de, str>, &'de RawValue)> = Vec::new();
        while let Some((Name(name), value)) = map.next_entry()? {
            if let Some((_, known)) = members.iter_mut().find(|(member, _)| *member == name) {
                *known = value;
            } else if self.0.contains(&name.as_ref()) {
                members.push((name, value));
            }
        }
        Ok(Members(members))
    }
}

#[derive(Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

/// For [`readable!`](crate::readable): the `Deserialize` of a struct that is an object, not null. No tree is made of it, since
/// one of many small values takes thirty times as much as its text.
pub fn deserialize<'de, D: Deserializer<'de>, T: Read>(deserializer: D) -> Result<T, D::Error> {
    let text = Box::<RawValue>::deserialize(deserializer)?;
    read_raw(&text).map_err(D::Error::custom)
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

            fn take(text: &$crate::fields::RawValue, faults: &mut $crate::fields::Faults) -> Self {
                let members = faults.members(text, &[$($name),*]);
                Self { $($field: faults.take(&members, $name, $crate::readable!(@take $($how)?))),* }
            }

            fn read(value: &$crate::fields::Value, faults: &mut $crate::fields::Faults) -> Self {
                faults.check_object(value);
                Self { $($field: faults.field(value, $name, $crate::readable!(@how $($how)?))),* }
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
    (@how) => { $crate::fields::Read::read };
    (@how $how:path) => { $how };
    (@take) => { $crate::fields::Read::take };
    (@take $how:path) => { |text, faults| $how(&faults.tree(text), faults) };
    (@shape $field:ident []) => { $crate::shape::of_field(|this: &Self| &this.$field) };
    (@shape $field:ident [Labels]) => { &$crate::shape::Shape::Picked($crate::shape::Pick::Labels) };
    (@shape $field:ident [Annotations]) => { &$crate::shape::Shape::Picked($crate::shape::Pick::Annotations) };
    (@shape $field:ident [$how:path]) => { &$crate::shape::Shape::Whole };
}

impl Read for Value {
    fn read(value: &Value, _: &mut Faults) -> Self {
        value.clone()
    }
}

impl Read for String {
    fn read(value: &Value, faults: &mut Faults) -> Self {
        match value {
            Value::String(text) => return text.clone(),
            Value::Null => {}
            _ => faults.expected("text"),
        }
        Self::new()
    }
}

impl Read for bool {
    fn read(value: &Value, faults: &mut Faults) -> Self {
        match value {
            Value::Bool(flag) => return *flag,
            Value::Null => {}
            _ => faults.expected("true or false"),
        }
        false
    }
}

impl Read for i64 {
    fn read(value: &Value, faults: &mut Faults) -> Self {
        match value {
            Value::Null => 0,
            number => number.as_i64().unwrap_or_else(|| {
                faults.expected("a whole number");
                0
            }),
        }
    }
}

fn narrow<T: TryFrom<i64> + Default>(value: &Value, faults: &mut Faults) -> T {
    T::try_from(i64::read(value, faults)).unwrap_or_else(|_| {
        faults.expected("a number of that range");
        T::default()
    })
}

impl Read for i32 {
    fn read(value: &Value, faults: &mut Faults) -> Self {
        narrow(value, faults)
    }
}

impl Read for u32 {
    fn read(value: &Value, faults: &mut Faults) -> Self {
        narrow(value, faults)
    }
}

impl Read for u64 {
    fn read(value: &Value, faults: &mut Faults) -> Self {
        narrow(value, faults)
    }
}

impl Read for u16 {
    fn read(value: &Value, faults: &mut Faults) -> Self {
        narrow(value, faults)
    }
}

impl<T: Read> Read for Option<T> {
    const SHAPE: &'static Shape = T::SHAPE;

    fn take(text: &RawValue, faults: &mut Faults) -> Self {
        (text.get() != "null").then(|| T::take(text, faults))
    }

    fn read(value: &Value, faults: &mut Faults) -> Self {
        (!value.is_null()).then(|| T::read(value, faults))
    }
}

/// Elements that are null are skipped.
impl<T: Read> Read for Vec<T> {
    const SHAPE: &'static Shape = &Shape::Each(T::SHAPE);

    fn take(text: &RawValue, faults: &mut Faults) -> Self {
        let elements: Vec<&RawValue> = serde_json::from_str(text.get()).unwrap_or_else(|_| {
            if text.get() != "null" {
                faults.expected("a list");
            }
            Vec::new()
        });
        let mut list = Self::new();
        for element in elements {
            if element.get() != "null" {
                list.push(T::take(element, faults));
            }
        }
        list
    }

    fn read(value: &Value, faults: &mut Faults) -> Self {
        let mut list = Self::new();
        for element in elements(value, faults) {
            if !element.is_null() {
                list.push(T::read(element, faults));
            }
        }
        list
    }
}

impl<T: Read> Read for BTreeMap<String, T> {
    fn read(value: &Value, faults: &mut Faults) -> Self {
        let mut map = Self::new();
        faults.check_object(value);
        for (key, value) in value.as_object().into_iter().flatten() {
            map.insert(key.clone(), T::read(value, faults));
        }
        map
    }
}

/// The elements of a list; none where the value is null, or a fault.
fn elements<'a>(value: &'a Value, faults: &mut Faults) -> &'a [Value] {
    match value {
        Value::Array(list) => return list,
        Value::Null => {}
        _ => faults.expected("a list"),
    }
    &[]
}

#[doc(hidden)]
pub use serde;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[derive(Debug, Default, PartialEq)]
    struct Outer {
        inner: Inner,
        list: Vec<Inner>,
    }
    readable!(Outer { inner: "in", list: "list" });

    #[derive(Debug, Default, PartialEq)]
    struct Inner {
        count: u16,
        text: Option<String>,
        shout: String,
    }
    readable!(Inner { count: "count", text: "text", shout: "shout" by shout });

    fn shout(value: &Value, faults: &mut Faults) -> String {
        String::read(value, faults).to_uppercase()
    }

    #[test]
    fn null_and_absence_are_defaults() {
        let check = |value: Value| assert_eq!(read::<Outer>(&value), Ok(Outer::default()), "{value}");
        check(json!({}));
        check(json!({ "in": null, "list": null, "more": 1 }));
        check(json!({ "in": { "count": null, "text": null, "shout": null }, "list": [null] }));
    }

    #[test]
    fn fields_by_their_names() {
        let inner = Inner { count: 7, text: Some("t".to_owned()), shout: "S".to_owned() };
        let value = json!({ "list": [{ "count": 7, "text": "t", "shout": "s" }] });
        assert_eq!(read(&value), Ok(Outer { list: vec![inner], ..Outer::default() }));
    }

    #[test]
    fn faults_name_the_place_and_not_the_text() {
        let check = |value: Value, wanted: &str| {
            let told = serde_json::from_value::<Outer>(value).unwrap_err().to_string();
            assert_eq!(told, wanted);
        };
        check(json!("hunter2"), "an object is expected");
        check(json!({ "in": "hunter2" }), "in is not an object");
        check(json!({ "in": { "count": "hunter2" } }), "in.count is not a whole number");
        check(json!({ "in": { "count": -1 } }), "in.count is not a number of that range");
        check(json!({ "list": [{ "text": [] }] }), "list.text is not text");
        check(json!({ "list": {} }), "list is not a list");
    }
}
