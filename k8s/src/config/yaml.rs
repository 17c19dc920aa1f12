//! YAML as kubectl reads it: the first document of a file, in YAML 1.1 where that differs.
//!
//! Owns encodings, `!!binary`, merge keys and the words for yes and no. Leaves syntax to the parser and shapes to `fields`.
//! Invariant: what is told of a fault is its place, never the text that stands there.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::de::{
    Deserialize, Deserializer, EnumAccess, Error as _, MapAccess, SeqAccess, VariantAccess, Visitor,
};
use serde_json::{Map, Value};

/// Reads the first document, or tells where it cannot: ` (line 3, column 7)`.
pub(crate) fn read(bytes: &[u8]) -> Result<Value, String> {
    let text = decode(bytes).ok_or_else(|| " (it is neither UTF-8 nor UTF-16)".to_owned())?;
    // The parser drops this tag and leaves the base64; a tag of our own it passes on.
    let text = text.replace("!!binary", "!binary").replace("!<tag:yaml.org,2002:binary>", "!binary");
    let is_empty = |line: &str| line.is_empty() || line.starts_with('#') || line == "---";
    if text.lines().map(str::trim).all(is_empty) {
        return Ok(Value::Null);
    }
    let Some(document) = serde_yaml::Deserializer::from_str(&text).next() else { return Ok(Value::Null) };
    Node::deserialize(document).map(|node| node.0).map_err(|error| {
        error
            .location()
            .map(|at| format!(" (line {}, column {})", at.line(), at.column()))
            .unwrap_or_default()
    })
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

/// A value in which tags are resolved and merge keys are merged.
struct Node(Value);

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader).map(Node)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(Node(value)) = list.next_element()? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let (mut map, mut merged) = (Map::new(), Map::new());
        while let Some((Node(key), Node(value))) = entries.next_entry()? {
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
        let Node(value) = content.newtype_variant()?;
        match (tag.trim_start_matches('!'), value) {
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
