//! Where PostgreSQL's binaries are.

use crate::StoreError;
use std::{
    path::{Path, PathBuf},
    process::Command,
};

/// Where distributions keep a version's binaries, with the version as a directory between.
const ROOTS: [(&str, &str); 2] = [("/usr/lib/postgresql", "bin"), ("/usr/local/lib/postgresql", "bin")];
/// The oldest version whose SQL this store speaks (detaching partitions concurrently).
const OLDEST: u32 = 14;

/// The programs of one PostgreSQL installation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binaries {
    /// Their directory.
    pub dir: PathBuf,
}

impl Binaries {
    /// The configured directory, else the newest version in the distribution's places, else
    /// what `pg_config` says.
    ///
    /// # Errors
    /// [`StoreError::Cluster`] where there are none.
    pub fn find(configured: Option<&Path>) -> Result<Self, StoreError> {
        if let Some(dir) = configured {
            return Self::at(dir.to_owned())
                .ok_or_else(|| StoreError::Cluster(format!("no initdb and postgres in {}", dir.display())));
        }
        Self::installed().into_iter().find_map(|(_, dir)| Self::at(dir)).or_else(Self::by_pg_config).ok_or_else(|| {
            StoreError::Cluster("no PostgreSQL binaries found: install postgresql, or give --database-url".into())
        })
    }

    /// The program of that name.
    pub fn program(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    fn at(dir: PathBuf) -> Option<Self> {
        ["initdb", "postgres"].iter().all(|name| dir.join(name).is_file()).then_some(Self { dir })
    }

    /// Versions in the usual places, newest first.
    fn installed() -> Vec<(u32, PathBuf)> {
        let mut found: Vec<_> = ROOTS
            .iter()
            .flat_map(|(root, tail)| {
                let entries = std::fs::read_dir(root).into_iter().flatten().flatten();
                entries.filter_map(move |e| {
                    let version = e.file_name().to_str()?.parse().ok()?;
                    Some((version, e.path().join(tail)))
                })
            })
            .filter(|(version, _)| *version >= OLDEST)
            .collect();
        found.sort_by(|a, b| b.cmp(a));
        found
    }

    fn by_pg_config() -> Option<Self> {
        let out = Command::new("pg_config").arg("--bindir").output().ok()?;
        Self::at(PathBuf::from(String::from_utf8(out.stdout).ok()?.trim()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configured_directory_is_taken_or_refused_never_replaced() {
        let dir = tempfile::tempdir().expect("dir");
        assert!(Binaries::find(Some(dir.path())).is_err());
        for name in ["initdb", "postgres"] {
            std::fs::write(dir.path().join(name), "").expect("written");
        }
        assert_eq!(Binaries::find(Some(dir.path())).expect("found").dir, dir.path());
    }
}
