//! The arithmetic of `metav1.Condition` lists, shared by zones and runs.
//!
//! Owns merging: a condition's transition time changes with its status only, conditions that are not ours stay, and their
//! order stays too, since k6-operator's printer column reads the first. Invariant: every condition written has a type, a
//! status, a reason of the pattern that Kubernetes asks for, a message and a time.

use std::time::SystemTime;

use k8s::Condition;

use crate::redact;

/// Kubernetes allows 32768; a person reads less.
const MESSAGE_BYTES_MAX: usize = 1000;

/// `status` of a condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "Kubernetes' own words")]
pub enum Truth {
    True,
    False,
    Unknown,
}

impl Truth {
    /// As it stands in `status`.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::True => "True",
            Self::False => "False",
            Self::Unknown => "Unknown",
        }
    }
}

/// What a condition is to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// Which condition.
    pub type_: &'static str,
    /// Its status.
    pub truth: Truth,
    /// A word in CamelCase.
    pub reason: String,
    /// A sentence.
    pub message: String,
}

impl Claim {
    /// A claim; the message is scrubbed and kept on one line.
    #[must_use]
    pub fn new(type_: &'static str, truth: Truth, reason: impl Into<String>, message: &str) -> Self {
        let message = redact::scrubbed_line(message, MESSAGE_BYTES_MAX);
        Self { type_, truth, reason: reason.into(), message }
    }

    /// Whether `conditions` say so already, for this generation of the object.
    #[must_use]
    pub fn stands_in(&self, conditions: &[Condition], generation: Option<i64>) -> bool {
        conditions.iter().any(|known| {
            known.type_ == self.type_
                && known.status == self.status()
                && known.reason == self.reason
                && known.message == self.message
                && (generation.is_none() || known.observed_generation == generation)
        })
    }

    fn status(&self) -> String {
        self.truth.word().to_owned()
    }
}

/// `conditions` with the claims in them.
#[must_use]
pub fn merge(
    conditions: &[Condition],
    claims: &[Claim],
    generation: Option<i64>,
    wall: SystemTime,
) -> Vec<Condition> {
    let mut merged = conditions.to_vec();
    for claim in claims {
        let status = claim.status();
        let known = merged.iter().position(|known| known.type_ == claim.type_);
        let since = known
            .map(|at| &merged[at])
            .filter(|known| known.status == status && !known.last_transition_time.is_empty())
            .map_or_else(|| k8s::format_time(wall), |known| known.last_transition_time.clone());
        let condition = Condition {
            type_: claim.type_.to_owned(),
            status,
            reason: claim.reason.clone(),
            message: claim.message.clone(),
            last_transition_time: since,
            observed_generation: generation,
        };
        match known {
            Some(at) => merged[at] = condition,
            None => merged.push(condition),
        }
    }
    // One that another writer left incomplete would have the API server refuse the whole list.
    for condition in &mut merged {
        if condition.last_transition_time.is_empty() {
            condition.last_transition_time = k8s::format_time(wall);
        }
        if condition.reason.is_empty() {
            condition.reason = "Unknown".to_owned();
        }
    }
    merged
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    fn claim(truth: Truth, message: &str) -> Claim {
        Claim::new("Ready", truth, "Because", message)
    }

    #[test]
    fn a_status_is_one_of_kubernetes_three_words() {
        for (truth, word) in [(Truth::True, "True"), (Truth::False, "False"), (Truth::Unknown, "Unknown")] {
            assert_eq!(merge(&[], &[claim(truth, "m")], None, at(1))[0].status, word);
            assert!(claim(truth, "m").stands_in(&merge(&[], &[claim(truth, "m")], None, at(1)), None));
        }
    }

    #[test]
    fn the_transition_time_follows_the_status_only() {
        let first = merge(&[], &[claim(Truth::False, "a")], Some(1), at(1));
        let second = merge(&first, &[claim(Truth::False, "b")], Some(2), at(2));
        assert_eq!(second[0].last_transition_time, first[0].last_transition_time);
        assert_eq!((second[0].message.as_str(), second[0].observed_generation), ("b", Some(2)));
        let third = merge(&second, &[claim(Truth::True, "b")], Some(2), at(3));
        assert_ne!(third[0].last_transition_time, first[0].last_transition_time);
    }

    #[test]
    fn the_conditions_of_others_stay_in_their_place() {
        let other = Condition { type_: "Other".into(), status: "True".into(), ..Condition::default() };
        let merged = merge(&[other], &[claim(Truth::True, "")], None, at(1));
        assert_eq!(merged.iter().map(|c| c.type_.as_str()).collect::<Vec<_>>(), ["Other", "Ready"]);
        assert!(!merged[0].last_transition_time.is_empty() && !merged[0].reason.is_empty());
    }

    #[test]
    fn a_claim_stands_only_for_the_generation_it_was_made_for() {
        let conditions = merge(&[], &[claim(Truth::True, "m")], Some(1), at(1));
        assert!(claim(Truth::True, "m").stands_in(&conditions, Some(1)));
        assert!(claim(Truth::True, "m").stands_in(&conditions, None));
        assert!(!claim(Truth::True, "m").stands_in(&conditions, Some(2)));
        assert!(!claim(Truth::True, "n").stands_in(&conditions, Some(1)));
    }
}
