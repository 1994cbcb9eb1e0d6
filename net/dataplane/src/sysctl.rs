//! Kernel settings of the network namespace we are in.

use crate::{Error, Result};
use std::fs;

/// Sets `/proc/sys/<name>` unless it has the value already (`/proc/sys` may be read-only then).
pub(crate) fn set(name: &str, value: &str) -> Result<()> {
    let path = format!("/proc/sys/{name}");
    match fs::read_to_string(&path) {
        Ok(now) if now.trim() == value => Ok(()),
        _ => fs::write(&path, value).map_err(Error::file(path)),
    }
}
