//! Comparison with golden files under `tests/golden`.
#![expect(clippy::disallowed_methods, reason = "tests only: a variable asks for new golden files")]

use std::path::Path;
use std::{env, fs};

/// Compares `actual`, printed as JSON, with `tests/golden/<name>.json`. With `UPDATE_GOLDEN` in the environment, the
/// file is written instead.
#[track_caller]
pub(crate) fn check(name: &str, actual: &impl serde::Serialize) {
    check_text(&format!("{name}.json"), &(serde_json::to_string_pretty(actual).unwrap() + "\n"));
}

/// The same for a text; the name has its ending.
#[track_caller]
pub(crate) fn check_text(name: &str, actual: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    if env::var_os("UPDATE_GOLDEN").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, actual).unwrap();
    }
    let wanted = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        actual == wanted,
        "{} differs; run with UPDATE_GOLDEN=1 and read the diff. Now:\n{actual}",
        path.display()
    );
}
