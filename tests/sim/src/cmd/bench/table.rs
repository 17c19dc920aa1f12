//! The report: figures beside their goals, as a Markdown table.
//!
//! Owns rounding and columns. Invariant: a row without a goal says neither yes nor no.

use std::fmt;

/// A figure; smaller is better.
#[derive(Clone, Debug)]
pub(super) struct Row {
    figure: String,
    measured: String,
    goal: Option<f64>,
    unit: &'static str,
    /// What is held against the goal.
    value: f64,
}

impl Row {
    /// One value.
    pub(super) fn new(figure: impl Into<String>, value: f64, unit: &'static str) -> Self {
        Self { figure: figure.into(), measured: rounded(value), goal: None, unit, value }
    }

    /// Several values of the same thing: shown as the median and the largest, of which the median counts. None without any.
    pub(super) fn several(
        figure: impl Into<String>,
        mut values: Vec<f64>,
        unit: &'static str,
    ) -> Option<Self> {
        values.sort_by(f64::total_cmp);
        let median = *values.get(values.len() / 2)?;
        let max = *values.last()?;
        let measured = format!("{} (max {} of {})", rounded(median), rounded(max), values.len());
        Some(Self { figure: figure.into(), measured, goal: None, unit, value: median })
    }

    /// The same with a goal.
    #[must_use]
    pub(super) fn goal(mut self, at_most: f64) -> Self {
        self.goal = Some(at_most);
        self
    }
}

/// All rows; prints as a table.
#[derive(Debug, Default)]
pub(super) struct Table(Vec<Row>);

impl Extend<Row> for Table {
    fn extend<T: IntoIterator<Item = Row>>(&mut self, rows: T) {
        self.0.extend(rows);
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cells: Vec<[String; 5]> = self.0.iter().map(cells).collect();
        let head = ["figure", "measured", "goal", "unit", "ok"].map(str::to_owned);
        let width = |column: usize| {
            let all = cells.iter().chain([&head]);
            all.map(|row| row[column].chars().count()).max().unwrap_or_default()
        };
        let widths: [usize; 5] = std::array::from_fn(width);
        line(f, &head, &widths)?;
        line(f, &widths.map(|width| "-".repeat(width)), &widths)?;
        cells.iter().try_for_each(|row| line(f, row, &widths))
    }
}

fn cells(row: &Row) -> [String; 5] {
    let (goal, ok) = match row.goal {
        None => ("–".to_owned(), "–"),
        Some(goal) => (format!("≤ {}", rounded(goal)), if row.value <= goal { "yes" } else { "NO" }),
    };
    [row.figure.clone(), row.measured.clone(), goal, row.unit.to_owned(), ok.to_owned()]
}

fn line(f: &mut fmt::Formatter<'_>, cells: &[String; 5], widths: &[usize; 5]) -> fmt::Result {
    for (cell, width) in cells.iter().zip(widths) {
        write!(f, "| {cell:width$} ")?;
    }
    writeln!(f, "|")
}

/// Three digits that count.
fn rounded(value: f64) -> String {
    let places = match value.abs() {
        size if size >= 100.0 || size.fract() == 0.0 => 0,
        size if size >= 10.0 => 1,
        _ => 2,
    };
    format!("{value:.places$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_held_against_the_goal() {
        let mut table = Table::default();
        table.extend(Row::several("a", vec![9.0, 1.0, 2.0], "ms").map(|row| row.goal(2.0)));
        table.extend(Row::several("nothing", Vec::new(), "ms"));
        table.extend([Row::new("b", 2.456, "MB").goal(2.4), Row::new("c", 123.4, "B")]);
        let expected = "\
| figure | measured       | goal   | unit | ok  |
| ------ | -------------- | ------ | ---- | --- |
| a      | 2 (max 9 of 3) | ≤ 2    | ms   | yes |
| b      | 2.46           | ≤ 2.40 | MB   | NO  |
| c      | 123            | –      | B    | –   |
";
        assert_eq!(table.to_string(), expected);
    }
}
