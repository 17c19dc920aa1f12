//! The licenses of what the shipped binary is linked from: `manifests/image/LICENSES`, which goes into the image.
//!
//! Owns the part about crates, above the line [`END`]: it is printed here from what Cargo links for the four platforms, and
//! `UPDATE_GOLDEN=1` writes it anew. What stands below, about Rust's own libraries and musl, is written by hand. Invariant: a
//! crate that is new, or whose license nobody has looked at, fails a test.

#![expect(
    clippy::disallowed_methods,
    reason = "a variable asks for a new file, and Cargo says where crates are"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use serde_json::Value;

const FILE: &str = "manifests/image/LICENSES";

/// The first line that is written by hand.
const END: &str = "==== The libraries of Rust and of C ====\n";

/// As the Dockerfile builds for.
const TARGETS: [&str; 4] = [
    "x86_64-unknown-linux-musl",
    "aarch64-unknown-linux-musl",
    "armv7-unknown-linux-musleabihf",
    "riscv64gc-unknown-linux-musl",
];

/// The licenses that are known, the preferred first where a crate leaves the choice: a title, and words of its text.
pub(crate) const LICENSES: [(&str, &str, &str); 5] = [
    ("Apache-2.0", "Apache License 2.0", "apache license"),
    ("MIT", "MIT License", "permission is hereby granted, free of charge, to any person obtaining a copy"),
    ("ISC", "ISC License", "permission to use, copy, modify, and"),
    ("BSD-3-Clause", "BSD 3-Clause License", "redistribution and use in source and binary forms"),
    (
        "CDLA-Permissive-2.0",
        "Community Data License Agreement, Permissive 2.0",
        "community data license agreement",
    ),
];

/// Files in crates that are about code that is not linked.
const BESIDE: [(&str, &str); 2] = [
    // Of its tests and an example.
    ("crossbeam-channel", "LICENSE-THIRD-PARTY"),
    // Apache 2.0 once more, and licenses of tests.
    ("ring", "LICENSE-BoringSSL"),
];

/// Notices that stand in sources alone.
const NOTICES: [(&str, &str); 1] =
    [("ring", "Copyright The BoringSSL Authors; Copyright The OpenSSL Project Authors")];

struct Crate {
    name: String,
    version: String,
    license: String,
    authors: String,
    folder: PathBuf,
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn cargo(args: &[&str]) -> String {
    let output = Command::new(env!("CARGO")).current_dir(root()).args(args).output().unwrap();
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// `name version` of each crate that is linked for any of the platforms, our own left out.
fn linked() -> BTreeSet<String> {
    let mut linked = BTreeSet::new();
    for target in TARGETS {
        let tree = [
            "tree",
            "--locked",
            "--package",
            "plz-agent",
            "--target",
            target,
            "--edges",
            "normal,no-proc-macro",
        ];
        for line in cargo(&[&tree[..], &["--prefix", "none", "--format", "{p}"]].concat()).lines() {
            let mut words = line.split(' ');
            let (name, version) = (words.next().unwrap(), words.next().unwrap());
            if !matches!(name, "plz-agent" | "plz-core" | "k8s") {
                linked.insert(format!("{name} {}", version.trim_start_matches('v')));
            }
        }
    }
    linked
}

fn crates() -> Vec<Crate> {
    let metadata = cargo(&["metadata", "--locked", "--format-version", "1", "--filter-platform", TARGETS[0]]);
    let metadata: Value = serde_json::from_str(&metadata).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let known: BTreeMap<String, &Value> = metadata["packages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|package| (format!("{} {}", text(&package["name"]), text(&package["version"])), package))
        .collect();
    let read = |name: &String| {
        let package = known[name];
        let authors: Vec<String> = package["authors"].as_array().unwrap().iter().map(text).collect();
        Crate {
            name: text(&package["name"]),
            version: text(&package["version"]),
            license: text(&package["license"]),
            authors: authors.join(", "),
            folder: Path::new(&text(&package["manifest_path"])).parent().unwrap().to_owned(),
        }
    };
    linked().iter().map(read).collect()
}

impl Crate {
    /// The licenses by which it is taken: all of `AND`, the first known one of `OR`.
    fn taken(&self) -> Vec<&'static str> {
        let choose = |choice: &str| {
            let offered: Vec<&str> = choice.split(" OR ").map(str::trim).collect();
            let known = LICENSES.iter().find(|(id, ..)| offered.contains(id));
            known.unwrap_or_else(|| panic!("{}: nobody has looked at {choice} yet", self.name)).0
        };
        self.license.split(" AND ").map(choose).collect()
    }

    /// The texts of the files that are about licenses.
    fn texts(&self) -> Vec<String> {
        let mut texts = Vec::new();
        let mut folders = vec![self.folder.clone()];
        while let Some(folder) = folders.pop() {
            let mut entries: Vec<PathBuf> =
                fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
            entries.sort();
            for path in entries {
                let name = path.file_name().unwrap().to_string_lossy().into_owned();
                let is_about =
                    ["LICENSE", "LICENCE", "COPYING", "NOTICE"].iter().any(|word| name.starts_with(word));
                let is_beside = BESIDE.contains(&(self.name.as_str(), name.as_str()));
                if path.is_dir() {
                    folders.push(path);
                } else if is_about && !is_beside {
                    texts.push(fs::read_to_string(path).unwrap());
                }
            }
        }
        texts
    }

    /// Whose it is, on one line.
    fn holders(&self) -> String {
        let mut holders = Vec::new();
        for text in self.texts() {
            let lines =
                text.lines().map(str::trim).filter(|line| is_copyright(line) && !line.contains("[yyyy]"));
            holders.extend(lines.map(|line| line.trim_end_matches('.').to_owned()));
        }
        holders.extend(
            NOTICES.iter().filter(|(name, _)| *name == self.name).map(|(_, notice)| (*notice).to_owned()),
        );
        holders.sort();
        holders.dedup();
        match (holders.is_empty(), self.authors.is_empty()) {
            (false, _) => holders.join("; "),
            (true, false) => format!("by {}", self.authors),
            (true, true) => "by its authors".to_owned(),
        }
    }

    /// The text of a license without what differs from crate to crate.
    fn text_of(&self, words: &str) -> String {
        let texts = self.texts();
        let found = texts.iter().find(|text| one_line(text).to_lowercase().contains(words));
        let text =
            found.unwrap_or_else(|| panic!("{} {} has no text with {words:?}", self.name, self.version));
        let kept: Vec<&str> = text.lines().map(bare).filter(|line| !is_own(line)).collect();
        kept.join("\n").trim_matches('\n').to_owned()
    }
}

/// A line of a license, which some crates write as a comment.
fn bare(line: &str) -> &str {
    line.trim_start_matches("//").trim()
}

fn is_copyright(line: &str) -> bool {
    let is_dated = line.contains(|c: char| c.is_ascii_digit()) || line.contains("(c)");
    line.starts_with("Copyright") && is_dated
}

/// What a text begins with, in one crate so and in another not.
fn is_own(line: &str) -> bool {
    let titles = ["MIT License", "The MIT License (MIT)", "ISC License:", "All rights reserved."];
    is_copyright(line) || titles.contains(&line)
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The part about crates: for each license who comes by it, and its text, once.
fn printed() -> String {
    let mut page = "The licenses of what is in the image of plz-agent, and in its binary\n\n\
        plz-agent is licensed under the Apache License 2.0, as are most of the crates that it is linked from. Where a crate\n\
        leaves a choice, the license that it stands under here is the one that was chosen.\n"
        .to_owned();
    let crates = crates();
    for (id, title, words) in LICENSES {
        let mut by_text = BTreeMap::<String, (String, Vec<String>)>::new();
        for one in crates.iter().filter(|one| one.taken().contains(&id)) {
            let text = if id == "Apache-2.0" {
                fs::read_to_string(root().join("LICENSE")).unwrap()
            } else {
                one.text_of(words)
            };
            let holders = format!("{} {}: {}", one.name, one.version, one.holders());
            let (_, list) = by_text.entry(one_line(&text).to_lowercase()).or_insert((text, Vec::new()));
            list.push(holders);
        }
        for (text, list) in by_text.values() {
            write!(page, "\n==== {title} ====\n\n{}\n\n----\n{}\n", list.join("\n"), text.trim_end())
                .unwrap();
        }
    }
    page + "\n"
}

#[test]
fn the_licenses_of_all_that_is_linked_are_in_the_image() {
    let path = root().join(FILE);
    let file = fs::read_to_string(&path).unwrap_or_default();
    let (crates, rest) = file.split_once(END).unwrap_or((&file, ""));
    let printed = printed();
    if env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&path, format!("{printed}{END}{rest}")).unwrap();
        return;
    }
    for name in linked() {
        assert!(
            crates.contains(&format!("\n{name}: ")),
            "{FILE} does not name {name}; run with UPDATE_GOLDEN=1"
        );
    }
    assert!(crates == printed, "{FILE} is not what is linked; run with UPDATE_GOLDEN=1 and read the diff");
    for name in ["Rust's standard library", "musl", "Unicode", "libunwind"] {
        assert!(rest.contains(name), "{FILE} does not name {name}");
    }
}

#[test]
fn a_license_that_nobody_has_looked_at_is_told() {
    let one = |license: &str| Crate {
        name: "x".to_owned(),
        version: "1".to_owned(),
        license: license.to_owned(),
        authors: String::new(),
        folder: PathBuf::new(),
    };
    assert_eq!(one("MIT OR Apache-2.0").taken(), ["Apache-2.0"]);
    assert_eq!(one("Unlicense OR MIT").taken(), ["MIT"]);
    assert_eq!(one("Apache-2.0 AND ISC").taken(), ["Apache-2.0", "ISC"]);
    assert!(std::panic::catch_unwind(|| one("MIT AND GPL-3.0-only").taken()).is_err());
}
