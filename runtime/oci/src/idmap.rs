//! Mounts whose owners are shifted into a user namespace: what root owns on the disk, root of the pod owns.

use std::fs::{self, File};
use std::io;
use std::mem::size_of;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use std::ffi::CString;

use crate::error::{Context, Error, Result};

/// Binds `source` to `target` with the ids of the user namespace `users`. The target is made. A file system that cannot
/// do this is refused.
pub fn bind_mapped(source: &Path, users: &Path, target: &Path) -> Result<()> {
    if fs::metadata(source).at("look at", source)?.is_dir() {
        fs::create_dir_all(target).at("create", target)?;
    } else {
        File::options().create(true).append(true).open(target).at("create", target)?;
    }
    let tree = tree(source).at("open", source)?;
    let namespace = File::open(users).at("open", users)?;
    shift(&tree, &namespace).map_err(|error| {
        let what = format!("the file system of {} cannot be mounted with shifted ids: {error}", source.display());
        Error::Invalid(what)
    })?;
    // One that a failed start left.
    let _ = nix::mount::umount2(target, nix::mount::MntFlags::MNT_DETACH);
    attach(&tree, target).at("mount at", target)
}

fn name(path: &Path) -> io::Result<CString> {
    CString::new(path.as_os_str().as_bytes()).map_err(io::Error::from)
}

/// A copy of the mount at `path`, nowhere yet.
fn tree(path: &Path) -> io::Result<OwnedFd> {
    let path = name(path)?;
    let flags = libc::OPEN_TREE_CLONE | libc::OPEN_TREE_CLOEXEC;
    // SAFETY: the path is a C string that outlives the call.
    let fd = unsafe { libc::syscall(libc::SYS_open_tree, libc::AT_FDCWD, path.as_ptr(), flags) };
    let fd = i32::try_from(fd).ok().filter(|fd| *fd >= 0).ok_or_else(io::Error::last_os_error)?;
    // SAFETY: the kernel has just given this descriptor to us alone.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

fn shift(tree: &OwnedFd, namespace: &File) -> io::Result<()> {
    let attributes = libc::mount_attr {
        attr_set: libc::MOUNT_ATTR_IDMAP,
        attr_clr: 0,
        propagation: 0,
        userns_fd: namespace.as_raw_fd() as u64,
    };
    // SAFETY: descriptors are open, strings and structure outlive the call, and the size is the structure's.
    let outcome = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            tree.as_raw_fd(),
            c"".as_ptr(),
            libc::AT_EMPTY_PATH,
            &raw const attributes,
            size_of::<libc::mount_attr>(),
        )
    };
    if outcome == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

fn attach(tree: &OwnedFd, target: &Path) -> io::Result<()> {
    let target = name(target)?;
    // SAFETY: the descriptor is open, and both strings outlive the call.
    let outcome = unsafe {
        libc::syscall(
            libc::SYS_move_mount,
            tree.as_raw_fd(),
            c"".as_ptr(),
            libc::AT_FDCWD,
            target.as_ptr(),
            libc::MOVE_MOUNT_F_EMPTY_PATH,
        )
    };
    if outcome == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
