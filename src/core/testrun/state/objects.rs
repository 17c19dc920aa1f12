//! What is known of the objects of a run: its Secret and the runners' Jobs.

use crate::testrun::credentials::Credentials;

/// How far the Secret with the run's credentials is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Keeping {
    /// Nothing is known: an earlier process may have made it.
    #[default]
    Unknown,
    /// There is none, and this process does not have what belongs into it.
    Lost,
    /// There is none, and this process has what belongs into it.
    InHand(Credentials),
    /// It exists and is ours.
    Kept,
    /// One of that name exists and belongs to something else. It may be on its way out.
    Foreign,
    /// It cannot be made, for good.
    Refused(String),
}

/// What is known of a runner's Job.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Job {
    /// Nothing.
    #[default]
    Unknown,
    /// There was one of that name already; whose it is has to be looked up.
    Unclear,
    /// It exists and is ours. By the uid its pods are known: nothing else makes a pod our runner.
    Ours(String),
    /// One of that name exists and belongs to something else. It may be on its way out.
    Foreign,
    /// The API server refuses it, for good.
    Refused(String),
    /// This process has deleted it. The uid that it had.
    Deleted(String),
    /// The API server would not delete it: either another has its name by now, or something wrote to it meanwhile. Which of
    /// them has to be looked up. The uid that it had.
    Contested(String),
    /// It was gone or on its way out already when this process first looked. The uid that it had, if it was seen.
    Gone(String),
}

impl Job {
    /// Its uid, by which its pods are known; none while it is not known to be ours.
    #[must_use]
    pub fn uid(&self) -> Option<&str> {
        match self {
            Self::Ours(uid) | Self::Deleted(uid) | Self::Contested(uid) | Self::Gone(uid) => {
                Some(uid.as_str()).filter(|uid| !uid.is_empty())
            }
            Self::Unknown | Self::Unclear | Self::Foreign | Self::Refused(_) => None,
        }
    }
}
