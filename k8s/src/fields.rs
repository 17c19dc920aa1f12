//! Reading JSON into structs field by field, by tables that [`readable!`](crate::readable) takes.
//!
//! Owns the tolerance that every reader here has: a `null` is as good as an absence, unknown fields are skipped. Serde's own
//! derive makes several KB of code for each struct; a table makes some 50 bytes for each field. Invariant: what is of the
//! wrong type reads as its default, and the first such place is told, without the text that stands there.

use std::collections::BTreeMap;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
#[doc(hidden)]
pub use serde_json::Value;

/// What a field can hold.
pub trait Read: Default {
    /// Reads a value; null is the default. What is of the wrong type is a fault, and the default too.
    fn read(value: &Value, faults: &mut Faults) -> Self;
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

/// For [`readable!`](crate::readable): the `Deserialize` of a struct that is an object, not null.
pub fn deserialize<'de, D: Deserializer<'de>, T: Read>(deserializer: D) -> Result<T, D::Error> {
    let value = Value::deserialize(deserializer)?;
    if !value.is_object() {
        return Err(D::Error::custom("an object is expected"));
    }
    read(&value).map_err(D::Error::custom)
}

/// Makes a struct readable: each field with its name on the wire, and `by` a function where not its type's own.
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
    ($type:ty { $($field:ident: $name:literal $(by $how:path)?),* $(,)? }) => {
        impl $crate::fields::Read for $type {
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
    fn read(value: &Value, faults: &mut Faults) -> Self {
        (!value.is_null()).then(|| T::read(value, faults))
    }
}

/// Elements that are null are skipped.
impl<T: Read> Read for Vec<T> {
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
