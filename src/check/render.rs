//! A report as text for people and as JSON for programs.
//!
//! Pure. Invariant: both forms show every finding, in the same order.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use super::finding::{Finding, Verdict};

/// Whether nothing has failed.
pub fn is_ok(findings: &[Finding]) -> bool {
    count(findings, Verdict::Failed) == 0
}

fn count(findings: &[Finding], verdict: Verdict) -> usize {
    findings.iter().filter(|finding| finding.verdict == verdict).count()
}

/// The report for people, ending in a newline.
pub fn text(findings: &[Finding]) -> String {
    let mut text = String::new();
    let mut group = "";
    for finding in findings {
        if finding.check.group() != group {
            let gap = if group.is_empty() { "" } else { "\n" };
            group = finding.check.group();
            let _ = writeln!(text, "{gap}{group}");
        }
        let _ = writeln!(text, "  {} {}", finding.verdict.sign(), finding.message);
        if !finding.fix.is_empty() {
            let _ = writeln!(text, "      {}", finding.fix);
        }
    }
    let _ = writeln!(text, "\n{}", summary(findings));
    text
}

/// How it went, in one line.
pub fn summary(findings: &[Finding]) -> String {
    let [ok, failed, warning, skipped] = [Verdict::Ok, Verdict::Failed, Verdict::Warning, Verdict::Skipped]
        .map(|verdict| count(findings, verdict));
    format!("{ok} ok, {failed} failed, {warning} with a warning, {skipped} skipped")
}

/// The report for programs: one line.
pub fn json(findings: &[Finding]) -> String {
    let checks: Vec<Value> = findings.iter().map(entry).collect();
    let report = json!({ "version": env!("CARGO_PKG_VERSION"), "ok": is_ok(findings), "checks": checks });
    format!("{report}\n")
}

fn entry(finding: &Finding) -> Value {
    let mut entry = Map::new();
    let fields = [
        ("id", finding.check.id()),
        ("group", finding.check.group()),
        ("verdict", finding.verdict.word()),
        ("subject", &finding.subject),
        ("message", &finding.message),
        ("fix", &finding.fix),
    ];
    entry.extend(
        fields
            .into_iter()
            .filter(|(_, text)| !text.is_empty())
            .map(|(name, text)| (name.to_owned(), json!(text))),
    );
    Value::Object(entry)
}

/// What `kubectl describe pod` is to show: what has failed, in one line.
pub fn last_words(findings: &[Finding]) -> String {
    let failed = findings.iter().filter(|finding| finding.verdict == Verdict::Failed);
    let said: Vec<String> =
        failed.map(|finding| format!("{}: {}", finding.check.id(), finding.message)).collect();
    said.join("; ")
}

#[cfg(test)]
mod tests {
    use super::super::finding::Check;
    use super::*;

    fn findings() -> Vec<Finding> {
        vec![
            Finding::ok(Check::Configuration, "context \"edge\""),
            Finding::failed(Check::Connection, "it is not reached", "start it"),
            Finding::skipped(Check::Version, "not tried"),
            Finding::warning(Check::RunnerAccess, "directly", "see that it is routed").about("pod"),
        ]
    }

    #[test]
    fn as_text() {
        let wanted = "Kubernetes\n  ✓ context \"edge\"\n  ✗ it is not reached\n      start it\n  - not tried\n\n\
                      Runners\n  ! directly\n      see that it is routed\n\n1 ok, 1 failed, 1 with a warning, 1 skipped\n";
        assert_eq!(text(&findings()), wanted);
    }

    #[test]
    fn as_json() {
        let wanted = json!({ "version": env!("CARGO_PKG_VERSION"), "ok": false, "checks": [
            { "id": "kubernetes.configuration", "group": "Kubernetes", "verdict": "ok", "message": "context \"edge\"" },
            { "id": "kubernetes.connection", "group": "Kubernetes", "verdict": "failed", "message": "it is not reached",
              "fix": "start it" },
            { "id": "kubernetes.version", "group": "Kubernetes", "verdict": "skipped", "message": "not tried" },
            { "id": "runners.access", "group": "Runners", "verdict": "warning", "subject": "pod", "message": "directly",
              "fix": "see that it is routed" },
        ]});
        let printed = json(&findings());
        assert_eq!(serde_json::from_str::<Value>(&printed).unwrap(), wanted);
        assert_eq!(printed.lines().count(), 1);
    }

    #[test]
    fn warnings_are_no_failures() {
        let mut findings = findings();
        assert!(!is_ok(&findings));
        assert_eq!(last_words(&findings), "kubernetes.connection: it is not reached");
        findings.remove(1);
        assert!(is_ok(&findings));
    }
}
