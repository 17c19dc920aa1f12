//! Finding one place in JSON text without making a tree of the rest.
//!
//! Owns the walk. Leaves alone what stands at the place. Invariant: whatever the text, nothing is allocated for it and
//! nothing recurses by its depth: what is not on the way is skipped.

use std::fmt;

use serde::de::{
    DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Unexpected, Visitor,
};
use serde_json::value::RawValue;

/// One step of the way.
#[derive(Clone, Copy, Debug)]
pub(super) enum Step<'n> {
    /// Into this field of an object.
    Field(&'n str),
    /// Into the first element of a list.
    First,
}

/// The text at the end of the way; `None` where there is nothing, or null.
pub(super) fn at<'t>(text: &'t [u8], way: &[Step<'_>]) -> Result<Option<&'t str>, serde_json::Error> {
    let mut found = serde_json::from_slice::<&RawValue>(text)?.get();
    for step in way {
        let Some(next) = enter(found, *step)?.filter(|next| *next != "null") else { return Ok(None) };
        found = next;
    }
    Ok(Some(found))
}

fn enter<'t>(text: &'t str, step: Step<'_>) -> Result<Option<&'t str>, serde_json::Error> {
    let found = step.deserialize(&mut serde_json::Deserializer::from_str(text))?;
    Ok(found.map(RawValue::get))
}

impl<'de> DeserializeSeed<'de> for Step<'_> {
    type Value = Option<&'de RawValue>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Step<'_> {
    type Value = Option<&'de RawValue>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Field(name) => write!(f, "an object with {name:?}"),
            Self::First => f.write_str("a list"),
        }
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let Self::Field(name) = self else { return Err(A::Error::invalid_type(Unexpected::Map, &self)) };
        let mut found = None;
        while let Some(is_wanted) = map.next_key_seed(Is(name))? {
            if is_wanted {
                // As everywhere, the last one of a name counts.
                found = Some(map.next_value()?);
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(found)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let Self::First = self else { return Err(A::Error::invalid_type(Unexpected::Seq, &self)) };
        let first = list.next_element()?;
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(first)
    }
}

/// Whether a name is the one that is looked for.
struct Is<'n>(&'n str);

impl<'de> DeserializeSeed<'de> for Is<'_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Is<'_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E>(self, name: &str) -> Result<bool, E> {
        Ok(name == self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::Step::{Field, First};
    use super::*;

    #[test]
    fn places() {
        let check = |text: &str, way: &[Step<'_>], wanted: Option<&str>| {
            assert_eq!(at(text.as_bytes(), way).unwrap(), wanted, "{text}");
        };
        check(r#"{"a":{"b":[1, {"c":2}]}}"#, &[Field("a"), Field("b")], Some(r#"[1, {"c":2}]"#));
        check(r#"{"x":{"a":1},"a":1.0}"#, &[Field("a")], Some("1.0"));
        check(r#"{"\u0061":1}"#, &[Field("a")], Some("1"));
        check(r#"{"a":1,"a":2}"#, &[Field("a")], Some("2"));
        check(r#"[{"a":7},{"a":8}]"#, &[First, Field("a")], Some("7"));
        for nothing in ["null", "{}", r#"{"a":null}"#, r#"{"a":{}}"#, r#"{"a":{"b":null}}"#] {
            check(nothing, &[Field("a"), Field("b")], None);
        }
        check("[]", &[First], None);
    }

    #[test]
    fn what_is_no_json_or_of_another_shape_is_an_error() {
        for text in ["", "{", "{}x", "[1]", "7", r#"{"a":1"#, "{\"a\":\"\x01\"}", "<html>"] {
            assert!(at(text.as_bytes(), &[Field("a")]).is_err(), "{text}");
        }
        assert!(at(b"{}", &[First]).is_err());
    }

    #[test]
    fn depth_is_no_matter() {
        let deep = format!(r#"{{"a":{}{}}}"#, "[".repeat(1 << 20), "]".repeat(1 << 20));
        assert_eq!(at(deep.as_bytes(), &[Field("a")]).unwrap().map(str::len), Some(2 << 20));
        assert!(at("[".repeat(1 << 20).as_bytes(), &[First]).is_err());
    }
}
