//! The agent as a process of its own, against a world on loopback.
//!
//! Owns its arguments, its files (kubeconfig, CA, log) and its end: a process that was started here does not outlive its
//! [`Agent`], nor its files their [`Scratch`]. Leaves to the caller which program that is: the tests have the agent's own
//! binary, the demo re-executes itself or has one that is shut into a directory. Invariant: the process sees nothing of the
//! caller's environment.

#![expect(clippy::disallowed_methods, reason = "a driver: it has the clock and the processes")]

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::loopback::Loopback;
use crate::scrape;

/// Where systems keep it; the search path is cleared with the rest of the environment.
const CHROOT: [&str; 2] = ["/usr/sbin/chroot", "/usr/bin/chroot"];
/// Whom a process in a directory of its own runs as: the user of the image.
const ROOTLESS: &str = "65532:65532";
/// How often a process is looked at that is waited for.
const LOOK_INTERVAL: Duration = Duration::from_millis(5);

static SCRATCHES: AtomicU32 = AtomicU32::new(0);

/// A directory for the files of one story, removed with it.
#[derive(Debug)]
pub struct Scratch(PathBuf);

impl Scratch {
    /// Makes an empty directory of a name that nobody else uses.
    pub fn new() -> io::Result<Self> {
        Self::within(&std::env::temp_dir())
    }

    /// The same in a directory of the caller's choice.
    pub fn within(parent: &Path) -> io::Result<Self> {
        let count = SCRATCHES.fetch_add(1, Ordering::Relaxed);
        let path = parent.join(format!("plz-sim-{}-{count}", std::process::id()));
        fs::create_dir_all(&path)?;
        Ok(Self(path))
    }

    /// The path of a file in it.
    pub fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Writes a file and returns its path.
    pub fn write(&self, name: &str, content: &str) -> io::Result<PathBuf> {
        let path = self.file(name);
        fs::write(&path, content)?;
        Ok(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

/// How a process is started: a program, its arguments, and nothing in the environment but what is said here.
#[derive(Clone, Debug)]
pub struct Launch {
    root: Option<PathBuf>,
    program: PathBuf,
    args: Vec<OsString>,
    env: Vec<(String, OsString)>,
    log: PathBuf,
}

impl Launch {
    /// A program without arguments, whose output and log go to `log`.
    pub fn new(program: &Path, log: &Path) -> Self {
        let (program, log) = (program.to_owned(), log.to_owned());
        Self { root: None, program, args: Vec::new(), env: Vec::new(), log }
    }

    /// The same for a program that sees nothing but the directory `root`, in which its own path begins, and runs as the user
    /// of the image. Its files have to be there too; takes root.
    #[must_use]
    pub fn rooted(mut self, root: &Path) -> Self {
        self.root = Some(root.to_owned());
        self
    }

    /// The same with arguments.
    #[must_use]
    pub fn args<T: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = T>) -> Self {
        self.args.extend(args.into_iter().map(|arg| arg.as_ref().to_owned()));
        self
    }

    /// The same with a variable in the environment.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.env.push((name.to_owned(), value.as_ref().to_owned()));
        self
    }

    /// The same with all that an agent outside of the cluster has to be told of a world: kubeconfig, CA, GCk6's hosts and an
    /// image. It asks GCk6 each second and logs what it does.
    pub fn against(&self, sim: &Loopback, scratch: &Scratch) -> io::Result<Self> {
        let kubeconfig = scratch.file("kubeconfig");
        sim.write_kubeconfig(&kubeconfig)?;
        if self.root.is_some() {
            // It runs as another user there.
            fs::set_permissions(&kubeconfig, fs::Permissions::from_mode(0o644))?;
        }
        let (api, ingest) = (sim.cloud_api_url(), sim.cloud_ingest_url());
        let mut launch = self
            .clone()
            .args(["run", "--kubeconfig"])
            .args([self.path(&kubeconfig)])
            .args(["--cloud-api", &api, "--cloud-ingest", &ingest, "--fetch-image", "plz-agent:sim"])
            .args(["--poll-interval", "1s", "--log", "debug"]);
        if let Some(pem) = sim.ca_pem() {
            launch = launch.args(["--ca-file"]).args([self.path(&scratch.write("ca.pem", pem)?)]);
        }
        Ok(launch)
    }

    /// A file as the process sees it.
    fn path(&self, file: &Path) -> PathBuf {
        let inside = self.root.as_ref().and_then(|root| file.strip_prefix(root).ok());
        inside.map_or_else(|| file.to_owned(), |inside| Path::new("/").join(inside))
    }

    fn command(&self) -> Command {
        let Some(root) = &self.root else { return Command::new(&self.program) };
        let is_there = |path: &&&str| Path::new(path).exists();
        let mut command = Command::new(CHROOT.iter().find(is_there).unwrap_or(&CHROOT[0]));
        command.args(["--userspec", ROOTLESS]).arg(root).arg(&self.program);
        command
    }

    /// Starts the process.
    pub fn spawn(&self) -> io::Result<Agent> {
        let out = File::options().create(true).append(true).open(&self.log)?;
        let log_begin = usize::try_from(out.metadata()?.len()).map_err(io::Error::other)?;
        let mut command = self.command();
        let child = command
            .args(&self.args)
            .env_clear()
            .envs(self.env.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(out.try_clone()?)
            .stderr(out)
            .spawn()?;
        Ok(Agent { child, log: self.log.clone(), log_begin })
    }
}

/// A signal to a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// SIGTERM: what a kubelet or systemd sends.
    Term,
    /// SIGINT: what Ctrl-C sends.
    Interrupt,
    /// SIGKILL: no chance to do anything.
    Kill,
    /// SIGSTOP: it hangs until told to go on.
    Stop,
    /// SIGCONT: it goes on where it was stopped.
    Continue,
}

/// A running process; it is killed when this is dropped.
#[derive(Debug)]
pub struct Agent {
    child: Child,
    log: PathBuf,
    /// How long the log was when it started: others may write to the same.
    log_begin: usize,
}

impl Agent {
    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// How it has ended; none while it runs.
    pub fn exited(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("a child of ours can be waited for")
    }

    /// Waits for its end; none if it still runs after `timeout`.
    pub fn wait(&mut self, timeout: Duration) -> Option<ExitStatus> {
        let deadline = Instant::now() + timeout;
        loop {
            let exited = self.exited();
            if exited.is_some() || Instant::now() >= deadline {
                return exited;
            }
            thread::park_timeout(LOOK_INTERVAL);
        }
    }

    /// Sends a signal.
    pub fn signal(&mut self, signal: Signal) -> io::Result<()> {
        let name = match signal {
            Signal::Term => "TERM",
            Signal::Interrupt => "INT",
            Signal::Stop => "STOP",
            Signal::Continue => "CONT",
            Signal::Kill => return self.child.kill(),
        };
        // The standard library knows no other signal than SIGKILL, and every shell has this built in.
        let status =
            Command::new("/bin/sh").args(["-c", &format!("kill -{name} {}", self.child.id())]).status()?;
        if status.success() { Ok(()) } else { Err(io::Error::other(format!("kill -{name} failed"))) }
    }

    /// What it has logged and printed so far, with that of its predecessors in the same file.
    pub fn log(&self) -> String {
        fs::read(&self.log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
    }

    /// Where it serves health and metrics, as it has logged it.
    pub fn listens(&self) -> Option<SocketAddr> {
        scrape::address_in(self.log().get(self.log_begin..)?)
    }

    /// The last lines of the log.
    pub fn log_tail(&self, lines: usize) -> String {
        let log = self.log();
        let all: Vec<&str> = log.lines().collect();
        all[all.len().saturating_sub(lines)..].join("\n")
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
