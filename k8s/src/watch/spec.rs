//! What to watch, and how much of it is kept.

use std::time::Duration;

use crate::resource::Resource;
use crate::shape::Picks;
use crate::sieve::Limits;

/// What is kept of an object unless the watch says otherwise.
pub const OBJECT_LIMITS: Limits = Limits { text_bytes: 256 * 1024, value_bytes: 512 * 1024 };

/// What to keep an eye on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WatchSpec {
    /// The kind of objects.
    pub resource: Resource,
    /// The namespace; none for all of them.
    pub namespace: Option<String>,
    /// Only objects whose labels match.
    pub label_selector: Option<String>,
    /// Only objects with these fields.
    pub field_selector: Option<String>,
    /// Which labels and annotations are kept.
    pub picks: Picks,
    /// What is kept of one object at the most.
    pub limits: Limits,
    /// How rarely the server is asked that has refused the rights for a while; none: as after any failure.
    pub refused_pause: Option<Duration>,
}

impl WatchSpec {
    /// Everything of a kind, in a namespace or in all.
    #[must_use]
    pub fn new(resource: Resource, namespace: Option<&str>) -> Self {
        Self {
            resource,
            namespace: namespace.map(str::to_owned),
            label_selector: None,
            field_selector: None,
            picks: Picks::default(),
            limits: OBJECT_LIMITS,
            refused_pause: None,
        }
    }

    /// The same, but only objects whose labels match.
    #[must_use]
    pub fn with_labels(self, selector: &str) -> Self {
        Self { label_selector: Some(selector.to_owned()), ..self }
    }

    /// The same, but only objects with these fields: `metadata.name=web` for those of one name.
    #[must_use]
    pub fn with_fields(self, selector: &str) -> Self {
        Self { field_selector: Some(selector.to_owned()), ..self }
    }

    /// The same, for who can do without: a server that goes on refusing is asked this rarely.
    #[must_use]
    pub fn with_refused_pause(self, pause: Duration) -> Self {
        Self { refused_pause: Some(pause), ..self }
    }

    /// The same, and of labels and annotations these are kept.
    #[must_use]
    pub fn with_picks(self, picks: Picks) -> Self {
        Self { picks, ..self }
    }

    /// The same, with other limits on one object.
    #[must_use]
    pub fn with_limits(self, limits: Limits) -> Self {
        Self { limits, ..self }
    }
}
