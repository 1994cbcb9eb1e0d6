//! `fsGroup`: files belong to a group that all containers of the pod are in.

use crate::{Result, error::at};
use nix::{
    errno::Errno,
    fcntl::{AT_FDCWD, AtFlags, OFlag, openat},
    sys::stat::{Mode, SFlag, fstat},
    unistd::{Gid, fchownat},
};
use std::{
    fs, io,
    os::{
        fd::{AsFd, AsRawFd, OwnedFd},
        unix::fs::{MetadataExt, PermissionsExt},
    },
    path::Path,
};

/// Directories inside directories; each holds a descriptor.
const MAX_DEPTH: u32 = 128;

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

/// Gives `path` and what is below to `group`. A container may swap what we look at for a link, so every step goes by
/// a descriptor, and no link is followed.
pub(crate) fn give_to_group(path: &Path, group: u32, readonly: bool) -> Result<()> {
    let top = open(AT_FDCWD, path).map_err(at("open", path))?;
    let access = if readonly { GROUP_READ } else { GROUP_WRITE };
    give(&top, group, access, MAX_DEPTH).map_err(at("give to its group what is in", path))
}

fn give(file: &OwnedFd, group: u32, access: u32, depth: u32) -> io::Result<()> {
    fchownat(file, "", None, Some(Gid::from_raw(group)), AtFlags::AT_EMPTY_PATH)?;
    let stat = fstat(file)?;
    let kind = SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT;
    if kind == SFlag::S_IFLNK {
        return Ok(());
    }
    let directory = kind == SFlag::S_IFDIR;
    let mode = stat.st_mode & 0o7777 | access | if directory { GROUP_DIR } else { 0 };
    // What was opened for its path alone takes no fchmod; this link of the kernel's leads to it and nowhere else.
    let own = format!("/proc/self/fd/{}", file.as_raw_fd());
    fs::set_permissions(&own, fs::Permissions::from_mode(mode))?;
    if !directory {
        return Ok(());
    }
    let depth = depth.checked_sub(1).ok_or_else(|| io::Error::other("directories are nested too deeply"))?;
    for entry in fs::read_dir(&own)? {
        match open(file, Path::new(&entry?.file_name())) {
            // Somebody else removed it.
            Err(Errno::ENOENT) => {}
            child => give(&child?, group, access, depth)?,
        }
    }
    Ok(())
}

/// The thing itself, be it a link.
fn open(dir: impl AsFd, name: &Path) -> nix::Result<OwnedFd> {
    openat(dir, name, OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC, Mode::empty())
}
