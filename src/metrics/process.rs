//! The process in its own eyes: what `/proc/self` tells, as samples.
//!
//! Pure: the texts are read in the shell. Invariant: what cannot be read is left out, never made up.

use std::time::Duration;

use super::families::Metric;
use super::text::{Page, Value};

/// In `/proc`, times are in hundredths of a second on every architecture that the agent is built for.
const TICK: Duration = Duration::from_millis(10);
/// After the name of the program, which may hold anything, `state` is the first field of `/proc/self/stat`; `utime` and
/// `stime` are the 12th and the 13th.
const UTIME_FIELD: usize = 11;

/// What was read.
#[derive(Clone, Debug, Default)]
pub struct ProcessFiles {
    /// `/proc/self/stat`.
    pub stat: String,
    /// `/proc/self/status`.
    pub status: String,
    /// `/proc/self/limits`.
    pub limits: String,
    /// How many entries `/proc/self/fd` has.
    pub open_fds: Option<usize>,
    /// When the process started, as the time since 1970.
    pub started: Duration,
}

impl ProcessFiles {
    /// Adds the samples to the page.
    pub fn render(&self, page: &mut Page) {
        if let Some(ticks) = cpu_ticks(&self.stat) {
            page.single(Metric::ProcessCpu, Value::Seconds(TICK.saturating_mul(ticks)));
        }
        let bytes = |name| status_field(&self.status, name).map(|kib: u64| Value::Whole(kib * 1024));
        let count = |name| status_field(&self.status, name).map(Value::Whole);
        let limit = self.limits.lines().find_map(|line| line.strip_prefix("Max open files"));
        let limit = limit.and_then(|rest| rest.split_whitespace().next()?.parse().ok());
        let rows = [
            (Metric::ProcessResidentMemory, bytes("VmRSS:")),
            (Metric::ProcessVirtualMemory, bytes("VmSize:")),
            (Metric::ProcessStartTime, Some(Value::Seconds(self.started))),
            (Metric::ProcessOpenFds, self.open_fds.map(Value::from)),
            (Metric::ProcessMaxFds, limit.map(Value::Whole)),
            (Metric::ProcessThreads, count("Threads:")),
        ];
        for (metric, value) in rows {
            if let Some(value) = value {
                page.single(metric, value);
            }
        }
    }
}

fn cpu_ticks(stat: &str) -> Option<u32> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace().skip(UTIME_FIELD);
    let mut ticks = || fields.next()?.parse::<u32>().ok();
    Some(ticks()?.saturating_add(ticks()?))
}

/// The number in a line such as `VmRSS: 3360 kB`.
fn status_field(status: &str, name: &str) -> Option<u64> {
    let rest = status.lines().find_map(|line| line.strip_prefix(name))?;
    rest.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(files: &ProcessFiles) -> Vec<String> {
        let mut page = Page::default();
        files.render(&mut page);
        page.into_text().lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect()
    }

    #[test]
    fn the_files_of_linux_are_read() {
        let files = ProcessFiles {
            stat: "7 (a) b) S 1 7 7 0 -1 4194560 900 0 0 0 123 77 0 0 20 0 9 0 5 3444736 840".to_owned(),
            status: "Name:\ta\nVmSize:\t    3364 kB\nVmRSS:\t    3000 kB\nThreads:\t9\n".to_owned(),
            limits: "Limit  Soft Limit  Hard Limit  Units\nMax open files            1024                 4096                 files\n".to_owned(),
            open_fds: Some(12),
            started: Duration::from_millis(1_700_000_000_250),
        };
        assert_eq!(
            samples(&files),
            [
                "process_cpu_seconds_total 2",
                "process_resident_memory_bytes 3072000",
                "process_virtual_memory_bytes 3444736",
                "process_start_time_seconds 1700000000.25",
                "process_open_fds 12",
                "process_max_fds 1024",
                "process_threads 9",
            ]
        );
    }

    #[test]
    fn what_cannot_be_read_is_left_out() {
        let files = ProcessFiles {
            stat: "7 (a) S 1".to_owned(),
            status: "VmRSS:\tmuch\n".to_owned(),
            limits: "Max open files unlimited unlimited files\n".to_owned(),
            ..ProcessFiles::default()
        };
        assert_eq!(samples(&files), ["process_start_time_seconds 0"]);
    }
}
