//! The file: written beside its final name, renamed when it is whole.
//!
//! Invariant: under the final name there is nothing, or what was there before, or the whole archive. The temporary
//! name is always the same, so that what a killed process left behind is cleared by the next.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::error::{FetchError, from_disk};

/// A file that is being written; dropped without [`PartFile::finish`], it is gone.
#[derive(Debug)]
pub(super) struct PartFile {
    file: File,
    part: PathBuf,
    to: PathBuf,
}

impl PartFile {
    /// Starts an empty file for `to` in the same directory.
    pub(super) fn create(to: &Path) -> Result<PartFile, FetchError> {
        let part = part_path(to);
        // Removed rather than truncated: a link that stands there must not be followed.
        match fs::remove_file(&part) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(from_disk(to, &error)),
            _ => {}
        }
        let file = File::create_new(&part).map_err(|error| from_disk(to, &error))?;
        Ok(PartFile { file, part, to: to.to_owned() })
    }

    /// Appends.
    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<(), FetchError> {
        self.file.write_all(bytes).map_err(|error| from_disk(&self.to, &error))
    }

    /// Brings the file to the disk and gives it its name.
    pub(super) fn finish(self) -> Result<(), FetchError> {
        let named = self.file.sync_all().and_then(|()| fs::rename(&self.part, &self.to));
        named.map_err(|error| from_disk(&self.to, &error))?;
        // The rename itself need not survive a crash of the node: no pod does.
        Ok(())
    }
}

impl Drop for PartFile {
    fn drop(&mut self) {
        // After `finish` there is nothing under this name any more.
        let _ = fs::remove_file(&self.part);
    }
}

/// `/test/archive.tar` is written as `/test/.archive.tar.part`.
pub(super) fn part_path(to: &Path) -> PathBuf {
    let name = to.file_name().unwrap_or_default().to_string_lossy();
    to.with_file_name(format!(".{name}.part"))
}
