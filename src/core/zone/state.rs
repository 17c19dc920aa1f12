//! What the process remembers of a zone between two turns.
//!
//! Invariant: all of it can be lost. What GCk6 was told is written in the zone's status, what it lists is asked again.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime};

use crate::announce::Announcement;
use crate::cloud::{Registration, RunId};
use crate::conditions::{Claim, Truth};
use crate::testrun::prepared::Prepared;

/// How many test runs are remembered as dealt with. Ids grow, so the oldest are forgotten first.
const SETTLED_MAX: usize = 4096;

/// See the module.
#[derive(Debug)]
pub struct ZoneState {
    /// The uid of the object that this is about.
    pub uid: String,
    /// What GCk6 has been told of the zone.
    pub registered: Option<Registration>,
    /// What it is being told.
    pub registering: Option<Registration>,
    /// Makes a registration that is due anew another call than the one before, although it says the same: GCk6 takes
    /// calls with equal idempotency keys for one.
    pub registration_salt: u64,
    /// Whether GCk6 has said that it does not know the zone, whatever the status says.
    pub forgotten: bool,
    /// Why GCk6 does not take it.
    pub registration_error: Option<String>,
    /// Whether GCk6 has said that it does not, as it is.
    pub registration_refused: bool,
    /// Whether GCk6 has listed a test run to it and to another zone of its name: they are of one organisation.
    pub contends: bool,
    /// When GCk6 is asked for test runs next.
    pub next_poll: Duration,
    /// How often in a row it did not answer.
    pub polls_failed: u32,
    /// How often in a row it answered that it does not know the zone.
    pub polls_not_found: u32,
    /// Whether the last poll had no answer at all: then GCk6 is out of reach for everybody, which the core tells.
    pub poll_unanswered: bool,
    /// Why, in words.
    pub poll_error: Option<String>,
    /// When it last answered, by the calendar.
    pub polled_at: Option<SystemTime>,
    /// Whether it ever answered this process.
    pub polled: bool,
    /// The test runs that it lists and that are not known to be dealt with.
    pub listed: BTreeMap<RunId, Listed>,
    /// Test runs that were started, refused or have ended; GCk6 may list them for a while.
    pub settled: BTreeSet<RunId>,
    /// Since when the zone is being deleted.
    pub leaving_since: Option<Duration>,
    /// Since when deregistration is tried.
    pub deregistering_since: Option<Duration>,
    /// Whether GCk6 has forgotten the zone, or there is no way to make it.
    pub deregistered: bool,
    /// Why it is not deregistered yet.
    pub deregistration_error: Option<String>,
    /// Whether only another token could help.
    pub deregistration_refused: bool,
    /// The complaints that an Event was posted about: condition and reason.
    pub complained: Vec<(&'static str, String)>,
    /// What the API server refuses to it, and has for a while.
    pub refusal: Option<String>,
    /// Events to post.
    pub announcements: Vec<Announcement>,
}

/// How far a listed test run is.
#[derive(Debug)]
pub enum Listed {
    /// Its data has to be asked for.
    New {
        /// How often in a row GCk6 has answered with something unreadable.
        unreadable: u32,
    },
    /// Its `TestRun` has to be created.
    Ready {
        /// As it was when GCk6 had told what belongs to it. An edit of the zone does not change it any more.
        prepared: Box<Prepared>,
        /// When that was.
        since: Duration,
    },
    /// A `TestRun` of its name exists; whose it is has to be looked up.
    Unclear {
        /// Since when.
        since: Duration,
        /// Whether an Event says that it belongs to something else.
        told: bool,
    },
    /// It cannot be started, which GCk6 has to be told.
    Refused(String),
}

impl Listed {
    /// Just listed.
    pub const NEW: Self = Self::New { unreadable: 0 };
}

impl ZoneState {
    /// Nothing remembered yet. The first poll comes at `next_poll`; `salt` differs from process to process.
    #[must_use]
    pub fn new(uid: &str, next_poll: Duration, salt: u64) -> Self {
        Self {
            uid: uid.to_owned(),
            registered: None,
            registering: None,
            registration_salt: salt,
            forgotten: false,
            registration_error: None,
            registration_refused: false,
            contends: false,
            next_poll,
            polls_failed: 0,
            polls_not_found: 0,
            poll_unanswered: false,
            poll_error: None,
            polled_at: None,
            polled: false,
            listed: BTreeMap::new(),
            settled: BTreeSet::new(),
            leaving_since: None,
            deregistering_since: None,
            deregistered: false,
            deregistration_error: None,
            deregistration_refused: false,
            complained: Vec::new(),
            refusal: None,
            announcements: Vec::new(),
        }
    }

    /// Announces what the conditions complain of, each complaint once until it is mended.
    pub fn complain(&mut self, claims: &[Claim]) {
        for claim in claims {
            let complaint = (claim.type_, claim.reason.clone());
            if claim.truth == Truth::True {
                self.complained.retain(|(type_, _)| *type_ != claim.type_);
            } else if !self.complained.contains(&complaint) {
                self.complained.push(complaint);
                self.announcements.push(Announcement::warning(claim.reason.clone(), claim.message.clone()));
            }
        }
    }

    /// Another zone has the name: GCk6 is to be told anew of this one before it is polled for again.
    pub fn step_down(&mut self) {
        self.registered = None;
        self.registration_salt = self.registration_salt.wrapping_add(1);
        self.listed.clear();
    }

    /// Whether a test run was taken up for this zone.
    #[must_use]
    pub fn has_begun(&self, id: RunId) -> bool {
        self.settled.contains(&id)
            || matches!(self.listed.get(&id), Some(Listed::Ready { .. } | Listed::Unclear { .. }))
    }

    /// What the data take in memory from which `TestRun`s are to be made, in bytes.
    #[must_use]
    pub fn data_bytes(&self) -> usize {
        let data = self.listed.values().filter_map(|listed| match listed {
            Listed::Ready { prepared, .. } => Some(prepared.bytes),
            _ => None,
        });
        data.sum()
    }

    /// A listed test run is dealt with, and will not be taken up again.
    pub fn settle(&mut self, id: RunId) {
        self.listed.remove(&id);
        self.settled.insert(id);
        while self.settled.len() > SETTLED_MAX {
            self.settled.pop_first();
        }
    }
}
