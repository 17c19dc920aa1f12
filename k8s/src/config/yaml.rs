//! YAML as kubectl reads it: the first document of a file, in YAML 1.1 where that differs.
//!
//! Owns encodings, `!!binary`, merge keys, the words for yes and no, and where an entry stands. Leaves syntax to the parser and
//! shapes to `fields`. Invariant: what is told of a fault is its place, never the text that stands there.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, Error as _, MapAccess, SeqAccess, VariantAccess, Visitor,
};
use serde_json::{Map, Value};

/// Reads the first document, or tells where it cannot: ` (line 3, column 7)`.
pub(crate) fn read(bytes: &[u8]) -> Result<Value, String> {
    let text = decode(bytes).ok_or_else(|| " (it is neither UTF-8 nor UTF-16)".to_owned())?;
    parse(&text, Aim::None).map_err(|error| {
        error
            .location()
            .map(|at| format!(" (line {}, column {})", at.line(), at.column()))
            .unwrap_or_default()
    })
}

/// The line on which the element `at` of the list `list` begins, counted from 1. The list is one of the document's own fields.
pub(crate) fn line_of(bytes: &[u8], list: &str, at: usize) -> Option<usize> {
    parse(&decode(bytes)?, Aim::Element(list, at)).err()?.location().map(|at| at.line())
}

fn parse(text: &str, aim: Aim<'_>) -> Result<Value, serde_yaml::Error> {
    // The parser drops this tag and leaves the base64; a tag of our own it passes on.
    let text = text.replace("!!binary", "!binary").replace("!<tag:yaml.org,2002:binary>", "!binary");
    let is_empty = |line: &str| line.is_empty() || line.starts_with('#') || line == "---";
    if text.lines().map(str::trim).all(is_empty) {
        return Ok(Value::Null);
    }
    match serde_yaml::Deserializer::from_str(&text).next() {
        Some(document) => Node(aim).deserialize(document),
        None => Ok(Value::Null),
    }
}

/// What YAML 1.1 takes for a truth value beside `true` and `false`.
pub(crate) fn truth(word: &str) -> Option<bool> {
    match word {
        "y" | "Y" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" => Some(true),
        "n" | "N" | "no" | "No" | "NO" | "off" | "Off" | "OFF" => Some(false),
        _ => None,
    }
}

fn decode(bytes: &[u8]) -> Option<String> {
    let wide = |read: fn([u8; 2]) -> u16| {
        let units: Vec<u16> = bytes[2..].chunks_exact(2).map(|pair| read([pair[0], pair[1]])).collect();
        String::from_utf16(&units).ok().filter(|_| bytes.len().is_multiple_of(2))
    };
    match bytes {
        [0xff, 0xfe, ..] => wide(u16::from_le_bytes),
        [0xfe, 0xff, ..] => wide(u16::from_be_bytes),
        [0xef, 0xbb, 0xbf, rest @ ..] => String::from_utf8(rest.to_vec()).ok(),
        _ => String::from_utf8(bytes.to_vec()).ok(),
    }
}

/// The place that a reading is to find. The parser tells places in its errors alone, so the reading fails there.
#[derive(Clone, Copy)]
enum Aim<'a> {
    /// None: the reading goes to the end.
    None,
    /// An element of a list that is a field of this value.
    Element(&'a str, usize),
    /// An element of this value.
    Nth(usize),
    /// This value.
    Here,
}

/// A value in which tags are resolved and merge keys are merged.
#[derive(Clone, Copy)]
struct Node<'a>(Aim<'a>);

impl<'a> Node<'a> {
    fn field(self, key: &Value) -> Self {
        match self.0 {
            Aim::Element(list, at) if key == list => Self(Aim::Nth(at)),
            _ => Self(Aim::None),
        }
    }

    fn element(self, at: usize) -> Self {
        Self(if matches!(self.0, Aim::Nth(wanted) if wanted == at) { Aim::Here } else { Aim::None })
    }

    fn reach<E: serde::de::Error>(self) -> Result<(), E> {
        if matches!(self.0, Aim::Here) { Err(E::custom("here it is")) } else { Ok(()) }
    }

    fn scalar<E: serde::de::Error>(self, value: impl Into<Value>) -> Result<Value, E> {
        self.reach()?;
        Ok(value.into())
    }
}

impl<'de> DeserializeSeed<'de> for Node<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Node<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_bool<E: serde::de::Error>(self, value: bool) -> Result<Value, E> {
        self.scalar(value)
    }

    fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<Value, E> {
        self.scalar(value)
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<Value, E> {
        self.scalar(value)
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Value, E> {
        self.scalar(value)
    }

    fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<Value, E> {
        self.scalar(value)
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<Value, E> {
        self.scalar(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        self.reach()?;
        let mut values = Vec::new();
        while let Some(value) = list.next_element_seed(self.element(values.len()))? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        self.reach()?;
        let (mut map, mut merged) = (Map::new(), Map::new());
        while let Some(key) = entries.next_key_seed(Node(Aim::None))? {
            let value = entries.next_value_seed(self.field(&key))?;
            match (key, value) {
                (Value::String(key), Value::Object(base)) if key == "<<" => under(&mut merged, base),
                (Value::String(key), Value::Array(bases)) if key == "<<" => {
                    for base in bases {
                        let Value::Object(base) = base else {
                            return Err(A::Error::custom("no map to merge"));
                        };
                        under(&mut merged, base);
                    }
                }
                (Value::String(key), value) => {
                    map.insert(key, value);
                }
                (key, value) => {
                    map.insert(key.to_string(), value);
                }
            }
        }
        under(&mut map, merged);
        Ok(Value::Object(map))
    }

    fn visit_enum<A: EnumAccess<'de>>(self, tagged: A) -> Result<Value, A::Error> {
        let (tag, content) = tagged.variant::<String>()?;
        match (tag.trim_start_matches('!'), content.newtype_variant_seed(self)?) {
            ("binary", Value::String(text)) => {
                let compact: String = text.split_ascii_whitespace().collect();
                let bytes = STANDARD.decode(compact).map_err(|_| A::Error::custom("no base64"))?;
                String::from_utf8(bytes).map(Value::String).map_err(|_| A::Error::custom("no text"))
            }
            (_, value) => Ok(value),
        }
    }
}

/// Adds what is not there yet.
fn under(map: &mut Map<String, Value>, base: Map<String, Value>) {
    for (key, value) in base {
        map.entry(key).or_insert(value);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn as_kubectl_reads_it() {
        let check = |text: &[u8], wanted: Value| assert_eq!(read(text), Ok(wanted));
        check(b"a: 1\n---\nb: [broken", json!({"a": 1}));
        check(b"a: 1\n---\n", json!({"a": 1}));
        check(b"---\na: 1\n...\n", json!({"a": 1}));
        check(b"", Value::Null);
        check(b"\xef\xbb\xbfa: x", json!({"a": "x"}));
        let wide: Vec<u8> = "\u{feff}a: \u{e4}".encode_utf16().flat_map(u16::to_le_bytes).collect();
        check(&wide, json!({"a": "\u{e4}"}));
        let wide: Vec<u8> = "\u{feff}a: x".encode_utf16().flat_map(u16::to_be_bytes).collect();
        check(&wide, json!({"a": "x"}));
        check(b"token: !!binary aHVudGVy\n", json!({"token": "hunter"}));
        check(b"token: !!binary |\n  aHVu\n  dGVy\n", json!({"token": "hunter"}));
        check(
            b"b: &b {x: 1, y: 2}\nc: {<<: *b, x: 3}",
            json!({"b": {"x": 1, "y": 2}, "c": {"x": 3, "y": 2}}),
        );
        check(b"c: {x: 3, <<: [{x: 1, y: 2}, {y: 4}]}", json!({"c": {"x": 3, "y": 2}}));
        check(b"a: 1\na: 2", json!({"a": 2}));
    }

    #[test]
    fn an_element_of_a_list_is_found_by_its_line() {
        let text = "a: [x, {y: 1}]\nlist: &l\n- name: one\n\n# three\n-\n  name: two\n- null\n- {\n  name: [4]}\nb: *l\n---\n- 1";
        let lines = |list| (0..5).map(|at| line_of(text.as_bytes(), list, at)).collect::<Vec<_>>();
        assert_eq!(lines("list"), [Some(3), Some(7), Some(8), Some(9), None]);
        assert_eq!(lines("a"), [Some(1), Some(1), None, None, None]);
        assert_eq!(lines("name"), [None; 5]);
        assert_eq!(line_of(b"list: [1", "list", 0), Some(1), "before the fault");
        assert_eq!(line_of(b"", "list", 0), None);
        let wide: Vec<u8> = "\u{feff}\nl:\n- \u{e4}".encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert_eq!(line_of(&wide, "l", 0), Some(3));
    }

    #[test]
    fn faults_have_a_place_and_no_text() {
        let check = |text: &[u8], place: &str| {
            let told = read(text).unwrap_err();
            assert!(told.contains(place) && !told.contains("hunter"), "{told}");
        };
        check(b"a: 1\nb: [hunter", "line");
        check(b"a: 1\nb: !!binary '%hunter'", "line 2");
        check(b"\xffhunter", "UTF-8");
        check(b"\xff\xfea", "UTF-16");
    }
}
