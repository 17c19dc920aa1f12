//! How far `setup()` is, and what it has returned on the way to all runners.

use std::sync::Arc;
use std::time::Duration;

use super::RunState;

/// How far setup is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Setup {
    /// An earlier process may have run it. The last runner has to be asked whether it has the data: they are handed out
    /// only once setup is over, while the runner that ran it may hold what a setup that was cut short has returned.
    #[default]
    Unclear,
    /// It has none: setup has to be run.
    NotRun,
    /// It was run, with this result, or none; or all runners have it.
    Run(Option<SetupData>),
    /// It was run. Its result is on the runner of that number, and is read when there is room for it.
    OnRunner(u32),
    /// The script's `setup()` has failed.
    Failed(String),
}

/// What `setup()` has returned, on its way to all runners.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetupData {
    /// Raw JSON.
    pub text: Arc<String>,
    /// On which runner it is as well.
    pub runner: u32,
    /// Since when it is held.
    pub since: Duration,
}

impl Setup {
    /// Whether it was run, as far as is known.
    #[must_use]
    pub fn was_run(&self) -> bool {
        matches!(self, Self::Run(_) | Self::OnRunner(_))
    }

    /// How much is held of its result, in bytes.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        match self {
            Self::Run(Some(data)) => data.text.len(),
            _ => 0,
        }
    }
}

impl RunState {
    /// Setup data that all runners have are not needed any more.
    pub fn drop_handed_out_data(&mut self) {
        if self.setup.held_bytes() > 0 && self.runners.values().all(|runner| runner.data_sent) {
            self.setup = Setup::Run(None);
        }
    }
}
