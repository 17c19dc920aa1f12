//! What the sources say, where only their text knows it: literals, and the doc comments of an enum's variants.
//!
//! Owns finding a source by the end of its path, so that a folder can move without this. Invariant: tests are left out.

use std::fs;
use std::path::Path;

use super::pages::{read, root};

/// A source below one of the folders: its path and its text, without its tests.
pub(super) struct Source {
    pub(super) path: String,
    pub(super) text: String,
}

/// The Rust files below `folder`, without their tests.
pub(super) fn sources(folder: &str) -> Vec<Source> {
    fn visit(folder: &Path, found: &mut Vec<Source>) {
        for entry in fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
            let path = entry.expect("a folder of the repository can be listed").path();
            if path.file_stem().is_some_and(|name| name == "tests") {
                continue;
            }
            if path.is_dir() {
                visit(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let path = path.to_str().expect("paths of the repository are UTF-8");
                let text =
                    read(path).split("#[cfg(test)]\nmod tests {").next().unwrap_or_default().to_owned();
                found.push(Source { path: path.to_owned(), text });
            }
        }
    }
    let mut found = Vec::new();
    visit(&root().join(folder), &mut found);
    found
}

/// The one source below `src` whose path ends like this.
pub(super) fn source(path: &str) -> String {
    let end = format!("/{path}");
    let mut found = sources("src").into_iter().filter(|source| source.path.ends_with(&end));
    let source = found.next().unwrap_or_else(|| panic!("src has no {path}"));
    let other = found.next().map(|other| other.path);
    assert_eq!(other, None, "{path} is the end of {} too", source.path);
    source.text
}

/// The string literals of a source.
pub(super) fn literals(source: &str) -> impl Iterator<Item = &str> {
    source.split('"').skip(1).step_by(2)
}

/// The variants of an enum without data, each with its doc comment on one line.
pub(super) fn variants(source: &str, name: &str) -> Vec<(String, String)> {
    let head = format!("pub enum {name} {{\n");
    let body = source.split_once(&head).unwrap_or_else(|| panic!("there is no {head}")).1;
    let body = body.split_once("\n}\n").unwrap_or_else(|| panic!("{name} does not end")).0;
    let mut variants = Vec::new();
    let mut doc = String::new();
    for line in body.lines().map(str::trim) {
        if let Some(text) = line.strip_prefix("///") {
            if !doc.is_empty() {
                doc.push(' ');
            }
            doc.push_str(text.trim());
        } else if let Some(variant) = line.strip_suffix(',') {
            variants.push((variant.to_owned(), std::mem::take(&mut doc)));
        }
    }
    variants
}

pub(super) fn is_camel_case(word: &str) -> bool {
    word.starts_with(|c: char| c.is_ascii_uppercase())
        && word.chars().skip(1).any(|c| c.is_ascii_lowercase())
        && word.chars().all(|c| c.is_ascii_alphanumeric())
}

pub(super) fn is_variable(word: &str) -> bool {
    word.len() > 3
        && word.starts_with(|c: char| c.is_ascii_uppercase())
        && word.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')
}
