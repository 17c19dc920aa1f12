//! Why a run that GCk6 lists cannot be started.
//!
//! Owns the sentences. It leaves alone the finding (`template`) and the telling. Its invariant: each names the cause
//! and what mends it, and none shows a credential.

use super::template::RUNNERS_MAX;

/// Why a listed run cannot be started. The text is what the user reads at GCk6 and on the zone.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Occurs when `load_zone_distribution` has none or several entries.
    #[error(
        "the test is distributed over {} load zones ({}): a private load zone runs only tests that name it alone; \
         leave one load zone in the test's options", .0.len(), zones(.0)
    )]
    Distribution(Vec<String>),
    /// Occurs when `k6_archive_temp_public_url` is missing.
    #[error("GCk6 gave no URL for the test's archive; start the test again")]
    NoArchive,
    /// Occurs when `instance_count` is missing, not a number, below 1 or above [`RUNNERS_MAX`].
    #[error(
        "GCk6 asks for {0} runners, but the agent runs 1 to {RUNNERS_MAX}; change the number of virtual users, or the \
         limits in spec.resources of the zone"
    )]
    Runners(i64),
    /// Occurs when neither GCk6 nor the zone names an image of k6.
    #[error("no image for the runners: GCk6 named none; set spec.image of the zone")]
    NoImage,
    /// Occurs when the agent does not know its own image.
    #[error("no image to download the archive with: start the agent with --fetch-image or PLZ_FETCH_IMAGE")]
    NoFetchImage,
    /// Occurs when the zone names no Secret.
    #[error("no token for the runners: set spec.token of the zone to the name of a Secret")]
    NoToken,
    /// Occurs when a tag or a variable cannot be an argument of a process.
    #[error("{argument} {cause}; shorten it or leave it out")]
    Argument {
        /// Which one, by its name.
        argument: String,
        /// What is wrong with it.
        cause: String,
    },
    /// Occurs when the `TestRun` would be one that the watches leave out; says how large it is, and may be.
    #[error(
        "the test's variables and tags make a TestRun of {0}; shorten them, or put large variables into a Secret or ConfigMap \
         that spec.config.secrets of the zone names"
    )]
    TooLarge(String),
}

fn zones(names: &[String]) -> String {
    if names.is_empty() { "none named".to_owned() } else { names.join(", ") }
}
