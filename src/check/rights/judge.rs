//! What it means for the agent that it has a right or lacks one.
//!
//! Pure. Owns the words and what grants the right.

use super::super::finding::{Check, Finding};
use super::{Place, Right, When, Without};

impl Right {
    /// What grants it, by the way in which the agent came here.
    fn fix(&self, scopes: &[Option<String>]) -> &'static str {
        match (self.when, self.place) {
            (When::ProxyAccess, _) => {
                "kubectl apply -k manifests/outside; with Helm: --set runnerAccess=proxy"
            }
            (When::Elects, _) => {
                "kubectl apply -k manifests/rbac or manifests/namespaced, or helm upgrade; \
                 a Lease with another name needs a Role like plz-agent-self in manifests/rbac/rbac.yaml"
            }
            (_, Place::Lookout) if !scopes.contains(&None) => {
                "grant both there as docs/operate.md shows under \"Next to k6-operator\", or name the namespaces that \
                 may have a k6-operator with --operator-namespace"
            }
            (_, Place::Watched | Place::Lookout | Place::Cluster) if scopes.contains(&None) => {
                "kubectl apply -k manifests/rbac, or helm upgrade; \
                 if the agent has rights in some namespaces only, name them with --namespace"
            }
            _ => {
                "kubectl apply -k manifests/rbac or manifests/namespaced, or helm upgrade; \
                 for a further namespace, kubectl --namespace NAME apply -k manifests/watched"
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
        let fix = self.fix(scopes);
        let finding = match self.without {
            Without::Fails => Finding::failed(Check::Permission, &message, fix),
            Without::Lacks(what) => Finding::warning(Check::Permission, &format!("{message}: {what}"), fix),
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
    use super::super::super::finding::Verdict;
    use super::super::RIGHTS;
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
        assert_eq!(finding.fix.is_empty(), verdict == Verdict::Ok);
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
    fn a_fix_fits_the_way_in_which_the_agent_was_installed() {
        let fix = |subject: &str, scope: Option<&str>| {
            let right = RIGHTS.iter().find(|right| right.subject() == subject).unwrap();
            right.fix(&[scope.map(str::to_owned)])
        };
        assert!(fix("testruns.k6.io", None).starts_with("kubectl apply -k manifests/rbac"));
        assert!(fix("testruns.k6.io", Some("a")).contains("manifests/namespaced"));
        assert!(fix("pods/proxy", Some("a")).starts_with("kubectl apply -k manifests/outside"));
        let own = RIGHTS.iter().find(|right| right.place == Place::Own).unwrap();
        let words = own.fix(&[Some("a".to_owned())]);
        assert!(words.contains("manifests/rbac") && words.contains("helm upgrade"), "{words}");
        assert!(fix("leases.coordination.k8s.io", None).starts_with("kubectl apply -k manifests/rbac"));
        assert!(fix("leases.coordination.k8s.io", Some("a")).contains("--operator-namespace"));
        let elects = RIGHTS.iter().find(|right| right.when == When::Elects).unwrap();
        assert!(elects.fix(&[Some("a".to_owned())]).contains("Lease with another name"));
    }

    #[test]
    fn what_the_agent_can_do_without_is_a_warning() {
        for right in RIGHTS.iter().filter(|right| right.without != Without::Fails) {
            let finding = right.judge(&[None], "", &[(right.verbs[0], vec!["all namespaces".to_owned()])]);
            assert_eq!(finding.verdict, Verdict::Warning, "{finding:?}");
        }
    }
}
