//! Reads `/proc/self` for the metrics of the process, on the thread of whoever asks.

use std::fs;
use std::time::Duration;

use crate::metrics::{Page, ProcessFiles};

/// The samples of this process, which started at `started` after 1970.
pub(super) fn page(started: Duration) -> Page {
    let text = |path| fs::read_to_string(path).unwrap_or_default();
    // The directory that is being read is one of them.
    let open_fds = fs::read_dir("/proc/self/fd").map(|entries| entries.count().saturating_sub(1)).ok();
    let files = ProcessFiles {
        stat: text("/proc/self/stat"),
        status: text("/proc/self/status"),
        limits: text("/proc/self/limits"),
        open_fds,
        started,
    };
    let mut page = Page::default();
    files.render(&mut page);
    page
}
