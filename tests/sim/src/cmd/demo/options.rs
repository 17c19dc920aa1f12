//! What the user may choose: how runners are reached, where the agent runs, what is kept.
//!
//! Owns the arguments, and what follows from them for the agent's start and its rights. Invariant: the agent has the rights
//! that it is shipped with for the way in which it was started, and no others.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use sim::agent::{Launch, Scratch};
use sim::api::Rule;

use crate::cmd::{self, Error};

const HELP: &str = "\
sim demo – the agent at work, on this machine and in under a minute

Usage: sim demo [OPTIONS]

Starts two plz-agents as processes of their own, over HTTPS on loopback, against stand-ins for the Kubernetes API server,
the kubelet, k6, Grafana Cloud k6 and its bucket: a zone, a test of three runners, a second one that its user aborts, a
third one in the middle of which the active agent is killed and the other one takes over, and the end of the zone. Exit
code 0 if everything came to pass that has to.

Options:
  --log FILE            keeps the agents' log (level debug) there
  --metrics DIR         keeps what the agent says of itself to Prometheus there: idle.txt, run.txt, …
  --runner-access HOW   how the agent reaches the runners: direct, or proxy, through the API server; default direct
  --root DIR            runs DIR/plz-agent, which sees nothing outside of DIR and may do nothing in it; takes root
  -h, --help            this text
";

/// The rights of every agent.
const RBAC: &str = include_str!("../../../../../manifests/rbac/rbac.yaml");
/// Those of one that reaches runners through the API server.
const PROXY: &str = include_str!("../../../../../manifests/outside/proxy.yaml");
/// The agent in the directory of its own.
const ROOTED_AGENT: &str = "/plz-agent";

/// How the agent reaches the runners.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Access {
    /// At their pods' addresses.
    #[default]
    Direct,
    /// Through the API server.
    Proxy,
}

impl Access {
    /// As the agent's option has it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Proxy => "proxy",
        }
    }
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Options {
    pub(super) log: Option<PathBuf>,
    pub(super) metrics: Option<PathBuf>,
    pub(super) access: Access,
    pub(super) root: Option<PathBuf>,
}

impl Options {
    /// Reads the arguments; an exit code where there is nothing to play.
    pub(super) fn read(parser: &mut lexopt::Parser) -> Result<Result<Self, ExitCode>, Error> {
        use lexopt::Arg::{Long, Short};
        let mut options = Self::default();
        while let Some(arg) = parser.next()? {
            match arg {
                Long("log") => options.log = Some(PathBuf::from(parser.value()?)),
                Long("metrics") => options.metrics = Some(PathBuf::from(parser.value()?)),
                Long("root") => options.root = Some(PathBuf::from(parser.value()?)),
                Long("runner-access") => {
                    let value = parser.value()?;
                    options.access = [Access::Direct, Access::Proxy]
                        .into_iter()
                        .find(|access| value == access.name())
                        .ok_or_else(|| Error::Usage("--runner-access is direct or proxy".to_owned()))?;
                }
                Long("help") | Short('h') => return Ok(Err(cmd::help(HELP))),
                other => return Err(other.unexpected().into()),
            }
        }
        Ok(Ok(options))
    }

    /// A directory for the files of an agent.
    pub(super) fn scratch(&self) -> std::io::Result<Scratch> {
        self.root.as_deref().map_or_else(Scratch::new, Scratch::within)
    }

    /// How an agent is started whose log goes to `log`: this program again, or the one in the directory.
    pub(super) fn launch(&self, log: &Path) -> std::io::Result<Launch> {
        Ok(match &self.root {
            Some(root) => Launch::new(Path::new(ROOTED_AGENT), log).rooted(root),
            None => Launch::new(&std::env::current_exe()?, log).args(["agent"]),
        })
    }

    /// What the agent may do.
    pub(super) fn rules(&self) -> std::io::Result<Vec<Rule>> {
        let mut rules = Rule::from_yaml(RBAC).map_err(std::io::Error::other)?;
        if self.access == Access::Proxy {
            rules.extend(Rule::from_yaml(PROXY).map_err(std::io::Error::other)?);
        }
        Ok(rules)
    }
}
