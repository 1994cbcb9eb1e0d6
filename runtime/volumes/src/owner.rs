//! `fsGroup`: files belong to a group that all containers of the pod are in.

use crate::{Result, error::at};
use std::{
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt, lchown},
    path::Path,
};

/// Group read and write.
const GROUP_WRITE: u32 = 0o060;
/// Group read.
const GROUP_READ: u32 = 0o040;
/// Group may enter; new files inherit the group.
const GROUP_DIR: u32 = 0o2010;

/// `fsGroupChangePolicy`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum GroupChange {
    /// Every file, each time.
    #[default]
    Always,
    /// Nothing, where the volume's root is already as it should be.
    OnRootMismatch,
}

/// Gives a volume with contents of its own to `group`.
pub(crate) fn share(path: &Path, group: u32, change: GroupChange) -> Result<()> {
    let meta = fs::metadata(path).map_err(at("stat", path))?;
    let wanted = GROUP_DIR | GROUP_WRITE;
    if change == GroupChange::OnRootMismatch && meta.gid() == group && meta.mode() & wanted == wanted {
        return Ok(());
    }
    give_to_group(path, group, false)
}

/// Gives `path` and what is below to `group`.
pub(crate) fn give_to_group(path: &Path, group: u32, readonly: bool) -> Result<()> {
    let meta = fs::symlink_metadata(path).map_err(at("stat", path))?;
    lchown(path, None, Some(group)).map_err(at("chown", path))?;
    if meta.is_symlink() {
        return Ok(());
    }
    let mut mode = meta.mode() & 0o7777 | if readonly { GROUP_READ } else { GROUP_WRITE };
    if meta.is_dir() {
        mode |= GROUP_DIR;
    }
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).map_err(at("chmod", path))?;
    if meta.is_dir() {
        for entry in fs::read_dir(path).map_err(at("read", path))? {
            give_to_group(&entry.map_err(at("read", path))?.path(), group, readonly)?;
        }
    }
    Ok(())
}
