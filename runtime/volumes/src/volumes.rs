//! The volumes of one pod below its directory.

use crate::{File, GroupChange, HostPathType, Result, atomic, empty_dir, error::at, host_path, local, owner, subpath};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// What a volume is made from.
#[derive(Clone, Debug, PartialEq)]
pub enum Source {
    /// Empty at first, gone with the pod.
    EmptyDir {
        /// On a tmpfs.
        memory: bool,
        /// Bytes.
        size_limit: Option<u64>,
    },
    /// The same in huge pages.
    HugePages {
        /// Bytes of a page.
        page: u64,
        /// Bytes.
        size_limit: Option<u64>,
    },
    /// A path of the node.
    HostPath {
        /// Absolute.
        path: PathBuf,
        /// What must be there.
        kind: HostPathType,
    },
    /// A directory of the node that a claim is bound to; it outlives the pod.
    Local {
        /// Absolute.
        path: PathBuf,
        /// How thoroughly `fsGroup` is brought to what is there already; None leaves owners alone.
        change: Option<GroupChange>,
        /// What must be there, and is made where the type says so; None: a directory that somebody made.
        kind: Option<HostPathType>,
    },
    /// Files from objects.
    Files {
        /// All of them.
        files: Vec<File>,
        /// Never on a disk: secrets and tokens.
        secret: bool,
    },
}

/// The volumes of one pod. Blocking.
#[derive(Clone, Debug)]
pub struct Volumes {
    dir: PathBuf,
}

impl Volumes {
    /// Volumes below `pod_dir`.
    pub fn new(pod_dir: &Path) -> Self {
        Self { dir: pod_dir.to_owned() }
    }

    /// Makes a volume, or brings it up to date; returns where it is. Fine to repeat.
    pub fn setup(&self, name: &str, source: &Source, fs_group: Option<u32>) -> Result<PathBuf> {
        let path = self.dir.join("volumes").join(name);
        match source {
            Source::EmptyDir { memory, size_limit } => {
                let new = !path.exists();
                if *memory {
                    empty_dir::tmpfs(&path, *size_limit)?
                } else {
                    empty_dir::directory(&path)?
                }
                if let Some(group) = fs_group.filter(|_| new) {
                    owner::give_to_group(&path, group, false)?;
                }
            }
            Source::HugePages { page, size_limit } => {
                let new = !path.exists();
                empty_dir::huge_pages(&path, *page, *size_limit)?;
                if let Some(group) = fs_group.filter(|_| new) {
                    owner::give_to_group(&path, group, false)?;
                }
            }
            Source::HostPath { path, kind } => {
                host_path::check(path, *kind)?;
                return Ok(path.clone());
            }
            Source::Local { path: there, change, kind } => {
                if let Some(kind) = kind {
                    host_path::check(there, *kind)?;
                }
                local::link(&path, there)?;
                if let Some((group, change)) = fs_group.zip(*change) {
                    owner::share(there, group, change)?;
                }
                return Ok(there.clone());
            }
            Source::Files { files, secret } => {
                if *secret {
                    empty_dir::tmpfs(&path, None)?
                } else {
                    empty_dir::directory(&path)?
                }
                atomic::write(&path, files, fs_group)?;
            }
        }
        Ok(path)
    }

    /// Rewrites a volume made of files; containers see all new files or all old ones. False when nothing changed.
    pub fn update(&self, name: &str, files: &[File], fs_group: Option<u32>) -> Result<bool> {
        atomic::write(&self.dir.join("volumes").join(name), files, fs_group)
    }

    /// Where a volume is that was set up: below the pod's directory, or where the claim's volume lies.
    pub fn path(&self, name: &str) -> PathBuf {
        let path = self.dir.join("volumes").join(name);
        fs::read_link(&path).unwrap_or(path)
    }

    /// A path inside the volume at `root`, bound where no container can move it. `key` tells mounts of the pod apart.
    pub fn subpath(&self, root: &Path, sub: &str, key: &str) -> Result<PathBuf> {
        subpath::bind(root, sub, &self.dir.join("subpaths").join(key))
    }

    /// The text of a file in a volume that a container writes; None where there is no such file.
    pub fn text(&self, name: &str, path: &str) -> Result<Option<String>> {
        subpath::text(&self.path(name), path)
    }

    /// Unmounts and removes everything but host paths. Fine to repeat.
    pub fn teardown(&self) -> Result<()> {
        for part in ["subpaths", "volumes"] {
            let path = self.dir.join(part);
            empty_dir::unmount_below(&path)?;
            match fs::remove_dir_all(&path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(at("remove", &path)(error)),
                _ => {}
            }
        }
        Ok(())
    }
}
