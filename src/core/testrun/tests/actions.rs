//! What each action is: whom it calls, what it shares a lane with, whether it changes anything, and how it is spoken of.

use std::collections::BTreeSet;

use super::calls::ALL;
use crate::api::run::Stage;
use crate::call::Class::{self, Cloud, CloudNews, Kubernetes, Runner, UserCode};
use crate::testrun::action::{Action as A, StatusWrite};

const CONDITIONS: A = A::WriteStatus(StatusWrite::Conditions);

#[test]
#[rustfmt::skip]
fn each_action() {
    let rows: [(A, Class, bool, &str); 23] = [
        // action                  who         changes nothing  in words
        (A::Confirm,               Cloud,      true,  "confirming the test run with GCk6"),
        (A::FetchCredentials,      Cloud,      true,  "fetching the archive's URL from GCk6"),
        (A::CreateCredentials,     Kubernetes, false, "creating the Secret"),
        (A::InspectCredentials,    Kubernetes, true,  "reading the Secret"),
        (A::CreateJob(2),          Kubernetes, false, "creating the Job of runner 2"),
        (A::InspectJob(2),         Kubernetes, true,  "reading the Job of runner 2"),
        (A::ReadEvents(2),         Kubernetes, true,  "reading the Events of runner 2's Job"),
        (A::AskRunner(2),          Runner,     true,  "asking runner 2 for its status"),
        (A::ReadSetup(2),          Runner,     true,  "reading the setup data of runner 2"),
        (A::RunSetup(2),           UserCode,   false, "running setup() on runner 2"),
        (A::TakeSetupData(2),      Runner,     true,  "reading the setup data of runner 2"),
        (A::SendSetupData(2),      Runner,     false, "sending the setup data to runner 2"),
        (A::ResumeRunner(2),       Runner,     false, "starting runner 2"),
        (A::StopRunner(2),         Runner,     false, "stopping runner 2"),
        (A::RunTeardown(2),        UserCode,   false, "running teardown() on runner 2"),
        (A::DeleteJob(2),          Kubernetes, false, "deleting the Job of runner 2"),
        (A::CheckState,            CloudNews,  true,  "asking GCk6 for the state of the test run"),
        (A::SendEvents,            Cloud,      false, "telling GCk6 what went wrong"),
        (A::Finish,                Cloud,      false, "telling GCk6 that the test run is over"),
        (CONDITIONS,               Kubernetes, false, "writing the conditions"),
        (A::DeleteTestRun,         Kubernetes, false, "deleting the TestRun"),
        (A::Release,               Kubernetes, false, "removing our finalizer"),
        (A::Announce,              Kubernetes, false, "posting an Event"),
    ];
    assert_eq!(rows.map(|row| row.0), ALL);
    for (action, class, is_question, words) in rows {
        assert_eq!((action.class(), action.is_question()), (class, is_question), "{action}");
        assert_eq!(action.to_string(), words);
        let is_of_one = words.contains("runner 2");
        assert_eq!(action.runner(), is_of_one.then_some(2), "{action}");
    }
}

#[test]
fn all_writes_of_the_status_share_a_lane_and_nothing_else_does() {
    let stages = Stage::ALL.map(|stage| A::WriteStatus(StatusWrite::Stage(stage)).lane());
    assert_eq!(BTreeSet::from(stages), BTreeSet::from([CONDITIONS.lane()]));
    assert_eq!(BTreeSet::from(ALL.map(A::lane)).len(), ALL.len());
    let recording = A::WriteStatus(StatusWrite::Stage(Stage::Stopped)).to_string();
    assert_eq!(recording, "recording stage \"stopped\"");
}
