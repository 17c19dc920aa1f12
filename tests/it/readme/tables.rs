//! Tables that the code prints, whole: every cell of them, the meaning too, stands on a page as the code has it.
//!
//! `UPDATE_GOLDEN=1` writes them; then read the diff.

#![expect(clippy::disallowed_methods, reason = "a variable asks for new golden files")]

use std::fmt::Write as _;
use std::time::Duration;
use std::{env, fs};

use plz_agent::config::{Topic, VARIABLES};
use plz_agent::{check, metrics};
use plz_core::archive::ExitCode;
use plz_core::cloud::Event;
use plz_core::reasons::{self, About, ConditionReason, Word};
use plz_core::testrun::facts;
use plz_core::testrun::table::Block;
use plz_core::testrun::termination::{Cause, Termination};
use plz_core::{testrun, zone};

use super::code::{source, variants};
use super::pages::{between, marker, page_with, root, rows, section};

fn printed() -> Vec<(&'static str, String)> {
    vec![
        ("table of runs", testrun::table::markdown()),
        ("facts of runs", fact_meanings("testrun/table.rs")),
        ("table of zones", zone::table::markdown()),
        ("facts of zones", fact_meanings("zone/table.rs")),
        ("options of run", options(Topic::Run)),
        ("options of check", options(Topic::Check)),
        ("options of fetch", options(Topic::Fetch)),
        ("other variables", variables()),
        ("exit codes", exit_codes()),
        ("checks", check::markdown()),
        ("metrics", metrics::markdown()),
        ("conditions of zones", conditions(reasons::OF_ZONES)),
        ("conditions of runs", conditions(reasons::OF_TEST_RUNS)),
        ("causes", causes()),
        ("events", events()),
        ("stages", stages()),
    ]
}

#[test]
fn the_printed_tables_are_those_of_the_code() {
    let printed = printed();
    if env::var_os("UPDATE_GOLDEN").is_some() {
        for (name, text) in &printed {
            let page = page_with(name);
            let (begin, end) = (marker(name, "begin"), marker(name, "end"));
            let old = format!("{begin}{}{end}", between(&page, name));
            let new = page.text.replace(&old, &format!("{begin}{text}{end}"));
            fs::write(root().join(&page.path), new).unwrap();
        }
    }
    for (name, text) in printed {
        let shown = section(name);
        assert!(
            shown == text,
            "{name} in {} differs; run with UPDATE_GOLDEN=1 and read the diff. Now:\n{text}",
            page_with(name).path
        );
    }
}

/// What each fact of a table says, by the comments on it.
fn fact_meanings(path: &str) -> String {
    let mut text = String::from("| fact | holds when |\n|---|---|\n");
    for (fact, doc) in variants(&source(path), "Fact") {
        assert!(!doc.is_empty(), "{path}: {fact} has no doc comment");
        let _ = writeln!(text, "| {fact} | {doc} |");
    }
    text
}

fn exit_codes() -> String {
    let mut text = String::from("| code | word | meaning |\n|---|---|---|\n");
    for code in ExitCode::ALL {
        let _ = writeln!(text, "| {} | `{}` | {} |", code.number(), code.word(), code.meaning());
    }
    text
}

/// One option as `--help` prints it.
#[derive(Default)]
struct Described {
    option: String,
    variables: String,
    default: String,
    meaning: String,
}

/// The options in a help text: `  --long VALUE`, lines that explain it, and its notes in brackets.
fn options(topic: Topic) -> String {
    let help = topic.text();
    let mut options: Vec<Described> = Vec::new();
    for line in help.lines() {
        if line.starts_with("  -") {
            options.push(Described { option: line.trim().to_owned(), ..Described::default() });
        }
        let Some(text) = line.strip_prefix("        ") else { continue };
        let Some(option) = options.last_mut() else { continue };
        match text.strip_prefix('[').and_then(|text| text.strip_suffix(']')) {
            Some(notes) => option.note(notes),
            None if option.meaning.is_empty() => text.clone_into(&mut option.meaning),
            None => option.meaning.extend([" ", text]),
        }
    }
    assert!(!options.is_empty(), "{topic:?}");
    let dash = |cell: String| if cell.is_empty() { "–".to_owned() } else { cell };
    let mut table = String::from("| option | variable | default | meaning |\n|---|---|---|---|\n");
    for Described { option, variables, default, meaning } in options {
        let _ = writeln!(table, "| `{option}` | {} | {} | {meaning} |", dash(variables), dash(default));
    }
    table
}

impl Described {
    fn note(&mut self, notes: &str) {
        for note in notes.split("; ") {
            match note.split_once(": ") {
                Some(("env", names)) => self.variables = format!("`{}`", names.replace(", ", "`, `")),
                Some(("default", value)) if value.contains(' ') => value.clone_into(&mut self.default),
                Some(("default", value)) => self.default = format!("`{value}`"),
                _ => panic!("{note}"),
            }
        }
    }
}

fn variables() -> String {
    let code = |words: &[&str]| format!("`{}`", words.join("`, `"));
    let mut text = String::from("| variable | read by | meaning |\n|---|---|---|\n");
    for variable in VARIABLES {
        let (names, read_by) = (code(variable.names), code(variable.read_by));
        let _ = writeln!(text, "| {names} | {read_by} | {} |", variable.meaning);
    }
    text
}

/// What the stages mean to users, by the comments on the blocks of the table.
fn stages() -> String {
    let docs = variants(&source("testrun/table.rs"), "Block");
    assert_eq!(docs.len(), Block::ALL.len());
    let mut text = String::from("| stage | what has happened |\n|---|---|\n");
    for (block, (variant, doc)) in Block::ALL.into_iter().zip(docs) {
        assert_eq!(format!("{block:?}"), variant, "the order of the variants is that of the list");
        let block = block.to_string();
        let name = if block.starts_with('(') { block } else { format!("`{}`", block.replace(", ", "`, `")) };
        let _ = writeln!(text, "| {name} | {doc} |");
    }
    text
}

/// The limits on waiting, in the order of the page.
#[test]
fn time_limits_are_those_of_the_code() {
    let section = section("time limits");
    let shown: Vec<&str> = rows(&section).map(|cells| cells[1]).collect();
    let limits = [
        spoken(facts::SETUP_TIME_MAX),
        spoken(facts::RUN_TIME_MAX),
        spoken(facts::STOP_PATIENCE),
        spoken(facts::DELETION_PATIENCE),
        spoken(facts::PODS_PATIENCE),
        spoken(facts::CLOUD_PATIENCE),
    ];
    assert_eq!(shown.len(), limits.len() + 1);
    for (shown, limit) in shown[1..].iter().zip(limits) {
        assert!(shown.starts_with(&limit), "{shown} is {limit} in the code");
    }
    let per_runner = format!("{} per runner", spoken(facts::PODS_PATIENCE_PER_RUNNER));
    assert!(shown[5].contains(&per_runner), "{} is {per_runner} in the code", shown[5]);
}

/// `90 s`, `30 min`, `4 h`, `180 s`: as the page writes it.
fn spoken(limit: Duration) -> String {
    match limit.as_secs() {
        seconds if seconds % 3600 == 0 => format!("{} h", seconds / 3600),
        seconds if seconds % 1800 == 0 => format!("{} min", seconds / 60),
        seconds => format!("{seconds} s"),
    }
}

fn conditions(table: &[ConditionReason]) -> String {
    let mut text = String::from("| condition | status | reason | meaning |\n|---|---|---|---|\n");
    let mut above = "";
    for ConditionReason { condition, status, reason, meaning } in table {
        let name = if *condition == above { String::new() } else { format!("`{condition}`") };
        let _ = writeln!(text, "| {name} | {status:?} | {} | {meaning} |", word(*reason));
        above = condition;
    }
    text
}

fn events() -> String {
    let mut text = String::from("| on | type | reason | meaning |\n|---|---|---|---|\n");
    for event in reasons::OF_EVENTS {
        let about = match event.about {
            About::Zone => "zone",
            About::TestRun => "run",
            About::Either => "zone, run",
        };
        let _ = writeln!(text, "| {about} | {:?} | {} | {} |", event.kind, word(event.reason), event.meaning);
    }
    text
}

fn word(word: Word) -> String {
    match word {
        Word::Is(reason) => format!("`{reason}`"),
        Word::Cause => "a [cause](#why-a-run-ends-early)".to_owned(),
        Word::Condition => "the condition's reason".to_owned(),
    }
}

fn causes() -> String {
    let docs = variants(&source("testrun/termination.rs"), "Cause");
    assert_eq!(docs.len(), Cause::ALL.len());
    let mut text = String::from("| cause | code | status | when |\n|---|---|---|---|\n");
    for (cause, (variant, doc)) in Cause::ALL.into_iter().zip(docs) {
        let reason = cause.reason();
        assert_eq!(reason, variant, "the order of the variants is that of the list");
        assert!(!doc.is_empty(), "{reason} has no doc comment");
        let events = Termination { cause, message: "why".to_owned() }.events();
        let told = events.iter().find_map(|event| match event {
            Event::Error { error_code, .. } => Some(error_code.number().to_string()),
            Event::Abort { .. } => None,
        });
        let code = told.as_deref().unwrap_or("–");
        let _ = writeln!(text, "| `{reason}` | {code} | {} | {doc} |", cause.finish_status().0);
    }
    text
}
