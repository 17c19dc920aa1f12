//! The environment, read once.
//!
//! Owns the only look at the process's environment; everything else gets a plain map, so that it can be tested with
//! another one. Invariant: a value is never printed, since any of them may be a credential.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fmt;

use plz_core::maps::map_of;

/// Environment variables by name. `Debug` prints the names alone.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Env {
    values: BTreeMap<OsString, OsString>,
}

impl Env {
    /// The environment of this process, now.
    pub fn capture() -> Env {
        Env { values: map_of(std::env::vars_os()) }
    }

    /// The value of a variable; an empty one counts as not set.
    pub fn os(&self, name: &str) -> Option<&OsStr> {
        self.values.get(OsStr::new(name)).map(OsString::as_os_str).filter(|value| !value.is_empty())
    }

    /// The same as text; bytes that are not UTF-8 become replacement characters, which no validation lets pass.
    pub fn text(&self, name: &str) -> Option<String> {
        self.os(name).map(|value| value.to_string_lossy().into_owned())
    }
}

impl<K: Into<OsString>, V: Into<OsString>> FromIterator<(K, V)> for Env {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(pairs: I) -> Env {
        Env { values: map_of(pairs.into_iter().map(|(name, value)| (name.into(), value.into()))) }
    }
}

impl fmt::Debug for Env {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.values.keys()).finish()
    }
}
