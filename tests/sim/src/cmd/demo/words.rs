//! Objects and their changes in plain words.
//!
//! Owns the words. Leaves out what says nothing new to a reader: the Job controller's counts, a pod's conditions.

use serde_json::Value;
use sim::api::{Change, ChangeKind, Kind};
use sim::json;

use super::observer::Actor;

/// Longest message of a condition or Event that is shown.
const MESSAGE_LEN_MAX: usize = 110;

/// What is to be said of a change.
pub(super) enum Words {
    /// A sentence.
    Said(String),
    /// Run, number of a runner, and what it, or somebody with it, does.
    Runner(u64, u64, &'static str),
}

/// Who did it, and what it was; none if it is not worth a line.
pub(super) fn of_change(change: &Change) -> Option<(Actor, Words)> {
    match change.key.kind {
        Kind::PrivateLoadZone => of_zone(change).map(|(actor, text)| (actor, Words::Said(text))),
        Kind::TestRun => of_test_run(change).map(|(actor, text)| (actor, Words::Said(text))),
        Kind::Event => of_event(change).map(|(actor, text)| (actor, Words::Said(text))),
        Kind::Lease => of_lease(change).map(|text| (Actor::Agent, Words::Said(text))),
        Kind::Job => of_runner(change, of_job(change)),
        Kind::Pod => of_runner(change, of_pod(change)),
        _ => None,
    }
}

fn of_lease(change: &Change) -> Option<String> {
    let holder = |lease: &Value| words_before(json::text(lease, "spec.holderIdentity"), '_');
    let (before, after) = (change.before.as_deref().map(holder).unwrap_or_default(), holder(&change.object));
    match after.as_str() {
        _ if before == after => None,
        "" => Some(format!("{before} gives up the Lease")),
        _ => Some(format!("{after} holds the Lease: it is the active one")),
    }
}

fn words_before(text: &str, end: char) -> String {
    text.split(end).next().unwrap_or_default().to_owned()
}

fn of_zone(change: &Change) -> Option<(Actor, String)> {
    let name = &change.key.name;
    let Some(before) = change.before.as_deref().filter(|_| change.kind == ChangeKind::Modified) else {
        let gone = change.kind == ChangeKind::Deleted;
        return gone.then(|| (Actor::Cluster, format!("zone {name:?} is gone")));
    };
    let after = &*change.object;
    let finalizers = |object: &Value| json::list(object, "metadata.finalizers").len();
    if finalizers(after) > finalizers(before) {
        return Some((Actor::Agent, format!("puts its finalizer and a stable provider id on zone {name:?}")));
    }
    if finalizers(after) < finalizers(before) {
        return Some((Actor::Agent, format!("takes its finalizer off zone {name:?}")));
    }
    let registered = |object: &Value| condition(object, "PLZRegistered");
    let said = registered(after).filter(|_| registered(before) != registered(after))?;
    let (status, message) = said;
    Some((Actor::Agent, format!("zone {name:?}: PLZRegistered {status}: {message}")))
}

fn of_test_run(change: &Change) -> Option<(Actor, String)> {
    let name = &change.key.name;
    let after = &*change.object;
    let stage = |object: &Value| json::text(object, "status.stage").to_owned();
    match change.kind {
        ChangeKind::Added => {
            let count = &after["spec"]["parallelism"];
            Some((Actor::Agent, format!("creates TestRun {name} for {count} runners")))
        }
        ChangeKind::Deleted => Some((Actor::Agent, format!("has deleted TestRun {name}"))),
        ChangeKind::Modified => {
            let is_held = |object: &Value| !json::list(object, "metadata.finalizers").is_empty();
            if is_held(change.before.as_deref()?) && !is_held(after) {
                return Some((Actor::Agent, format!("takes its finalizer off TestRun {name}")));
            }
            let old = stage(change.before.as_deref()?);
            let new = stage(after);
            let old = if old.is_empty() { "(new)" } else { &old };
            (old != new).then(|| {
                let run = run_of(name).map_or_else(|| name.clone(), |run| format!("run {run}"));
                let message = condition(after, "TestRunRunning").map_or(String::new(), |(_, said)| said);
                (Actor::Agent, format!("{run}: {old} → {new}: {message}"))
            })
        }
    }
}

fn of_event(change: &Change) -> Option<(Actor, String)> {
    let event = &*change.object;
    let is_agent = format!("{event}").contains("plz-agent");
    let (reason, message) = (json::text(event, "reason"), shortened(json::text(event, "message")));
    let about = json::text(event, "involvedObject.name");
    let actor = if is_agent { Actor::Agent } else { Actor::Cluster };
    (change.kind == ChangeKind::Added).then(|| (actor, format!("Event on {about}: {reason}: {message}")))
}

fn of_runner(change: &Change, said: Option<(Actor, &'static str)>) -> Option<(Actor, Words)> {
    let (run, number) = runner_of(&change.key.name)?;
    said.map(|(actor, what)| (actor, Words::Runner(run, number, what)))
}

fn of_job(change: &Change) -> Option<(Actor, &'static str)> {
    match change.kind {
        ChangeKind::Added => Some((Actor::Agent, "Job created")),
        ChangeKind::Deleted => Some((Actor::Agent, "Job deleted")),
        ChangeKind::Modified => None,
    }
}

fn of_pod(change: &Change) -> Option<(Actor, &'static str)> {
    if change.kind == ChangeKind::Deleted {
        return Some((Actor::Cluster, "pod gone"));
    }
    let before = change.before.as_deref().and_then(pod_is);
    let after = pod_is(&change.object).filter(|after| before.as_ref() != Some(after))?;
    Some((Actor::Cluster, after))
}

fn pod_is(pod: &Value) -> Option<&'static str> {
    let runs = |path| json::list(pod, path).iter().any(|container| container["state"]["running"].is_object());
    if !json::text(pod, "metadata.deletionTimestamp").is_empty() {
        return Some("pod told to end");
    }
    Some(match json::text(pod, "status.phase") {
        "Running" => "pod running",
        "Succeeded" => "pod ended",
        "Failed" => "pod failed",
        _ if runs("status.initContainerStatuses") => "archive being downloaded",
        _ => return None,
    })
}

/// Status and message of a condition; none if it is not there.
fn condition(object: &Value, type_: &str) -> Option<(String, String)> {
    let conditions = json::list(object, "status.conditions");
    let found = conditions.iter().find(|condition| condition["type"] == type_)?;
    Some((json::text(found, "status").to_owned(), shortened(json::text(found, "message"))))
}

fn shortened(message: &str) -> String {
    if message.chars().count() <= MESSAGE_LEN_MAX {
        return message.to_owned();
    }
    message.chars().take(MESSAGE_LEN_MAX).chain(['…']).collect()
}

/// 101 of `plz-test-101` and of whatever starts so.
pub(super) fn run_of(name: &str) -> Option<u64> {
    name.strip_prefix("plz-test-")?.split(['-', '.']).next()?.parse().ok()
}

/// 101 and 2 of `plz-test-101-2` and of `plz-test-101-2-x7k2p`.
pub(super) fn runner_of(name: &str) -> Option<(u64, u64)> {
    let mut parts = name.strip_prefix("plz-test-")?.split('-');
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

/// `runner 2`, `runners 1–3`, `runners 1, 3`.
pub(super) fn numbered(numbers: &[u64]) -> String {
    match numbers {
        [one] => format!("runner {one}"),
        [first, .., last] if last - first + 1 == numbers.len() as u64 => format!("runners {first}–{last}"),
        _ => {
            let all: Vec<String> = numbers.iter().map(u64::to_string).collect();
            format!("runners {}", all.join(", "))
        }
    }
}

/// GCk6's `run_status` with its number.
pub(super) fn run_status(status: i64) -> String {
    let word = match status {
        1 => "initializing",
        2 => "running",
        3 => "finished",
        5 => "aborted by the user",
        6 => "aborted by the system",
        _ => return format!("status {status}"),
    };
    format!("{word} ({status})")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read() {
        assert_eq!(run_of("plz-test-101"), Some(101));
        assert_eq!(run_of("plz-test-101.17f"), Some(101));
        assert_eq!(run_of("other-101"), None);
        assert_eq!(runner_of("plz-test-101-12-abcde"), Some((101, 12)));
        assert_eq!(runner_of("plz-test-101"), None);
    }

    #[test]
    fn runners_are_counted_up() {
        for (numbers, expected) in
            [(&[2][..], "runner 2"), (&[1, 2, 3], "runners 1–3"), (&[1, 3], "runners 1, 3")]
        {
            assert_eq!(numbered(numbers), expected);
        }
    }
}
