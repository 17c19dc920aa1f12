//! The agent's own account of itself, asked for now and then: kept in files if the user wants, and compared at the end.

use std::io;
use std::path::PathBuf;

use sim::agent::Agent;
use sim::scrape::{self, Samples};

use super::checks::{Check, check};

/// What was scraped.
#[derive(Default)]
pub(super) struct Scrapes {
    /// Where the pages are kept.
    folder: Option<PathBuf>,
    last: Samples,
    /// What went wrong.
    failure: Option<String>,
}

impl Scrapes {
    /// Nothing yet; pages go to `folder`, if there is one.
    pub(super) fn new(folder: Option<PathBuf>) -> Self {
        Self { folder, ..Self::default() }
    }

    /// Asks for a page of the active agent, which is kept as `<name>.txt`.
    pub(super) fn take(&mut self, agent: &Agent, name: &str) {
        if let Some(samples) = self.look(agent, name) {
            self.last = samples;
        }
    }

    /// Asks for a page of any agent, which is kept as `<name>.txt`.
    pub(super) fn look(&mut self, agent: &Agent, name: &str) -> Option<Samples> {
        let looked = self.try_look(agent, name);
        looked.map_err(|error| self.failure = Some(format!("{name}: {error}"))).ok()
    }

    fn try_look(&self, agent: &Agent, name: &str) -> io::Result<Samples> {
        let address = agent.listens().ok_or_else(|| io::Error::other("the agent does not listen"))?;
        for path in ["/healthz", "/readyz"] {
            let (code, body) = scrape::get(address, path)?;
            if code != 200 {
                return Err(io::Error::other(format!("{path} answers {code}: {body}")));
            }
        }
        let (_, page) = scrape::get(address, "/metrics")?;
        if let Some(folder) = &self.folder {
            std::fs::create_dir_all(folder)?;
            std::fs::write(folder.join(format!("{name}.txt")), &page)?;
        }
        Ok(Samples::read(&page))
    }

    /// What has to hold of the last page: one run finished, one was aborted, and both were started together.
    pub(super) fn check(&self) -> Check {
        let ended = |outcome| self.last.sum("plz_agent_test_runs_ended_total", outcome);
        let (finished, aborted, failed) = (ended("\"finished\""), ended("\"aborted\""), ended("\"failed\""));
        let starts = self.last.sum("plz_agent_test_run_start_skew_seconds_count", "");
        let is_right = self.failure.is_none() && (finished, aborted, failed, starts) == (1.0, 1.0, 0.0, 2.0);
        let text = format!(
            "the agent was healthy, ready, and its metrics tell of {finished} run finished and {aborted} aborted {}",
            self.failure.as_deref().unwrap_or_default()
        );
        check(is_right, &text)
    }
}
