//! `subPath` that cannot leave its volume.
//!
//! A container may swap a directory of its volume for a link while we look. So the path is opened by `openat2` with
//! RESOLVE_BENEATH, and what was opened is bound to a place that no container can write to (CVE-2017-1002101).

use crate::{Error, Result, empty_dir::is_mount_point, error::at};
use nix::{
    errno::Errno,
    fcntl::{OFlag, OpenHow, ResolveFlag, openat2},
    mount::{MsFlags, mount},
    sys::stat::{Mode, SFlag, fstat, mkdirat},
};
use std::{
    fs::{self, File},
    io::Read,
    os::fd::{AsRawFd, OwnedFd},
    path::{Component, Path, PathBuf},
};

/// A larger file is not read.
const MAX_TEXT_BYTES: u64 = 1 << 20;

/// Binds `sub` of the volume at `root` to `target`; makes directories that are missing.
pub(crate) fn bind(root: &Path, sub: &str, target: &Path) -> Result<PathBuf> {
    if is_mount_point(target) {
        return Ok(target.to_owned());
    }
    let file = open(root, sub)?;
    let kind = SFlag::from_bits_truncate(fstat(&file).map_err(at("stat", root.join(sub)))?.st_mode) & SFlag::S_IFMT;
    if let Some(parent) = target.parent() {
        fs::create_dir_all(parent).map_err(at("create", parent))?;
    }
    if kind == SFlag::S_IFDIR {
        fs::create_dir_all(target).map_err(at("create", target))?;
    } else if !target.exists() {
        fs::write(target, []).map_err(at("create", target))?;
    }
    let source = format!("/proc/self/fd/{}", file.as_raw_fd());
    mount(Some(source.as_str()), target, None::<&str>, MsFlags::MS_BIND | MsFlags::MS_REC, None::<&str>)
        .map_err(at("bind", target))?;
    Ok(target.to_owned())
}

/// The text of a file inside the volume at `root`; None where there is none. Its container may still write there.
pub(crate) fn text(root: &Path, sub: &str) -> Result<Option<String>> {
    let path = root.join(sub);
    // Never block on a fifo.
    let how = OpenHow::new().flags(OFlag::O_RDONLY | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC);
    let top = openat2(nix::fcntl::AT_FDCWD, root, OpenHow::new().flags(OFlag::O_PATH | OFlag::O_CLOEXEC))
        .map_err(at("open", root))?;
    let beneath = how.resolve(ResolveFlag::RESOLVE_BENEATH | ResolveFlag::RESOLVE_NO_MAGICLINKS);
    let file = match openat2(&top, sub, beneath) {
        Ok(file) => File::from(file),
        Err(Errno::ENOENT | Errno::ENOTDIR) => return Ok(None),
        Err(Errno::EXDEV | Errno::ELOOP) => return Err(Error::Path(format!("{sub:?} must stay inside the volume"))),
        Err(error) => return Err(at("open", path)(error)),
    };
    if !file.metadata().map_err(at("stat", &path))?.is_file() {
        return Err(Error::Path(format!("{sub:?} is not a file")));
    }
    let mut bytes = Vec::new();
    file.take(MAX_TEXT_BYTES + 1).read_to_end(&mut bytes).map_err(at("read", &path))?;
    if bytes.len() as u64 > MAX_TEXT_BYTES {
        return Err(Error::Path(format!("{sub:?} is larger than {MAX_TEXT_BYTES} bytes")));
    }
    String::from_utf8(bytes).map(Some).map_err(|_| Error::Path(format!("{sub:?} is not text")))
}

fn open(root: &Path, sub: &str) -> Result<OwnedFd> {
    let refuse = || Error::Path(format!("subPath {sub:?} must stay inside the volume"));
    let clean = Path::new(sub).components().all(|c| matches!(c, Component::Normal(_) | Component::CurDir));
    if !clean {
        return Err(refuse());
    }
    let path_only = OpenHow::new().flags(OFlag::O_PATH | OFlag::O_CLOEXEC);
    let beneath = path_only.resolve(ResolveFlag::RESOLVE_BENEATH | ResolveFlag::RESOLVE_NO_MAGICLINKS);
    let mut at_dir = openat2(nix::fcntl::AT_FDCWD, root, path_only).map_err(at("open", root))?;
    let whole = openat2(&at_dir, if sub.is_empty() { "." } else { sub }, beneath);
    match whole {
        Ok(file) => return Ok(file),
        Err(Errno::ENOENT) => {}
        Err(Errno::EXDEV | Errno::ELOOP) => return Err(refuse()),
        Err(error) => return Err(at("open", root.join(sub))(error)),
    }
    for part in Path::new(sub).components().filter(|c| matches!(c, Component::Normal(_))) {
        let part = Path::new(part.as_os_str());
        match mkdirat(&at_dir, part, Mode::from_bits_truncate(0o750)) {
            Ok(()) | Err(Errno::EEXIST) => {}
            Err(error) => return Err(at("create", root.join(sub))(error)),
        }
        // Step by step no link is followed at all: what is missing needs none.
        let plain = beneath.resolve(ResolveFlag::RESOLVE_BENEATH | ResolveFlag::RESOLVE_NO_SYMLINKS);
        at_dir = openat2(&at_dir, part, plain).map_err(|_| refuse())?;
    }
    Ok(at_dir)
}
