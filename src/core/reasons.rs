//! The reasons of conditions and of Kubernetes Events, with what each means: the words that users and their tools filter by.
//!
//! Owns what each reason means, as the reference prints it. Leaves it to the writers of conditions and Events when one is
//! written. Invariant: no other reason is ever written; tests compare the table with the sources and with whatever the stories
//! write.

use crate::announce::Kind::{self, Normal, Warning};
use crate::api::run;
use crate::api::zone::PLZ_REGISTERED;
use crate::conditions::Truth::{self, False, True, Unknown};
use crate::zone::conditions::PLZ_POLLED;

/// A reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Word {
    /// This one.
    Is(&'static str),
    /// Any cause for which a run ends early or has not passed, see `testrun::termination`.
    Cause,
    /// That of a condition of the zone.
    Condition,
}

/// One row of a table of conditions.
#[derive(Clone, Copy, Debug)]
pub struct ConditionReason {
    /// The type of the condition.
    pub condition: &'static str,
    /// Its status.
    pub status: Truth,
    /// Its reason.
    pub reason: Word,
    /// What that means, in Markdown on one line.
    pub meaning: &'static str,
}

/// What an Event is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum About {
    /// A `PrivateLoadZone`.
    Zone,
    /// A `TestRun`.
    TestRun,
    /// One of these.
    Either,
}

/// One row of the table of Events.
#[derive(Clone, Copy, Debug)]
pub struct EventReason {
    /// What the Event is about.
    pub about: About,
    /// Its type.
    pub kind: Kind,
    /// Its reason.
    pub reason: Word,
    /// What that means, in Markdown on one line.
    pub meaning: &'static str,
}

use About::{Either, TestRun, Zone};
use Word::{Cause, Condition, Is};

const fn row(condition: &'static str, status: Truth, reason: Word, meaning: &'static str) -> ConditionReason {
    ConditionReason { condition, status, reason, meaning }
}

const fn event(about: About, kind: Kind, reason: Word, meaning: &'static str) -> EventReason {
    EventReason { about, kind, reason, meaning }
}

/// The conditions of a `PrivateLoadZone`.
#[rustfmt::skip]
pub const OF_ZONES: &[ConditionReason] = &[
    row(PLZ_REGISTERED, True,  Is("Registered"),           "GCk6 knows the zone."),
    row(PLZ_REGISTERED, True,  Is("UpdateFailed"),         "GCk6 knows the zone but rejects the latest change to its limits or image."),
    row(PLZ_REGISTERED, True,  Is("DeregistrationFailed"), "The zone is being deleted, and GCk6 has not accepted the deregistration yet."),
    row(PLZ_REGISTERED, False, Is("NameTaken"),            "Another zone holds this name; GCk6 tells zones apart by name only."),
    row(PLZ_REGISTERED, False, Is("InvalidSpec"),          "The spec does not name the token's Secret, or a limit is missing."),
    row(PLZ_REGISTERED, False, Is("TokenMissing"),         "The token cannot be read from its Secret."),
    row(PLZ_REGISTERED, False, Is("TokenRefused"),         "GCk6 rejects the token."),
    row(PLZ_REGISTERED, False, Is("Refused"),              "The API server denies the agent a right that the zone needs. The agent keeps trying; a test run fails after 30 s of this."),
    row(PLZ_REGISTERED, False, Is("RegistrationFailed"),   "GCk6 rejects the registration or cannot be reached."),
    row(PLZ_POLLED,     False, Is("TokenProblem"),         "The zone is registered, but its token is missing or rejected."),
    row(PLZ_POLLED,     False, Is("Refused"),              "The zone is registered, but the API server denies the agent a right that the zone needs."),
    row(PLZ_POLLED,     False, Is("PollFailing"),          "At least two polls in a row got no answer from GCk6."),
    row(PLZ_POLLED,     True,  Is("Polling"),              "GCk6 answers again. The condition is absent until a poll has failed."),
];

/// The conditions of a `TestRun`.
#[rustfmt::skip]
pub const OF_TEST_RUNS: &[ConditionReason] = &[
    row(run::TEST_RUN_RUNNING,         False,   Is("RunnersStarting"),  "The runners are starting. Once one of them has made no progress for 30 s, or for 5 s when something blocks it, the message says what each one is waiting for; it is updated at most every 30 s."),
    row(run::TEST_RUN_RUNNING,         True,    Is("RunnersResumed"),   "The test is running."),
    row(run::TEST_RUN_RUNNING,         True,    Is("Unconfirmed"),      "The agent was restarted, and GCk6 has not confirmed yet that the test run belongs to this zone. The runners carry on."),
    row(run::TEST_RUN_RUNNING,         True,    Is("Refused"),          "The API server denies the agent a right that the run needs. The agent keeps trying."),
    row(run::TEST_RUN_RUNNING,         True,    Is("RunnerSilent"),     "A runner has not answered for 15 s. The run carries on: k6 may be busy, and if the runner is gone its pod will say so."),
    row(run::TEST_RUN_RUNNING,         False,   Is("TestEnded"),        "The test has ended on all runners."),
    row(run::TEST_RUN_RUNNING,         False,   Cause,                  "The run was ended early, or the test did not pass."),
    row(run::CLOUD_TEST_RUN,           True,    Is("PrivateLoadZone"),  "The runners send their metrics to GCk6."),
    row(run::CLOUD_TEST_RUN_CREATED,   True,    Is("CreatedByCloud"),   "GCk6 created the test run."),
    row(run::CLOUD_PLZ_TEST_RUN,       True,    Is("PrivateLoadZone"),  "GCk6 listed the test run for this zone."),
    row(run::CLOUD_PLZ_TEST_RUN,       False,   Is("NotMadeByAgent"),   "The `TestRun` has a `spec.testRunId`, but the agent did not create it, so it is ignored. The message says why."),
    row(run::CLOUD_TEST_RUN_ABORTED,   False,   Is("NotAborted"),       "Nothing has ended the run early."),
    row(run::CLOUD_TEST_RUN_ABORTED,   True,    Cause,                  "The run was ended early; the message says why."),
    row(run::TEARDOWN_EXECUTED,        False,   Is("NotEnded"),         "The test is not over."),
    row(run::TEARDOWN_EXECUTED,        Unknown, Is("TeardownBegun"),    "Teardown is running or waiting for its turn."),
    row(run::TEARDOWN_EXECUTED,        True,    Is("TeardownExecuted"), "Teardown ran, once."),
    row(run::TEARDOWN_EXECUTED,        False,   Is("TeardownFailed"),   "The script's `teardown()` threw, or the runner never answered."),
    row(run::TEARDOWN_EXECUTED,        False,   Is("TeardownNotRun"),   "The test had not started, or no runner was left."),
    row(run::TEARDOWN_EXECUTED,        Unknown, Is("TeardownUnknown"),  "The agent was restarted while teardown ran, or just before or after. Teardown is never run twice."),
    row(run::CLOUD_TEST_RUN_FINALIZED, False,   Is("NotEnded"),         "The test is not over."),
    row(run::CLOUD_TEST_RUN_FINALIZED, True,    Is("Finished"),         "GCk6 has been told that the test run is over."),
    row(run::CLOUD_TEST_RUN_FINALIZED, False,   Is("FinishFailed"),     "GCk6 rejected the end of the test run, or could not be reached for 4 h."),
];

/// The Events.
#[rustfmt::skip]
pub const OF_EVENTS: &[EventReason] = &[
    event(Zone,    Normal,  Is("Registered"),       "GCk6 has accepted the zone, or a change to its spec."),
    event(Zone,    Warning, Condition,              "`PLZRegistered` or `PLZPolled` reports a problem, such as `NameTaken`, `TokenMissing` or `PollFailing`. Sent once until the problem is fixed."),
    event(Zone,    Warning, Is("TestRunRefused"),   "A test run that GCk6 lists cannot be started. GCk6 gets the same message."),
    event(Zone,    Warning, Is("TestRunNameTaken"), "A listed test run needs a `TestRun` name that something else is using. After a minute, the agent rejects the test run."),
    event(Zone,    Warning, Is("NotDeregistered"),  "The zone was deleted without a valid token. Delete the load zone at GCk6 by hand."),
    event(TestRun, Normal,  Is("Started"),          "All runners were started together."),
    event(TestRun, Warning, Is("Waiting"),          "The start makes no progress, with the message of `TestRunRunning`; or `teardown()` is waiting for its turn."),
    event(TestRun, Warning, Is("Unconfirmed"),      "The agent was restarted and cannot do anything for the run until GCk6 confirms which zone it belongs to."),
    event(TestRun, Warning, Is("NotMadeByAgent"),   "The `TestRun` is ignored; the condition `CloudPLZTestRun` says why."),
    event(Either,  Warning, Is("TooLarge"),         "The object is ignored in its current form because it is too large. At most four such Events in ten minutes per namespace."),
    event(Either,  Warning, Is("NoRoom"),           "The object is ignored because its namespace has too many or too large objects. At most four such Events in ten minutes per namespace."),
    event(TestRun, Warning, Is("Refused"),          "The run is over, but the API server denies the agent a right that the clean-up needs. The agent keeps trying."),
    event(TestRun, Warning, Is("RunnerSilent"),     "A runner stopped answering in the middle of the test."),
    event(TestRun, Warning, Is("TeardownFailed"),   "The script's `teardown()` threw, or the runner never answered."),
    event(TestRun, Normal,  Is("Finished"),         "The test has ended on all runners."),
    event(TestRun, Normal,  Is("Aborted"),          "The run was ended on purpose: by a user, GCk6, the script or a deletion in the cluster."),
    event(TestRun, Warning, Is("NotPassed"),        "The test has ended on all runners and did not pass."),
    event(TestRun, Warning, Is("Failed"),           "The run failed."),
];
