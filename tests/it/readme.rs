//! The README and the code say the same.
//!
//! Owns: the tables that the code prints for the README, and that options, variables, reasons, causes, messages, paths and
//! links on the page exist, and the other way round for all that users meet by name. Leaves alone the sentences around
//! them. Invariant: what is compared is read from the code or its source, nothing is listed here a second time.

#![expect(clippy::disallowed_methods, reason = "a variable asks for new golden files")]

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

use plz_agent::cloud::Event;
use plz_agent::config::Topic;
use plz_agent::fetch::ExitCode;
use plz_agent::testrun::ending::{Cause, Ending};
use plz_agent::{check, testrun, zone};

/// Pieces of a message that are shorter than this are found anywhere and prove nothing.
const PIECE_BYTES_MIN: usize = 6;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn marker(name: &str, edge: &str) -> String {
    format!("<!-- {name}: {edge} -->\n")
}

/// The part of the page between the two markers of that name.
fn section<'a>(page: &'a str, name: &str) -> &'a str {
    let (begin, end) = (marker(name, "begin"), marker(name, "end"));
    let after = page.split_once(&begin).unwrap_or_else(|| panic!("README.md has no {begin}")).1;
    after.split_once(&end).unwrap_or_else(|| panic!("README.md has no {end}")).0
}

/// What stands between backticks.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// The rows of the Markdown tables in a text, cell by cell, without their heads.
fn rows(text: &str) -> impl Iterator<Item = Vec<&str>> {
    let mut is_body = false;
    text.lines().filter_map(move |line| {
        let rule = line.starts_with("|---");
        let show = is_body && line.starts_with('|');
        is_body = rule || show;
        show.then(|| line.trim_matches('|').split(" | ").map(str::trim).collect())
    })
}

/// The Rust files below `folder`, without their tests.
fn sources(folder: &str) -> Vec<String> {
    fn visit(folder: &Path, found: &mut Vec<String>) {
        for entry in fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
            let path = entry.expect("a folder of the repository can be listed").path();
            if path.is_dir() {
                visit(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = read(path.to_str().expect("paths of the repository are UTF-8"));
                found.push(text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default().to_owned());
            }
        }
    }
    let mut found = Vec::new();
    visit(&root().join(folder), &mut found);
    found
}

/// The string literals of a source.
fn literals(source: &str) -> impl Iterator<Item = &str> {
    source.split('"').skip(1).step_by(2)
}

fn is_camel_case(word: &str) -> bool {
    word.starts_with(|c: char| c.is_ascii_uppercase())
        && word.chars().skip(1).any(|c| c.is_ascii_lowercase())
        && word.chars().all(|c| c.is_ascii_alphanumeric())
}

fn is_variable(word: &str) -> bool {
    word.len() > 3
        && word.starts_with(|c: char| c.is_ascii_uppercase())
        && word.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')
}

fn exit_codes() -> String {
    let mut text = String::from("| code | word | meaning |\n|---|---|---|\n");
    for code in ExitCode::ALL {
        let _ = writeln!(text, "| {} | `{}` | {} |", code.number(), code.word(), code.meaning());
    }
    text
}

#[test]
fn the_printed_tables_are_those_of_the_code() {
    let mut page = read("README.md");
    let printed = [
        ("table of runs", testrun::stage::markdown()),
        ("table of zones", zone::table::markdown()),
        ("exit codes", exit_codes()),
        ("metrics", plz_agent::metrics::markdown()),
        ("checks", check::markdown()),
    ];
    if env::var_os("UPDATE_GOLDEN").is_some() {
        for (name, text) in &printed {
            let begin = marker(name, "begin");
            let old = format!("{begin}{}{}", section(&page, name), marker(name, "end"));
            page = page.replace(&old, &format!("{begin}{text}{}", marker(name, "end")));
        }
        fs::write(root().join("README.md"), &page).unwrap();
    }
    for (name, text) in printed {
        let shown = section(&page, name);
        assert!(
            shown == text,
            "{name} in README.md differs; run with UPDATE_GOLDEN=1 and read the diff. Now:\n{text}"
        );
    }
}

/// Option with its placeholder, variables, default.
type Described = (String, BTreeSet<String>, String);

/// What the help says of its options.
fn options_in_help(help: &str) -> Vec<Described> {
    let mut options: Vec<Described> = Vec::new();
    for line in help.lines() {
        let text = line.trim();
        if line.starts_with("  -") {
            options.push((text.to_owned(), BTreeSet::new(), String::new()));
        }
        let Some(notes) = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')) else { continue };
        let Some(option) = options.last_mut() else { continue };
        for note in notes.split("; ") {
            match note.split_once(": ") {
                Some(("env", names)) => option.1 = names.split(", ").map(str::to_owned).collect(),
                Some(("default", value)) => value.clone_into(&mut option.2),
                _ => panic!("{note}"),
            }
        }
    }
    options
}

/// What the README says of them.
fn options_in_table(table: &str) -> Vec<Described> {
    let options = rows(table).map(|cells| {
        let [option, variables, default, _meaning] = cells[..] else { panic!("{cells:?}") };
        let default = default.trim_matches('`').trim_matches('–').to_owned();
        (option.trim_matches('`').to_owned(), quoted(variables).map(str::to_owned).collect(), default)
    });
    options.collect()
}

#[test]
fn every_option_is_described_and_every_description_has_its_option() {
    let page = read("README.md");
    let check = |topic: Topic, name: &str| {
        let in_help = options_in_help(&topic.text());
        assert!(!in_help.is_empty(), "{topic:?}");
        assert_eq!(options_in_table(section(&page, name)), in_help, "{name}: README.md, then --help");
    };
    check(Topic::Run, "options of run");
    check(Topic::Check, "options of check");
    check(Topic::Fetch, "options of fetch");
}

#[test]
fn every_variable_is_described_and_every_description_has_its_variable() {
    let page = read("README.md");
    let tables = ["options of run", "options of fetch", "other variables"];
    let described: BTreeSet<String> = tables
        .iter()
        .flat_map(|name| quoted(section(&page, name)))
        .filter(|word| is_variable(word))
        .map(str::to_owned)
        .collect();
    let read_by_code: BTreeSet<String> =
        ["src/config/input.rs", "src/config/mod.rs", "src/config/options.rs"]
            .iter()
            .flat_map(|path| literals(&read(path)).map(str::to_owned).collect::<Vec<_>>())
            // `FILE` and its like stand for values.
            .filter(|word| {
                is_variable(word) && (word.contains('_') || matches!(&word[..], "KUBECONFIG" | "HOME"))
            })
            .collect();
    assert_eq!(described, read_by_code, "README.md, then src/config");
}

/// The words for tools: conditions, their reasons, the reasons of Events, the causes.
#[test]
fn every_reason_is_explained_and_every_explanation_has_its_reason() {
    let page = read("README.md");
    let explained: BTreeSet<String> =
        quoted(section(&page, "words")).filter(|word| is_camel_case(word)).map(str::to_owned).collect();
    let mut spoken = causes_in_source();
    for path in ["src/zone/conditions.rs", "src/testrun/conditions.rs"] {
        spoken.extend(literals(&read(path)).filter(|word| is_camel_case(word)).map(str::to_owned));
    }
    for source in sources("src") {
        for form in ["Announcement::normal(\"", "Announcement::warning(\""] {
            spoken.extend(
                source.split(form).skip(1).filter_map(|rest| rest.split('"').next()).map(str::to_owned),
            );
        }
    }
    let types = ["src/zone/api.rs", "src/testrun/api.rs"].map(read);
    let condition_types = types
        .iter()
        .flat_map(|source| source.split("/// Condition: ").skip(1))
        .filter_map(|rest| literals(rest).next())
        .map(str::to_owned);
    spoken.extend(condition_types);
    // The kind, which the text around the tables speaks of.
    spoken.insert(testrun::api::KIND.to_owned());
    assert_eq!(explained, spoken, "README.md, then the code");
}

fn causes_in_source() -> BTreeSet<String> {
    let source = read("src/testrun/ending.rs");
    let rows = source.split("=> row(\"").skip(1);
    rows.filter_map(|row| row.split('"').next()).map(str::to_owned).collect()
}

#[test]
fn the_causes_are_told_with_their_code_and_status() {
    let page = read("README.md");
    let mut explained = BTreeSet::new();
    for cells in rows(section(&page, "causes")) {
        let [name, code, status, _when] = cells[..] else { panic!("{cells:?}") };
        let name = name.trim_matches('`');
        let cause = Cause::from_reason(name).unwrap_or_else(|| panic!("there is no cause {name}"));
        let events = Ending { cause, message: "why".to_owned() }.events();
        let told = events.iter().find_map(|event| match event {
            Event::Error { error_code, .. } => Some(error_code.number().to_string()),
            Event::Abort { .. } => None,
        });
        assert_eq!(code, told.as_deref().unwrap_or("–"), "{name}");
        assert_eq!(status, cause.finish_status().0.to_string(), "{name}");
        explained.insert(name.to_owned());
    }
    assert_eq!(explained, causes_in_source(), "README.md, then the table of causes");
}

/// A message that users look up is one that the code can print: each piece between two `…` stands in a literal.
#[test]
fn every_message_to_look_up_is_one_of_the_code() {
    let sources: String = ["src", "k8s/src"].into_iter().flat_map(sources).collect();
    // A literal that is continued on the next line is one text.
    let mut joined = String::new();
    for (at, part) in sources.split("\\\n").enumerate() {
        joined.push_str(if at == 0 { part } else { part.trim_start() });
    }
    let page = read("README.md");
    let messages: Vec<&str> =
        rows(section(&page, "messages")).filter_map(|cells| quoted(cells[0]).next()).collect();
    assert!(messages.len() > 40, "{}", messages.len());
    for message in messages {
        let pieces: Vec<&str> =
            message.split('…').map(str::trim).filter(|piece| piece.len() >= PIECE_BYTES_MIN).collect();
        assert!(!pieces.is_empty(), "nothing to look for in {message:?}");
        for piece in pieces {
            // These words come from Kubernetes.
            let foreign = ["Unschedulable:", "ErrImagePull:"];
            let known = foreign.iter().fold(piece.to_owned(), |text, word| text.replace(word, ""));
            let known = known.trim_matches([':', ' ']);
            assert!(joined.contains(known), "no message has {known:?}, a piece of {message:?}");
        }
    }
}

#[test]
fn paths_and_links_lead_somewhere() {
    let page = read("README.md");
    let words = page.split(|c: char| c.is_whitespace() || "`()\"'|,;".contains(c));
    let folders = ["manifests/", "src/", "tests/", "k8s/", ".ci/"];
    let paths: BTreeSet<&str> = words
        .map(|word| word.trim_end_matches(['.', ':']))
        .filter(|word| folders.iter().any(|folder| word.starts_with(folder)))
        .collect();
    assert!(paths.len() > 10, "{paths:?}");
    for path in paths {
        assert!(root().join(path).exists(), "README.md names {path}");
    }
    let slug = |title: &str| -> String {
        let kept = title.to_lowercase();
        kept.chars()
            .filter(|c| c.is_alphanumeric() || " -".contains(*c))
            .collect::<String>()
            .replace(' ', "-")
    };
    let titles: BTreeSet<String> = page
        .lines()
        .filter(|line| line.starts_with('#'))
        .map(|line| slug(line.trim_start_matches('#').trim()))
        .collect();
    for anchor in page.split("](#").skip(1).filter_map(|rest| rest.split(')').next()) {
        assert!(titles.contains(anchor), "README.md links to #{anchor}");
    }
}

#[test]
fn two_commands_try_everything() {
    let page = read("README.md");
    let part = page.split_once("\n## Try it here\n").expect("the page has this part").1;
    let block =
        part.split_once("```sh\n").and_then(|(_, rest)| rest.split_once("```")).expect("it has a block").0;
    assert_eq!(block, "cargo run --locked --release -p sim -- demo\ncargo test --locked --workspace\n");
}
