//! The core's side of GCk6's tokens: which Secrets are wanted, when they are read, and whom a new token lets go on.

use std::time::Duration;

use super::Core;
use crate::event::{Action, Call, Key, Now, ObjectKey, Reply, TaskId};
use crate::pace;
use crate::token::{self, Acceptance};
use crate::zone::claim::LAPSED_AFTER;

/// A token that was refused for less than this and is accepted again may be refused for some calls only; those keep their pace.
const REFUSED_MIN: Duration = Duration::from_secs(5);

impl Core {
    /// GCk6 rejects the token: the Secret is read again at once, and the call waits.
    pub(super) fn token_refused(&mut self, now: Now, id: &TaskId, why: &str) {
        if let Some(secret) = self.token_of(&id.key) {
            let token = self.tokens.entry(secret.clone()).or_default();
            let is_new = !token.refused;
            token.refuse(now.mono, &secret, why);
            if is_new {
                log::warn!("GCk6 rejects the token in Secret {secret}: {why}");
                self.token_changed(now, &secret, false);
            }
            self.queue.mark(Key::Token(secret));
        }
        let _ = self.queue.failed(now.mono, id, pace::REMOTE, None);
    }

    /// The Secret that holds the token for a zone or a run.
    pub(super) fn token_of(&self, key: &Key) -> Option<ObjectKey> {
        match key {
            Key::Token(_) | Key::Lease(_) | Key::Operator(_) => None,
            Key::Zone(zone) => self.store.zones.find(zone)?.secret(),
            // Its zone's, whatever the `TestRun` names.
            Key::Run(run) => self.runs.get(run)?.secret.clone(),
        }
    }

    /// Sees to it that the token of a zone or a run is read.
    pub(super) fn want_token(&mut self, key: &Key) {
        if let Some(secret) = self.token_of(key)
            && !self.tokens.contains_key(&secret)
        {
            self.tokens.insert(secret.clone(), Box::default());
            self.queue.mark(Key::Token(secret));
        }
    }

    pub(super) fn token_turn(&mut self, now: Now, secret: &ObjectKey) {
        let key = Key::Token(secret.clone());
        let Some(token) = self.tokens.get(secret) else { return };
        let zones = self.store.zones.iter().map(|(key, _)| Key::Zone(key.clone()));
        let runs = self.runs.keys().map(|key| Key::Run(key.clone()));
        let wanted = zones.chain(runs).any(|key| self.token_of(&key).as_ref() == Some(secret));
        if !wanted {
            self.tokens.remove(secret);
            self.forget(&key);
            return;
        }
        let due = token.due();
        if due > now.mono {
            self.queue.wake(&key, due);
            return;
        }
        let id = TaskId { key, action: Action::Token(token::Action::Read) };
        if self.queue.is_free(now.mono, &id) {
            self.queue.push(id);
        }
    }

    pub(super) fn token_call(secret: &ObjectKey, action: token::Action) -> Call {
        match action {
            token::Action::Read => Call::Kubernetes(k8s::SECRETS.get(Some(&secret.namespace), &secret.name)),
        }
    }

    pub(super) fn token_report(&mut self, now: Now, secret: &ObjectKey, reply: Reply) {
        let reply = reply.kubernetes();
        let Some(token) = self.tokens.get_mut(secret) else { return };
        let problem = token.problem.clone();
        let is_new = token.apply_reply(now.mono, secret, reply);
        if let Some(message) = &token.problem
            && token.problem != problem
        {
            log::warn!("{message}");
        }
        // Once the name is at stake each look at the token counts.
        let has_lapsed = token.problem_since.is_some_and(|since| now.mono >= since + LAPSED_AFTER);
        if is_new || token.problem != problem || has_lapsed {
            self.token_changed(now, secret, is_new);
        }
    }

    /// A call with the token of a zone or a run went well. Whoever was told that GCk6 refuses it hears of that at once; and what
    /// had waited for it is tried again, unless GCk6 seems to take the token for one call and to refuse it for another.
    pub(super) fn token_accepted(&mut self, now: Now, key: &Key) {
        let Some(secret) = self.token_of(key) else { return };
        match self.tokens.get_mut(&secret).map(|token| token.accept(now.mono)) {
            Some(Acceptance::Again(since)) => {
                log::info!("GCk6 accepts the token in Secret {secret} again");
                self.token_changed(now, &secret, now.mono >= since + REFUSED_MIN);
            }
            Some(Acceptance::First) => self.token_changed(now, &secret, false),
            Some(Acceptance::Known) | None => {}
        }
    }

    /// Has everybody look whose token it is, and the namesakes of zones; with `is_good` they try again at once.
    fn token_changed(&mut self, now: Now, secret: &ObjectKey, is_good: bool) {
        let zones: Vec<Key> = self.store.zones.iter().map(|(key, _)| Key::Zone(key.clone())).collect();
        let runs: Vec<Key> = self.runs.keys().map(|key| Key::Run(key.clone())).collect();
        for key in zones.into_iter().chain(runs) {
            if self.token_of(&key).as_ref() != Some(secret) {
                continue;
            }
            if is_good {
                self.queue.forgive(&key);
                if let Some(zone) = self.zones.get_mut(key.object()).filter(|_| matches!(key, Key::Zone(_))) {
                    zone.next_poll = if zone.polls_failed > 0 { now.mono } else { zone.next_poll };
                }
            }
            self.mark(key);
        }
    }
}
