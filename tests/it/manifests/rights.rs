//! The rules in the shipped files are made from the table of rights.
//!
//! `UPDATE_GOLDEN=1` writes them, into the chart's copies too; then read the diff and run `.ci/render`. Owns how a rule is
//! printed. Invariant: a role of the agent has nothing after `rules:` but what is printed here.

#![expect(clippy::disallowed_methods, reason = "a variable asks for new golden files")]

use std::path::Path;
use std::sync::Once;
use std::{env, fs};

use plz_agent::check::{policy, rights::*};
use plz_core::lease::operator;
use serde_json::Value;

use super::rbac::{PROXY, RBAC};
use super::{documents, read};

/// A role, the file it is in, and the rights that it gives.
struct Role {
    file: &'static str,
    kind: &'static str,
    name: &'static str,
    gives: fn(&Right) -> bool,
}

/// Each file and its copy in the chart.
const FILES: [(&str, &str); 2] = [
    (RBAC, "manifests/helm/plz-agent/files/rbac.yaml"),
    (PROXY, "manifests/helm/plz-agent/files/proxy.yaml"),
];

/// Every right is in exactly one of them.
#[rustfmt::skip]
const ROLES: [Role; 3] = [
    Role { file: RBAC,  kind: "ClusterRole", name: "plz-agent",       gives: |right| is_watched(right) && !is_proxy(right) },
    Role { file: RBAC,  kind: "Role",        name: "plz-agent-self",  gives: |right| !is_watched(right) },
    Role { file: PROXY, kind: "ClusterRole", name: "plz-agent-proxy", gives: |right| is_watched(right) && is_proxy(right) },
];

/// The name of the Lease in the Deployment.
const OWN_LEASE: &str = "plz-agent";
/// How long a line of a comment may be.
const LINE_CHARS_MAX: usize = 110;
const SOURCE: &str =
    "Made from src/check/rights.rs by the tests with UPDATE_GOLDEN=1; change that, not this.";

fn is_watched(right: &Right) -> bool {
    match right.place {
        Place::Watched | Place::Lookout | Place::Cluster => true,
        Place::Own | Place::Lease => false,
    }
}

fn is_proxy(right: &Right) -> bool {
    right.when == When::ProxyAccess
}

/// What is said after the reason of a right that is not always needed.
fn condition(when: When) -> &'static str {
    match when {
        When::Always => "",
        When::ClusterWide => " Used without --namespace only.",
        When::ProxyAccess => " Used with --runner-access proxy only.",
        When::OwnImage => " Used without --fetch-image only.",
        When::Elects => " Used with --lease only.",
    }
}

fn object_name(named: Named) -> Option<&'static str> {
    match named {
        Named::Any => None,
        Named::Policy => Some(policy::NAME),
        Named::Operator => Some(operator::NAME),
        Named::Lease => Some(OWN_LEASE),
    }
}

/// A text as comment lines of a list in a role.
fn comment(text: &str) -> String {
    let mut lines = String::new();
    let mut line = String::from("  #");
    for word in text.split(' ') {
        if line.len() + 1 + word.len() > LINE_CHARS_MAX {
            lines += &format!("{line}\n");
            line = String::from("  #");
        }
        line += &format!(" {word}");
    }
    format!("{lines}{line}\n")
}

/// `pods/proxy`, as a rule names it.
fn in_rule(right: &Right) -> String {
    let slash = if right.subresource.is_empty() { "" } else { "/" };
    format!("{}{slash}{}", right.resource.plural, right.subresource)
}

/// One rule for rights that differ in the resource alone.
fn rule(rights: &[&Right]) -> String {
    let first = rights[0];
    let reasons = rights.iter().map(|right| comment(&format!("{}{}", right.reason, condition(right.when))));
    let resources: Vec<String> = rights.iter().map(|right| in_rule(right)).collect();
    let group = if first.resource.group.is_empty() { "\"\"" } else { first.resource.group };
    let mut text: String = reasons.collect();
    text += &format!("  - apiGroups: [{group}]\n    resources: [{}]\n", resources.join(", "));
    if let Some(name) = object_name(first.named) {
        text += &format!("    resourceNames: [{name}]\n");
    }
    text + &format!("    verbs: [{}]\n", first.verbs.join(", "))
}

/// All that comes after `rules:`.
fn rules(rights: &[&Right]) -> String {
    let is_alike = |a: &&Right, b: &&Right| {
        let key = |right: &Right| (right.resource.group, right.verbs, right.named);
        key(a) == key(b)
    };
    let rules: String = rights.chunk_by(is_alike).map(rule).collect();
    format!("{}{rules}", comment(SOURCE))
}

/// A file with the rules of its roles as they are to be.
fn with_rules(text: &str, file: &str) -> String {
    let mut printed = 0;
    let parts = text.split("\n---\n").map(|part| {
        let object: Value = documents(part).remove(0);
        let Some((head, _)) = part.split_once("\nrules:\n") else { return part.to_owned() };
        let of_it = |role: &&Role| {
            role.file == file && role.kind == object["kind"] && role.name == object["metadata"]["name"]
        };
        let role =
            ROLES.iter().find(of_it).unwrap_or_else(|| panic!("{file}: a role that is not known:\n{part}"));
        printed += 1;
        let rights: Vec<&Right> = RIGHTS.iter().filter(|right| (role.gives)(right)).collect();
        format!("{head}\nrules:\n{}", rules(&rights).trim_end())
    });
    let text = parts.collect::<Vec<_>>().join("\n---\n");
    assert_eq!(printed, ROLES.iter().filter(|role| role.file == file).count(), "roles of {file}");
    format!("{}\n", text.trim_end())
}

/// Writes what `UPDATE_GOLDEN` asks for, before anybody compares files.
pub(super) fn write() {
    static WRITTEN: Once = Once::new();
    WRITTEN.call_once(|| {
        if env::var_os("UPDATE_GOLDEN").is_none() {
            return;
        }
        for (file, copy) in FILES {
            let text = with_rules(&read(file), file);
            for path in [file, copy] {
                fs::write(Path::new(env!("CARGO_MANIFEST_DIR")).join(path), &text).unwrap();
            }
        }
    });
}

#[test]
fn the_rules_are_the_table() {
    write();
    for (file, copy) in FILES {
        let wanted = with_rules(&read(file), file);
        for path in [file, copy] {
            assert!(
                read(path) == wanted,
                "{path} differs; run with UPDATE_GOLDEN=1, then .ci/render --update. Now:\n{wanted}"
            );
        }
    }
}

#[test]
fn every_right_is_given_once() {
    for right in &RIGHTS {
        let roles: Vec<&str> =
            ROLES.iter().filter(|role| (role.gives)(right)).map(|role| role.name).collect();
        assert_eq!(roles.len(), 1, "{} {:?}: {roles:?}", right.subject(), right.verbs);
        assert!(right.reason.ends_with('.') && !right.reason.contains('\n'), "{}", right.reason);
    }
}
