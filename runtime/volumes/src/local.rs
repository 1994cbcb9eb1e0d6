//! A local directory that a claim is bound to.
//!
//! The pod's directory holds no mount of it but a link: removing the pod's directory can never reach into the data.

use crate::{Error, Result, error::at};
use std::{fs, io::ErrorKind, os::unix::fs::symlink, path::Path};

/// Sees that `there` is a directory, and makes `path` say that it is used.
pub(crate) fn link(path: &Path, there: &Path) -> Result<()> {
    if !there.is_absolute() || !fs::metadata(there).is_ok_and(|meta| meta.is_dir()) {
        return Err(Error::Missing(format!("path \"{}\" does not exist or is not a directory", there.display())));
    }
    if fs::read_link(path).is_ok_and(|old| old == there) {
        return Ok(());
    }
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).map_err(at("create", parent))?;
    }
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(at("replace", path)(error)),
        _ => {}
    }
    symlink(there, path).map_err(at("link", path))
}
