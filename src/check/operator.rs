//! Whether a k6-operator is at work: by its Lease, and whether somebody renews it between two looks.
//!
//! Pure. Owns the comparison; times in the Lease are another machine's and are not read. Invariant: a Lease that was left
//! behind does not count.

use k8s::{Error, ObjectMeta};

use super::finding::{Check, Finding};
use crate::lesson;

/// The name of k6-operator's Lease, in its own namespace.
pub(super) const LEASE: &str = "fcdfce80.io";

/// `coordination.k8s.io/v1` LeaseList.
#[derive(Default)]
pub(super) struct Leases {
    items: Vec<Lease>,
}
k8s::readable!(Leases { items: "items" });

#[derive(Default)]
struct Lease {
    metadata: ObjectMeta,
    spec: Spec,
}
k8s::readable!(Lease { metadata: "metadata", spec: "spec" });

#[derive(Default)]
struct Spec {
    holder: String,
}
k8s::readable!(Spec { holder: "holderIdentity" });

/// A Lease that somebody holds, or did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Held {
    namespace: String,
    /// It changes with each renewal.
    resource_version: String,
}

/// Those that are held.
pub(super) fn held(leases: Leases) -> impl Iterator<Item = Held> {
    let held = leases.items.into_iter().filter(|lease| !lease.spec.holder.is_empty());
    held.map(|lease| Held {
        namespace: lease.metadata.namespace,
        resource_version: lease.metadata.resource_version,
    })
}

/// What two looks at it tell.
pub(super) fn judge(first: &[Held], second: &[Held]) -> Finding {
    let live: Vec<&str> = second
        .iter()
        .filter(|lease| first.iter().all(|before| before != *lease))
        .map(|lease| lease.namespace.as_str())
        .collect();
    match (live.first(), second.first()) {
        (Some(namespace), _) => {
            let message = format!(
                "a k6-operator is at work in namespace {}, and both would start every test run",
                live.join(", ")
            );
            let mend = format!(
                "kubectl -n {namespace} scale deployment k6-operator-controller-manager --replicas=0, or by the name of its Deployment"
            );
            Finding::failed(Check::Operator, &message, &mend)
        }
        (None, Some(left)) => {
            let message = format!(
                "the Lease of a k6-operator in namespace {} is not renewed: none is at work",
                left.namespace
            );
            Finding::ok(Check::Operator, &message)
        }
        (None, None) => Finding::ok(Check::Operator, "no k6-operator is at work in the watched places"),
    }
}

/// It cannot be seen.
pub(super) fn unseen(error: &Error) -> Finding {
    let why = if error.is_forbidden() {
        "without the right to list leases it cannot be seen".to_owned()
    } else {
        lesson::text(error)
    };
    Finding::skipped(Check::Operator, &format!("whether a k6-operator is at work: {why}"))
}

#[cfg(test)]
mod tests {
    use super::super::finding::Verdict;
    use super::*;

    fn looked(leases: &str) -> Vec<Held> {
        held(serde_json::from_str(leases).unwrap()).collect()
    }

    fn lease(holder: &str, version: u32) -> String {
        format!(
            r#"{{"items":[{{"metadata":{{"namespace":"op","resourceVersion":"{version}"}},"spec":{{"holderIdentity":{holder}}}}}]}}"#
        )
    }

    #[test]
    fn only_one_that_is_renewed_is_at_work() {
        let check = |first: &str, second: &str, verdict, says: &str| {
            let finding = judge(&looked(first), &looked(second));
            assert_eq!(finding.verdict, verdict, "{finding:?}");
            assert!(finding.message.contains(says), "{finding:?}");
        };
        let none = r#"{"items":null}"#;
        check(none, none, Verdict::Ok, "no k6-operator");
        check(&lease("\"a\"", 1), &lease("\"a\"", 1), Verdict::Ok, "not renewed");
        check(&lease("\"a\"", 1), &lease("\"a\"", 2), Verdict::Failed, "at work in namespace op");
        check(&lease("\"a\"", 1), &lease("\"\"", 2), Verdict::Ok, "no k6-operator");
        check(&lease("null", 1), &lease("null", 2), Verdict::Ok, "no k6-operator");
    }
}
