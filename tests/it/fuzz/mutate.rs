//! Hostile input from honest: by bytes, and by JSON values.

use serde_json::{Value, json};
use sim::rng::Rng;

/// What parsers trip over.
#[rustfmt::skip]
const TOKENS: &[&str] = &[
    "", "0", "-1", "1e999", "4294967296", "9223372036854775808", "18446744073709551616", "-0.0", "null", "true", "{}", "[]", "\"\"", "\"", "\\", "\\u0000",
    "\\ud800", "\0", "\r\n", "\n", "\t", " ", ":", ",", "=", "@", "%", "%zz", "://", "http://u:p@h/?q=", "Token ", "Bearer ", "$(", "&", "*", "<<: *a", "---\n",
    "!!binary ", "é", "\u{feff}", "\u{202e}", "9999-12-31T23:59:60Z", "-0001-01-01T00:00:00Z", "Inf", "1Ei", "1e-9n", "1h1h1h", "-----BEGIN CERTIFICATE-----",
];

/// Longest input that is made, in bytes.
const INPUT_BYTES_MAX: usize = 64 * 1024;

/// One of `corpus`, changed in one to eight ways.
pub(super) fn mutated(random: &mut Rng, corpus: &[&[u8]]) -> Vec<u8> {
    let mut input = one_of(random, corpus).to_vec();
    if random.below(2) == 0
        && let Ok(mut value) = serde_json::from_slice(&input)
    {
        for _ in 0..=random.below(3) {
            graft(random, &mut value);
        }
        input = value.to_string().into_bytes();
        if random.below(2) == 0 {
            return input;
        }
    }
    for _ in 0..=random.below(8) {
        change(random, &mut input, corpus);
        input.truncate(INPUT_BYTES_MAX);
    }
    input
}

fn below(random: &mut Rng, bound: usize) -> usize {
    usize::try_from(random.below(bound as u64)).unwrap()
}

fn one_of<'a, T: ?Sized>(random: &mut Rng, from: &[&'a T]) -> &'a T {
    from[below(random, from.len())]
}

fn change(random: &mut Rng, input: &mut Vec<u8>, corpus: &[&[u8]]) {
    let at = below(random, input.len() + 1);
    let end = at + below(random, (input.len() - at).min(64) + 1);
    match random.below(9) {
        0 if at < input.len() => input[at] ^= 1 << random.below(8),
        1 if at < input.len() => input[at] = u8::try_from(random.below(256)).unwrap(),
        2 => drop(input.drain(at..end)),
        3 => input.truncate(at),
        4 => drop(input.splice(at..at, one_of(random, TOKENS).bytes())),
        5 => drop(input.splice(at..end, one_of(random, TOKENS).bytes())),
        6 => {
            let again = input[at..end].repeat(below(random, 200));
            input.splice(at..at, again);
        }
        7 => {
            let other = one_of(random, corpus);
            let from = below(random, other.len() + 1);
            input.splice(at.., other[from..].iter().copied());
        }
        _ => {
            let nest = ["[", "{\"a\":", "(", "\"", "<", "\\"][below(random, 6)].repeat(below(random, 300));
            input.splice(at..at, nest.bytes());
        }
    }
}

/// Puts something else in the place of a value somewhere in `value`, or drops it.
fn graft(random: &mut Rng, value: &mut Value) {
    let deeper = random.below(5) > 0;
    match value {
        Value::Object(map) if deeper && !map.is_empty() => {
            let at = below(random, map.len());
            let key = map.keys().nth(at).unwrap().clone();
            match random.below(8) {
                0 => drop(map.remove(&key)),
                1 => {
                    let other = map[&key].clone();
                    map.insert(one_of(random, TOKENS).to_owned(), other);
                }
                _ => graft(random, &mut map[&key]),
            }
        }
        Value::Array(items) if deeper && !items.is_empty() => {
            let at = below(random, items.len());
            if random.below(6) == 0 {
                let again = items[at].clone();
                items.extend(std::iter::repeat_n(again, below(random, 50)));
            } else {
                graft(random, &mut items[at]);
            }
        }
        _ => *value = foreign(random),
    }
}

fn foreign(random: &mut Rng) -> Value {
    match random.below(8) {
        0 => Value::Null,
        1 => json!(random.bits()),
        2 => json!(i64::MIN),
        3 => json!(f64::MAX),
        4 => json!([]),
        5 => json!({ "a": [null] }),
        6 => json!("x".repeat(below(random, 3000))),
        _ => json!(one_of(random, TOKENS)),
    }
}
