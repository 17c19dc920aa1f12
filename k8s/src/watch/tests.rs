//! The state machine, driven by scripts of answers.

use std::time::Duration;

use super::*;
use crate::meta::ObjectMeta;
use crate::resource::PODS;
use crate::status::interpret;

/// An object with a field that can be wrong, and one that can be large.
#[derive(Debug, Default)]
struct Thing {
    metadata: ObjectMeta,
    spec: ThingSpec,
}
crate::readable!(Thing { metadata: "metadata", spec: "spec" });

#[derive(Debug, Default)]
struct ThingSpec {
    size: u32,
    text: String,
}
crate::readable!(ThingSpec { size: "size", text: "text" });

/// A watcher, and what it has told in short: `[` listing, `]` listed, `…` overlong, `+a` applied, `~a` in part, `-a` deleted, `?a` malformed,
/// `!` failing, `*` recovered.
struct Bench {
    watcher: Watcher<Thing>,
    told: String,
}

impl Bench {
    fn new() -> Self {
        Self { watcher: Watcher::new(WatchSpec::new(PODS, None)), told: String::new() }
    }

    /// One that has listed up to version 10.
    fn watching() -> Self {
        let mut bench = Self::new();
        assert_eq!(bench.list(200, &list("10", "", &[thing("a")])), Step::Send);
        assert_eq!(bench.open(), Step::Read);
        bench.told.clear();
        bench
    }

    /// A page of a list and its end, or a refusal of it.
    fn list(&mut self, code: u16, body: &str) -> Step {
        if code != 200 {
            return self.refuse(code);
        }
        assert_eq!(self.open(), Step::Read);
        match self.read(body) {
            Step::Read => self.cut(Cut::End),
            other => other,
        }
    }

    fn open(&mut self) -> Step {
        self.step(|watcher, out| watcher.opened(Ok(()), out))
    }

    fn refuse(&mut self, code: u16) -> Step {
        self.step(|watcher, out| watcher.opened(interpret(code, None, Vec::new()).map(drop), out))
    }

    fn read(&mut self, text: &str) -> Step {
        self.step(|watcher, out| watcher.read(text.as_bytes(), out))
    }

    fn cut(&mut self, cut: Cut) -> Step {
        self.step(|watcher, out| watcher.cut(cut, out))
    }

    fn step(&mut self, act: impl FnOnce(&mut Watcher<Thing>, &mut Vec<WatchEvent<Thing>>) -> Step) -> Step {
        let mut out = Vec::new();
        let step = act(&mut self.watcher, &mut out);
        for event in out {
            self.told.push_str(&match event {
                WatchEvent::Listing => "[ ".to_owned(),
                WatchEvent::Listed { .. } => "] ".to_owned(),
                WatchEvent::Overlong(_) => "… ".to_owned(),
                WatchEvent::Applied(thing) => format!("+{} ", thing.metadata.name),
                WatchEvent::Partial { object, error } => format!("~{}:{error} ", object.metadata.name),
                WatchEvent::Deleted(thing) => format!("-{} ", thing.metadata.name),
                WatchEvent::Malformed { key, deleted: false, .. } => format!("?{key} "),
                WatchEvent::Malformed { key, deleted: true, .. } => format!("?-{key} "),
                WatchEvent::Failing(_) => "! ".to_owned(),
                WatchEvent::Recovered => "* ".to_owned(),
            });
        }
        step
    }

    fn told(&mut self, wanted: &str) {
        assert_eq!(std::mem::take(&mut self.told).trim_end(), wanted);
    }

    fn asks(&self, wanted: &str) {
        assert_eq!(self.watcher.request().target, format!("/api/v1/pods?{wanted}"));
    }
}

const FIRST_PAGE: &str = "limit=250";
const WAIT: Step = Step::Wait(Retry::Backoff);

fn since(version: &str) -> String {
    format!("watch=1&resourceVersion={version}&allowWatchBookmarks=true&timeoutSeconds=290")
}

fn thing(name: &str) -> String {
    format!(r#"{{"metadata":{{"name":"{name}"}}}}"#)
}

fn list(version: &str, next: &str, items: &[String]) -> String {
    let items = items.join(",");
    format!(r#"{{"metadata":{{"resourceVersion":"{version}","continue":"{next}"}},"items":[{items}]}}"#)
}

fn event(type_: &str, name: &str, version: &str) -> String {
    format!(
        r#"{{"type":"{type_}","object":{{"metadata":{{"name":"{name}","resourceVersion":"{version}"}}}}}}"#
    ) + "\n"
}

fn error(code: u16) -> String {
    format!(r#"{{"type":"ERROR","object":{{"kind":"Status","code":{code},"message":"no"}}}}"#) + "\n"
}

fn broken() -> Cut {
    Cut::Broken(Error::Transport { server: String::new(), cause: String::new() })
}

#[test]
fn pages_become_one_list_and_the_watch_begins_at_its_version() {
    let mut bench = Bench::new();
    bench.asks(FIRST_PAGE);
    assert_eq!(bench.list(200, &list("10", "p2", &[thing("a"), thing("b")])), Step::Send);
    bench.told("[ +a +b");
    bench.asks("limit=250&continue=p2");
    assert_eq!(bench.list(200, &list("10", "", &[thing("c")])), Step::Send);
    bench.told("+c ]");
    bench.asks(&since("10"));
    assert!(bench.watcher.is_watching());
}

#[test]
fn an_empty_list_may_say_null() {
    let mut bench = Bench::new();
    assert_eq!(
        bench.list(200, r#"{"metadata":{"resourceVersion":"3","continue":null},"items":null}"#),
        Step::Send
    );
    bench.told("[ ]");
    bench.asks(&since("3"));
}

#[test]
fn a_list_too_old_in_the_middle_begins_again() {
    let mut bench = Bench::new();
    let _ = bench.list(200, &list("10", "p2", &[thing("a")]));
    assert_eq!(bench.list(410, ""), Step::Send);
    bench.asks(FIRST_PAGE);
    // Twice in a row without anything useful in between is a reason to slow down.
    let _ = bench.list(200, &list("11", "p2", &[thing("a")]));
    assert_eq!(bench.list(410, ""), WAIT);
    let _ = bench.list(200, &list("12", "", &[thing("b")]));
    bench.told("[ +a [ +a [ +b ]");
}

#[test]
fn a_list_that_fails_is_told_and_tried_again_by_smaller_pages() {
    let mut bench = Bench::new();
    let _ = bench.list(200, &list("10", "p2", &[thing("a")]));
    assert_eq!(bench.list(500, ""), WAIT);
    bench.asks("limit=125&continue=p2");
    // A page that breaks off is asked for again, and what came of it was no lie.
    let _ = bench.open();
    let _ = bench.read(r#"{"metadata":{"resourceVersion":"10"},"items":[{"metadata":{"name":"b"}},{"meta"#);
    assert_eq!(bench.cut(broken()), WAIT);
    bench.asks("limit=62&continue=p2");
    for _ in 0..9 {
        assert_eq!(bench.list(504, ""), WAIT);
    }
    bench.asks("limit=1&continue=p2");
    assert_eq!(bench.list(200, &list("10", "p3", &[thing("b")])), Step::Send);
    bench.asks("limit=2&continue=p3");
    assert_eq!(bench.list(403, ""), WAIT);
    bench.asks("limit=2");
    assert_eq!(bench.list(200, "{"), WAIT);
    assert_eq!(bench.list(200, &list("10", "", &[thing("a")])), Step::Send);
    bench.told(&format!("[ +a ! +b ! {}+b ! [ ! [ +a * ]", "! ".repeat(9)));
}

#[test]
fn a_list_without_an_end_is_given_up_and_what_came_of_it_counts() {
    for token in ["p2".to_owned(), "x".repeat(CONTINUE_BYTES_MAX + 1)] {
        let mut bench = Bench::new();
        let _ = bench.list(200, &list("10", "p2", &[thing("a")]));
        assert_eq!(bench.list(200, &list("11", &token, &[thing("b")])), Step::Send);
        bench.told("[ +a +b …");
        bench.asks(&since("10"));
    }
    let mut bench = Bench::new();
    for n in 0..=EMPTY_PAGES_MAX {
        assert_eq!(bench.list(200, &list("10", &format!("p{n}"), &[])), Step::Send);
    }
    bench.told("[ …");
    bench.asks(&since("10"));
    // The watch works, and at its end it is seen whether the list has one now.
    assert_eq!(bench.open(), Step::Read);
    let _ = bench.read(&event("ADDED", "c", "11"));
    assert_eq!(bench.cut(Cut::End), WAIT);
    bench.asks(FIRST_PAGE);
    assert_eq!(bench.list(200, &list("12", "", &[])), Step::Send);
    bench.told("+c [ * ]");
}

#[test]
fn a_page_without_an_end_is_given_up_too() {
    let mut bench = Bench::new();
    assert_eq!(bench.open(), Step::Read);
    let _ = bench.read(r#"{"metadata":{"resourceVersion":"10"},"items":[{"metadata":{"name":"a"}}"#);
    bench.told("[ +a");
    if let State::List(list) = &mut bench.watcher.state {
        list.items = ITEMS_MAX - 1;
    }
    assert_eq!(bench.read(",{},{},{}"), WAIT);
    // No page has come to its end, so nothing says since when to watch.
    bench.asks(FIRST_PAGE);
    bench.told("+ …");
}

#[test]
fn a_list_that_takes_too_long_counts_as_far_as_it_came() {
    let overdue = || Cut::Overdue(Duration::from_secs(600));
    let mut bench = Bench::new();
    let _ = bench.list(200, &list("10", "p2", &[]));
    let _ = bench.open();
    assert_eq!(bench.cut(overdue()), WAIT);
    bench.asks("limit=125&continue=p2");
    let _ = bench.open();
    let _ = bench.read(r#"{"items":[{"metadata":{"name":"a"}},"#);
    assert_eq!(bench.cut(overdue()), Step::Send);
    bench.asks(&since("10"));
    bench.told("[ ! +a …");
}

#[test]
fn a_large_object_is_told_without_what_is_large() {
    let mut bench = Bench::new();
    let text = "x".repeat(300_000);
    let large = format!(r#"{{"metadata":{{"name":"a"}},"spec":{{"text":"{text}"}}}}"#);
    let _ = bench.list(200, &list("10", "", &[large.clone(), thing("b")]));
    let _ = bench.open();
    for type_ in ["MODIFIED", "DELETED"] {
        let _ = bench.read(&format!("{{\"type\":\"{type_}\",\"object\":{large}}}\n"));
    }
    bench.told(
        "[ ~a:with spec.text an object of 294 KiB is longer than 262144 bytes +b ] ~a:with spec.text an object of 294 KiB is longer \
         than 262144 bytes -a",
    );
    let many = format!(r#"{{"metadata":{{"name":"a"}},"spec":{{"text":[{}0]}}}}"#, "{},".repeat(9000));
    let _ = bench.read(&format!("{{\"type\":\"MODIFIED\",\"object\":{many}}}\n"));
    bench.told(
        "~a:with spec.text, of many small parts, what an object of 27 KiB takes in memory is longer than 524288 bytes",
    );
}

#[test]
fn whoever_reads_may_ask_for_everything_anew() {
    let mut bench = Bench::watching();
    bench.watcher.list_anew();
    bench.asks(FIRST_PAGE);
    let _ = bench.list(200, &list("20", "", &[]));
    bench.told("[ ]");
}

#[test]
fn the_server_may_name_the_pause() {
    let mut bench = Bench::new();
    let pause = Duration::from_secs(7);
    let refusal = interpret(429, Some(pause), Vec::new()).map(drop);
    let step = bench.step(|watcher, out| watcher.opened(refusal, out));
    assert_eq!(step, Step::Wait(Retry::After(pause)));
}

#[test]
fn events_are_told_and_move_the_version() {
    let mut bench = Bench::watching();
    let text = event("ADDED", "b", "11") + &event("MODIFIED", "b", "12") + &event("DELETED", "a", "13");
    assert_eq!(bench.read(&text), Step::Read);
    bench.told("+b +b -a");
    assert_eq!(bench.cut(Cut::End), Step::Send);
    bench.asks(&since("13"));
}

#[test]
fn any_cutting_of_the_stream_tells_the_same() {
    let text = event("ADDED", "b", "11") + &event("BOOKMARK", "", "12") + &event("DELETED", "é", "13");
    for at in 0..text.len() {
        let mut bench = Bench::watching();
        let (head, tail) = text.as_bytes().split_at(at);
        for piece in [head, tail] {
            assert_eq!(bench.step(|watcher, out| watcher.read(piece, out)), Step::Read);
        }
        bench.told("+b -é");
        bench.asks(&since("13"));
    }
}

#[test]
fn a_line_cut_off_is_dropped_and_asked_for_again() {
    let mut bench = Bench::watching();
    let (whole, half) = (event("ADDED", "b", "11"), event("ADDED", "c", "12"));
    let _ = bench.read(&(whole + &half[..20]));
    assert_eq!(bench.cut(broken()), Step::Send);
    bench.asks(&since("11"));
    let _ = bench.open();
    let _ = bench.read(&half);
    bench.told("+b +c");
}

#[test]
fn bookmarks_and_unknown_types_are_silent() {
    let mut bench = Bench::watching();
    let _ = bench.read(&(event("BOOKMARK", "", "40") + &event("SURPRISE", "x", "50")));
    bench.told("");
    bench.asks(&since("40"));
}

#[test]
fn the_version_never_goes_back() {
    let mut bench = Bench::watching();
    let _ =
        bench.read(&(event("ADDED", "b", "30") + &event("MODIFIED", "b", "9") + &event("ADDED", "c", "")));
    bench.told("+b +b +c");
    bench.asks(&since("30"));
    let _ = bench.read(&event("ADDED", "d", "opaque"));
    bench.asks(&since("opaque"));
}

#[test]
fn too_old_lists_again_whichever_way_it_is_said() {
    let mut bench = Bench::watching();
    assert_eq!(bench.read(&(error(410) + &event("ADDED", "late", "99"))), Step::Send);
    bench.asks(FIRST_PAGE);
    let _ = bench.list(200, &list("20", "", &[]));
    // Nothing useful came in between: a pause, or a server with no history at all would be asked in a tight loop.
    assert_eq!(bench.refuse(410), WAIT);
    bench.asks(FIRST_PAGE);
    bench.told("[ ]");
}

#[test]
fn other_errors_keep_the_place() {
    let mut bench = Bench::watching();
    assert_eq!(bench.read(&error(500)), WAIT);
    bench.asks(&since("10"));
    assert_eq!(bench.refuse(503), WAIT);
    bench.asks(&since("10"));
    assert_eq!(bench.open(), Step::Read);
    bench.told("! ! *");
}

#[test]
fn a_watch_refused_for_good_begins_with_a_list() {
    let mut bench = Bench::watching();
    assert_eq!(bench.refuse(400), WAIT);
    bench.asks(FIRST_PAGE);
    let _ = bench.list(200, &list("20", "", &[]));
    bench.told("! [ ]");
    let _ = bench.open();
    bench.told("*");
}

#[test]
fn silence_reopens_without_noise() {
    let mut bench = Bench::watching();
    assert_eq!(bench.cut(Cut::Silence), Step::Send);
    bench.asks(&since("10"));
    bench.told("");
}

#[test]
fn a_watch_dropped_again_and_again_slows_down() {
    let mut bench = Bench::watching();
    assert_eq!(bench.cut(Cut::End), Step::Send);
    let _ = bench.open();
    assert_eq!(bench.cut(Cut::End), WAIT);
    let _ = bench.open();
    assert_eq!(bench.cut(broken()), WAIT);
    let _ = bench.open();
    bench.told("! *");
    let _ = bench.read(&event("BOOKMARK", "", "11"));
    assert_eq!(bench.cut(Cut::End), Step::Send);
}

#[test]
fn a_line_that_is_no_event_lists_again() {
    let mut bench = Bench::watching();
    assert_eq!(bench.read("<html>\n"), WAIT);
    bench.asks(FIRST_PAGE);
    bench.told("!");
}

#[test]
fn one_bad_object_does_not_blind_the_watch() {
    let bad =
        r#"{"metadata":{"namespace":"ns","name":"bad","resourceVersion":"12"},"spec":{"size":"large"}}"#;
    let mut bench = Bench::new();
    let _ = bench.list(200, &list("10", "", &[thing("a"), bad.to_owned(), "7".to_owned(), thing("b")]));
    bench.told("[ +a ?ns/bad ? +b ]");
    let _ = bench.open();
    let line = |type_: &str| format!(r#"{{"type":"{type_}","object":{bad}}}"#) + "\n";
    let _ = bench.read(&(line("MODIFIED") + &line("DELETED") + &event("ADDED", "c", "13")));
    bench.told("?ns/bad ?-ns/bad +c");
    bench.asks(&since("13"));
}

/// The list may be permitted and the watch not.
#[test]
fn who_can_do_without_asks_rarely_while_the_rights_are_refused() {
    let rarely = Duration::from_secs(100);
    for is_listed in [false, true] {
        let spec = WatchSpec::new(PODS, None).with_fields("metadata.name=a").with_refused_pause(rarely);
        let mut bench = Bench { watcher: Watcher::new(spec), told: String::new() };
        let refuse = |bench: &mut Bench| {
            if is_listed {
                assert_eq!(bench.list(200, &list("10", "", &[thing("a")])), Step::Send);
                bench.asks(&format!("watch=1&fieldSelector=metadata.name%3Da&{}", &since("10")[8..]));
            }
            bench.refuse(403)
        };
        for _ in 0..REFUSALS_MAX {
            assert_eq!(refuse(&mut bench), WAIT);
            bench.asks("fieldSelector=metadata.name%3Da&limit=250");
        }
        assert_eq!(refuse(&mut bench), Step::Wait(Retry::After(rarely)));
        // An outage is no refusal.
        assert_eq!(bench.list(503, ""), WAIT);
        assert_eq!(refuse(&mut bench), WAIT);
    }
    let mut bench = Bench::new();
    assert!((0..20).all(|_| bench.refuse(403) == WAIT));
}
