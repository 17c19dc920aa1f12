//! Whose a test run of GCk6 is, by its `TestRun` alone.
//!
//! Owns the rules by which a `TestRun` may be one that the agent made for a zone. They keep out what was made by hand; what
//! passes them is believed only once GCk6 has confirmed it (`proof`), for whoever may create `TestRun`s can forge an owner. Leaves
//! alone what is done with either. Invariant: nothing is taken from the spec, which anybody may write, but to compare it.

use super::table::Block;
use crate::api::ObjectKey;
use crate::api::run::TestRun;
use crate::api::zone::{self as zone, PrivateLoadZone};
use crate::cloud::RunId;
use crate::excerpt;
use crate::testrun::template;

/// Which test run at GCk6 it would be, and of which zone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// By its name.
    pub id: RunId,
    /// The zone that controls it.
    pub zone: ObjectKey,
    /// The uid of that very zone.
    pub zone_uid: String,
}

/// Why a `TestRun` that bears the id of a test run is none that the agent made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Alien {
    /// Occurs when `spec.testRunId` is no id as GCk6 writes it.
    #[error("spec.testRunId is not a test run id: {0}")]
    Id(String),
    /// Occurs when the name does not go with the id.
    #[error("the TestRun of test run {0} is named {1}")]
    Name(RunId, String),
    /// Occurs when no zone of its namespace controls it.
    #[error("no PrivateLoadZone of this namespace controls it")]
    Zone,
    /// Occurs when it names another Secret than its zone does.
    #[error("spec.token is not the Secret of PrivateLoadZone {0}")]
    Token(String),
}

/// What a `TestRun` is told to be; `Ok(None)` if it does not claim to be a test run of GCk6. `zone` finds a zone of its namespace
/// by name.
///
/// A spec that was edited after the creation says nothing any more: then the name alone counts.
pub fn of<'a>(
    run: &TestRun,
    block: Block,
    zone: impl Fn(&str) -> Option<&'a PrivateLoadZone>,
) -> Result<Option<Identity>, Alien> {
    let spec = &run.spec;
    let is_edited = run.is_edited();
    let owner = run.metadata.controller().filter(|owner| owner.kind == zone::KIND);
    let zone = owner.and_then(|owner| zone(&owner.name).filter(|zone| zone.metadata.uid == owner.uid));
    let named = template::id(&run.metadata.name);
    if spec.test_run_id.is_empty() && !(is_edited && zone.is_some() && named.is_some()) {
        return Ok(None);
    }
    let id = match named {
        Some(id) if is_edited => id,
        _ => given(&spec.test_run_id)?,
    };
    if named != Some(id) {
        return Err(Alien::Name(id, template::name(id)));
    }
    let zone = zone.ok_or(Alien::Zone)?;
    // Once its Jobs exist the zone may have been given another Secret.
    if block == Block::New && !is_edited && spec.token != zone.spec.token {
        return Err(Alien::Token(zone.metadata.name.clone()));
    }
    Ok(Some(Identity { id, zone: zone.metadata.key(), zone_uid: zone.metadata.uid.clone() }))
}

fn given(text: &str) -> Result<RunId, Alien> {
    let id = text.parse().ok().filter(|id: &RunId| id.to_string() == text);
    id.ok_or_else(|| Alien::Id(excerpt::one_line(text)))
}

impl Alien {
    /// The whole of it for a person.
    #[must_use]
    pub fn message(&self) -> String {
        format!(
            "spec.testRunId is for test runs that GCk6 has listed for a PrivateLoadZone, whose TestRuns the agent \
             creates, and this is not one: {self}; leave out spec.testRunId, or start the test at GCk6"
        )
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn zone() -> PrivateLoadZone {
        serde_json::from_value(json!({
            "metadata": {"name": "edge", "namespace": "ns", "uid": "z"}, "spec": {"token": "k6-token"}
        }))
        .unwrap()
    }

    /// A `TestRun` as the agent makes it, with `change` merged into it.
    fn judged(block: Block, change: &Value) -> Result<Option<RunId>, Alien> {
        let mut run = json!({
            "metadata": {"name": "plz-test-101", "namespace": "ns", "generation": 1, "ownerReferences": [
                {"kind": "PrivateLoadZone", "name": "edge", "uid": "z", "controller": true}]},
            "spec": {"testRunId": "101", "token": "k6-token"},
        });
        for (part, fields) in change.as_object().unwrap() {
            for (field, value) in fields.as_object().unwrap() {
                run[part][field] = value.clone();
            }
        }
        let run: TestRun = serde_json::from_value(run).unwrap();
        let zone = zone();
        let find = |name: &str| (name == "edge").then_some(&zone);
        of(&run, block, find).map(|found| {
            found.map(|identity| {
                assert_eq!(
                    (identity.zone, identity.zone_uid),
                    (ObjectKey::new("ns", "edge"), "z".to_owned())
                );
                identity.id
            })
        })
    }

    #[track_caller]
    fn check(change: &Value, wanted: Result<Option<u64>, &str>) {
        let found = judged(Block::New, change).map(|id| id.map(|id| id.0)).map_err(|alien| alien.to_string());
        match (&found, &wanted) {
            (Err(said), Err(part)) => assert!(said.contains(part), "{change}: {said}"),
            _ => assert_eq!(found.clone().ok(), wanted.ok(), "{change}: {found:?}"),
        }
    }

    fn owner(change: &Value) -> Value {
        let mut owner = json!({"kind": "PrivateLoadZone", "name": "edge", "uid": "z", "controller": true});
        for (field, value) in change.as_object().unwrap() {
            owner[field] = value.clone();
        }
        json!({"metadata": {"ownerReferences": [owner]}})
    }

    #[test]
    fn each_rule_alone() {
        check(&json!({}), Ok(Some(101)));
        for id in ["0101", "+101", "101 ", "x", "-1", "99999999999999999999"] {
            check(&json!({"spec": {"testRunId": id}}), Err("not a test run id"));
        }
        check(&json!({"spec": {"testRunId": "102"}}), Err("named plz-test-102"));
        check(&json!({"metadata": {"name": "plz-test-0101"}}), Err("named plz-test-101"));
        check(&json!({"metadata": {"ownerReferences": null}}), Err("no PrivateLoadZone"));
        check(&owner(&json!({"uid": "y"})), Err("no PrivateLoadZone"));
        check(&owner(&json!({"name": "other"})), Err("no PrivateLoadZone"));
        check(&owner(&json!({"kind": "TestRun"})), Err("no PrivateLoadZone"));
        check(&owner(&json!({"controller": false})), Err("no PrivateLoadZone"));
        check(&json!({"spec": {"token": "other"}}), Err("spec.token"));
        check(&json!({"spec": {"token": ""}}), Err("spec.token"));
    }

    #[test]
    fn a_plain_run_claims_nothing() {
        check(&json!({"spec": {"testRunId": ""}}), Ok(None));
        check(&json!({"spec": {"testRunId": ""}, "metadata": {"name": "mine", "generation": 7}}), Ok(None));
    }

    #[test]
    fn an_edit_of_the_spec_changes_nothing() {
        for spec in [json!({"testRunId": ""}), json!({"testRunId": "7"}), json!({"token": "other"})] {
            check(&json!({"spec": spec, "metadata": {"generation": 2}}), Ok(Some(101)));
        }
        check(&json!({"metadata": {"generation": 2, "ownerReferences": null}}), Err("no PrivateLoadZone"));
    }

    #[test]
    fn a_zone_may_get_another_secret_while_its_runs_go_on() {
        let other = json!({"spec": {"token": "former"}});
        assert_eq!(judged(Block::Created, &other), Ok(Some(RunId(101))));
        assert!(judged(Block::New, &other).is_err());
    }
}
