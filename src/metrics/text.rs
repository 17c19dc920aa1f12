//! The Prometheus text format, version 0.0.4: families, samples, escaping.
//!
//! Owns the bytes of the page. Leaves names and help to `families`, values to the caller. Invariant: a family's samples
//! follow its head without another's between them, and no label's value can end its line or its quotes.

use std::time::Duration;

use super::families::{Family, Metric};
use plz_core::metrics::Histogram;

/// What `Content-Type` says of the page.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// A value. There are no fractions but those of seconds, so that nothing has to print floating-point numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value {
    /// A count, a size, a flag.
    Whole(u64),
    /// Seconds, to the microsecond.
    Seconds(Duration),
}

impl From<bool> for Value {
    fn from(flag: bool) -> Self {
        Self::Whole(u64::from(flag))
    }
}

impl From<usize> for Value {
    fn from(count: usize) -> Self {
        Self::Whole(count as u64)
    }
}

/// The page, as far as it is written.
#[derive(Debug, Default)]
pub struct Page {
    text: String,
}

impl Page {
    /// Begins a family.
    pub fn family(&mut self, metric: Metric) -> Samples<'_> {
        let family = metric.family();
        self.push(&["# HELP ", family.name, " ", family.help, "\n"]);
        self.push(&["# TYPE ", family.name, " ", family.kind.word(), "\n"]);
        Samples { page: self, family }
    }

    /// A family of one sample without labels.
    pub fn single(&mut self, metric: Metric, value: Value) {
        self.family(metric).sample(&[], value);
    }

    /// The text.
    #[must_use]
    pub fn into_text(self) -> String {
        self.text
    }

    fn push(&mut self, parts: &[&str]) {
        parts.iter().for_each(|part| self.text.push_str(part));
    }

    fn line(&mut self, name: &[&str], labels: [(&[&str], &[&str]); 2], value: Value) {
        self.push(name);
        let mut edge = "{";
        for (label, text) in labels.iter().flat_map(|(labels, values)| labels.iter().zip(*values)) {
            self.push(&[edge, label, "=\""]);
            push_escaped(&mut self.text, text);
            self.text.push('"');
            edge = ",";
        }
        self.push(if edge == "," { &["} "] } else { &[" "] });
        match value {
            Value::Whole(number) => self.text.push_str(&number.to_string()),
            Value::Seconds(time) => push_seconds(&mut self.text, time),
        }
        self.text.push('\n');
    }
}

/// The samples of one family.
#[derive(Debug)]
pub struct Samples<'a> {
    page: &'a mut Page,
    family: &'static Family,
}

impl Samples<'_> {
    /// One sample; `labels` are the values of the family's labels, in its order.
    pub fn sample(&mut self, labels: &[&str], value: Value) {
        debug_assert_eq!(labels.len(), self.family.labels.len(), "{}", self.family.name);
        self.page.line(&[self.family.name], [(self.family.labels, labels), (&[], &[])], value);
    }

    /// The samples of one histogram.
    pub fn histogram(&mut self, labels: &[&str], histogram: &Histogram) {
        debug_assert_eq!(labels.len(), self.family.labels.len(), "{}", self.family.name);
        let (name, own) = (self.family.name, (self.family.labels, labels));
        for (bound, count) in histogram.cumulative() {
            self.page.line(&[name, "_bucket"], [own, (&["le"], &[bound])], Value::Whole(count));
        }
        self.page.line(&[name, "_sum"], [own, (&[], &[])], Value::Seconds(histogram.sum()));
        self.page.line(&[name, "_count"], [own, (&[], &[])], Value::Whole(histogram.count()));
    }
}

/// A label's value: backslash, quote and line end are the three that have a meaning.
fn push_escaped(text: &mut String, value: &str) {
    for c in value.chars() {
        match c {
            '\\' => text.push_str("\\\\"),
            '"' => text.push_str("\\\""),
            '\n' => text.push_str("\\n"),
            _ => text.push(c),
        }
    }
}

/// `1.5`: seconds with as many decimals as there are, six at the most.
fn push_seconds(text: &mut String, time: Duration) {
    text.push_str(&time.as_secs().to_string());
    let micros = time.subsec_micros();
    if micros > 0 {
        let decimals = (1_000_000 + micros).to_string();
        text.push('.');
        text.push_str(decimals[1..].trim_end_matches('0'));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use plz_core::metrics::SKEW_BOUNDS;

    #[track_caller]
    fn check_value(value: Value, expected: &str) {
        let mut page = Page::default();
        page.line(&["m"], [(&[], &[]), (&[], &[])], value);
        assert_eq!(page.into_text(), format!("m {expected}\n"));
    }

    #[test]
    fn values_are_decimal_numbers() {
        check_value(Value::Whole(0), "0");
        check_value(Value::Whole(u64::MAX), "18446744073709551615");
        check_value(Value::from(true), "1");
        check_value(Value::Seconds(Duration::ZERO), "0");
        check_value(Value::Seconds(Duration::from_millis(1_500)), "1.5");
        check_value(Value::Seconds(Duration::from_micros(20)), "0.00002");
        check_value(Value::Seconds(Duration::from_nanos(999)), "0");
        check_value(Value::Seconds(Duration::from_secs(1_700_000_000)), "1700000000");
    }

    #[test]
    fn no_value_ends_its_line_or_its_quotes() {
        let mut page = Page::default();
        page.family(Metric::ZoneRegistered).sample(&["a\"} 1\nb", "\\ü"], Value::Whole(1));
        let text = page.into_text();
        let line = text.lines().last().unwrap();
        assert_eq!(line, r#"plz_agent_zone_registered{namespace="a\"} 1\nb",zone="\\ü"} 1"#);
        assert_eq!(text.lines().count(), 3);
    }

    #[test]
    fn a_histogram_shows_its_buckets_its_sum_and_its_count() {
        let mut histogram = Histogram::new(&SKEW_BOUNDS[..1]);
        histogram.observe(Duration::from_millis(2));
        histogram.observe(Duration::from_millis(7));
        let mut page = Page::default();
        page.family(Metric::RequestDuration).histogram(&["gck6", "get"], &histogram);
        let text = page.into_text();
        let samples: Vec<&str> = text.lines().skip(2).collect();
        assert_eq!(
            samples,
            [
                r#"plz_agent_request_duration_seconds_bucket{target="gck6",verb="get",le="0.005"} 1"#,
                r#"plz_agent_request_duration_seconds_bucket{target="gck6",verb="get",le="+Inf"} 2"#,
                r#"plz_agent_request_duration_seconds_sum{target="gck6",verb="get"} 0.009"#,
                r#"plz_agent_request_duration_seconds_count{target="gck6",verb="get"} 2"#,
            ]
        );
    }
}
