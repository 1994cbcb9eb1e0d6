//! The watermark under which writes stop.
//!
//! PostgreSQL on a full disk first fails statements, then its recovery: it does not come
//! back without help. So writes stop early, while deletions of other files still help.

use crate::StoreError;
use nix::sys::statvfs::statvfs;
use std::path::PathBuf;

/// Bytes that must stay free on the file system of a directory.
#[derive(Clone, Debug)]
pub struct Watermark {
    /// A directory on the database's file system.
    pub path: PathBuf,
    /// Least free bytes for writes to go on.
    pub least: u64,
}

impl Watermark {
    /// Bytes free for unprivileged users; `None` where the directory cannot be asked.
    pub fn free(&self) -> Option<u64> {
        let stat = statvfs(&self.path).ok()?;
        Some(stat.blocks_available() * stat.fragment_size())
    }
    /// An error where less than the watermark is free.
    ///
    /// # Errors
    /// [`StoreError::DiskLow`].
    pub fn check(&self) -> Result<(), StoreError> {
        match self.free() {
            Some(free) if free < self.least => {
                Err(StoreError::DiskLow { path: self.path.clone(), free, least: self.least })
            }
            _ => Ok(()),
        }
    }
}
