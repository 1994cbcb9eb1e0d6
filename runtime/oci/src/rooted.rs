//! Paths inside a directory that somebody else filled: no symlink, `..` or absolute path leads out of it.
//!
//! openat2(RESOLVE_IN_ROOT) does what a chroot would; everything else here works on the descriptors it returns.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Component, Path};

use nix::errno::Errno;
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, open, openat2};
use nix::sys::stat::{Mode, mkdirat};

/// A directory that is its own root.
pub(crate) struct Rooted {
    root: OwnedFd,
}

impl Rooted {
    /// Opens `root`, following symlinks of the host.
    pub fn open(root: &Path) -> io::Result<Rooted> {
        Ok(Rooted { root: open(root, OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty())? })
    }

    /// Opens `path` as the root's inhabitants would.
    pub fn at(&self, path: &Path, flags: OFlag) -> io::Result<OwnedFd> {
        let path = path.strip_prefix("/").unwrap_or(path);
        let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        let how = OpenHow::new()
            .flags(flags | OFlag::O_CLOEXEC)
            .resolve(ResolveFlag::RESOLVE_IN_ROOT | ResolveFlag::RESOLVE_NO_MAGICLINKS);
        loop {
            match openat2(&self.root, path, how) {
                // The kernel asks to try again when a rename raced with `..`.
                Err(Errno::EAGAIN) => continue,
                other => return Ok(other?),
            }
        }
    }

    /// Opens the directory `path`, making what is missing (mode 0755).
    pub fn directory(&self, path: &Path) -> io::Result<OwnedFd> {
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY;
        match self.at(path, flags) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            other => return other,
        }
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
            return self.at(Path::new("."), flags);
        };
        let parent = self.directory(parent)?;
        match mkdirat(parent.as_fd(), name, Mode::from_bits_truncate(0o755)) {
            Ok(()) | Err(Errno::EEXIST) => self.at(path, flags),
            Err(error) => Err(error.into()),
        }
    }
}

/// An archive member's path as (directory, name), without leading `/` and `.`; None for the root itself. `..` is an
/// error: no honest archive has it.
pub(crate) fn split(path: &Path) -> io::Result<Option<(std::path::PathBuf, OsString)>> {
    let mut clean = std::path::PathBuf::new();
    for component in path.components() {
        match component {
            Component::Normal(name) if !name.as_encoded_bytes().contains(&0) => clean.push(name),
            Component::RootDir | Component::CurDir => {}
            _ => return Err(io::Error::new(io::ErrorKind::InvalidData, format!("unsafe path {path:?}"))),
        }
    }
    let Some(name) = clean.file_name().map(OsStr::to_owned) else { return Ok(None) };
    clean.pop();
    Ok(Some((clean, name)))
}
