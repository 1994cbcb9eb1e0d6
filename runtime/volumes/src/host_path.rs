//! hostPath with its types.

use crate::{Error, Result, error::at};
use std::{
    fs,
    os::unix::fs::{DirBuilderExt, FileTypeExt, OpenOptionsExt},
    path::Path,
    str::FromStr,
};

/// What must be at the path.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HostPathType {
    /// Anything, or nothing: then a directory is made, as containers cannot have less.
    #[default]
    Unset,
    /// A directory, made when missing.
    DirectoryOrCreate,
    /// A directory.
    Directory,
    /// A file, made when missing.
    FileOrCreate,
    /// A file.
    File,
    /// A unix socket.
    Socket,
    /// A character device.
    CharDevice,
    /// A block device.
    BlockDevice,
}

impl FromStr for HostPathType {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self> {
        Ok(match text {
            "" => Self::Unset,
            "DirectoryOrCreate" => Self::DirectoryOrCreate,
            "Directory" => Self::Directory,
            "FileOrCreate" => Self::FileOrCreate,
            "File" => Self::File,
            "Socket" => Self::Socket,
            "CharDevice" => Self::CharDevice,
            "BlockDevice" => Self::BlockDevice,
            other => return Err(Error::HostPath(format!("unknown type {other:?}"))),
        })
    }
}

/// Sees that `path` is what was asked for.
pub(crate) fn check(path: &Path, kind: HostPathType) -> Result<()> {
    let create_dir = || fs::DirBuilder::new().recursive(true).mode(0o755).create(path).map_err(at("create", path));
    let Ok(meta) = fs::metadata(path) else {
        return match kind {
            HostPathType::Unset | HostPathType::DirectoryOrCreate => create_dir(),
            HostPathType::FileOrCreate => fs::OpenOptions::new()
                .create(true)
                .append(true)
                .mode(0o644)
                .open(path)
                .map(drop)
                .map_err(at("create", path)),
            _ => Err(Error::HostPath(format!("{} does not exist", path.display()))),
        };
    };
    let found = meta.file_type();
    let (fits, wanted) = match kind {
        HostPathType::Unset => (true, ""),
        HostPathType::DirectoryOrCreate | HostPathType::Directory => (found.is_dir(), "directory"),
        HostPathType::FileOrCreate | HostPathType::File => (found.is_file(), "file"),
        HostPathType::Socket => (found.is_socket(), "socket file"),
        HostPathType::CharDevice => (found.is_char_device(), "character device"),
        HostPathType::BlockDevice => (found.is_block_device(), "block device"),
    };
    if fits { Ok(()) } else { Err(Error::HostPath(format!("{} is not a {wanted}", path.display()))) }
}
