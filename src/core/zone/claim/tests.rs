use serde_json::{Value, json};

use super::*;
use crate::api::zone::FINALIZER;
use crate::cloud::Registration;

const S: Duration = Duration::from_secs(1);
const NOW: Duration = Duration::from_secs(1000);

/// A zone of the name `edge` with what tells it apart.
struct Zone {
    object: PrivateLoadZone,
    state: Option<ZoneState>,
    token: TokenState,
}

fn zone(namespace: &str, created: &str) -> Zone {
    let object = json!({
        "metadata": {"name": "edge", "namespace": namespace, "creationTimestamp": created},
        "spec": {"token": "t", "resources": {"limits": {"cpu": "1", "memory": "1Gi"}}},
    });
    Zone { object: serde_json::from_value(object).unwrap(), state: None, token: TokenState::default() }
}

fn older() -> Zone {
    zone("b", "2026-01-01T00:00:00Z")
}

fn younger() -> Zone {
    zone("a", "2026-01-02T00:00:00Z")
}

impl Zone {
    fn registered(mut self) -> Self {
        let status = json!({"conditions": [{"type": "PLZRegistered", "status": "True"}]});
        self.object.status = serde_json::from_value(status).unwrap();
        self
    }

    fn with(mut self, part: &str, value: &Value) -> Self {
        let mut object = serde_json::to_value(&self.object).unwrap();
        for (field, value) in value.as_object().unwrap() {
            object[part][field] = value.clone();
        }
        self.object = serde_json::from_value(object).unwrap();
        self
    }

    fn accepted(mut self, at: Duration) -> Self {
        let _ = self.token.accept(at);
        self
    }

    fn refused(mut self, at: Duration) -> Self {
        self.token.refuse(at, &ObjectKey::new("ns", "t"), "401");
        self
    }

    fn missing(mut self, at: Duration) -> Self {
        let gone = k8s::status::interpret(404, None, b"{}".to_vec());
        assert!(!self.token.apply_reply(at, &ObjectKey::new("ns", "t"), gone));
        self
    }

    fn unread(mut self, at: Duration) -> Self {
        let away = Err(k8s::Error::Transport { server: "s".into(), cause: "refused".into() });
        assert!(!self.token.apply_reply(at, &ObjectKey::new("ns", "t"), away));
        self
    }

    fn remembered(mut self, change: impl FnOnce(&mut ZoneState)) -> Self {
        let mut state = ZoneState::new("u", Duration::ZERO, 0);
        change(&mut state);
        self.state = Some(state);
        self
    }

    fn claim(&self) -> Option<Claim<'_>> {
        Claim::of(&self.object, self.state.as_ref(), Some(&self.token), NOW)
    }
}

/// Which of two keeps the name from the other: the first, the second, or neither.
#[track_caller]
fn check(first: &Zone, second: &Zone, wanted: &str) {
    let (one, other) = (first.claim().unwrap(), second.claim().unwrap());
    let found = match (one.holds_against(&other), other.holds_against(&one)) {
        (true, false) => "first",
        (false, true) => "second",
        (false, false) => "neither",
        (true, true) => "both",
    };
    assert_eq!(found, wanted, "{one:?}\n{other:?}");
}

#[test]
fn of_two_that_are_new_the_better_token_counts_then_age_then_the_namespace() {
    check(&older(), &younger(), "first");
    check(&zone("a", "2026-01-01T00:00:00Z"), &older(), "first");
    check(&older(), &younger().accepted(S), "second");
    check(&older().accepted(2 * S), &younger().accepted(S), "first");
    // An API server that does not answer says nothing of a token.
    check(&older().unread(S), &younger(), "first");
}

#[test]
fn who_has_no_valid_token_holds_no_name() {
    for squatter in [
        older().missing(S),
        older().refused(S),
        older().with("spec", &json!({"token": ""})),
        older().with("spec", &json!({"resources": {}})),
        older().remembered(|state| state.registration_refused = true),
    ] {
        check(&squatter, &younger(), "second");
        check(&squatter, &younger().accepted(S), "second");
        check(&squatter, &younger().registered(), "second");
        // Both try, for a refusal may pass.
        check(&squatter, &younger().refused(S), "neither");
    }
}

#[test]
fn who_is_registered_keeps_the_name_from_who_is_not() {
    let known = |zone: Zone| {
        let registration = Registration {
            name: String::new(),
            cpu: String::new(),
            memory: String::new(),
            image: None,
            provider_id: String::new(),
        };
        zone.remembered(|state| state.registered = Some(registration))
    };
    for owner in [younger().registered(), known(younger())] {
        check(&older(), &owner, "second");
        check(&older().accepted(S), &owner, "second");
    }
    // A token that is rotated, or refused for want of anything better to say.
    check(&older().accepted(NOW - S), &younger().registered().refused(NOW - 299 * S), "second");
    check(&older().accepted(NOW - S), &younger().registered().missing(NOW - 299 * S), "second");
    // And one that is refused for long, unless GCk6 takes that of the other and refuses it all the same.
    let lapsed = || younger().registered().refused(NOW - 300 * S);
    check(&older(), &lapsed(), "second");
    check(&older().refused(S), &lapsed(), "second");
    check(&older().accepted(NOW - S), &lapsed(), "second");
    let gives_up = |owner: &Zone, other: &Zone| {
        let (owner, other) = (owner.claim().unwrap(), other.claim().unwrap());
        // Both wait for the other until the one has written that it is not registered any more.
        assert!(other.holds_against(&owner) && owner.holds_against(&other), "{owner:?}\n{other:?}");
    };
    gives_up(&lapsed().refused(NOW), &older().accepted(NOW - S));
    gives_up(&younger().registered().missing(NOW - 400 * S).missing(NOW), &older().accepted(NOW - S));
}

#[test]
fn of_two_that_are_registered_one_gives_up() {
    let both = |first: Zone, second: Zone, wanted| check(&first.registered(), &second.registered(), wanted);
    // As two organisations may have had them before this agent came.
    both(older(), younger(), "neither");
    both(older().accepted(S), younger().accepted(S), "neither");
    // GCk6 lists one test run to both.
    let contends = |zone: Zone| zone.remembered(|state| state.contends = true);
    both(contends(older()).accepted(S), contends(younger()).accepted(S), "first");
    both(contends(older()), contends(younger()).accepted(S), "neither");
    both(contends(older()).accepted(S), younger().accepted(S), "neither");
    both(older().refused(NOW - 300 * S).refused(NOW), younger().accepted(S), "second");
}

#[test]
fn who_is_deleted_holds_its_name_until_it_is_deregistered() {
    let deleting = || older().with("metadata", &json!({"deletionTimestamp": "2026-01-03T00:00:00Z"}));
    let with_finalizer = |zone: Zone| zone.with("metadata", &json!({"finalizers": [FINALIZER]}));
    assert!(deleting().claim().is_none() && with_finalizer(deleting()).claim().is_none());
    assert!(deleting().registered().claim().is_none());
    check(&with_finalizer(deleting()).registered(), &younger().accepted(S), "first");
    assert!(!with_finalizer(deleting()).registered().claim().unwrap().stays());
}

#[test]
fn what_stays_of_a_name_when_a_zone_goes() {
    assert!(older().registered().claim().unwrap().stays());
    assert!(older().registered().refused(NOW).claim().unwrap().stays());
    assert!(!older().registered().refused(NOW - 300 * S).claim().unwrap().stays());
    assert!(!older().accepted(S).claim().unwrap().stays());
}

#[test]
fn the_first_of_those_that_keep_it_has_it() {
    let own = younger();
    let own = own.claim().unwrap();
    let others =
        [zone("c", "2026-01-01T00:00:00Z").registered().refused(NOW - S), older(), older().missing(S)];
    let holder = own.holder(others.iter().filter_map(Zone::claim)).unwrap();
    assert_eq!(holder.zone, ObjectKey::new("c", "edge"));
    assert_eq!(holder.lapses_at, Some(NOW + 299 * S));
    let holder = own.holder(others[1..].iter().filter_map(Zone::claim)).unwrap();
    assert_eq!((holder.zone, holder.lapses_at), (ObjectKey::new("b", "edge"), None));
    assert_eq!(own.holder(others[2..].iter().filter_map(Zone::claim)), None);
}
