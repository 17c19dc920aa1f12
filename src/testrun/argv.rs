//! Arguments of k6.
