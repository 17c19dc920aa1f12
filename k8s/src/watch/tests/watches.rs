//! Watches: what lines tell, and how each end goes on.

use super::*;

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

#[test]
fn the_parts_of_a_line_may_come_in_any_order() {
    let mut bench = Bench::watching();
    let text = r#"{"object":{"kind":"Thing","metadata":{"name":"b","resourceVersion":"11"}},"more":[1],"type":"ADDED"}"#;
    assert_eq!(bench.read(text), Step::Read);
    bench.told("+b");
    bench.asks(&since("11"));
    assert_eq!(bench.read(r#"{"type":"ADDED"}"#), WAIT);
    bench.told("!");
}
