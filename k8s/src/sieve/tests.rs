//! What is kept of a text, in every way of cutting it.

use super::*;
use crate::shape::{Field, Pick};

const WHOLE: &Shape = &Shape::Whole;
const META: &[Field] = &[
    ("name", WHOLE),
    ("labels", &Shape::Picked(Pick::Labels)),
    ("owners", &Shape::Each(&Shape::Fields(&[&[("uid", WHOLE)]]))),
    ("uid", WHOLE),
];
const OBJECT: &Shape = &Shape::Fields(&[&[
    ("metadata", &Shape::Fields(&[META])),
    ("spec", &Shape::Fields(&[&[("env", WHOLE), ("size", WHOLE)]])),
]]);
const LIST: &Shape = &Shape::Fields(&[&[
    ("metadata", &Shape::Fields(&[&[("continue", WHOLE)]])),
    ("items", &Shape::Items(OBJECT)),
]]);
const PICKS: Picks = Picks { labels: &["k6"], annotations: &[] };
const AMPLE: Limits = Limits { text_bytes: 1 << 20, value_bytes: 1 << 20 };

/// What is handed over, each followed by what was left out of it.
fn sift(shape: &'static Shape, limits: Limits, pieces: &[&[u8]]) -> Result<Vec<String>, Broken> {
    let mut sieve = Sieve::new(shape, PICKS, limits, 1);
    let mut told = Vec::new();
    for piece in pieces {
        sieve.feed(piece, &mut |kept| {
            let json = String::from_utf8_lossy(kept.json);
            let left_out = kept.left_out.map(|path| format!(" -{path}")).unwrap_or_default();
            told.push(format!("{}{json}{left_out}", if kept.is_item { "" } else { "root " }));
        })?;
        assert!(sieve.kept.len() <= limits.text_bytes + PIECE_BYTES, "{}", sieve.kept.len());
    }
    Ok(told)
}

#[track_caller]
fn check(text: &str, wanted: &[&str]) {
    let bytes = text.as_bytes();
    for first in 0..bytes.len() {
        let pieces = [&bytes[..first], &bytes[first..]];
        assert_eq!(sift(LIST, AMPLE, &pieces).unwrap(), wanted, "cut at {first}");
    }
    let single: Vec<&[u8]> = bytes.chunks(1).collect();
    assert_eq!(sift(LIST, AMPLE, &single).unwrap(), wanted, "byte by byte");
}

#[test]
fn what_nobody_reads_is_dropped() {
    check(
        r#"{"kind":"L","items":[{"apiVersion":"v1","metadata":{"managedFields":[{"f:\"}":{}}],"name":"a","x":-1},
            "spec":{"more":[1,{"b":"]"}],"size":7 , "env":[{"a":null}]},"status":null}],"metadata":{"continue":"c","z":0}}"#,
        &[
            r#"{"metadata":{"name":"a"},"spec":{"size":7,"env":[{"a":null}]}}"#,
            r#"root {"items":[],"metadata":{"continue":"c"}}"#,
        ],
    );
}

#[test]
fn items_come_one_by_one_whatever_they_are() {
    check(
        r#" {"metadata":{},"items":[ {} , 7,"t\\\"]",null,[[]],{"metadata":null,"spec":true}]} {"items":null}"#,
        &[
            "{}",
            "7",
            r#""t\\\"]""#,
            "null",
            "[[]]",
            r#"{"metadata":null,"spec":true}"#,
            r#"root {"metadata":{},"items":[]}"#,
            r#"root {"items":null}"#,
        ],
    );
}

#[test]
fn of_labels_only_those_that_are_asked_for_stay() {
    check(
        r#"{"items":[{"metadata":{"labels":{"a":"1","k6":"2","b":"3"},"owners":[{"kind":"Job","uid":"u"},{"uid":"v"}]}}]}"#,
        &[r#"{"metadata":{"labels":{"k6":"2"},"owners":[{"uid":"u"},{"uid":"v"}]}}"#, r#"root {"items":[]}"#],
    );
}

#[test]
fn what_does_not_fit_is_left_out_by_its_name_and_the_rest_stays() {
    let limits = Limits { text_bytes: 20_000, value_bytes: 40_000 };
    let check = |object: &str, wanted: &str| {
        let text = format!(r#"{{"items":[{object},{{"spec":{{}}}}]}}"#);
        for size in [1, 7, 4096, text.len()] {
            let pieces: Vec<&[u8]> = text.as_bytes().chunks(size).collect();
            let told = sift(LIST, limits, &pieces).unwrap();
            assert_eq!(told, [wanted, r#"{"spec":{}}"#, r#"root {"items":[]}"#], "in pieces of {size}");
        }
    };
    let long = "x".repeat(30_000);
    check(
        &format!(r#"{{"metadata":{{"name":"a"}},"spec":{{"env":"{long}","size":1}}}}"#),
        r#"{"metadata":{"name":"a"},"spec":{"size":1}} -spec.env"#,
    );
    // Many small things in memory are as large as a long text.
    check(
        &format!(r#"{{"spec":{{"env":[{}0],"size":1}},"metadata":{{"name":"a"}}}}"#, "{},".repeat(100)),
        r#"{"spec":{"size":1},"metadata":{"name":"a"}} -spec.env"#,
    );
    // A list that is looked into goes as a whole; what comes after it stays.
    check(
        &format!(r#"{{"metadata":{{"owners":[{}{{}}],"uid":"u"}}}}"#, r#"{"uid":"x"},"#.repeat(500)),
        r#"{"metadata":{"uid":"u"}} -metadata.owners"#,
    );
    check(&format!(r#""{long}""#), " -");
    // The last of the room is for names.
    check(
        &format!(
            r#"{{"metadata":{{"name":"{}","uid":"u"}},"spec":{{"env":"{}"}}}}"#,
            "n".repeat(3000),
            "e".repeat(600)
        ),
        &format!(r#"{{"metadata":{{"name":"{}","uid":"u"}},"spec":{{}}}} -spec.env"#, "n".repeat(3000)),
    );
}

#[test]
fn what_is_no_json_ends_the_stream() {
    for text in [
        "<html>",
        "[1]",
        r#"{"items":[}"#,
        r#"{"items":<"#,
        r#"{"items" 1}"#,
        r#"{"items":[{}}"#,
        r#"{"a":1]"#,
        "}",
    ] {
        assert_eq!(sift(LIST, AMPLE, &[text.as_bytes()]), Err(Broken), "{text}");
    }
}

#[test]
fn an_unfinished_value_can_be_forgotten() {
    let mut sieve = Sieve::new(LIST, PICKS, AMPLE, 1);
    sieve.feed(br#"{"items":[{"spec":{"env":["#, &mut |_| panic!("nothing is complete")).unwrap();
    sieve.forget();
    let mut told = 0;
    sieve.feed(br#"{"items":[{}]}"#, &mut |_| told += 1).unwrap();
    assert_eq!(told, 2);
}
