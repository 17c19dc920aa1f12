//! Where the pages lead: paths of the repository and links exist, and what the README promises a reader is kept.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};

use super::pages::{pages, read, root};

const README_LINES_MAX: usize = 250;

/// Folders of the repository that pages name.
const FOLDERS: [&str; 6] = ["manifests/", "src/", "tests/", "k8s/", "docs/", ".ci/"];

#[test]
fn every_path_on_a_page_exists() {
    for page in pages() {
        let words = page.text.split(|c: char| c.is_whitespace() || "`()[]\"'|,;#".contains(c));
        let paths: BTreeSet<&str> = words
            .map(|word| word.trim_end_matches(['.', ':']))
            .filter(|word| FOLDERS.iter().any(|folder| word.starts_with(folder)))
            .collect();
        for path in paths {
            assert!(root().join(path).exists(), "{} names {path}, which does not exist", page.path);
        }
    }
}

/// The anchor that a heading gets.
fn slug(title: &str) -> String {
    let kept = title.to_lowercase();
    let kept: String = kept.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c)).collect();
    kept.replace(' ', "-")
}

fn anchors(text: &str) -> BTreeSet<String> {
    let mut is_code = false;
    let titles = text.lines().filter(|line| {
        is_code ^= line.trim_start().starts_with("```");
        !is_code && line.starts_with('#')
    });
    titles.map(|line| slug(line.trim_start_matches('#').trim())).collect()
}

/// `docs/../README.md` without the detour.
fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for component in path.components() {
        match component {
            Component::ParentDir => {
                normal.pop();
            }
            other => normal.push(other),
        }
    }
    normal
}

#[test]
fn every_link_between_pages_leads_somewhere() {
    let chart = "manifests/helm/plz-agent/README.md";
    let mut texts: BTreeMap<PathBuf, String> =
        pages().into_iter().map(|page| (PathBuf::from(page.path), page.text)).collect();
    texts.insert(PathBuf::from(chart), read(chart));
    for (path, text) in &texts {
        let targets = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        for target in targets.filter(|target| !target.contains("://")) {
            let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
            let of = path.display();
            let to = if file.is_empty() { path.clone() } else { normal(&path.with_file_name("").join(file)) };
            assert!(root().join(&to).exists(), "{of} links to {target}, which does not exist");
            if !anchor.is_empty() {
                let linked = texts.get(&to).unwrap_or_else(|| panic!("{of}: {target} is no page"));
                assert!(anchors(linked).contains(anchor), "{of} links to {target}: there is no such heading");
            }
        }
    }
}

#[test]
fn every_page_is_one_click_from_the_readme() {
    let readme = read("README.md");
    for page in pages().into_iter().filter(|page| page.path != "README.md") {
        let link = format!("({}", page.path);
        assert!(readme.contains(&link), "README.md does not link to {}", page.path);
    }
}

#[test]
fn two_commands_try_everything() {
    let page = read("README.md");
    let part = page.split_once("\n## Try it\n").expect("the page has this part").1;
    let block =
        part.split_once("```sh\n").and_then(|(_, rest)| rest.split_once("```")).expect("it has a block").0;
    assert_eq!(block, "cargo run --locked --release -p sim -- demo\ncargo test --locked --workspace\n");
}

#[test]
fn the_readme_is_short() {
    let lines = read("README.md").lines().count();
    assert!(lines <= README_LINES_MAX, "README.md has {lines} lines; what goes into detail belongs in docs/");
}
