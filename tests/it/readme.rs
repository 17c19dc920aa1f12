//! The README, the pages in `docs/` and the code say the same.
//!
//! Owns the tables that the code prints for the pages, and the checks that options, variables, reasons, causes, messages, paths
//! and links on them exist, and the other way round for all that users meet by name. Leaves alone the sentences around
//! them. Invariant: what is compared is read from the code or its source, nothing is listed here a second time.

mod code;
mod links;
mod pages;
mod tables;
mod words;
