//! Lists: their pages, their ends, and those that have none.

use super::super::listing::{CONTINUE_BYTES_MAX, EMPTY_PAGES_MAX, ITEMS_MAX};
use super::*;

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
