//! Label selectors (equality, sets, existence) and field selectors (equality).

use serde_json::Value;

use crate::json;

/// One requirement of a label selector.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Requirement {
    In(String, Vec<String>),
    NotIn(String, Vec<String>),
    Exists(String),
    Absent(String),
}

/// What a list or watch is narrowed to; the default selects everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selector {
    labels: Vec<Requirement>,
    fields: Vec<(String, String, Sense)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sense {
    Equal,
    Unequal,
}

impl Selector {
    /// Parses `labelSelector` and `fieldSelector`; the error is the message for the client.
    pub fn parse(labels: &str, fields: &str) -> Result<Self, String> {
        let labels = split(labels).into_iter().map(requirement).collect::<Result<_, _>>()?;
        let fields = split(fields).into_iter().map(field).collect::<Result<_, _>>()?;
        Ok(Self { labels, fields })
    }

    /// Whether the object is selected.
    pub fn matches(&self, object: &Value) -> bool {
        let labels = json::at(object, "metadata.labels");
        let label = |key: &String| labels.get(key).and_then(Value::as_str);
        self.labels.iter().all(|requirement| match requirement {
            Requirement::In(key, values) => {
                label(key).is_some_and(|have| values.iter().any(|value| value == have))
            }
            Requirement::NotIn(key, values) => {
                !label(key).is_some_and(|have| values.iter().any(|value| value == have))
            }
            Requirement::Exists(key) => label(key).is_some(),
            Requirement::Absent(key) => label(key).is_none(),
        }) && self
            .fields
            .iter()
            .all(|(path, value, sense)| (json::text(object, path) == value) == (*sense == Sense::Equal))
    }
}

/// Splits at the commas that stand outside of parentheses.
fn split(text: &str) -> Vec<&str> {
    let (mut parts, mut depth, mut start) = (Vec::new(), 0, 0);
    for (at, letter) in text.char_indices() {
        match letter {
            '(' => depth += 1,
            ')' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts.into_iter().map(str::trim).filter(|part| !part.is_empty()).collect()
}

fn requirement(text: &str) -> Result<Requirement, String> {
    let fail = || format!("unable to parse requirement: {text:?}");
    if let Some((head, tail)) = text.split_once('(') {
        let values = tail
            .strip_suffix(')')
            .ok_or_else(fail)?
            .split(',')
            .map(|value| value.trim().to_owned())
            .collect();
        let mut words = head.split_whitespace();
        return match (words.next(), words.next()) {
            (Some(key), Some("in")) => Ok(Requirement::In(key.to_owned(), values)),
            (Some(key), Some("notin")) => Ok(Requirement::NotIn(key.to_owned(), values)),
            _ => Err(fail()),
        };
    }
    if let Some((key, value)) = text.split_once("!=") {
        return Ok(Requirement::NotIn(key.trim().to_owned(), vec![value.trim().to_owned()]));
    }
    if let Some((key, value)) = text.split_once("==").or_else(|| text.split_once('=')) {
        return Ok(Requirement::In(key.trim().to_owned(), vec![value.trim().to_owned()]));
    }
    match text.strip_prefix('!') {
        Some(key) => Ok(Requirement::Absent(key.trim().to_owned())),
        None if text.contains(char::is_whitespace) => Err(fail()),
        None => Ok(Requirement::Exists(text.to_owned())),
    }
}

fn field(text: &str) -> Result<(String, String, Sense), String> {
    let (path, value, sense) = match text.split_once("!=") {
        Some((path, value)) => (path, value, Sense::Unequal),
        None => {
            let (path, value) =
                text.split_once('=').ok_or_else(|| format!("invalid field selector {text:?}"))?;
            (path, value.trim_start_matches('='), Sense::Equal)
        }
    };
    Ok((path.to_owned(), value.to_owned(), sense))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn selects_by_labels_and_fields() {
        let object = json!({"metadata": {"name": "x", "labels": {"app": "k6", "runner": "true"}}});
        let cases = [
            ("", "", true),
            ("app=k6,runner", "", true),
            ("app==k6, runner in (true, false)", "", true),
            ("app in (a,b)", "", false),
            ("app notin (a,b),other notin (c)", "", true),
            ("app!=k6", "", false),
            ("!app", "", false),
            ("!other", "metadata.name=x", true),
            ("", "metadata.name=y", false),
            ("", "metadata.name!=y", true),
        ];
        for (labels, fields, expected) in cases {
            assert_eq!(
                Selector::parse(labels, fields).unwrap().matches(&object),
                expected,
                "{labels} {fields}"
            );
        }
        assert!(Selector::parse("a b", "").is_err());
    }
}
