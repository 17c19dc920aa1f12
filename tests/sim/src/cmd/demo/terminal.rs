//! Lines on the terminal: columns, and colours where there is a terminal that shows them.

#![expect(clippy::disallowed_methods, reason = "whether colours are wanted stands in the environment")]

use std::io::{IsTerminal as _, Write as _};
use std::time::Duration;

use super::observer::{Actor, Line};

const RESET: &str = "\x1b[0m";
const BOLD: &str = "\x1b[1m";
const DIM: &str = "\x1b[2m";
const RED: &str = "\x1b[31m";
const GREEN: &str = "\x1b[32m";

/// The terminal.
pub(super) struct Terminal {
    has_colours: bool,
}

impl Terminal {
    /// Standard output; plain if that is no terminal, or `NO_COLOR` is set.
    pub(super) fn new() -> Self {
        let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self { has_colours: std::io::stdout().is_terminal() && !unwanted }
    }

    /// A line of the timeline.
    pub(super) fn line(&self, line: &Line) {
        let (name, colour) = match line.actor {
            Actor::You => ("you", "\x1b[1;33m"),
            Actor::Agent => ("agent", "\x1b[1;36m"),
            Actor::Cluster => ("cluster", "\x1b[34m"),
            Actor::K6 => ("k6", "\x1b[35m"),
            Actor::Cloud => ("GCk6", "\x1b[32m"),
        };
        let at = self.painted(&format!("{} s", seconds(line.at)), DIM);
        // Padded first: escapes have no width on the screen, but they do for the formatter.
        let actor = self.painted(&format!("{name:<7}"), colour);
        self.text(&format!("{at}  {actor}  {}", line.words()));
    }

    /// A heading with an empty line before it.
    pub(super) fn heading(&self, text: &str) {
        self.text(&format!("\n{}", self.painted(text, BOLD)));
    }

    /// A line of the checklist.
    pub(super) fn check(&self, holds: Result<(), ()>, text: &str) {
        let mark = if holds.is_ok() { self.painted("✓", GREEN) } else { self.painted("✗", RED) };
        let text = if holds.is_ok() { text.to_owned() } else { self.painted(text, RED) };
        self.text(&format!("  {mark} {text}"));
    }

    /// A line as it is. Nobody may be listening any more: that does not concern the demo.
    pub(super) fn text(&self, text: &str) {
        let mut out = std::io::stdout().lock();
        drop(writeln!(out, "{text}").and_then(|()| out.flush()));
    }

    /// Columns: the first to the left, all others to the right.
    pub(super) fn table(&self, rows: &[Vec<String>]) {
        let columns = rows.iter().map(Vec::len).max().unwrap_or_default();
        let width = |column: usize| {
            rows.iter()
                .filter_map(|row| row.get(column))
                .map(|cell| cell.chars().count())
                .max()
                .unwrap_or_default()
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        for (number, row) in rows.iter().enumerate() {
            let mut text = String::from(" ");
            for (column, cell) in row.iter().enumerate() {
                let pad = " ".repeat(widths[column] - cell.chars().count());
                text += &if column == 0 { format!(" {cell}{pad}") } else { format!("  {pad}{cell}") };
            }
            let text = if number == 0 { self.painted(&text, DIM) } else { text };
            self.text(text.trim_end());
        }
    }

    fn painted(&self, text: &str, colour: &str) -> String {
        if self.has_colours { format!("{colour}{text}{RESET}") } else { text.to_owned() }
    }
}

/// Seconds with two decimals, in a column.
pub(super) fn seconds(at: Duration) -> String {
    format!("{:6.2}", at.as_secs_f64())
}
