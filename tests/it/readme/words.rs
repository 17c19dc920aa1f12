//! Words that users meet by name: each is explained on a page, and what is explained exists.

use std::collections::BTreeSet;

use plz_core::reasons::{self, Word};
use plz_core::testrun::termination::Cause;

use super::code::{is_camel_case, is_variable, literals, source, sources};
use super::pages::{quoted, rows, section};

/// Pieces of a message that are shorter than this are found anywhere and prove nothing.
const PIECE_BYTES_MIN: usize = 6;
/// There are at least so many messages to look up.
const MESSAGES_MIN: usize = 40;

#[test]
fn every_variable_is_described_and_every_description_has_its_variable() {
    let tables = ["options of run", "options of fetch", "other variables"].map(section);
    let described: BTreeSet<&str> =
        tables.iter().flat_map(|table| quoted(table)).filter(|word| is_variable(word)).collect();
    let config = ["config/input.rs", "config/mod.rs", "config/options.rs"].map(source);
    let read_by_code: BTreeSet<&str> = config
        .iter()
        .flat_map(|source| literals(source))
        // `FILE` and its like stand for values.
        .filter(|word| is_variable(word) && (word.contains('_') || matches!(*word, "KUBECONFIG" | "HOME")))
        .collect();
    assert_eq!(described, read_by_code, "docs/reference.md, then the configuration");
}

/// The table of reasons, which a page prints, has those that the code writes: conditions, their reasons, those of Events.
#[test]
fn every_reason_is_explained_and_every_explanation_has_its_reason() {
    let mut explained: BTreeSet<&str> = BTreeSet::new();
    for row in reasons::OF_ZONES.iter().chain(reasons::OF_TEST_RUNS) {
        explained.insert(row.condition);
        explained.extend(named(row.reason));
    }
    explained.extend(reasons::OF_EVENTS.iter().filter_map(|row| named(row.reason)));

    let writers = ["core/zone/conditions.rs", "core/testrun/conditions.rs"].map(source);
    let mut written: BTreeSet<&str> =
        writers.iter().flat_map(|source| literals(source)).filter(|word| is_camel_case(word)).collect();
    let sources = sources("src");
    for source in &sources {
        for form in ["Announcement::normal(\"", "Announcement::warning(\""] {
            written.extend(source.text.split(form).skip(1).filter_map(|rest| rest.split('"').next()));
        }
    }
    let types = ["core/api/zone.rs", "core/api/run/mod.rs"].map(source);
    let condition_types = types
        .iter()
        .flat_map(|source| source.split("/// Condition: ").skip(1))
        .filter_map(|rest| literals(rest).next());
    written.extend(condition_types);
    assert_eq!(explained, written, "the table of reasons, then what is written");
}

fn named(word: Word) -> Option<&'static str> {
    match word {
        Word::Is(reason) => Some(reason),
        Word::Cause | Word::Condition => None,
    }
}

/// A word in the text around those tables is one of them, or a kind of object.
#[test]
fn the_text_around_the_tables_speaks_of_what_exists() {
    let mut known: BTreeSet<&str> = Cause::ALL.into_iter().map(Cause::reason).collect();
    known.extend(["TestRun", "PrivateLoadZone"]);
    for row in reasons::OF_ZONES.iter().chain(reasons::OF_TEST_RUNS) {
        known.insert(row.condition);
        known.extend(named(row.reason));
    }
    known.extend(reasons::OF_EVENTS.iter().filter_map(|row| named(row.reason)));
    let text = section("words");
    let spoken: BTreeSet<&str> = quoted(&text).filter(|word| is_camel_case(word)).collect();
    assert_eq!(spoken.difference(&known).collect::<Vec<_>>(), Vec::<&&str>::new());
}

/// A message that users look up is one that the code can print: each piece between two `…` stands in a literal.
#[test]
fn every_message_to_look_up_is_one_of_the_code() {
    let sources: String =
        ["src", "k8s/src"].into_iter().flat_map(sources).map(|source| source.text).collect();
    // A literal that is continued on the next line is one text.
    let mut joined = String::new();
    for (at, part) in sources.split("\\\n").enumerate() {
        joined.push_str(if at == 0 { part } else { part.trim_start() });
    }
    let page = section("messages");
    let messages: Vec<&str> = rows(&page).filter_map(|cells| quoted(cells[0]).next()).collect();
    assert!(messages.len() > MESSAGES_MIN, "{}", messages.len());
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
