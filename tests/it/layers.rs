//! The modules of a crate import each other in one direction: none of them is reached from what it imports.
//!
//! Owns that there is no circle between the files and folders at the top of a crate. That what decides reaches no socket is
//! Cargo's and clippy's.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// What each module at the top of a crate imports, its tests aside.
type Imports = BTreeMap<String, BTreeSet<String>>;

/// The Rust files below a folder, other packages in it aside.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.join("Cargo.toml").exists() {
            found.extend(files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}

/// The modules that `crate::…` leads to in a source, alone or in braces.
fn imported(source: &str) -> BTreeSet<String> {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let word = |text: &str| text.trim_start().split(|c| !is_word(c)).next().unwrap_or_default().to_owned();
    let mut found = BTreeSet::new();
    for rest in source.split("crate::").skip(1) {
        let Some(list) = rest.strip_prefix('{') else {
            found.insert(word(rest));
            continue;
        };
        let mut depth = 1;
        let mut item = String::new();
        for c in list.chars() {
            depth += i32::from(c == '{') - i32::from(c == '}');
            if depth == 0 {
                break;
            }
            if depth == 1 && c == ',' {
                found.insert(word(&item));
                item.clear();
            } else {
                item.push(c);
            }
        }
        found.insert(word(&item));
    }
    found
}

fn imports(root: &str) -> Imports {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(root);
    let mut imports = Imports::new();
    for path in files(&root) {
        let inner = path.strip_prefix(&root).unwrap().with_extension("");
        if inner.components().any(|part| part.as_os_str() == "tests") {
            continue;
        }
        let module = inner.components().next().unwrap().as_os_str().to_str().unwrap().to_owned();
        let text = fs::read_to_string(&path).unwrap();
        let text = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
        let code: Vec<&str> = text.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
        let of_module = imports.entry(module.clone()).or_default();
        of_module.extend(imported(&code.join("\n")).into_iter().filter(|other| *other != module));
    }
    imports
}

/// A way from a module back to itself.
fn circle(imports: &Imports, way: &mut Vec<String>, done: &mut BTreeSet<String>) -> bool {
    let last = way.last().cloned().unwrap_or_default();
    for next in imports.get(&last).into_iter().flatten() {
        if way.contains(next) {
            way.push(next.clone());
            return true;
        }
        if done.contains(next) {
            continue;
        }
        way.push(next.clone());
        if circle(imports, way, done) {
            return true;
        }
        way.pop();
    }
    done.insert(last);
    false
}

#[track_caller]
fn check(root: &str, modules: usize) {
    let imports = imports(root);
    assert!(imports.len() >= modules, "{root} has {} modules", imports.len());
    let mut done = BTreeSet::new();
    for module in imports.keys() {
        let mut way = vec![module.clone()];
        assert!(!circle(&imports, &mut way, &mut done), "{root}: {}", way.join(" imports "));
    }
}

#[test]
fn no_module_is_reached_from_what_it_imports() {
    check("src/core", 25);
    check("src", 10);
    check("k8s/src", 15);
}

#[test]
fn a_circle_is_found() {
    let module = |imports: &[&str]| imports.iter().map(|name| (*name).to_owned()).collect();
    let imports: Imports = [("a", ["b"]), ("b", ["c"]), ("c", ["b"])]
        .map(|(name, imports)| (name.to_owned(), module(&imports)))
        .into();
    let mut way = vec!["a".to_owned()];
    assert!(circle(&imports, &mut way, &mut BTreeSet::new()));
    assert_eq!(way, ["a", "b", "c", "b"]);
    let text = "use crate::{a::{b, c}, d};\nuse crate::e::f; let g = crate::h::i();";
    assert_eq!(imported(text), module(&["a", "d", "e", "h"]));
}
