//! Comparison with golden files under `tests/golden`.
#![expect(clippy::disallowed_methods, reason = "tests only: a variable asks for new golden files")]

use std::path::Path;
use std::{env, fs};

/// Compares a text with `tests/golden/<name>`. With `UPDATE_GOLDEN` in the environment, the file is written instead.
#[track_caller]
pub(crate) fn check(name: &str, actual: &str) {
    let path = top_level().join("tests/golden").join(name);
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

/// The top level of the repository, from any of its packages.
fn top_level() -> &'static Path {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.ancestors().find(|folder| folder.join("tests/golden").is_dir()).unwrap()
}
