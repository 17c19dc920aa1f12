//! What Prometheus is told: the table of families, the numbers behind them, and the page.
//!
//! Pure, and nothing of it runs unless somebody asks: the numbers are plain structs that their owners keep, the core its
//! [`Tally`](plz_core::metrics::Tally), the loop its [`Calls`]; what can be counted when it is asked for is counted then, as a [`Census`](plz_core::metrics::Census). Leaves
//! sockets and `/proc` to the shell.
//!
//! Invariant: labels are words of the code, HTTP statuses, and the names of zones, which are few; never the names of test
//! runs, of which there is no end.

mod calls;
mod families;
mod page;
mod process;
mod text;

pub use calls::{CallDone, Calls};
pub use families::{FAMILIES, Family, Kind, Metric, markdown};
pub use page::{Status, render};
pub use process::ProcessFiles;
pub use text::{CONTENT_TYPE, Page, Samples, Value};
