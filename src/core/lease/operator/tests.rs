//! The look-out on its own: what is believed of what was seen, when it is looked, and what follows from the answers.

use serde_json::json;

use super::super::record::Lease;
use super::*;

type Answer = Result<Vec<u8>, k8s::Error>;

const S: Duration = Duration::from_secs(1);
const MS: Duration = Duration::from_millis(1);

fn refused() -> Answer {
    let status = k8s::status::Status { code: 403, ..k8s::status::Status::default() };
    Err(k8s::Error::Api { status })
}

fn unreachable() -> Answer {
    Err(k8s::Error::Transport { server: "s".to_owned(), cause: "cut".to_owned() })
}

/// The look-out of an agent that works in all namespaces; an operator may be in `k6`.
struct Lookout(Operators);

/// Holder, version, seconds.
type Held = (&'static str, u64, u64);

fn named(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn operator_lease(namespace: &str, (holder, version, seconds): Held) -> serde_json::Value {
    json!({
        "metadata": {"name": NAME, "namespace": namespace, "uid": "u", "resourceVersion": version.to_string()},
        "spec": {"holderIdentity": holder, "leaseDurationSeconds": seconds, "renewTime": "2099-01-01T00:00:00.000000Z"},
    })
}

fn read_lease(namespace: &str, lease: Held) -> Lease {
    k8s::status::decode("it", operator_lease(namespace, lease).to_string().as_bytes()).unwrap()
}

fn looked(leases: &[Held]) -> Answer {
    let items: Vec<_> = leases.iter().map(|lease| operator_lease("k6", *lease)).collect();
    Ok(json!({ "items": items }).to_string().into_bytes())
}

impl Lookout {
    /// One that has listed nothing.
    fn new() -> Self {
        let mut lookout = Self(Operators::new(&[None], &named(&["k6"])));
        lookout.list(Duration::ZERO, &[], "1");
        lookout
    }

    fn list(&mut self, now: Duration, leases: &[Held], version: &str) {
        self.0.watched(now, None, WatchEvent::Listing);
        leases.iter().for_each(|lease| self.sees(now, *lease));
        self.0.watched(now, None, WatchEvent::Listed { resource_version: version.to_owned() });
    }

    fn sees(&mut self, now: Duration, lease: Held) {
        self.0.watched(now, None, WatchEvent::Applied(read_lease("k6", lease)));
    }

    fn fails(&mut self, now: Duration, answer: Answer) -> Option<String> {
        self.0.watched(now, None, WatchEvent::Failing(answer.unwrap_err()))
    }

    fn live(&self) -> Option<&str> {
        self.0.live().map(|(_, holder)| holder)
    }

    /// The look that is due at this time and not before.
    #[track_caller]
    fn asks(&mut self, now: Duration) -> ObjectKey {
        assert_eq!(self.0.next_deadline(), Some(now), "the next look");
        assert!(self.0.calls(now - MS).is_empty());
        let calls = self.0.calls(now);
        assert_eq!(calls.len(), 1, "at {now:?}");
        assert!(self.0.calls(now).is_empty(), "one look at a time");
        calls[0].0.clone()
    }

    /// That look and its answer; then whether an operator is live.
    #[track_caller]
    fn look(&mut self, now: Duration, answer: Answer, live: Option<&str>) {
        let place = self.asks(now);
        self.0.apply_reply(now, &place, answer);
        assert_eq!(self.live(), live, "at {now:?}");
    }
}

#[test]
fn where_no_operator_is_live_nothing_is_asked() {
    let mut lookout = Lookout(Operators::new(&[None], &named(&["k6"])));
    assert!(!lookout.0.is_answered());
    lookout.list(S, &[], "1");
    assert!(lookout.0.is_answered() && lookout.0.next_deadline().is_none());
    lookout.sees(2 * S, ("", 2, 15));
    assert_eq!((lookout.live(), lookout.0.next_deadline()), (None, None));
    lookout.sees(3 * S, ("op", 3, 15));
    assert_eq!((lookout.live(), lookout.0.next_deadline()), (Some("op"), Some(18 * S)));
    // It is given up.
    lookout.sees(4 * S, ("", 4, 1));
    assert_eq!((lookout.live(), lookout.0.next_deadline()), (None, None));
    // It is deleted.
    lookout.sees(5 * S, ("op", 5, 15));
    lookout.0.watched(6 * S, None, WatchEvent::Deleted(read_lease("k6", ("op", 5, 15))));
    assert_eq!((lookout.live(), lookout.0.next_deadline()), (None, None));
}

#[test]
fn a_lease_that_was_left_behind_costs_its_duration_once() {
    let mut lookout = Lookout::new();
    lookout.list(S, &[("old", 1, 15)], "1");
    assert_eq!(lookout.live(), Some("old"));
    // What a list or an echo repeats is no sign of life.
    lookout.list(9 * S, &[("old", 1, 15)], "2");
    lookout.look(16 * S, looked(&[("old", 1, 15)]), None);
    lookout.list(20 * S, &[("old", 1, 15)], "3");
    assert_eq!((lookout.live(), lookout.0.next_deadline()), (None, None));
    // It comes again.
    lookout.sees(26 * S, ("op2", 10, 15));
    assert_eq!(lookout.live(), Some("op2"));
}

/// Its events are lost, as on a connection that is dead and does not know it.
#[test]
fn an_operator_is_live_until_an_answer_says_otherwise() {
    let mut lookout = Lookout::new();
    for n in 1..10 {
        lookout.sees(S * n * 2, ("op", n.into(), 15));
    }
    assert_eq!(lookout.0.next_deadline(), Some(33 * S));
    lookout.look(33 * S, looked(&[("op", 16, 15)]), Some("op"));
    lookout.look(48 * S, unreachable(), Some("op"));
    lookout.look(53 * S, looked(&[("op", 18, 15)]), Some("op"));
    // Late, and twice.
    lookout.sees(54 * S, ("op", 12, 15));
    lookout.sees(54 * S, ("op", 18, 15));
    lookout.look(68 * S, looked(&[]), None);
}

#[test]
fn a_look_that_was_overtaken_counts_for_nothing() {
    let mut lookout = Lookout::new();
    lookout.sees(S, ("op", 5, 15));
    let place = lookout.asks(16 * S);
    lookout.sees(16 * S, ("op", 6, 15));
    lookout.0.apply_reply(17 * S, &place, looked(&[("op", 5, 15)]));
    assert_eq!((lookout.live(), lookout.0.next_deadline()), (Some("op"), Some(31 * S)));
    let place = lookout.asks(31 * S);
    lookout.sees(31 * S, ("op2", 8, 15));
    lookout.0.apply_reply(32 * S, &place, looked(&[]));
    assert_eq!(lookout.live(), Some("op2"));
    // A list that is older than what a look has shown.
    lookout.look(46 * S, looked(&[("op3", 20, 15)]), Some("op3"));
    lookout.list(47 * S, &[], "19");
    assert_eq!(lookout.live(), Some("op3"));
    lookout.list(48 * S, &[], "21");
    assert_eq!(lookout.live(), None);
}

#[test]
fn a_short_duration_does_not_make_us_busy_nor_a_long_one_wait_for_ever() {
    for (seconds, ends) in [(0, 16), (1, 16), (15, 16), (40, 41), (100_000, 61)] {
        let mut lookout = Lookout::new();
        lookout.sees(S, ("op", 1, seconds));
        assert_eq!(lookout.0.next_deadline(), Some(ends * S), "{seconds}");
    }
}

#[test]
fn a_refusal_counts_when_it_has_stood() {
    let mut lookout = Lookout(Operators::new(&[None], &named(&["k6"])));
    lookout.0.synced(S);
    for (second, answer) in [(1, refused()), (2, unreachable()), (3, refused()), (7, refused())] {
        assert_eq!(lookout.fails(S * second, answer), None);
        assert!(!lookout.0.is_answered());
    }
    let said = lookout.fails(8 * S, refused()).unwrap();
    assert!(lookout.0.is_answered() && said.contains("grant list and watch on leases"), "{said}");
    assert_eq!(lookout.fails(90 * S, refused()), None, "it is said once");
    // The right is granted, and there is one.
    lookout.0.watched(91 * S, None, WatchEvent::Recovered);
    lookout.list(91 * S, &[("op", 1, 15)], "1");
    assert_eq!(lookout.live(), Some("op"));

    // What is known of a live one is not unlearned by refusals that pass.
    for second in [100, 101, 104] {
        assert_eq!(lookout.fails(S * second, refused()), None);
    }
    let mut at = 106;
    for _ in 0..6 {
        lookout.look(S * at, refused(), Some("op"));
        at += 5;
    }
    lookout.look(S * at, looked(&[("op", 9, 15)]), Some("op"));
    at += 15;
    for _ in 0..6 {
        lookout.look(S * at, refused(), Some("op"));
        at += 5;
    }
    let place = lookout.asks(S * at);
    let said = lookout.0.apply_reply(S * at, &place, refused());
    assert!(said.is_some() && lookout.live().is_none() && lookout.0.is_answered(), "{said:?}");
    assert_eq!(lookout.fails(S * (at + 30), refused()), None, "it is said once");
}

/// An API server that is slow to learn its own roles refuses everything.
#[test]
fn a_refusal_counts_only_while_something_else_is_granted() {
    let mut lookout = Lookout(Operators::new(&[None], &named(&["k6"])));
    for second in [1, 3, 7, 15] {
        lookout.fails(S * second, refused());
        assert!(!lookout.0.is_answered());
    }
    lookout.0.synced(16 * S);
    assert!(!lookout.0.is_answered());
    lookout.fails(31 * S, refused());
    assert!(lookout.0.is_answered());
}

#[test]
fn what_the_watch_alone_is_refused_is_told_too() {
    let mut lookout = Lookout::new();
    for second in [1, 3, 20, 31, 40] {
        lookout.list(S * second, &[], "1");
        assert_eq!(lookout.fails(S * second, refused()).is_some(), second == 31);
    }
    assert!(lookout.0.is_answered());
}

#[test]
fn leases_of_other_names_or_places_are_not_the_operators() {
    let mut lookout = Lookout::new();
    let mut other = read_lease("k6", ("op", 1, 15));
    other.metadata.name = "x".to_owned();
    lookout.0.watched(S, None, WatchEvent::Applied(other));
    assert_eq!((lookout.live(), lookout.0.elsewhere(S)), (None, 0));
    for (second, version) in (1..100u32).zip(1..) {
        lookout.0.watched(S * second, None, WatchEvent::Applied(read_lease("team", ("op", version, 15))));
        assert_eq!((lookout.live(), lookout.0.elsewhere(S * second)), (None, 1));
        assert_eq!(lookout.0.line(S * second).is_some(), second == 1);
        assert!(lookout.0.next_deadline().is_none() && lookout.0.calls(S * second).is_empty());
    }
    lookout.0.watched(100 * S, None, WatchEvent::Deleted(read_lease("team", ("op", 1, 15))));
    assert_eq!(lookout.0.elsewhere(100 * S), 0);
}

#[test]
fn an_agent_of_some_namespaces_watches_these_and_those_that_count() {
    let check = |watched: &[Option<&str>], names: &[&str], expected: &[Option<&str>]| {
        let owned =
            |scopes: &[Option<&str>]| scopes.iter().map(|scope| scope.map(str::to_owned)).collect::<Vec<_>>();
        assert_eq!(scopes(&owned(watched), &named(names)), owned(expected));
    };
    check(&[None], &["k6", "k7"], &[None]);
    check(&[Some("b"), Some("a")], &["k6", "a"], &[Some("a"), Some("b"), Some("k6")]);

    // It waits for an answer about those that count.
    let mut operators = Operators::new(&[Some("a".to_owned())], &named(&["k6"]));
    operators.synced(S);
    operators.watched(S, Some("a"), WatchEvent::Listing);
    operators.watched(S, Some("a"), WatchEvent::Applied(read_lease("a", ("op", 1, 15))));
    operators.watched(S, Some("a"), WatchEvent::Listed { resource_version: "1".to_owned() });
    assert!(!operators.is_answered() && operators.elsewhere(S) == 1);
    let mut fails = |now| operators.watched(now, Some("k6"), WatchEvent::Failing(refused().unwrap_err()));
    assert_eq!(fails(S), None);
    let said = fails(6 * S).unwrap();
    assert!(said.contains("fcdfce80.io in namespace k6") && operators.is_answered(), "{said}");
}

#[test]
fn an_unreadable_lease_is_what_it_was() {
    let mut lookout = Lookout::new();
    lookout.sees(S, ("op", 5, 15));
    let malformed = |deleted| WatchEvent::Malformed {
        key: ObjectKey::new("k6", NAME),
        uid: "u".to_owned(),
        error: k8s::Error::Stopped,
        deleted,
    };
    lookout.0.watched(2 * S, None, WatchEvent::Listing);
    lookout.0.watched(2 * S, None, malformed(false));
    lookout.0.watched(2 * S, None, WatchEvent::Listed { resource_version: "9".to_owned() });
    assert_eq!(lookout.live(), Some("op"));
    lookout.0.watched(3 * S, None, malformed(true));
    assert_eq!(lookout.live(), None);
}

#[test]
fn many_places_are_looked_at_a_few_at_a_time() {
    let names: Vec<String> = (0..10).map(|n| format!("ns-{n}")).collect();
    let mut operators = Operators::new(&[None], &names.iter().cloned().collect());
    operators.watched(S, None, WatchEvent::Listing);
    for name in &names {
        operators.watched(S, None, WatchEvent::Applied(read_lease(name, ("op", 1, 15))));
    }
    let mut asked = 0;
    while operators.live().is_some() {
        let calls = operators.calls(16 * S);
        assert!((1..=LOOKS_MAX).contains(&calls.len()));
        assert_eq!((calls.len() == 4).then(|| operators.next_deadline()), (calls.len() == 4).then_some(None));
        asked += calls.len();
        for (place, _) in calls {
            operators.apply_reply(16 * S, &place, looked(&[]));
        }
    }
    assert_eq!(asked, 10);
}
