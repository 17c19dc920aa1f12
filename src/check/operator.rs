//! Who else is at work: a k6-operator, if somebody renews its Lease between two looks, or another agent.
//!
//! Pure. Owns the comparison; times in a Lease are another machine's and are not read. Invariant: a Lease that was left
//! behind does not count.

use std::collections::BTreeSet;

use k8s::Error;

use super::finding::{Check, Finding};
use plz_core::lease::operator::NAME;
use plz_core::lease::record::Record;
use plz_core::outcome;

/// What two looks at the Leases tell, of which those in the namespaces `named` count.
pub(super) fn judge(named: &BTreeSet<String>, first: &[Record], second: &[Record]) -> Vec<Finding> {
    let is_live = |lease: &&Record| first.iter().all(|before| before != *lease);
    let (here, elsewhere): (Vec<&Record>, Vec<&Record>) =
        second.iter().filter(is_live).partition(|lease| named.contains(&lease.key.namespace));
    let mut findings = Vec::new();
    if let Some(lease) = here.first() {
        let message = format!(
            "a k6-operator is live in namespace {}; both would start every test run",
            namespaces(&here)
        );
        let fix = format!(
            "kubectl -n {} scale deployment k6-operator-controller-manager --replicas=0, or whatever its Deployment is called",
            lease.key.namespace
        );
        findings.push(Finding::failed(Check::Operator, &message, &fix));
    }
    if let Some(lease) = elsewhere.first() {
        let message = format!(
            "a k6-operator's Lease is being renewed in namespace {}, which --operator-namespace does not name: if a \
             k6-operator runs there, both start every test run",
            namespaces(&elsewhere)
        );
        let namespace = &lease.key.namespace;
        let fix = format!(
            "add --operator-namespace {namespace} if it is one, or find out who writes the Lease: kubectl -n \
             {namespace} get lease {NAME} -o yaml"
        );
        findings.push(Finding::warning(Check::Operator, &message, &fix).about(namespace));
    }
    if findings.is_empty() {
        let message = match second.first() {
            Some(left) => format!(
                "the k6-operator's Lease in namespace {} is not being renewed: none is live",
                left.key.namespace
            ),
            None => "no k6-operator is live in the namespaces watched for one".to_owned(),
        };
        findings.push(Finding::ok(Check::Operator, &message));
    }
    findings
}

fn namespaces(leases: &[&Record]) -> String {
    let names: Vec<&str> = leases.iter().map(|lease| lease.key.namespace.as_str()).collect();
    names.join(", ")
}

/// What the reading of the Lease `lease` of the election tells.
pub(super) fn election(lease: &str, answer: Result<Record, Error>) -> Finding {
    let check = Check::Lease;
    match answer {
        Ok(record) if !record.holder.is_empty() => {
            let message = format!(
                "Lease {lease} is held by {}; this agent would stand by until that one stops",
                record.holder
            );
            Finding::ok(check, &message)
        }
        Ok(_) => Finding::ok(check, &format!("nobody holds the Lease {lease}")),
        Err(error) if error.is_not_found() => {
            Finding::ok(check, &format!("nobody has held the Lease {lease} yet"))
        }
        Err(error) if error.is_forbidden() => Finding::skipped(
            check,
            &format!("it is unknown who holds the Lease {lease}: the agent may not read it"),
        ),
        Err(error) => {
            let message = format!("Lease {lease} cannot be read: {}", outcome::text(&error));
            Finding::failed(
                check,
                &message,
                "try again; if that does not help, delete the Lease, or name another with --lease",
            )
        }
    }
}

/// It cannot be seen in that place; none: in no place.
pub(super) fn unseen(scope: Option<&str>, error: &Error) -> Finding {
    let why =
        if error.is_forbidden() { "the agent may not list leases".to_owned() } else { outcome::text(error) };
    let place = scope.map_or_else(String::new, |namespace| format!(" in namespace {namespace}"));
    let finding = Finding::skipped(
        Check::Operator,
        &format!("it is unknown whether a k6-operator is live{place}: {why}"),
    );
    finding.about(scope.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::super::finding::Verdict;
    use super::*;

    fn looked(leases: &str) -> Vec<Record> {
        let records = Record::read_list(leases.as_bytes()).unwrap();
        records.into_iter().filter(|record| !record.holder.is_empty()).collect()
    }

    fn lease(holder: &str, version: u32) -> String {
        format!(
            r#"{{"items":[{{"metadata":{{"namespace":"op","resourceVersion":"{version}"}},"spec":{{"holderIdentity":{holder}}}}}]}}"#
        )
    }

    #[test]
    fn the_lease_of_the_election_tells_its_holder() {
        let check = |code, body: &str, verdict, says: &str| {
            let answer = k8s::status::interpret(code, None, body.as_bytes().to_vec());
            let finding = election("ns/l", answer.and_then(|body| Record::read(&body)));
            assert_eq!(finding.verdict, verdict, "{finding:?}");
            assert!(finding.message.contains(says), "{finding:?}");
        };
        let held = r#"{"metadata":{"resourceVersion":"1"},"spec":{"holderIdentity":"a"}}"#;
        check(200, held, Verdict::Ok, "held by a");
        check(200, &held.replace("\"a\"", "null"), Verdict::Ok, "nobody holds");
        check(404, "{}", Verdict::Ok, "nobody has held");
        check(403, "{}", Verdict::Skipped, "may not read it");
        check(200, "{}", Verdict::Failed, "resourceVersion");
    }

    #[test]
    fn only_one_that_is_renewed_is_at_work() {
        let check = |first: &str, second: &str, verdict, says: &str| {
            let named = BTreeSet::from(["op".to_owned()]);
            let findings = judge(&named, &looked(first), &looked(second));
            let [finding] = findings.as_slice() else { panic!("{findings:?}") };
            assert_eq!(finding.verdict, verdict, "{finding:?}");
            assert!(finding.message.contains(says), "{finding:?}");
        };
        let none = r#"{"items":null}"#;
        check(none, none, Verdict::Ok, "no k6-operator");
        check(&lease("\"a\"", 1), &lease("\"a\"", 1), Verdict::Ok, "not being renewed");
        check(&lease("\"a\"", 1), &lease("\"a\"", 2), Verdict::Failed, "live in namespace op");
        check(&lease("\"a\"", 1), &lease("\"\"", 2), Verdict::Ok, "no k6-operator");
        check(&lease("null", 1), &lease("null", 2), Verdict::Ok, "no k6-operator");
        let other = |version| lease("\"a\"", version).replace("\"op\"", "\"team\"");
        check(
            &other(1),
            &other(2),
            Verdict::Warning,
            "is being renewed in namespace team, which --operator-namespace does not name",
        );
        check(&other(1), &other(1), Verdict::Ok, "not being renewed");
        let named = BTreeSet::from(["op".to_owned()]);
        let both = |version| [looked(&lease("\"a\"", version)), looked(&other(version))].concat();
        let verdicts: Vec<_> =
            judge(&named, &both(1), &both(2)).iter().map(|finding| finding.verdict).collect();
        assert_eq!(verdicts, [Verdict::Failed, Verdict::Warning]);
    }
}
