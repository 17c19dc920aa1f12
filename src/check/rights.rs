//! The rights that the agent uses, as a table: what `check` asks for, and what the shipped rules are compared with.
//!
//! Owns which verb is used on what, where, and when. Leaves alone the asking. Invariant: a right that is not in the table is
//! not in the shipped rules, and the other way round; a test compares them.

use k8s::{ADMISSION_POLICY_BINDINGS, Attributes, EVENTS, JOBS, LEASES, PODS, Resource, SECRETS};

use super::finding::{Check, Finding};
use plz_core::api;

/// Where a right is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// In every namespace that is worked in.
    Watched,
    /// Wherever k6-operator's Lease is watched: there, and where the administrator says that it may be.
    Lookout,
    /// In no namespace: it is about an object of the cluster.
    Cluster,
    /// In the agent's own namespace.
    Own,
    /// Where the Lease of the election is; in the cluster that is the agent's own namespace too.
    Lease,
}

/// When a right is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// Always.
    Always,
    /// Where the agent works in all namespaces.
    ClusterWide,
    /// Where runners are reached through the API server.
    ProxyAccess,
    /// Where the agent's own pod tells the image of the init container.
    OwnImage,
    /// With `--lease`.
    Elects,
}

/// The one object that a right is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Named {
    /// It is about all of them.
    Any,
    /// The admission policy for test runs.
    Policy,
    /// The Lease of k6-operator.
    Operator,
    /// The Lease of the election.
    Lease,
}

/// What becomes of the agent without a right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Without {
    /// It does not work.
    Fails,
    /// It works; the text says what is amiss.
    Lacks(&'static str),
}

/// Rights on one resource.
#[derive(Clone, Copy, Debug)]
pub struct Right {
    /// The resource.
    pub resource: Resource,
    /// `status`, `proxy`, or empty.
    pub subresource: &'static str,
    /// The verbs.
    pub verbs: &'static [&'static str],
    /// Which object.
    pub named: Named,
    /// Where.
    pub place: Place,
    /// When.
    pub when: When,
    /// What if not.
    pub without: Without,
}

const ENFORCED: Without = Without::Lacks(
    "needed where the admission plugin OwnerReferencesPermissionEnforcement is on, as on OpenShift",
);
const SILENT: Without = Without::Lacks(
    "there will be no Kubernetes Events about zones and runs, and no word of why a runner's pod is refused",
);

const ZONES: Resource = api::zone::RESOURCE;
const RUNS: Resource = api::run::RESOURCE;

const POLICIES: Resource = ADMISSION_POLICY_BINDINGS;

const BLIND: Without =
    Without::Lacks("a live k6-operator cannot be noticed, and both would start every test run");

const UNSEEN: Without =
    Without::Lacks("`check` cannot tell whether the admission policy for test runs is there");

/// All of them.
#[rustfmt::skip]
pub const RIGHTS: [Right; 16] = [
    //    resource  subresource   verbs                                                      named            place           when               without
    right(ZONES,   "",           &["list", "watch", "patch"],                                Named::Any,      Place::Watched, When::Always,      Without::Fails),
    right(ZONES,   "status",     &["patch"],                                                 Named::Any,      Place::Watched, When::Always,      Without::Fails),
    right(ZONES,   "finalizers", &["update"],                                                Named::Any,      Place::Watched, When::Always,      ENFORCED),
    right(RUNS,    "",           &["get", "list", "watch", "create", "patch", "delete"],     Named::Any,      Place::Watched, When::Always,      Without::Fails),
    right(RUNS,    "status",     &["patch"],                                                 Named::Any,      Place::Watched, When::Always,      Without::Fails),
    right(RUNS,    "finalizers", &["update"],                                                Named::Any,      Place::Watched, When::Always,      ENFORCED),
    right(JOBS,    "",           &["get", "create", "delete"],                               Named::Any,      Place::Watched, When::Always,      Without::Fails),
    right(PODS,    "",           &["list", "watch"],                                         Named::Any,      Place::Watched, When::Always,      Without::Fails),
    right(PODS,    "proxy",      &["get", "create", "update", "patch"],                      Named::Any,      Place::Watched, When::ProxyAccess, Without::Fails),
    right(SECRETS, "",           &["get", "create"],                                         Named::Any,      Place::Watched, When::Always,      Without::Fails),
    right(EVENTS,  "",           &["list", "create"],                                        Named::Any,      Place::Watched, When::Always,      SILENT),
    right(LEASES,  "",           &["list", "watch"],                                         Named::Operator, Place::Lookout, When::Always,      BLIND),
    right(POLICIES, "",          &["get"],                                                   Named::Policy,   Place::Cluster, When::ClusterWide, UNSEEN),
    right(PODS,    "",           &["get"],                                                   Named::Any,      Place::Own,     When::OwnImage,    Without::Fails),
    right(LEASES,  "",           &["create"],                                                Named::Any,      Place::Lease,   When::Elects,      Without::Fails),
    right(LEASES,  "",           &["get", "patch"],                                          Named::Lease,    Place::Lease,   When::Elects,      Without::Fails),
];

const fn right(
    resource: Resource,
    subresource: &'static str,
    verbs: &'static [&'static str],
    named: Named,
    place: Place,
    when: When,
    without: Without,
) -> Right {
    Right { resource, subresource, verbs, named, place, when, without }
}

impl Right {
    /// `testruns.k6.io`, `pods/proxy`.
    pub fn subject(&self) -> String {
        let dot = if self.resource.group.is_empty() { "" } else { "." };
        let slash = if self.subresource.is_empty() { "" } else { "/" };
        format!("{}{dot}{}{slash}{}", self.resource.plural, self.resource.group, self.subresource)
    }

    /// The question for one verb in one scope, about the object `name`; empty for all.
    pub fn attributes(&self, verb: &'static str, scope: Option<&str>, name: &str) -> Attributes {
        Attributes {
            verb,
            group: self.resource.group,
            version: self.resource.version,
            resource: self.resource.plural,
            subresource: self.subresource,
            namespace: scope.unwrap_or_default().to_owned(),
            name: name.to_owned(),
        }
    }

    /// What grants it, by the way in which the agent came here.
    fn mend(&self, scopes: &[Option<String>]) -> &'static str {
        match (self.when, self.place) {
            (When::ProxyAccess, _) => {
                "kubectl apply -k manifests/outside; with Helm: --set runnerAccess=proxy"
            }
            (When::Elects, _) => {
                "kubectl apply -k manifests/rbac or manifests/namespaced, or helm upgrade; \
                 a Lease of another name takes a Role like plz-agent-self in manifests/rbac/rbac.yaml"
            }
            (_, Place::Lookout) if !scopes.contains(&None) => {
                "grant both there as in docs/operate.md, \"Next to k6-operator\", or name the namespaces where a k6-operator may be with \
                 --operator-namespace"
            }
            (_, Place::Watched | Place::Lookout | Place::Cluster) if scopes.contains(&None) => {
                "kubectl apply -k manifests/rbac, or helm upgrade; \
                 with rights in some namespaces only, name those with --namespace"
            }
            _ => {
                "kubectl apply -k manifests/rbac or manifests/namespaced, or helm upgrade; \
                 for one namespace more kubectl --namespace NAME apply -k manifests/watched"
            }
        }
    }

    /// What is found if of these scopes the ones in `missing` are lacking, by verb.
    pub fn judge(
        &self,
        scopes: &[Option<String>],
        name: &str,
        missing: &[(&'static str, Vec<String>)],
    ) -> Finding {
        let mut subject = self.subject();
        if !name.is_empty() {
            subject.push('/');
            subject.push_str(name);
        }
        let place = match self.place {
            Place::Cluster => "in the cluster".to_owned(),
            _ => place_words(scopes),
        };
        if missing.is_empty() {
            return Finding::ok(Check::Permission, &format!("{} {subject} {place}", self.verbs.join(", ")))
                .about(&subject);
        }
        let same = missing.iter().all(|(_, lacking)| *lacking == missing[0].1);
        let lacking: Vec<String> = missing
            .iter()
            .map(
                |(verb, lacking)| {
                    if same { (*verb).to_owned() } else { format!("{verb} (in {})", lacking.join(", ")) }
                },
            )
            .collect();
        let place = match missing[0].1.len() {
            _ if !same => String::new(),
            count if count == scopes.len() => format!(" {place}"),
            _ => format!(" in {}", missing[0].1.join(", ")),
        };
        let message = format!("may not {} {subject}{place}", lacking.join(", "));
        let mend = self.mend(scopes);
        let finding = match self.without {
            Without::Fails => Finding::failed(Check::Permission, &message, mend),
            Without::Lacks(what) => Finding::warning(Check::Permission, &format!("{message}: {what}"), mend),
        };
        finding.about(&subject)
    }
}

fn place_words(scopes: &[Option<String>]) -> String {
    match scopes {
        [None] => "in all namespaces".to_owned(),
        [Some(one)] => format!("in {one}"),
        many => format!("in {} namespaces", many.len()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::finding::Verdict;
    use super::*;

    fn runs() -> &'static Right {
        RIGHTS.iter().find(|right| right.subject() == "testruns.k6.io").unwrap()
    }

    #[track_caller]
    fn check(scopes: &[Option<&str>], missing: &[(&'static str, &[&str])], verdict: Verdict, message: &str) {
        let scopes: Vec<Option<String>> = scopes.iter().map(|scope| scope.map(str::to_owned)).collect();
        let missing: Vec<_> = missing
            .iter()
            .map(|(verb, lacking)| (*verb, lacking.iter().map(|&scope| scope.to_owned()).collect()))
            .collect();
        let finding = runs().judge(&scopes, "", &missing);
        assert_eq!((finding.verdict, finding.message.as_str()), (verdict, message));
        assert_eq!(finding.mend.is_empty(), verdict == Verdict::Ok);
    }

    #[test]
    fn missing_verbs_are_named_with_their_place() {
        let all = "get, list, watch, create, patch, delete testruns.k6.io";
        check(&[None], &[], Verdict::Ok, &format!("{all} in all namespaces"));
        check(&[Some("a"), Some("b")], &[], Verdict::Ok, &format!("{all} in 2 namespaces"));
        let (failed, both) = (Verdict::Failed, ["a", "b"].as_slice());
        check(&[Some("a")], &[("get", &["a"])], failed, "may not get testruns.k6.io in a");
        check(
            &[Some("a"), Some("b")],
            &[("get", both), ("list", both)],
            failed,
            "may not get, list testruns.k6.io in 2 namespaces",
        );
        check(
            &[Some("a"), Some("b")],
            &[("get", &["b"]), ("list", &["b"])],
            failed,
            "may not get, list testruns.k6.io in b",
        );
        check(
            &[Some("a"), Some("b")],
            &[("get", both), ("list", &["b"])],
            failed,
            "may not get (in a, b), list (in b) testruns.k6.io",
        );
    }

    #[test]
    fn a_mend_fits_the_way_in_which_the_agent_was_installed() {
        let mend = |subject: &str, scope: Option<&str>| {
            let right = RIGHTS.iter().find(|right| right.subject() == subject).unwrap();
            right.mend(&[scope.map(str::to_owned)])
        };
        assert!(mend("testruns.k6.io", None).starts_with("kubectl apply -k manifests/rbac"));
        assert!(mend("testruns.k6.io", Some("a")).contains("manifests/namespaced"));
        assert!(mend("pods/proxy", Some("a")).starts_with("kubectl apply -k manifests/outside"));
        let own = RIGHTS.iter().find(|right| right.place == Place::Own).unwrap();
        let words = own.mend(&[Some("a".to_owned())]);
        assert!(words.contains("manifests/rbac") && words.contains("helm upgrade"), "{words}");
        assert!(mend("leases.coordination.k8s.io", None).starts_with("kubectl apply -k manifests/rbac"));
        assert!(mend("leases.coordination.k8s.io", Some("a")).contains("--operator-namespace"));
        let elects = RIGHTS.iter().find(|right| right.when == When::Elects).unwrap();
        assert!(elects.mend(&[Some("a".to_owned())]).contains("Lease of another name"));
    }

    #[test]
    fn what_the_agent_can_do_without_is_a_warning() {
        for right in RIGHTS.iter().filter(|right| right.without != Without::Fails) {
            let finding = right.judge(&[None], "", &[(right.verbs[0], vec!["all namespaces".to_owned()])]);
            assert_eq!(finding.verdict, Verdict::Warning, "{finding:?}");
        }
    }

    #[test]
    fn a_question_is_that_of_the_request() {
        let request = RUNS.list(Some("a"), &k8s::resource::ListOptions::default());
        assert_eq!(runs().attributes("list", Some("a"), ""), request.attributes);
    }
}
