//! What was found: the table of checks, and findings as plain data.
//!
//! Owns ids, groups and dependencies; ids are part of the interface and never change. Leaves alone how a finding is come by
//! and how it is shown. Invariant: every text in a [`Finding`] is one scrubbed line.

use std::fmt::Write as _;

use plz_core::redact;

/// Bytes that a message or a fix has at most.
const TEXT_BYTES_MAX: usize = 600;

/// How a check went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// All is well.
    Ok,
    /// The agent would not work, or not for all.
    Failed,
    /// The agent works, but something deserves a look.
    Warning,
    /// It could not be tried, mostly since another check has failed.
    Skipped,
}

impl Verdict {
    /// The word in JSON.
    pub fn word(self) -> &'static str {
        match self {
            Verdict::Ok => "ok",
            Verdict::Failed => "failed",
            Verdict::Warning => "warning",
            Verdict::Skipped => "skipped",
        }
    }

    /// The sign in text.
    pub fn sign(self) -> char {
        match self {
            Verdict::Ok => '✓',
            Verdict::Failed => '✗',
            Verdict::Warning => '!',
            Verdict::Skipped => '-',
        }
    }
}

/// One thing that is looked at. The order is that of the report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the table below says what each one is")]
pub enum Check {
    Configuration,
    Expiry,
    Connection,
    Credentials,
    Version,
    KubernetesClock,
    Definitions,
    Fields,
    Namespace,
    Permission,
    AdmissionPolicy,
    Operator,
    Lease,
    FetchImage,
    RunnerAccess,
    CloudApi,
    CloudIngest,
    CloudClock,
    Zones,
    ZoneSpec,
    ZoneSecret,
    ZoneToken,
}

/// What the table says of a check.
struct Row {
    id: &'static str,
    group: &'static str,
    needs: Option<Check>,
    looks_at: &'static str,
}

const fn row(id: &'static str, group: &'static str, needs: Option<Check>, looks_at: &'static str) -> Row {
    Row { id, group, needs, looks_at }
}

impl Check {
    /// All of them, in the order of the report.
    #[rustfmt::skip]
    pub const ALL: [Check; 22] = [
        Check::Configuration, Check::Expiry, Check::Connection, Check::Credentials, Check::Version,
        Check::KubernetesClock, Check::Definitions, Check::Fields, Check::Namespace, Check::Permission, Check::AdmissionPolicy,
        Check::Operator, Check::Lease, Check::FetchImage, Check::RunnerAccess, Check::CloudApi, Check::CloudIngest, Check::CloudClock, Check::Zones,
        Check::ZoneSpec, Check::ZoneSecret, Check::ZoneToken,
    ];

    #[rustfmt::skip]
    fn row(self) -> Row {
        use Check::*;
        match self {
            //                       id                          group                needs                what it looks at
            Configuration   => row("kubernetes.configuration", "Kubernetes",        None,                "the kubeconfig, or the service account of the pod"),
            Expiry          => row("kubernetes.expiry",        "Kubernetes",        Some(Configuration), "how long the client certificate or token of the kubeconfig is valid"),
            Connection      => row("kubernetes.connection",    "Kubernetes",        Some(Configuration), "whether the API server is reachable: name, connection, TLS, proxy"),
            Credentials     => row("kubernetes.credentials",   "Kubernetes",        Some(Connection),    "whether it accepts the agent's credentials"),
            Version         => row("kubernetes.version",       "Kubernetes",        Some(Connection),    "whether Kubernetes is new enough"),
            KubernetesClock => row("kubernetes.clock",         "Kubernetes",        Some(Connection),    "this machine's clock compared with that of the API server"),
            Definitions     => row("crds.installed",           "Custom resources",  Some(Credentials),   "whether both custom resources are served"),
            Fields          => row("crds.fields",              "Custom resources",  Some(Definitions),   "whether the API server keeps every field of a test run as the agent writes it, by a dry-run create"),
            Namespace       => row("namespaces.exist",         "Namespaces",        Some(Definitions),   "whether each namespace of `--namespace` exists, by the same dry run"),
            Permission      => row("permissions",              "Permissions",       Some(Credentials),   "every right that the agent needs, in each place where it needs it"),
            AdmissionPolicy => row("admission.policy",         "Permissions",       Some(Credentials),   "whether tenants are kept from creating test runs that look like GCk6's"),
            Operator        => row("k6-operator",              "One active agent",  Some(Credentials),   "whether a k6-operator is live in the namespaces of `--operator-namespace`, and who else holds a Lease like its own"),
            Lease           => row("lease",                    "One active agent",  Some(Credentials),   "the Lease of `--lease`, and who holds it"),
            FetchImage      => row("image.fetch",              "Runners",           Some(Configuration), "the image of the runners' init container"),
            RunnerAccess    => row("runners.access",           "Runners",           Some(Configuration), "how the agent would reach runners"),
            CloudApi        => row("cloud.api",                "Grafana Cloud k6",  None,                "whether the REST API is reachable: name, connection, TLS, proxy"),
            CloudIngest     => row("cloud.ingest",             "Grafana Cloud k6",  None,                "the same for the host of results and events"),
            CloudClock      => row("cloud.clock",              "Grafana Cloud k6",  Some(CloudApi),      "this machine's clock compared with that of GCk6"),
            Zones           => row("zones.list",               "Zones",             Some(Definitions),   "which zones there are"),
            ZoneSpec        => row("zones.spec",               "Zones",             Some(Zones),         "whether a zone can be registered, and whether it is"),
            ZoneSecret      => row("zones.secret",             "Zones",             Some(Zones),         "whether the Secret of a zone can be read and holds a token"),
            ZoneToken       => row("zones.token",              "Zones",             Some(Zones),         "whether GCk6 accepts the token, by asking for the zone's test runs"),
        }
    }

    /// The name that stays the same: `kubernetes.version`.
    pub fn id(self) -> &'static str {
        self.row().id
    }

    /// The heading it stands under.
    pub fn group(self) -> &'static str {
        self.row().group
    }

    /// The check without whose success this one cannot be tried.
    pub fn needs(self) -> Option<Check> {
        self.row().needs
    }
}

/// What was found by one check of one subject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Which check.
    pub check: Check,
    /// What it was about, where a check has several: a zone, a namespace, a resource. Empty otherwise.
    pub subject: String,
    /// How it went.
    pub verdict: Verdict,
    /// What was found.
    pub message: String,
    /// What to do about it; empty where there is nothing to do.
    pub fix: String,
}

impl Finding {
    fn new(check: Check, verdict: Verdict, message: &str, fix: &str) -> Finding {
        let line = |text| redact::scrubbed_line(text, TEXT_BYTES_MAX);
        Finding { check, subject: String::new(), verdict, message: line(message), fix: line(fix) }
    }

    /// All is well.
    pub fn ok(check: Check, message: &str) -> Finding {
        Finding::new(check, Verdict::Ok, message, "")
    }

    /// Something would fail.
    pub fn failed(check: Check, message: &str, fix: &str) -> Finding {
        Finding::new(check, Verdict::Failed, message, fix)
    }

    /// The same by a message as the agent prints it: the cause, a semicolon, the fix.
    pub fn told(check: Check, text: &str, otherwise: &str) -> Finding {
        let at = text.as_bytes().windows(2).rposition(|pair| pair == b"; ");
        let (message, fix) = at.map_or((text, otherwise), |at| (&text[..at], &text[at + 2..]));
        Finding::new(check, Verdict::Failed, message, fix)
    }

    /// Something deserves a look.
    pub fn warning(check: Check, message: &str, fix: &str) -> Finding {
        Finding::new(check, Verdict::Warning, message, fix)
    }

    /// It could not be tried.
    pub fn skipped(check: Check, message: &str) -> Finding {
        Finding::new(check, Verdict::Skipped, message, "")
    }

    /// The same about a subject.
    #[must_use]
    pub fn about(self, subject: &str) -> Finding {
        Finding { subject: subject.to_owned(), ..self }
    }

    /// The same with a secret masked wherever it stands.
    #[must_use]
    pub fn without(self, secret: &str) -> Finding {
        let (message, fix) = (redact::scrub(&self.message, &[secret]), redact::scrub(&self.fix, &[secret]));
        Finding { message, fix, ..self }
    }
}

/// Whether `check` was made and nothing of it has failed.
pub fn is_well(findings: &[Finding], check: Check) -> bool {
    let mut of_it = findings.iter().filter(|finding| finding.check == check).peekable();
    of_it.peek().is_some() && of_it.all(|finding| matches!(finding.verdict, Verdict::Ok | Verdict::Warning))
}

/// Adds a word for each of `wanted` that has no finding, since what it needs did not go well, and sorts by the table.
pub fn complete(mut findings: Vec<Finding>, wanted: &[Check]) -> Vec<Finding> {
    for &check in wanted {
        let Some(needed) = check.needs() else { continue };
        if !is_well(&findings, needed) && findings.iter().all(|finding| finding.check != check) {
            let message = format!(
                "{}: not checked, because {} has to succeed first",
                check.row().looks_at,
                needed.id()
            );
            findings.push(Finding::skipped(check, &message));
        }
    }
    // As good as sorted, without the code of a sort.
    let mut sorted = Vec::with_capacity(findings.len());
    for check in Check::ALL {
        sorted.extend(findings.iter().filter(|finding| finding.check == check).cloned());
    }
    sorted
}

/// The table of checks in Markdown, for docs/reference.md.
pub fn markdown() -> String {
    let mut text = String::from("| id | looks at |\n|---|---|\n");
    for check in Check::ALL {
        let _ = writeln!(text, "| `{}` | {} |", check.id(), check.row().looks_at);
    }
    text
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn ids_are_unique_and_needs_come_before() {
        let ids: BTreeSet<&str> = Check::ALL.iter().map(|check| check.id()).collect();
        assert_eq!(ids.len(), Check::ALL.len());
        let mut groups: Vec<&str> = Check::ALL.iter().map(|check| check.group()).collect();
        groups.dedup();
        assert_eq!(groups.iter().collect::<BTreeSet<_>>().len(), groups.len(), "groups are not torn apart");
        for (at, check) in Check::ALL.iter().enumerate() {
            if let Some(needed) = check.needs() {
                assert!(Check::ALL[..at].contains(&needed), "{}", check.id());
            }
        }
    }

    #[test]
    fn a_message_in_the_houses_words_is_split_into_cause_and_fix() {
        let check = |text: &str, message: &str, fix: &str| {
            let finding = Finding::told(Check::Configuration, text, "look at it");
            assert_eq!((finding.message.as_str(), finding.fix.as_str()), (message, fix));
        };
        check("a: b; do c", "a: b", "do c");
        check("a; b; do c", "a; b", "do c");
        check("a", "a", "look at it");
    }

    #[test]
    fn what_cannot_be_tried_says_what_comes_first() {
        let failed = Finding::failed(Check::Connection, "x", "y");
        let all = complete(
            vec![Finding::ok(Check::CloudApi, "reached"), failed, Finding::ok(Check::Configuration, "z")],
            &Check::ALL,
        );
        let verdict = |check| all.iter().find(|finding| finding.check == check).map(|one| one.verdict);
        assert_eq!(all[0].check, Check::Configuration);
        assert_eq!(verdict(Check::Version), Some(Verdict::Skipped));
        assert_eq!(verdict(Check::ZoneToken), Some(Verdict::Skipped));
        assert_eq!(verdict(Check::RunnerAccess), None, "what it needs is well");
        assert_eq!(verdict(Check::CloudClock), None);
    }

    #[test]
    fn no_secret_is_in_a_finding() {
        let finding =
            Finding::failed(Check::CloudApi, "https://u:pw@h/?X-Amz-Signature=1\nglc_x", "Token glc_y");
        let finding = finding.without("glc_x");
        for secret in ["pw", "Signature=1", "glc_", "\n"] {
            assert!(!format!("{finding:?}").contains(secret), "{finding:?}");
        }
    }
}
