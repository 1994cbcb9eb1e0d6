//! A layer's tar becomes a directory in overlayfs form. The tar is not trusted.
//!
//! Whatever it holds, nothing is made, changed or linked outside the directory: parents are resolved by
//! openat2(RESOLVE_IN_ROOT), and the last name of a path is never followed. Whiteouts become character devices 0:0,
//! opaque directories an attribute, as overlayfs wants them (OCI image spec, layer.md).

use std::cell::Cell;
use std::ffi::{CString, OsStr};
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;

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
/// A member whose header, with its long names and attributes, is larger is refused: headers are held in memory.
pub(super) const MAX_HEADER_BYTES: u64 = 1 << 20;
/// Of the disk's free space a layer may take so many percent, together with whatever else is written meanwhile.
const MAX_DISK_PERCENT: u64 = 95;
/// The disk is looked at each time so many bytes were read.
const LOOK_BYTES: u64 = 16 << 20;
/// Headers of a layer may take so much of its tar for each member that it may have.
const HEADER_BYTES: u64 = 4 << 10;
/// Prefix of a whiteout's name.
const WHITEOUT: &[u8] = b".wh.";
/// The whiteout that hides all a directory had in lower layers.
const OPAQUE: &[u8] = b".wh..wh..opq";

/// What a layer may hold at most.
#[derive(Clone, Copy)]
struct Limits {
    entries: u64,
    bytes: u64,
}

/// Unpacks into `dir`, which exists and is empty. Returns the bytes of its files.
pub(super) fn unpack(tar: impl Read, dir: &Path) -> io::Result<u64> {
    let free = free(dir)?;
    let floor = free - free / 100 * MAX_DISK_PERCENT;
    let watched = Watched { inner: tar, dir, floor, unseen: 0 };
    within(watched, dir, Limits { entries: MAX_ENTRIES, bytes: MAX_BYTES.min(free - floor) })
}

/// What may be written to the disk of `dir`.
pub(super) fn room(dir: &Path) -> io::Result<u64> {
    Ok(free(dir)? / 100 * MAX_DISK_PERCENT)
}

fn free(dir: &Path) -> io::Result<u64> {
    let disk = nix::sys::statvfs::statvfs(dir)?;
    Ok(disk.blocks_available().saturating_mul(disk.fragment_size()))
}

/// A reader that stops when the disk of `dir`, where others write too, has less free than `floor`.
struct Watched<'a, R> {
    inner: R,
    dir: &'a Path,
    floor: u64,
    unseen: u64,
}

impl<R: Read> Read for Watched<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.unseen >= LOOK_BYTES {
            self.unseen = 0;
            if free(self.dir)? < self.floor {
                return Err(io::Error::new(io::ErrorKind::StorageFull, "the disk has no room for it"));
            }
        }
        let length = self.inner.read(buffer)?;
        self.unseen += length as u64;
        Ok(length)
    }
}

fn within(tar: impl Read, dir: &Path, limits: Limits) -> io::Result<u64> {
    let rooted = Rooted::open(dir)?;
    let mut unpacker = Unpacker { rooted, parent: None, times: Vec::new(), bytes: 0, most: limits.bytes };
    let budget = Budget::default();
    let total = limits.bytes.saturating_add(limits.entries.saturating_mul(HEADER_BYTES));
    let mut archive = Archive::new(Metered::new(tar, budget.clone(), total));
    let mut entries = archive.entries()?;
    let mut count = 0;
    loop {
        budget.set(MAX_HEADER_BYTES);
        let Some(entry) = entries.next() else { break };
        count += 1;
        if count > limits.entries {
            return Err(invalid("layer has too many files"));
        }
        let mut entry = entry?;
        budget.set(limits.bytes);
        unpacker.entry(&mut entry)?;
        // Contents of members that should have none.
        io::copy(&mut entry, &mut io::sink())?;
    }
    unpacker.finish()?;
    // What follows the end mark belongs to the digest too; the caller's reader has to see it.
    budget.set(limits.bytes);
    io::copy(&mut archive.into_inner(), &mut io::sink())?;
    Ok(unpacker.bytes)
}

/// Bytes that may still be read.
pub(super) type Budget = Rc<Cell<u64>>;

/// A reader that refuses to give more than the budget of the moment, and more than so many bytes in all.
pub(super) struct Metered<R> {
    inner: R,
    budget: Budget,
    total: u64,
}

impl<R> Metered<R> {
    pub fn new(inner: R, budget: Budget, total: u64) -> Metered<R> {
        Metered { inner, budget, total }
    }
}

/// What is passed over is not read.
impl<R: Seek> Seek for Metered<R> {
    fn seek(&mut self, position: SeekFrom) -> io::Result<u64> {
        self.inner.seek(position)
    }
}

impl<R: Read> Read for Metered<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.budget.get().min(self.total);
        let most = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        if most == 0 && !buffer.is_empty() {
            return Err(invalid("layer is too large"));
        }
        let length = self.inner.read(&mut buffer[..most])?;
        self.budget.set(self.budget.get().saturating_sub(length as u64));
        self.total = self.total.saturating_sub(length as u64);
        Ok(length)
    }
}

struct Unpacker {
    rooted: Rooted,
    /// The directory of the last member; archives are sorted, mostly.
    parent: Option<(PathBuf, OwnedFd)>,
    /// Directories' times, set last since their contents change them.
    times: Vec<(PathBuf, TimeSpec)>,
    bytes: u64,
    /// What `bytes` may grow to.
    most: u64,
}

impl Unpacker {
    fn entry<R: Read>(&mut self, entry: &mut Entry<'_, R>) -> io::Result<()> {
        let path = entry.path()?.into_owned();
        let kind = entry.header().entry_type();
        let Some((dir, name)) = split(&path)? else {
            return self.root(entry);
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
                let room = self.most.saturating_sub(self.bytes);
                let written = io::copy(&mut entry.by_ref().take(room + 1), &mut file)?;
                if written > room {
                    return Err(invalid("layer is too large"));
                }
                self.bytes += written;
            }
            EntryType::Link => {
                let target = link_name(entry)?;
                let Some((dir, target)) = split(&target)? else { return Err(invalid("hard link to the root")) };
                let source = self.rooted.at(&dir, OFlag::O_PATH | OFlag::O_DIRECTORY)?;
                // A link shares its target's owner, mode and times.
                return Ok(linkat(source, target.as_os_str(), parent, name.as_os_str(), LinkatFlags::empty())?);
            }
            EntryType::Symlink => symlinkat(&link_name(entry)?, parent, name.as_os_str())?,
            EntryType::Char => mknodat(parent, name.as_os_str(), SFlag::S_IFCHR, mode, device()?)?,
            EntryType::Block => mknodat(parent, name.as_os_str(), SFlag::S_IFBLK, mode, device()?)?,
            EntryType::Fifo => mknodat(parent, name.as_os_str(), SFlag::S_IFIFO, mode, 0)?,
            // Global pax headers and vendors' marks carry no file.
            _ => return Ok(()),
        }
        let times = self.attributes(entry, &parent, &name, mode)?;
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

#[cfg(test)]
mod tests {
    use super::*;

    /// A member with this name and so many bytes of zeros.
    fn member(kind: EntryType, name: &str, size: u64) -> (tar::Header, io::Take<io::Repeat>) {
        let mut header = tar::Header::new_gnu();
        header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
        header.set_entry_type(kind);
        header.set_mode(0o644);
        let own = nix::unistd::geteuid().as_raw();
        header.set_uid(own.into());
        header.set_gid(nix::unistd::getegid().as_raw().into());
        header.set_mtime(0);
        header.set_size(size);
        header.set_cksum();
        (header, io::repeat(0).take(size))
    }

    fn archive(members: &[(EntryType, &str, u64)]) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        for (kind, name, size) in members {
            let (header, data) = member(*kind, name, *size);
            builder.append(&header, data).unwrap();
        }
        builder.into_inner().unwrap()
    }

    fn outcome(tar: impl Read) -> Result<u64, String> {
        let dir = tempfile::tempdir().unwrap();
        within(tar, dir.path(), Limits { entries: 3, bytes: 3 << 20 }).map_err(|error| error.to_string())
    }

    #[test]
    fn bombs_are_refused_by_size_and_by_number() {
        const FILE: EntryType = EntryType::Regular;
        let (many, large) = ("layer has too many files", "layer is too large");
        assert_eq!(
            outcome(&archive(&[(FILE, "a", 1 << 20), (FILE, "b", 1 << 20), (FILE, "c", 7)])[..]),
            Ok((2 << 20) + 7)
        );
        let four = [(FILE, "a", 0), (FILE, "b", 0), (FILE, "c", 0), (FILE, "d", 0)];
        assert_eq!(outcome(&archive(&four)[..]), Err(many.to_owned()));
        assert_eq!(outcome(&archive(&[(FILE, "a", 4 << 20)])[..]), Err(large.to_owned()));
        // No single one, but all together.
        assert_eq!(outcome(&archive(&[(FILE, "a", 2 << 20), (FILE, "b", 2 << 20)])[..]), Err(large.to_owned()));
        // A directory with contents, which lead nowhere.
        assert_eq!(outcome(&archive(&[(EntryType::Directory, "a", 4 << 20)])[..]), Err(large.to_owned()));
        // The same in small portions.
        let dirs: Vec<_> = ["a", "b", "c"].map(|name| (EntryType::Directory, name, 2 << 20)).into();
        assert_eq!(outcome(&archive(&dirs)[..]), Err(large.to_owned()));
        // A name or attributes that would fill the memory, whatever number of bytes they announce.
        for kind in [EntryType::GNULongName, EntryType::GNULongLink, EntryType::XHeader] {
            let (header, _) = member(kind, "x", 1 << 40);
            let endless = header.as_bytes().chain(io::repeat(b'n'));
            assert_eq!(outcome(endless), Err(large.to_owned()), "{kind:?}");
        }
        // No end after the end mark.
        let tail = archive(&[(FILE, "a", 0)]);
        assert_eq!(outcome(tail.chain(io::repeat(0))), Err(large.to_owned()));
    }
}
