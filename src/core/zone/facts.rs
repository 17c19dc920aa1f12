//! What is true of a zone: every [`Fact`] read off the object and the memory.
//!
//! Owns the limits on waiting. Leaves alone what follows (see `table`) and whose a name is (`claim`). Invariant: `holds` changes
//! nothing.

use std::time::{Duration, SystemTime};

use super::claim::Holder;
use super::state::ZoneState;
use super::table::{Block, Fact};
use crate::api::zone::{PLZ_REGISTERED, PrivateLoadZone};
use crate::cloud::Registration;
use crate::testrun::template::Settings;
use crate::token::TokenState;

/// How long the zone's runs are given to come to their end when it is deleted.
pub const RUNS_PATIENCE: Duration = Duration::from_secs(180);
/// How long deregistration is tried with a token that is missing or refused.
pub const DEREGISTRATION_PATIENCE: Duration = Duration::from_secs(60);

/// All that decisions about one zone are made on.
#[derive(Debug)]
pub struct Facts<'a> {
    /// The clock of deadlines.
    pub now: Duration,
    /// The clock of timestamps.
    pub wall: SystemTime,
    /// The object.
    pub zone: &'a PrivateLoadZone,
    /// What is remembered of it.
    pub state: &'a ZoneState,
    /// What is known of its token.
    pub token: Option<&'a TokenState>,
    /// Another zone of the same name that has it.
    pub holder: Option<Holder>,
    /// Whether any zone of the same name stays when this one goes.
    pub name_stays: bool,
    /// How many of its test runs have not come to their end.
    pub runs_left: usize,
    /// What `TestRun`s are made with.
    pub settings: &'a Settings,
}

impl Facts<'_> {
    /// Where the zone stands.
    #[must_use]
    pub fn block(&self) -> Block {
        if self.zone.metadata.deletion_timestamp.is_some() {
            Block::Leaving
        } else if self.state.registered.is_some() {
            Block::Registered
        } else {
            Block::Pending
        }
    }

    /// Whether `fact` is true now.
    #[must_use]
    pub fn holds(&self, fact: Fact) -> bool {
        let state = self.state;
        match fact {
            Fact::NameLapsed => self.name_lapses_at().is_some_and(|at| self.now >= at),
            Fact::NameTaken => self.holder.is_some(),
            Fact::SpecIncomplete => self.registration().is_err(),
            Fact::TokenMissing => self.token.is_none_or(|token| token.value.is_none()),
            Fact::NotAdopted => !self.zone.has_finalizer() || self.zone.recorded_uid().is_none(),
            Fact::RegistrationDue => {
                self.registration().is_ok_and(|wanted| state.registered.as_ref() != Some(&wanted))
            }
            Fact::NotOurs => !self.zone.has_finalizer(),
            Fact::RunsLeft => {
                self.runs_left > 0 && state.leaving_since.is_none_or(|since| self.now < since + RUNS_PATIENCE)
            }
            Fact::DeregistrationDue => !state.deregistered && self.was_registered() && !self.gives_up(),
            Fact::Otherwise => true,
        }
    }

    /// From when on the zone that has the name may lose it.
    #[must_use]
    pub fn name_lapses_at(&self) -> Option<Duration> {
        self.holder.as_ref()?.lapses_at
    }

    /// See [`registration`].
    pub fn registration(&self) -> Result<Registration, String> {
        registration(self.zone)
    }

    /// Whether deregistration was tried for long enough with a token that is missing or refused.
    #[must_use]
    pub fn gives_up(&self) -> bool {
        let hopeless = self.state.deregistration_refused || self.holds(Fact::TokenMissing);
        hopeless
            && self.state.deregistering_since.is_some_and(|since| self.now >= since + DEREGISTRATION_PATIENCE)
    }

    /// Whether GCk6 may know the zone, by this object and not by a namesake.
    #[must_use]
    pub fn was_registered(&self) -> bool {
        let tried = self.state.registered.is_some() || self.zone.condition(PLZ_REGISTERED).is_some();
        (tried || self.zone.recorded_uid().is_some()) && !self.name_stays
    }
}

/// What GCk6 is to be told of the zone, or what is missing in its spec.
pub fn registration(zone: &PrivateLoadZone) -> Result<Registration, String> {
    let spec = &zone.spec;
    if spec.token.is_empty() {
        return Err("spec.token is empty; name the Secret that holds the GCk6 token".to_owned());
    }
    let limit = |resource: &str| {
        spec.resources.limit(resource).filter(|quantity| !quantity.is_empty()).ok_or_else(|| {
            format!("spec.resources.limits.{resource} is missing; GCk6 plans the runners from it")
        })
    };
    Ok(Registration {
        name: zone.metadata.name.clone(),
        cpu: limit("cpu")?,
        memory: limit("memory")?,
        image: Some(spec.image.clone()).filter(|image| !image.is_empty()),
        provider_id: zone.provider_id().to_owned(),
    })
}
