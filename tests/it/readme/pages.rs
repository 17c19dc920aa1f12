//! The pages, and how to find something on them.
//!
//! Owns reading and the markers around what the code prints. Invariant: a marker stands once, on one page; which page that is
//! nobody has to know.

use std::fs;
use std::path::{Path, PathBuf};

/// A page: its path below the root of the repository, and its text.
pub(super) struct Page {
    pub(super) path: String,
    pub(super) text: String,
}

pub(super) fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

pub(super) fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The README and every page in `docs/`, in the order of their names.
pub(super) fn pages() -> Vec<Page> {
    let names = fs::read_dir(root().join("docs")).expect("docs/ can be listed").map(|entry| {
        let name = entry.expect("docs/ can be listed").file_name();
        name.to_str().expect("names of the repository are UTF-8").to_owned()
    });
    let is_page = |name: &String| Path::new(name).extension().is_some_and(|extension| extension == "md");
    let mut paths: Vec<String> = names.filter(is_page).map(|name| format!("docs/{name}")).collect();
    paths.push("README.md".to_owned());
    paths.sort();
    paths.into_iter().map(|path| Page { text: read(&path), path }).collect()
}

pub(super) fn marker(name: &str, edge: &str) -> String {
    format!("<!-- {name}: {edge} -->\n")
}

/// The page that has the markers of that name.
pub(super) fn page_with(name: &str) -> Page {
    let begin = marker(name, "begin");
    let mut having = pages().into_iter().filter(|page| page.text.contains(&begin));
    let page = having.next().unwrap_or_else(|| panic!("no page has {begin}"));
    let other = having.next().map(|other| other.path);
    assert_eq!(other, None, "{begin} stands on {} too", page.path);
    page
}

/// What stands between the two markers of that name.
pub(super) fn section(name: &str) -> String {
    let page = page_with(name);
    between(&page, name).to_owned()
}

pub(super) fn between<'a>(page: &'a Page, name: &str) -> &'a str {
    let (begin, end) = (marker(name, "begin"), marker(name, "end"));
    let after = page.text.split_once(&begin).unwrap_or_else(|| panic!("{} has no {begin}", page.path)).1;
    after.split_once(&end).unwrap_or_else(|| panic!("{} has no {end}", page.path)).0
}

/// What stands between backticks.
pub(super) fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// The rows of the Markdown tables in a text, cell by cell, without their heads.
pub(super) fn rows(text: &str) -> impl Iterator<Item = Vec<&str>> {
    let mut is_body = false;
    text.lines().filter_map(move |line| {
        let rule = line.starts_with("|---");
        let show = is_body && line.starts_with('|');
        is_body = rule || show;
        show.then(|| line.trim_matches('|').split(" | ").map(str::trim).collect())
    })
}
