//! Why an object is not taken in, in words.

use k8s::Key as ObjectKey;

/// Why an object is not taken in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ignored {
    /// It is not as it should be.
    Unreadable,
    /// Something of it is too large.
    TooLarge,
    /// Its namespace has its share of the store, or all of it is taken.
    NoRoom,
}

impl Ignored {
    /// All of them, with their label.
    pub const ALL: [(Self, &'static str); 3] =
        [(Self::Unreadable, "unreadable"), (Self::TooLarge, "too_large"), (Self::NoRoom, "no_room")];

    /// Why a watch could not hand an object on.
    #[must_use]
    pub fn of(error: &k8s::Error) -> Self {
        if matches!(error, k8s::Error::TooLarge { .. }) { Self::TooLarge } else { Self::Unreadable }
    }

    /// What is said of it.
    #[must_use]
    pub fn line(self, plural: &str, key: &ObjectKey, detail: &str) -> String {
        match self {
            Self::Unreadable => format!("{plural} {key} cannot be read and is ignored: {detail}"),
            Self::TooLarge => {
                format!(
                    "{plural} {key} is too large and is ignored in its current form: {detail}; make it smaller"
                )
            }
            Self::NoRoom => format!(
                "{plural} {key} is ignored: there are too many or too large objects in namespace {:?}, or in all \
                 namespaces; delete those that are not needed, and the agent looks for it again within five minutes",
                key.namespace
            ),
        }
    }
}
