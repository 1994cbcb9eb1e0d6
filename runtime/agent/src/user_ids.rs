//! Blocks of ids of pods with users of their own; each is noted in its pod's directory.

use crate::{Error, Result, error::io};
use podium_lifecycle::user_ids;
use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

/// In a pod's directory: the first of its ids.
const FILE: &str = "user-ids";
/// Zero where the host makes no user namespaces.
const MAXIMUM: &str = "/proc/sys/user/max_user_namespaces";

/// Who has which block.
pub(crate) struct UserIds {
    pods: PathBuf,
    blocks: Mutex<BTreeMap<String, u32>>,
}

impl UserIds {
    /// Reads what pods have noted.
    pub fn open(pods: &Path) -> Self {
        let entries = std::fs::read_dir(pods).into_iter().flatten().flatten();
        let noted = entries.filter_map(|entry| {
            let text = std::fs::read_to_string(entry.path().join(FILE)).ok()?;
            Some((entry.file_name().into_string().ok()?, text.trim().parse().ok()?))
        });
        Self { pods: pods.to_owned(), blocks: Mutex::new(noted.collect()) }
    }

    /// The pod's first id; a block of its own from now on.
    pub fn take(&self, pod: &str) -> Result<u32> {
        let most: u64 = std::fs::read_to_string(MAXIMUM).ok().and_then(|text| text.trim().parse().ok()).unwrap_or(0);
        if most == 0 {
            let message = "can't set `spec.hostUsers: false`, this host has no user namespaces";
            return Err(Error::Other(message.to_owned()));
        }
        let mut blocks = self.blocks.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(base) = blocks.get(pod) {
            return Ok(*base);
        }
        let taken: BTreeSet<u32> = blocks.values().copied().collect();
        let base = user_ids::free(&taken).ok_or_else(|| Error::Other("no block of user ids is free".to_owned()))?;
        let dir = self.pods.join(pod);
        std::fs::create_dir_all(&dir).map_err(io("create a pod's directory"))?;
        std::fs::write(dir.join(FILE), base.to_string()).map_err(io("note a pod's user ids"))?;
        blocks.insert(pod.to_owned(), base);
        Ok(base)
    }

    /// The pod is gone, with all files of its users.
    pub fn release(&self, pod: &str) {
        let _ = std::fs::remove_file(self.pods.join(pod).join(FILE));
        self.blocks.lock().unwrap_or_else(PoisonError::into_inner).remove(pod);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_outlive_the_agent() {
        if !std::fs::read_to_string(MAXIMUM).is_ok_and(|text| text.trim() != "0") {
            return println!("skipped: this host has no user namespaces");
        }
        let dir = tempfile::tempdir().expect("a directory");
        let ids = UserIds::open(dir.path());
        assert_eq!(ids.take("a").ok(), Some(65_536));
        assert_eq!(ids.take("b").ok(), Some(131_072));
        assert_eq!(ids.take("a").ok(), Some(65_536), "it keeps what it has");
        let next = UserIds::open(dir.path());
        assert_eq!(next.take("c").ok(), Some(196_608));
        next.release("a");
        assert_eq!(UserIds::open(dir.path()).take("d").ok(), Some(65_536));
    }
}
