//! Whether the agent is ready, in a word and in a sentence: what the watches have seen so far, and what the agent's role is.
//!
//! Owns the words of `/readyz`. Leaves alone who asks. Invariant: an agent that was ready stays so; a watch that goes blind
//! later is said, not punished, since nobody else would see better, and restarting the agent would not mend it.

use plz_core::event::{News, Seen};
use plz_core::lease::Role;
use plz_core::watched;

/// What an agent can be there for, as the labels of a metric.
pub const ROLES: [&str; 4] = ["starting", "active", "standby", "waits_for_operator"];

/// Which of [`ROLES`] it is.
#[must_use]
pub fn role_label(role: &Role) -> &'static str {
    match role {
        Role::Starting => ROLES[0],
        Role::Active => ROLES[1],
        Role::Standby { .. } => ROLES[2],
        Role::WaitsForOperator { .. } => ROLES[3],
    }
}

/// One watch, as far as it has come.
#[derive(Clone, Debug)]
struct Watch {
    resource: &'static str,
    scope: Option<String>,
    has_listed: bool,
    is_failing: bool,
}

/// All watches.
#[derive(Clone, Debug)]
pub struct Watches {
    watches: Vec<Watch>,
}

impl Watches {
    /// The watches over these namespaces, `None` for all of them, before they have seen anything; `lookout` is those of the
    /// watches on k6-operator's Lease. Whether one of these may be done without is part of the agent's role.
    #[must_use]
    pub fn new(scopes: &[Option<String>], lookout: &[Option<String>]) -> Self {
        let mut watches = Vec::new();
        for resource in watched::RESOURCES {
            let has_listed = resource == k8s::LEASES.plural;
            for scope in if has_listed { lookout } else { scopes } {
                watches.push(Watch { resource, scope: scope.clone(), has_listed, is_failing: false });
            }
        }
        Self { watches }
    }

    /// Notes what a watch has seen.
    pub fn note(&mut self, scope: Option<&str>, seen: &Seen) {
        let resource = seen.plural();
        let known = self.watches.iter_mut();
        let mut these = known.filter(|watch| watch.resource == resource && watch.scope.as_deref() == scope);
        if let Some(watch) = these.next() {
            match seen.news() {
                News::Listed => (watch.has_listed, watch.is_failing) = (true, false),
                // What was read of the list is served.
                News::Overlong(_) => (watch.has_listed, watch.is_failing) = (true, true),
                News::Failing(_) => watch.is_failing = true,
                News::Recovered => watch.is_failing = false,
                News::Malformed { .. } | News::Object => {}
            }
        }
    }

    /// How many watches on a resource are blind for now.
    #[must_use]
    pub fn failing(&self, resource: &str) -> usize {
        self.watches.iter().filter(|watch| watch.is_failing && watch.resource == resource).count()
    }

    /// Whether the agent is ready, and what there is to say. One that is ready to take over is as ready as one that acts.
    /// What is wrong with the Lease is said of one that does not act: it is why.
    pub fn readiness(&self, role: &Role, lease_problem: Option<&str>) -> Result<String, String> {
        let failing = self.names(|watch| watch.is_failing);
        let mut failing = match failing.as_str() {
            "" => String::new(),
            names => format!("; currently blind, see the log: the watch on {names}"),
        };
        if let Some(problem) = lease_problem.filter(|_| !role.is_active()) {
            failing = format!("{failing}; the Lease cannot be used: {problem}");
        }
        match self.names(|watch| !watch.has_listed).as_str() {
            "" if *role == Role::Starting => {
                Err(format!("waiting for the API server to answer for the leases{failing}"))
            }
            "" => Ok(format!("ready: {role}{failing}")),
            names => Err(format!("waiting for the API server to list {names}{failing}")),
        }
    }

    /// `testruns, pods`: the resources of the watches that are meant, each once.
    fn names(&self, is_meant: impl Fn(&Watch) -> bool) -> String {
        let of_resource =
            |resource: &&str| self.watches.iter().any(|w| w.resource == *resource && is_meant(w));
        watched::RESOURCES.into_iter().filter(of_resource).collect::<Vec<_>>().join(", ")
    }
}

#[cfg(test)]
mod tests {
    use k8s::WatchEvent;

    use super::*;

    fn empty<T>() -> WatchEvent<T> {
        WatchEvent::Listed { resource_version: "1".to_owned() }
    }

    fn failing<T>() -> WatchEvent<T> {
        WatchEvent::Failing(k8s::Error::Stopped)
    }

    #[test]
    fn ready_with_the_first_list_of_every_watch() {
        let mut watches = Watches::new(&[Some("a".to_owned()), Some("b".to_owned())], &[None]);
        let waiting = |names: &str| Err(format!("waiting for the API server to list {names}"));
        assert_eq!(watches.readiness(&Role::Active, None), waiting("privateloadzones, testruns, pods"));
        for scope in ["a", "b"] {
            watches.note(Some(scope), &Seen::Zone(empty()));
            watches.note(Some(scope), &Seen::Pod(empty()));
        }
        watches.note(Some("a"), &Seen::Run(empty()));
        watches.note(None, &Seen::Run(empty()));
        assert_eq!(watches.readiness(&Role::Active, None), waiting("testruns"));
        watches.note(Some("b"), &Seen::Run(empty()));
        let holder = "b".to_owned();
        let standby = Role::Standby { holder: holder.clone() };
        let waits = Role::WaitsForOperator { namespace: "ops".to_owned(), holder };
        for role in [Role::Active, standby, waits] {
            assert_eq!(watches.readiness(&role, None), Ok(format!("ready: {role}")));
        }
        let waiting = "waiting for the API server to answer for the leases".to_owned();
        assert_eq!(watches.readiness(&Role::Starting, None), Err(waiting.clone()));
        let problem = Some("forbidden; grant get");
        let said = Err(format!("{waiting}; the Lease cannot be used: forbidden; grant get"));
        assert_eq!(watches.readiness(&Role::Starting, problem), said);
        assert_eq!(watches.readiness(&Role::Active, problem), Ok("ready: active".to_owned()));
    }

    #[test]
    fn a_watch_that_goes_blind_is_said_until_it_sees_again() {
        let mut watches = Watches::new(&[None], &[None]);
        watches.note(None, &Seen::Zone(empty()));
        watches.note(None, &Seen::Run(empty()));
        watches.note(None, &Seen::Pod(failing()));
        let said = watches.readiness(&Role::Active, None).unwrap_err();
        assert!(said.ends_with("list pods; currently blind, see the log: the watch on pods"), "{said}");
        watches.note(None, &Seen::Pod(empty()));
        watches.note(None, &Seen::Run(failing()));
        let said = watches.readiness(&Role::Active, None).unwrap();
        assert!(
            said.starts_with("ready: active; currently blind") && said.ends_with("watch on testruns"),
            "{said}"
        );
        assert_eq!(watched::RESOURCES.map(|resource| watches.failing(resource)), [0, 1, 0, 0]);
        watches.note(None, &Seen::Run(WatchEvent::Recovered));
        watches.note(None, &Seen::Operator(failing()));
        let said = watches.readiness(&Role::Active, None).unwrap();
        assert!(said.ends_with("currently blind, see the log: the watch on leases"), "{said}");
        watches.note(None, &Seen::Operator(WatchEvent::Recovered));
        assert_eq!(watches.readiness(&Role::Active, None), Ok("ready: active".to_owned()));
    }

    #[test]
    fn a_list_that_goes_on_and_on_is_said_and_holds_up_nobody() {
        let mut watches = Watches::new(&[None], &[None]);
        watches.note(None, &Seen::Zone(empty()));
        watches.note(None, &Seen::Pod(empty()));
        watches.note(None, &Seen::Run(WatchEvent::Overlong(k8s::Error::Stopped)));
        let said = watches.readiness(&Role::Active, None).unwrap();
        assert!(
            said.starts_with("ready: active; currently blind") && said.ends_with("watch on testruns"),
            "{said}"
        );
        watches.note(None, &Seen::Run(empty()));
        assert_eq!(watches.readiness(&Role::Active, None), Ok("ready: active".to_owned()));
    }
}
