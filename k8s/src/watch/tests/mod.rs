//! The state machine, driven by scripts of answers.

mod lists;
mod watches;

use std::time::Duration;

use super::*;
use crate::meta::ObjectMeta;
use crate::resource::PODS;
use crate::status::interpret;

/// An object with a field that can be wrong, and one that can be large.
#[derive(Debug, Default)]
struct Thing {
    metadata: ObjectMeta,
    spec: ThingSpec,
}
crate::readable!(Thing { metadata: "metadata", spec: "spec" });

#[derive(Debug, Default)]
struct ThingSpec {
    size: u32,
    text: String,
}
crate::readable!(ThingSpec { size: "size", text: "text" });

/// A watcher, and what it has told in short: `[` listing, `]` listed, `…` overlong, `+a` applied, `~a` in part, `-a` deleted, `?a` malformed,
/// `!` failing, `*` recovered.
struct Bench {
    watcher: Watcher<Thing>,
    told: String,
}

impl Bench {
    fn new() -> Self {
        Self { watcher: Watcher::new(WatchSpec::new(PODS, None)), told: String::new() }
    }

    /// One that has listed up to version 10.
    fn watching() -> Self {
        let mut bench = Self::new();
        assert_eq!(bench.list(200, &list("10", "", &[thing("a")])), Step::Send);
        assert_eq!(bench.open(), Step::Read);
        bench.told.clear();
        bench
    }

    /// A page of a list and its end, or a refusal of it.
    fn list(&mut self, code: u16, body: &str) -> Step {
        if code != 200 {
            return self.refuse(code);
        }
        assert_eq!(self.open(), Step::Read);
        match self.read(body) {
            Step::Read => self.cut(Cut::End),
            other => other,
        }
    }

    fn open(&mut self) -> Step {
        self.step(|watcher, out| watcher.opened(Ok(()), out))
    }

    fn refuse(&mut self, code: u16) -> Step {
        self.step(|watcher, out| watcher.opened(interpret(code, None, Vec::new()).map(drop), out))
    }

    fn read(&mut self, text: &str) -> Step {
        self.step(|watcher, out| watcher.read(text.as_bytes(), out))
    }

    fn cut(&mut self, cut: Cut) -> Step {
        self.step(|watcher, out| watcher.cut(cut, out))
    }

    fn step(&mut self, act: impl FnOnce(&mut Watcher<Thing>, &mut Vec<WatchEvent<Thing>>) -> Step) -> Step {
        let mut out = Vec::new();
        let step = act(&mut self.watcher, &mut out);
        for event in out {
            self.told.push_str(&match event {
                WatchEvent::Listing => "[ ".to_owned(),
                WatchEvent::Listed { .. } => "] ".to_owned(),
                WatchEvent::Overlong(_) => "… ".to_owned(),
                WatchEvent::Applied(thing) => format!("+{} ", thing.metadata.name),
                WatchEvent::Partial { object, error } => format!("~{}:{error} ", object.metadata.name),
                WatchEvent::Deleted(thing) => format!("-{} ", thing.metadata.name),
                WatchEvent::Malformed { key, deleted: false, .. } => format!("?{key} "),
                WatchEvent::Malformed { key, deleted: true, .. } => format!("?-{key} "),
                WatchEvent::Failing(_) => "! ".to_owned(),
                WatchEvent::Recovered => "* ".to_owned(),
            });
        }
        step
    }

    fn told(&mut self, wanted: &str) {
        assert_eq!(std::mem::take(&mut self.told).trim_end(), wanted);
    }

    fn asks(&self, wanted: &str) {
        assert_eq!(self.watcher.request().target, format!("/api/v1/pods?{wanted}"));
    }
}

const FIRST_PAGE: &str = "limit=250";
const WAIT: Step = Step::Wait(Retry::Backoff);

fn since(version: &str) -> String {
    format!("watch=1&resourceVersion={version}&allowWatchBookmarks=true&timeoutSeconds=290")
}

fn thing(name: &str) -> String {
    format!(r#"{{"metadata":{{"name":"{name}"}}}}"#)
}

fn list(version: &str, next: &str, items: &[String]) -> String {
    let items = items.join(",");
    format!(r#"{{"metadata":{{"resourceVersion":"{version}","continue":"{next}"}},"items":[{items}]}}"#)
}

fn event(type_: &str, name: &str, version: &str) -> String {
    format!(
        r#"{{"type":"{type_}","object":{{"metadata":{{"name":"{name}","resourceVersion":"{version}"}}}}}}"#
    ) + "\n"
}

fn error(code: u16) -> String {
    format!(r#"{{"type":"ERROR","object":{{"kind":"Status","code":{code},"message":"no"}}}}"#) + "\n"
}

fn broken() -> Cut {
    Cut::Broken(Error::Transport { server: String::new(), cause: String::new() })
}
