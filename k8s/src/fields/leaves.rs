//! What the fields of objects hold in the end: text, numbers, flags, and lists and maps of them.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Cursor, Faults, Read};
use crate::shape::Shape;

impl Read for Value {
    fn read(value: &Value, _: &mut Faults) -> Self {
        value.clone()
    }

    fn take(cursor: &mut Cursor<'_>, faults: &mut Faults) -> Self {
        cursor.tree(faults)
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

    fn take(cursor: &mut Cursor<'_>, faults: &mut Faults) -> Self {
        if cursor.peek() == b'"' {
            return cursor.text(faults).into_owned();
        }
        if cursor.value(faults) != "null" {
            faults.expected("text");
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

    fn take(cursor: &mut Cursor<'_>, faults: &mut Faults) -> Self {
        match cursor.value(faults) {
            "true" => return true,
            "false" | "null" => {}
            _ => faults.expected("true or false"),
        }
        false
    }
}

impl Read for i64 {
    fn read(value: &Value, faults: &mut Faults) -> Self {
        match value {
            Value::Null => 0,
            number => number.as_i64().unwrap_or_else(|| not_whole(faults)),
        }
    }

    fn take(cursor: &mut Cursor<'_>, faults: &mut Faults) -> Self {
        match cursor.value(faults) {
            "null" => 0,
            number => number.parse().unwrap_or_else(|_| not_whole(faults)),
        }
    }
}

fn not_whole(faults: &mut Faults) -> i64 {
    faults.expected("a whole number");
    0
}

fn narrow<T: TryFrom<i64> + Default>(number: i64, faults: &mut Faults) -> T {
    T::try_from(number).unwrap_or_else(|_| {
        faults.expected("a number of that range");
        T::default()
    })
}

/// Numbers that are an `i64` within their range.
macro_rules! narrower {
    ($($number:ident)*) => {
        $(impl Read for $number {
            fn read(value: &Value, faults: &mut Faults) -> Self {
                narrow(i64::read(value, faults), faults)
            }

            fn take(cursor: &mut Cursor<'_>, faults: &mut Faults) -> Self {
                narrow(i64::take(cursor, faults), faults)
            }
        })*
    };
}

narrower! { i32 u16 u32 u64 }

impl<T: Read> Read for Option<T> {
    const SHAPE: &'static Shape = T::SHAPE;

    fn read(value: &Value, faults: &mut Faults) -> Self {
        (!value.is_null()).then(|| T::read(value, faults))
    }

    fn take(cursor: &mut Cursor<'_>, faults: &mut Faults) -> Self {
        if cursor.skips_null(faults) { None } else { Some(T::take(cursor, faults)) }
    }
}

/// Elements that are null are skipped.
impl<T: Read> Read for Vec<T> {
    const SHAPE: &'static Shape = &Shape::Each(T::SHAPE);

    fn read(value: &Value, faults: &mut Faults) -> Self {
        let mut list = Self::new();
        for element in elements(value, faults) {
            if !element.is_null() {
                list.push(T::read(element, faults));
            }
        }
        list
    }

    fn take(cursor: &mut Cursor<'_>, faults: &mut Faults) -> Self {
        let mut list = Self::new();
        cursor.list(faults, &mut |cursor, faults| {
            if !cursor.skips_null(faults) {
                list.push(T::take(cursor, faults));
            }
        });
        list
    }
}

impl<T: Read> Read for BTreeMap<String, T> {
    fn read(value: &Value, faults: &mut Faults) -> Self {
        let mut map = Self::new();
        if !value.is_object() && !value.is_null() {
            faults.expected("an object");
        }
        for (key, value) in value.as_object().into_iter().flatten() {
            map.insert(key.clone(), T::read(value, faults));
        }
        map
    }

    fn take(cursor: &mut Cursor<'_>, faults: &mut Faults) -> Self {
        let mut map = Self::new();
        cursor.members(faults, &mut |key, cursor, faults| {
            map.insert(key.to_owned(), T::take(cursor, faults));
        });
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
