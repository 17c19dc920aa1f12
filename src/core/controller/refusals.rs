//! Which refusals of the API server are final: the one place that decides it, before anybody learns from an answer.
//!
//! An API server that has just started answers 403 until its caches of roles and of what admission needs are filled, about a
//! second, to calls that are allowed before and after. So a refusal counts as final when it has stood for [`SETTLED_AFTER`];
//! until then whoever asks learns that he is to try again. What admission has decided (a quota, pod security, a webhook) is
//! final at once. Owns since when each lane is refused. Leaves alone what a final refusal means, and the pace of the tries.
//!
//! Invariant: a young refusal reaches nobody as [`Retry::Never`](k8s::Retry::Never).

use std::collections::BTreeMap;
use std::time::Duration;

use crate::event::{Key, Reply, TaskId};
use crate::outcome::text;
use crate::runner;

/// How long a refusal has to stand, after the API server has come back, to be final.
pub(super) const SETTLED_AFTER: Duration = Duration::from_secs(30);
/// How long it has to stand to be told: an API server that starts is no news.
const SILENCE: Duration = Duration::from_secs(2);
/// A lane that was not tried for so long is refused no more. Longer than the longest pause between two tries.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(70);

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Refusals {
    lanes: BTreeMap<TaskId, Refusal>,
}

#[derive(Debug)]
struct Refusal {
    since: Duration,
    last: Duration,
    why: String,
}

impl Refusals {
    /// A reply as it is to be learnt from. `back` is when the API server last came back from an outage.
    pub(super) fn judge(
        &mut self,
        now: Duration,
        back: Option<Duration>,
        id: &TaskId,
        reply: Reply,
    ) -> Reply {
        let Some(why) = refusal(&reply) else {
            self.lanes.remove(&id.lane());
            return reply;
        };
        self.lanes.retain(|_, refusal| now < refusal.last + FORGOTTEN_AFTER);
        let refusal = self.lanes.entry(id.lane()).or_insert_with(|| Refusal {
            since: now,
            last: now,
            why: String::new(),
        });
        (refusal.last, refusal.why) = (now, why);
        let is_settled = now >= refusal.since.max(back.unwrap_or_default()) + SETTLED_AFTER;
        match reply {
            Reply::Kubernetes(Err(k8s::Error::Api { status })) if !is_settled => {
                Reply::Kubernetes(Err(k8s::Error::Unsettled { status }))
            }
            Reply::Runner(Err(runner::Error::Refused(why))) if is_settled => {
                Reply::Runner(Err(runner::Error::Unreachable(why)))
            }
            reply => reply,
        }
    }

    /// Whether a lane is refused, and has not been for long.
    pub(super) fn is_young(&self, now: Duration, id: &TaskId) -> bool {
        self.lanes.get(&id.lane()).is_some_and(|refusal| now < refusal.since + 2 * SETTLED_AFTER)
    }

    /// What is refused to an object, once it has been for long enough to be told.
    pub(super) fn of(&self, now: Duration, key: &Key) -> Option<String> {
        let told =
            |refusal: &&Refusal| now >= refusal.since + SILENCE && now < refusal.last + FORGOTTEN_AFTER;
        let mut lanes = self.lanes.iter().filter(|(id, _)| id.key == *key).map(|(_, refusal)| refusal);
        let refusal = lanes.find(told)?;
        Some(format!(
            "the API server denies a call that is needed here, which will be retried: {}",
            refusal.why
        ))
    }

    /// Nothing is known of an object any more.
    pub(super) fn forget(&mut self, key: &Key) {
        self.lanes.retain(|id, _| id.key != *key);
    }
}

fn refusal(reply: &Reply) -> Option<String> {
    match reply {
        Reply::Kubernetes(Err(error)) if error.may_be_unsettled() => Some(text(error)),
        Reply::Runner(Err(runner::Error::Refused(why))) => Some(text(why)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cloud::RunId;
    use crate::event::ObjectKey;
    use crate::zone::Action;

    const S: Duration = Duration::from_secs(1);

    fn id() -> TaskId {
        TaskId::zone(&ObjectKey::new("ns", "z"), Action::CreateTestRun(RunId(7)))
    }

    fn forbidden(message: &str) -> Reply {
        let body = format!(r#"{{"kind":"Status","reason":"Forbidden","message":"{message}","code":403}}"#);
        Reply::Kubernetes(k8s::status::interpret(403, None, body.into_bytes()))
    }

    fn is_final(reply: &Reply) -> bool {
        match reply {
            Reply::Kubernetes(Err(error)) => error.retry() == k8s::Retry::Never,
            _ => false,
        }
    }

    const RIGHTS: &str = "testruns.k6.io is forbidden: User x cannot create resource testruns";

    #[test]
    fn a_refusal_of_rights_is_final_when_it_has_stood_for_a_while() {
        let mut refusals = Refusals::default();
        for (second, settled) in [(1, false), (2, false), (30, false), (31, true), (40, true)] {
            let reply = refusals.judge(S * second, None, &id(), forbidden(RIGHTS));
            assert_eq!(is_final(&reply), settled, "{second}");
            assert_eq!(refusals.of(S * second, &id().key).is_some(), second >= 3, "{second}");
        }
        // One answer of another kind, and it begins anew.
        let answer = refusals.judge(S * 41, None, &id(), Reply::Kubernetes(Ok(Vec::new())));
        assert!(matches!(answer, Reply::Kubernetes(Ok(_))) && refusals.of(S * 41, &id().key).is_none());
        assert!(!is_final(&refusals.judge(S * 42, None, &id(), forbidden(RIGHTS))));
        // So it does after a long rest, and for an object that is another.
        assert!(!is_final(&refusals.judge(S * 200, None, &id(), forbidden(RIGHTS))));
        refusals.forget(&id().key);
        assert!(refusals.of(S * 300, &id().key).is_none());
    }

    #[test]
    fn an_api_server_that_has_just_come_back_is_given_longer() {
        let mut refusals = Refusals::default();
        let mut judge = |second, back| {
            let reply = refusals.judge(S * second, Some(S * back), &id(), forbidden(RIGHTS));
            is_final(&reply)
        };
        assert!(!judge(1, 0) && !judge(40, 35) && !judge(64, 35) && judge(65, 35));
    }

    #[test]
    fn what_admission_decides_is_final_at_once() {
        for (message, settled) in [
            ("jobs.batch x is forbidden: exceeded quota: q, requested: count/jobs.batch=1", true),
            ("admission webhook w denied the request: no", true),
            (
                "testruns.k6.io x is forbidden: ValidatingAdmissionPolicy p with binding b denied request: no",
                true,
            ),
            ("pods x is forbidden: violates PodSecurity restricted", true),
            ("jobs.batch x is forbidden: not yet ready to handle request", false),
            ("jobs.batch x is forbidden: status unknown for quota: q, resources: count/jobs.batch", false),
            ("no", false),
        ] {
            let reply = Refusals::default().judge(S, None, &id(), forbidden(message));
            assert_eq!(is_final(&reply), settled, "{message}");
        }
    }
}
