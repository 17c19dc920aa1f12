//! Arguments as they were written: subcommand and options, values untouched.
//!
//! Owns the grammar (`--option value`, `--option=value`, `-n value`, the subcommand first). Leaves the values alone.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};

use lexopt::Arg;

use super::env::Env;
use super::help::Topic;
use super::options::{CHECK, FETCH, Group, Opt, RUN, find_long, find_short};
use super::{UsageError, values};

/// The arguments, before any value is read.
#[derive(Debug)]
pub(super) enum Raw {
    /// `run` and `check`, by the topic of the flags: the two read the same.
    Run(Flags),
    Fetch(Flags),
    Version,
    Help(Topic),
}

/// The options that were given, with every value of each.
#[derive(Debug)]
pub(super) struct Flags {
    topic: Topic,
    groups: &'static [Group],
    values: BTreeMap<&'static str, Vec<OsString>>,
}

/// A value and where it comes from, for messages: `--workers` or `PLZ_LOG`.
#[derive(Debug)]
pub(super) struct Setting {
    pub(super) origin: String,
    pub(super) value: OsString,
}

impl Setting {
    /// The value as text; what is not UTF-8 becomes replacement characters, which no validation lets pass.
    pub(super) fn text(&self) -> String {
        self.value.to_string_lossy().trim().to_owned()
    }
}

/// Reads the arguments that follow the program's name.
pub(super) fn read(args: impl Iterator<Item = OsString>) -> Result<Raw, UsageError> {
    let mut args = args.peekable();
    let topic = match args.peek().and_then(|first| first.to_str()) {
        Some("run") => Topic::Run,
        Some("fetch") => Topic::Fetch,
        Some("check") => {
            let mut rest = args.skip(1).peekable();
            // What a service is called with may begin with its command.
            rest.next_if(|first| first == "run");
            return read_options(Topic::Check, rest);
        }
        Some("version") => return only(args, Raw::Version),
        Some("help") => return read_help(args.skip(1)),
        Some(word) if !word.starts_with('-') => {
            return Err(UsageError::new(
                Topic::Run,
                format!("unknown command {word:?}; the commands are run, check, fetch, version and help"),
            ));
        }
        _ => return read_options(Topic::Run, args),
    };
    read_options(topic, args.skip(1))
}

fn only(mut args: impl Iterator<Item = OsString>, raw: Raw) -> Result<Raw, UsageError> {
    match args.nth(1) {
        None => Ok(raw),
        Some(extra) => Err(unexpected(Topic::Run, &extra)),
    }
}

fn read_help(mut args: impl Iterator<Item = OsString>) -> Result<Raw, UsageError> {
    match args.next().as_deref().map(OsStr::to_string_lossy).as_deref() {
        None | Some("run") => Ok(Raw::Help(Topic::Run)),
        Some("check") => Ok(Raw::Help(Topic::Check)),
        Some("fetch") => Ok(Raw::Help(Topic::Fetch)),
        Some(other) => Err(unexpected(Topic::Run, OsStr::new(other))),
    }
}

fn read_options(topic: Topic, args: impl Iterator<Item = OsString>) -> Result<Raw, UsageError> {
    let groups = match topic {
        Topic::Run => RUN,
        Topic::Check => CHECK,
        Topic::Fetch => FETCH,
    };
    let mut values = BTreeMap::<_, Vec<_>>::new();
    let mut parser = lexopt::Parser::from_args(args);
    loop {
        let option: &Opt =
            match parser.next().map_err(|error| UsageError::new(topic, values::shown(&error.to_string())))? {
                None => break,
                Some(Arg::Long("help") | Arg::Short('h')) => return Ok(Raw::Help(topic)),
                Some(Arg::Long("version") | Arg::Short('V')) => return Ok(Raw::Version),
                Some(Arg::Long(name)) => {
                    find_long(groups, name).ok_or_else(|| unknown(topic, &format!("--{name}")))?
                }
                Some(Arg::Short(name)) => {
                    find_short(groups, name).ok_or_else(|| unknown(topic, &format!("-{name}")))?
                }
                Some(Arg::Value(value)) => return Err(unexpected(topic, &value)),
            };
        let value = parser.value().map_err(|_| {
            UsageError::new(
                topic,
                format!("--{} needs a value: --{} {}", option.long, option.long, option.value),
            )
        })?;
        values.entry(option.long).or_default().push(value);
    }
    let flags = Flags { topic, groups, values };
    Ok(match topic {
        Topic::Run | Topic::Check => Raw::Run(flags),
        Topic::Fetch => Raw::Fetch(flags),
    })
}

impl Flags {
    /// What help explains these options.
    pub(super) fn topic(&self) -> Topic {
        self.topic
    }

    /// All values of an option: those of the flag, else those of its environment variables.
    pub(super) fn all(&self, long: &str, env: &Env) -> Vec<Setting> {
        let option = self.option(long);
        match self.values.get(long) {
            Some(values) => values
                .iter()
                .map(|value| Setting { origin: format!("--{long}"), value: value.clone() })
                .collect(),
            None => option
                .env
                .iter()
                .filter_map(|name| {
                    env.os(name)
                        .map(|value| Setting { origin: (*name).to_owned(), value: value.to_os_string() })
                })
                .collect(),
        }
    }

    /// The value of an option: the last flag, else the first environment variable that is set.
    pub(super) fn one(&self, long: &str, env: &Env) -> Option<Setting> {
        let mut all = self.all(long, env);
        if self.values.contains_key(long) { all.pop() } else { (!all.is_empty()).then(|| all.swap_remove(0)) }
    }

    /// The same, with the default of the table for what is not given.
    pub(super) fn or_default(&self, long: &str, env: &Env) -> Setting {
        self.one(long, env).unwrap_or_else(|| self.default_of(long))
    }

    /// The default of the table.
    pub(super) fn default_of(&self, long: &str) -> Setting {
        Setting { origin: format!("--{long}"), value: self.option(long).default.into() }
    }

    fn option(&self, long: &str) -> &'static Opt {
        find_long(self.groups, long).expect("only options of the table are asked for")
    }
}

fn unknown(topic: Topic, name: &str) -> UsageError {
    UsageError::new(topic, format!("unknown option {name}; {} lists the options", topic.command()))
}

/// An argument in a wrong place may be a URL with a credential in it.
fn unexpected(topic: Topic, value: &OsStr) -> UsageError {
    let value = values::shown(&value.to_string_lossy());
    UsageError::new(topic, format!("unexpected argument {value}; {} shows the usage", topic.command()))
}
