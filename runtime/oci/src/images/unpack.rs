//! A layer's tar becomes a directory in overlayfs form. The tar is not trusted.
//!
//! Whatever it holds, nothing is made, changed or linked outside the directory: parents are resolved by
//! openat2(RESOLVE_IN_ROOT), and the last name of a path is never followed. Whiteouts become character devices 0:0,
//! opaque directories an attribute, as overlayfs wants them (OCI image spec, layer.md).

use std::ffi::{CString, OsStr};
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, openat};
use nix::sys::stat::{Mode, SFlag, UtimensatFlags, fchmod, makedev, mkdirat, mknodat, utimensat};
use nix::sys::time::TimeSpec;
use nix::unistd::{Gid, LinkatFlags, Uid, UnlinkatFlags, fchownat, linkat, symlinkat, unlinkat};
use tar::{Archive, Entry, EntryType};

use crate::rooted::{Rooted, split};

/// A layer with more members is refused.
const MAX_ENTRIES: u64 = 2_000_000;
/// A layer that unpacks to more is refused.
const MAX_BYTES: u64 = 64 << 30;
/// Prefix of a whiteout's name.
const WHITEOUT: &[u8] = b".wh.";
/// The whiteout that hides all a directory had in lower layers.
const OPAQUE: &[u8] = b".wh..wh..opq";

/// Unpacks into `dir`, which exists and is empty. Returns the bytes of its files.
pub(super) fn unpack(tar: impl Read, dir: &Path) -> io::Result<u64> {
    let mut unpacker = Unpacker { rooted: Rooted::open(dir)?, parent: None, times: Vec::new(), bytes: 0 };
    let mut archive = Archive::new(tar);
    for (count, entry) in archive.entries()?.enumerate() {
        if count as u64 >= MAX_ENTRIES {
            return Err(invalid("layer has too many files"));
        }
        unpacker.entry(entry?)?;
    }
    unpacker.finish()?;
    // What follows the end mark belongs to the digest too; the caller's reader has to see it.
    io::copy(&mut archive.into_inner(), &mut io::sink())?;
    Ok(unpacker.bytes)
}

struct Unpacker {
    rooted: Rooted,
    /// The directory of the last member; archives are sorted, mostly.
    parent: Option<(PathBuf, OwnedFd)>,
    /// Directories' times, set last since their contents change them.
    times: Vec<(PathBuf, TimeSpec)>,
    bytes: u64,
}

impl Unpacker {
    fn entry<R: Read>(&mut self, mut entry: Entry<'_, R>) -> io::Result<()> {
        let path = entry.path()?.into_owned();
        let kind = entry.header().entry_type();
        let Some((dir, name)) = split(&path)? else {
            return self.root(&entry);
        };
        let parent = self.parent(&dir)?;
        let parent = parent.as_fd();
        if name.as_bytes() == OPAQUE {
            return set_attribute(&parent, "trusted.overlay.opaque", b"y");
        }
        if let Some(hidden) = name.as_bytes().strip_prefix(WHITEOUT) {
            let hidden = OsStr::from_bytes(hidden);
            if hidden.is_empty() || hidden == "." || hidden == ".." {
                return Err(invalid("whiteout of nothing"));
            }
            self.clear(&parent, hidden, false)?;
            return Ok(mknodat(parent, hidden, SFlag::S_IFCHR, Mode::empty(), makedev(0, 0))?);
        }
        self.clear(&parent, &name, kind.is_dir())?;
        let header = entry.header();
        let mode = Mode::from_bits_truncate(header.mode()? & 0o7777);
        let device = || -> io::Result<u64> {
            let (major, minor) = (header.device_major()?.unwrap_or(0), header.device_minor()?.unwrap_or(0));
            Ok(makedev(major.into(), minor.into()))
        };
        match kind {
            EntryType::Directory => match mkdirat(parent, name.as_os_str(), Mode::S_IRWXU) {
                Ok(()) | Err(Errno::EEXIST) => {}
                Err(error) => return Err(error.into()),
            },
            EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => {
                let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
                let mut file = File::from(openat(parent, name.as_os_str(), flags, Mode::S_IRUSR | Mode::S_IWUSR)?);
                let room = MAX_BYTES - self.bytes;
                let written = io::copy(&mut entry.by_ref().take(room + 1), &mut file)?;
                if written > room {
                    return Err(invalid("layer is too large"));
                }
                self.bytes += written;
            }
            EntryType::Link => {
                let target = link_name(&entry)?;
                let Some((dir, target)) = split(&target)? else { return Err(invalid("hard link to the root")) };
                let source = self.rooted.at(&dir, OFlag::O_PATH | OFlag::O_DIRECTORY)?;
                // A link shares its target's owner, mode and times.
                return Ok(linkat(source, target.as_os_str(), parent, name.as_os_str(), LinkatFlags::empty())?);
            }
            EntryType::Symlink => symlinkat(&link_name(&entry)?, parent, name.as_os_str())?,
            EntryType::Char => mknodat(parent, name.as_os_str(), SFlag::S_IFCHR, mode, device()?)?,
            EntryType::Block => mknodat(parent, name.as_os_str(), SFlag::S_IFBLK, mode, device()?)?,
            EntryType::Fifo => mknodat(parent, name.as_os_str(), SFlag::S_IFIFO, mode, 0)?,
            // Global pax headers and vendors' marks carry no file.
            _ => return Ok(()),
        }
        let times = self.attributes(&mut entry, &parent, &name, mode)?;
        if kind.is_dir() {
            self.times.push((dir.join(&name), times));
        }
        Ok(())
    }

    /// Owner, mode, extended attributes, times; in this order, since each step may undo a later one.
    fn attributes<R: Read>(
        &self,
        entry: &mut Entry<'_, R>,
        parent: &impl AsFd,
        name: &OsStr,
        mode: Mode,
    ) -> io::Result<TimeSpec> {
        let (uid, gid) = (entry.header().uid()?, entry.header().gid()?);
        let id = |id: u64| u32::try_from(id).map_err(|_| invalid("owner out of range"));
        let (uid, gid) = (Uid::from_raw(id(uid)?), Gid::from_raw(id(gid)?));
        fchownat(parent, name, Some(uid), Some(gid), AtFlags::AT_SYMLINK_NOFOLLOW)?;
        let seconds = i64::try_from(entry.header().mtime()?).unwrap_or(0);
        let times = TimeSpec::new(seconds, 0);
        let kind = entry.header().entry_type();
        if kind.is_file() || kind.is_dir() || kind.is_contiguous() || kind.is_gnu_sparse() {
            let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC | OFlag::O_NONBLOCK;
            let file = openat(parent, name, flags, Mode::empty())?;
            fchmod(&file, mode)?;
            for extension in entry.pax_extensions()?.into_iter().flatten().flatten() {
                let key = extension.key().unwrap_or("");
                if let Some(attribute) = key.strip_prefix("SCHILY.xattr.").filter(|name| is_harmless(name)) {
                    set_attribute(&file, attribute, extension.value_bytes())?;
                }
            }
        } else if !kind.is_symlink() {
            nix::sys::stat::fchmodat(parent, name, mode, nix::sys::stat::FchmodatFlags::NoFollowSymlink)
                .or_else(|error| if error == Errno::EOPNOTSUPP { Ok(()) } else { Err(error) })?;
        }
        utimensat(parent, name, &times, &times, UtimensatFlags::NoFollowSymlink)?;
        Ok(times)
    }

    fn root<R: Read>(&self, entry: &Entry<'_, R>) -> io::Result<()> {
        if entry.header().entry_type().is_dir() {
            let root = self.rooted.at(Path::new("."), OFlag::O_RDONLY | OFlag::O_DIRECTORY)?;
            fchmod(&root, Mode::from_bits_truncate(entry.header().mode()? & 0o7777))?;
        }
        Ok(())
    }

    /// The directory `dir`, made when no member announced it.
    fn parent(&mut self, dir: &Path) -> io::Result<OwnedFd> {
        if let Some((known, fd)) = &self.parent
            && known == dir
        {
            return fd.try_clone();
        }
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY;
        let fd = match self.rooted.at(dir, flags) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.rooted.directory(dir)?;
                self.rooted.at(dir, flags)?
            }
            other => other?,
        };
        self.parent = Some((dir.to_owned(), fd.try_clone()?));
        Ok(fd)
    }

    /// A later member replaces an earlier one of the same name; a directory stays a directory.
    fn clear(&mut self, parent: &impl AsFd, name: &OsStr, keep_directory: bool) -> io::Result<()> {
        match unlinkat(parent, name, UnlinkatFlags::NoRemoveDir) {
            Ok(()) | Err(Errno::ENOENT) => Ok(()),
            Err(Errno::EISDIR | Errno::EPERM) if keep_directory => Ok(()),
            Err(Errno::EISDIR | Errno::EPERM) => {
                // The directory that is known may be this one or below it.
                self.parent = None;
                // remove_dir_all does not follow symlinks; the path goes through our own descriptor.
                let path = format!("/proc/self/fd/{}", parent.as_fd().as_raw_fd());
                std::fs::remove_dir_all(Path::new(&path).join(name))
            }
            Err(error) => Err(error.into()),
        }
    }

    fn finish(&mut self) -> io::Result<()> {
        self.parent = None;
        for (path, times) in self.times.drain(..).rev() {
            let Some((dir, name)) = split(&path)? else { continue };
            // One that was replaced later is not there any more.
            if let Ok(parent) = self.rooted.at(&dir, OFlag::O_RDONLY | OFlag::O_DIRECTORY) {
                let _ = utimensat(parent, name.as_os_str(), &times, &times, UtimensatFlags::NoFollowSymlink);
            }
        }
        Ok(())
    }
}

/// `trusted.*` steers overlayfs and is ours alone.
fn is_harmless(attribute: &str) -> bool {
    attribute.starts_with("user.") || attribute == "security.capability"
}

fn set_attribute(file: &impl AsFd, name: &str, value: &[u8]) -> io::Result<()> {
    let name = CString::new(name)?;
    let fd = file.as_fd().as_raw_fd();
    // SAFETY: name and value are valid for the call; the descriptor is borrowed.
    let result = unsafe { libc::fsetxattr(fd, name.as_ptr(), value.as_ptr().cast(), value.len(), 0) };
    match Errno::result(result) {
        Ok(_) => Ok(()),
        // A file system without user attributes loses them, as docker does.
        Err(Errno::EOPNOTSUPP) if !name.as_bytes().starts_with(b"trusted.") => Ok(()),
        Err(error) => Err(error.into()),
    }
}

fn link_name<R: Read>(entry: &Entry<'_, R>) -> io::Result<PathBuf> {
    entry.link_name()?.map(|name| name.into_owned()).ok_or_else(|| invalid("link to nothing"))
}

fn invalid(reason: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason)
}
