//! Tolerance, names and faults.

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

#[test]
fn of_a_name_that_comes_twice_the_last_value_counts() {
    let text = br#"{"in":{"count":1,"text":"a"},"in":{"count":2,"text":null,"count":3}}"#;
    let outer: Outer = read_text(text).unwrap();
    assert_eq!(outer.inner, Inner { count: 3, ..Inner::default() });
}

#[test]
fn escapes_and_white_space_are_read() {
    let text =
        " {\"in\" : {\n\"te\\u0078t\":\"\\\"\\ud83d\\ude00\\n\" ,\"count\": 7 } , \"list\":[ null , {} ]\t} ";
    let outer: Outer = read_text(text.as_bytes()).unwrap();
    assert_eq!(outer.inner, Inner { count: 7, text: Some("\"😀\n".to_owned()), ..Inner::default() });
    assert_eq!(outer.list, [Inner::default()]);
}

#[test]
fn what_is_cut_or_broken_is_a_fault_and_never_an_object() {
    let whole =
        r#"{"more":[{"a":"]"}],"in":{"count":7,"text":"tä\"","shout":"s"},"list":[{"count":1},null]}"#;
    assert!(read_text::<Outer>(whole.as_bytes()).is_ok());
    for end in 0..whole.len() {
        assert!(read_text::<Outer>(&whole.as_bytes()[..end]).is_err(), "cut at {end}");
    }
    for broken in [
        r#"{"in":}"#,
        r#"{"in":{"count":7 "text":""}}"#,
        r#"{"in":{"count":7x}}"#,
        r#"{"in":{"count":00x1}}"#,
        r#"{"in":{"text":"\q"}}"#,
        r#"{"in" {}}"#,
        r#"{in:{}}"#,
        r#"{"list":[{},}]}"#,
        r#"{"list":[{}}"#,
        r#"{"list":[]]}"#,
        r#"{}{}"#,
        r#"{},"#,
        r#"{"in":nul}"#,
    ] {
        assert!(read_text::<Outer>(broken.as_bytes()).is_err(), "{broken}");
    }
    assert_eq!(read_text::<Outer>(b"{\"in\":\"\xff\"}").unwrap_err().to_string().get(..5), Some("inval"));
}
