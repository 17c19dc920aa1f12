//! THE TABLE of zones: what a `PrivateLoadZone` needs next, by what has become of it and by the facts.
//!
//! ```text
//!            token read, finalizer on, GCk6 has taken it            deletionTimestamp
//!   pending ────────────────────────────────────────────► registered ───────────────► leaving ──► (gone)
//! ```
//! It reads as the table of runs does (`testrun::table`): the first row whose fact holds wins, its writes are started
//! together. There is no stage to record: where a zone stands can be seen on the object itself.

use std::fmt;

/// The blocks of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Block {
    /// Not registered with GCk6.
    Pending,
    /// Registered; its test runs are looked for.
    Registered,
    /// Being deleted.
    Leaving,
}

/// What can be true of a zone. `Facts::holds` says when.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fact {
    /// Another zone of that name has it, and GCk6 has refused the token of that one for long.
    NameLapsed,
    /// Another zone of that name, in another namespace, has it: GCk6 knows zones by name only.
    NameTaken,
    /// The spec lacks what GCk6 wants to know.
    SpecIncomplete,
    /// There is no token to speak to GCk6 with.
    TokenMissing,
    /// Our finalizer or the provider id is not on the object.
    NotAdopted,
    /// GCk6 does not know the zone as it is now.
    RegistrationDue,
    /// Nothing of ours is on the object.
    NotOurs,
    /// Test runs of the zone have not come to their end.
    RunsLeft,
    /// GCk6 still has the zone.
    DeregistrationDue,
    /// Always true; the last row of every block.
    Otherwise,
}

/// What a row sets going.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Write {
    /// Let the conditions say what is.
    WriteStatus,
    /// Put finalizer and provider id on it.
    Adopt,
    /// Tell GCk6 of it.
    Register,
    /// See whether GCk6 takes its token, by a poll of which nothing is taken up.
    TryToken,
    /// Count as not registered, and leave the name to another.
    StepDown,
    /// Ask GCk6 for test runs.
    Poll,
    /// Take up what GCk6 lists.
    StartRuns,
    /// Have GCk6 forget it.
    Deregister,
    /// Take the finalizer off.
    Release,
}

/// One row.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// The fact that selects it.
    pub fact: Fact,
    /// What is started.
    pub writes: &'static [Write],
}

use Fact as F;
use Write as W;

const fn row(fact: Fact, writes: &'static [Write]) -> Row {
    Row { fact, writes }
}

/// The rows of a block, in order.
#[rustfmt::skip]
#[must_use]
pub const fn rows(block: Block) -> &'static [Row] {
    match block {
        //                    fact                   writes
        Block::Pending => const { &[
            row(F::NameLapsed,        &[W::WriteStatus, W::TryToken]),
            row(F::NameTaken,         &[W::WriteStatus]),
            row(F::SpecIncomplete,    &[W::WriteStatus]),
            row(F::TokenMissing,      &[W::WriteStatus]),
            row(F::NotAdopted,        &[W::Adopt]),
            row(F::Otherwise,         &[W::Register, W::WriteStatus]),
        ] },
        Block::Registered => const { &[
            row(F::NameTaken,         &[W::WriteStatus, W::StepDown]),
            row(F::TokenMissing,      &[W::WriteStatus]),
            row(F::NotAdopted,        &[W::Adopt]),
            row(F::RegistrationDue,   &[W::Register, W::WriteStatus, W::Poll, W::StartRuns]),
            row(F::Otherwise,         &[W::WriteStatus, W::Poll, W::StartRuns]),
        ] },
        Block::Leaving => const { &[
            row(F::NotOurs,           &[]),
            row(F::RunsLeft,          &[]),
            row(F::DeregistrationDue, &[W::Deregister, W::WriteStatus]),
            row(F::Otherwise,         &[W::Release]),
        ] },
    }
}

impl Block {
    /// All blocks.
    pub const ALL: [Self; 3] = [Self::Pending, Self::Registered, Self::Leaving];
}

impl fmt::Display for Block {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pending => "pending",
            Self::Registered => "registered",
            Self::Leaving => "leaving",
        })
    }
}

/// The table as Markdown, for docs/architecture.md.
#[must_use]
pub fn markdown() -> String {
    let mut text = String::from("| zone | if | start |\n|---|---|---|\n");
    for block in Block::ALL {
        for row in rows(block) {
            let writes: Vec<String> = row.writes.iter().map(|write| format!("{write:?}")).collect();
            let writes = if writes.is_empty() { "–".to_owned() } else { writes.join(", ") };
            text.push_str(&format!("| {block} | {:?} | {writes} |\n", row.fact));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_block_ends_with_otherwise() {
        for block in Block::ALL {
            assert_eq!(rows(block).last().map(|row| row.fact), Some(Fact::Otherwise), "{block}");
        }
    }
}
