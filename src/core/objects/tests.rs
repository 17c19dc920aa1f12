//! News in every order, and lists that come piece by piece.

use super::*;
use crate::api::run::TestRun;

/// Test runs in a ledger.
#[derive(Default)]
struct Bench {
    runs: Objects<TestRun>,
    ledger: Ledger,
}

impl Bench {
    fn apply(&mut self, run: TestRun) -> bool {
        self.runs.apply(&mut self.ledger, run) == Taken::Stored
    }

    fn remove(&mut self, name: &str, uid: &str) -> bool {
        self.runs.remove(&mut self.ledger, &key(name), uid).is_some()
    }

    fn see(&mut self, scope: Option<&str>, event: WatchEvent<TestRun>) -> Absorbed<TestRun> {
        self.runs.absorb(&mut self.ledger, scope, event)
    }

    /// A whole list; the names of what it proves to be gone.
    fn list(&mut self, scope: Option<&str>, runs: Vec<TestRun>, version: u64) -> Vec<String> {
        self.see(scope, WatchEvent::Listing);
        runs.into_iter().for_each(|run| drop(self.see(scope, WatchEvent::Applied(run))));
        let gone = self.see(scope, WatchEvent::Listed { resource_version: version.to_string() }).gone;
        gone.into_iter().map(|(key, _)| key.name).collect()
    }

    fn known(&self, name: &str) -> Option<(String, u128)> {
        self.runs.find(&key(name)).map(|run| (run.uid().to_owned(), run.version()))
    }
}

fn run(name: &str, uid: &str, version: u64) -> TestRun {
    let json = serde_json::json!({
        "metadata": {"name": name, "namespace": "ns", "uid": uid, "resourceVersion": version.to_string()},
        "spec": {"testRunId": "1"}
    });
    serde_json::from_value(json).unwrap()
}

fn plain(name: &str, uid: &str, version: u64) -> TestRun {
    let mut run = run(name, uid, version);
    run.spec.test_run_id.clear();
    run
}

fn key(name: &str) -> ObjectKey {
    ObjectKey { namespace: "ns".into(), name: name.into() }
}

#[test]
fn an_older_version_does_not_replace_a_later_one() {
    let mut bench = Bench::default();
    assert!(bench.apply(run("a", "1", 5)));
    assert!(!bench.apply(run("a", "1", 4)));
    assert_eq!(bench.known("a"), Some(("1".into(), 5)));
}

#[test]
fn a_deleted_object_does_not_come_back_but_its_successor_does() {
    let mut bench = Bench::default();
    bench.apply(run("a", "1", 5));
    assert!(bench.remove("a", "1"));
    assert!(!bench.apply(run("a", "1", 6)));
    assert!(bench.apply(run("a", "2", 7)));
    assert!(!bench.remove("a", "1"));
    assert_eq!(bench.known("a"), Some(("2".into(), 7)));
}

#[test]
fn a_list_older_than_an_answer_does_not_undo_it() {
    let mut bench = Bench::default();
    bench.apply(run("made", "1", 9));
    bench.apply(run("gone", "2", 3));
    assert_eq!(bench.list(None, vec![run("other", "3", 4)], 8), ["gone"]);
    assert!(bench.known("made").is_some() && bench.known("other").is_some());
}

#[test]
fn an_answer_within_a_list_does_not_stand_for_it() {
    let mut bench = Bench::default();
    bench.list(None, vec![run("a", "1", 1)], 2);
    bench.see(None, WatchEvent::Listing);
    bench.apply(run("a", "1", 3));
    let listed = WatchEvent::Listed { resource_version: "8".to_owned() };
    assert_eq!(bench.see(None, listed).gone.len(), 1);
}

#[test]
fn a_list_of_one_namespace_says_nothing_about_another() {
    let mut bench = Bench::default();
    bench.list(Some("ns"), vec![run("a", "1", 1)], 2);
    assert_eq!(bench.list(Some("elsewhere"), Vec::new(), 8), Vec::<String>::new());
    assert_eq!(bench.list(Some("ns"), Vec::new(), 8), ["a"]);
}

#[test]
fn a_list_that_begins_anew_proves_nothing_until_it_is_complete() {
    let mut bench = Bench::default();
    bench.list(None, vec![run("a", "1", 1), run("b", "2", 1)], 2);
    bench.see(None, WatchEvent::Listing);
    bench.see(None, WatchEvent::Applied(run("a", "1", 1)));
    assert!(bench.known("b").is_some());
    assert_eq!(bench.list(None, vec![run("b", "2", 1)], 8), ["a"]);
}

#[test]
fn what_is_there_and_cannot_be_read_is_not_gone() {
    let malformed = |name: &str, uid: &str, deleted| WatchEvent::Malformed {
        key: key(name),
        uid: uid.to_owned(),
        error: k8s::Error::Stopped,
        deleted,
    };
    let mut bench = Bench::default();
    bench.list(None, vec![run("a", "1", 1), run("b", "2", 1)], 2);
    bench.see(None, WatchEvent::Listing);
    bench.see(None, malformed("a", "1", false));
    bench.see(None, malformed("b", "another", false));
    let listed = bench.see(None, WatchEvent::Listed { resource_version: "8".to_owned() });
    assert_eq!(listed.gone.into_iter().map(|(key, _)| key.name).collect::<Vec<_>>(), ["b"]);
    assert_eq!(bench.see(None, malformed("a", "1", true)).gone.len(), 1);
}

#[test]
fn what_is_nobodys_run_takes_no_room_unless_it_was_one() {
    let mut bench = Bench::default();
    assert_eq!(bench.list(None, vec![plain("a", "1", 1)], 2), Vec::<String>::new());
    assert_eq!((bench.known("a"), bench.ledger.total()), (None, 0));
    bench.see(None, WatchEvent::Applied(run("a", "1", 3)));
    bench.see(None, WatchEvent::Applied(plain("a", "1", 4)));
    assert_eq!(bench.known("a"), Some(("1".to_owned(), 4)));
}

#[test]
fn beyond_the_share_nothing_gets_in_and_nothing_known_is_lost() {
    let mut bench = Bench::default();
    let mut refused = 0;
    for n in 0..2000 {
        let absorbed = bench.see(None, WatchEvent::Applied(run(&format!("run-{n}"), &n.to_string(), 1)));
        refused += usize::from(absorbed.no_room.is_some());
    }
    let held = 2000 - refused;
    assert!(held > 300 && refused > 300, "{held} held");
    assert!(bench.known("run-0").is_some() && bench.known("run-1999").is_none());
    // What is known goes on to be told, and who goes makes room.
    assert!(bench.apply(run("run-0", "0", 2)));
    let mut large = run("run-0", "0", 3);
    large.spec.arguments = "x".repeat(crate::limits::NAMESPACE_BYTES_MAX);
    assert!(!bench.apply(large));
    assert_eq!(bench.known("run-0"), Some(("0".to_owned(), 2)));
    assert!(bench.remove("run-0", "0") && bench.apply(run("run-1999", "1999", 2)));
    assert_eq!(bench.list(None, Vec::new(), 9).len(), held);
    assert_eq!(bench.ledger.total(), 0);
}

#[test]
fn a_list_that_goes_on_and_on_counts_as_far_as_it_came_and_proves_nothing_gone() {
    let mut bench = Bench::default();
    assert_eq!(bench.list(None, vec![run("a", "1", 5)], 9), Vec::<String>::new());
    bench.see(None, WatchEvent::Listing);
    bench.see(None, WatchEvent::Applied(run("b", "2", 10)));
    let absorbed = bench.see(None, WatchEvent::Overlong(k8s::Error::Stopped));
    assert!(absorbed.gone.is_empty() && bench.known("a").is_some() && bench.known("b").is_some());
    let mut first = Bench::default();
    first.see(None, WatchEvent::Listing);
    assert!(!first.runs.has_listed(&None));
    first.see(None, WatchEvent::Overlong(k8s::Error::Stopped));
    assert!(first.runs.has_listed(&None));
}
