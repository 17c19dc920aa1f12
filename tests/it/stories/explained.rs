//! Whatever an agent writes into conditions and Events stands in the table of reasons, which the reference prints: the type, the
//! status and the reason, together.

use plz_core::reasons::{self, About, ConditionReason, Word};
use plz_core::testrun::termination::Cause;

use super::*;

/// Looks at all that was written, as far back as the API server remembers.
#[track_caller]
pub(super) fn check(drive: &Drive) {
    for change in drive.world.api.changes_since(0) {
        let object = &*change.object;
        match change.key.kind {
            Kind::PrivateLoadZone => conditions_are_explained(object, reasons::OF_ZONES),
            Kind::TestRun => conditions_are_explained(object, reasons::OF_TEST_RUNS),
            Kind::Event if object["reportingComponent"] == "plz-agent" => event_is_explained(object),
            _ => {}
        }
    }
}

#[track_caller]
fn conditions_are_explained(object: &Value, table: &[ConditionReason]) {
    for condition in object["status"]["conditions"].as_array().into_iter().flatten() {
        let field = |name: &str| condition[name].as_str().unwrap_or_default();
        let (type_, status, reason) = (field("type"), field("status"), field("reason"));
        let by_operator = reason.strip_prefix(type_) == Some(status);
        let mut rows =
            table.iter().filter(|row| row.condition == type_ && format!("{:?}", row.status) == status);
        assert!(by_operator || rows.any(|row| is_word(row.reason, reason)), "not explained: {condition}");
    }
}

#[track_caller]
fn event_is_explained(event: &Value) {
    let field = |name: &str| event[name].as_str().unwrap_or_default();
    let about = match event["involvedObject"]["kind"].as_str() {
        Some("PrivateLoadZone") => About::Zone,
        _ => About::TestRun,
    };
    let mut rows = reasons::OF_EVENTS.iter().filter(|row| {
        (row.about == about || row.about == About::Either) && format!("{:?}", row.kind) == field("type")
    });
    assert!(rows.any(|row| is_word(row.reason, field("reason"))), "not explained: {event}");
}

fn is_word(word: Word, reason: &str) -> bool {
    match word {
        Word::Is(known) => known == reason,
        Word::Cause => Cause::from_reason(reason).is_some(),
        Word::Condition => {
            reasons::OF_ZONES.iter().any(|row| row.reason != word && is_word(row.reason, reason))
        }
    }
}
