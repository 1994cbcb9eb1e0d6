//! Files that appear whole or not at all, keys readable by their owner alone.

use super::PkiError;
use std::{
    fs::{self, OpenOptions},
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

fn failed(path: &Path) -> impl FnOnce(std::io::Error) -> PkiError {
    let path: PathBuf = path.into();
    move |source| PkiError::File { path, source }
}

/// Makes a directory where there is none; only its owner may look inside.
pub(super) fn directory(path: &Path) -> Result<(), PkiError> {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(failed(path))
}

pub(super) fn exists(path: &Path) -> bool {
    path.is_file()
}

pub(super) fn read(path: &Path) -> Result<String, PkiError> {
    fs::read_to_string(path).map_err(failed(path))
}

/// Writes beside the file, syncs, then renames over it.
pub(super) fn write(path: &Path, text: &str, secret: bool) -> Result<(), PkiError> {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{}", std::process::id()));
    let beside = PathBuf::from(name);
    let mode = if secret { 0o600 } else { 0o644 };
    let attempt = || {
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(&beside)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&beside, path)
    };
    attempt().map_err(failed(path))
}
