//! What pods hold on the disk: writable layers, logs, volumes. Walking directories costs, so answers are kept a while.

use crate::{Error, Result, error::blocking, pod::Place, shared::Shared};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    os::unix::fs::MetadataExt,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

/// Entries of one tree that are counted, at most: what lies beyond is not seen.
const MAX_ENTRIES: u64 = 2_000_000;
/// Bytes of a block, as `st_blocks` counts.
const BLOCK: u64 = 512;

/// What a directory holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct DiskUsage {
    pub bytes: u64,
    pub inodes: u64,
}

impl std::ops::Add for DiskUsage {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self { bytes: self.bytes.saturating_add(other.bytes), inodes: self.inodes.saturating_add(other.inodes) }
    }
}

impl std::iter::Sum for DiskUsage {
    fn sum<I: Iterator<Item = Self>>(iter: I) -> Self {
        iter.fold(Self::default(), std::ops::Add::add)
    }
}

/// A file system's room.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct FileSystem {
    pub capacity_bytes: u64,
    pub available_bytes: u64,
    pub inodes: u64,
    pub inodes_free: u64,
}

impl FileSystem {
    /// The file system that holds `path`.
    pub fn of(path: &Path) -> Result<Self> {
        let stat = nix::sys::statvfs::statvfs(path)
            .map_err(|e| Error::Io { what: format!("statvfs {}", path.display()), source: e.into() })?;
        let bytes = |blocks: u64| blocks.saturating_mul(stat.fragment_size());
        Ok(Self {
            capacity_bytes: bytes(stat.blocks()),
            available_bytes: bytes(stat.blocks_available()),
            inodes: stat.files(),
            inodes_free: stat.files_free(),
        })
    }
}

/// What one pod holds.
#[derive(Clone, Debug, Default)]
pub(crate) struct PodDisk {
    /// Writable layers by container.
    pub layers: BTreeMap<String, DiskUsage>,
    /// Logs by container.
    pub logs: BTreeMap<String, DiskUsage>,
    /// Volumes that the node made, by name.
    pub volumes: BTreeMap<String, DiskUsage>,
    /// Those among them that are on a disk.
    pub on_disk: BTreeSet<String>,
    /// Files that all containers of the pod share and may write: `hosts`, `resolv.conf`, `hostname`.
    pub etc: DiskUsage,
}

impl PodDisk {
    /// What counts against limits of `ephemeral-storage`.
    pub fn ephemeral(&self) -> DiskUsage {
        let volumes = self.volumes.iter().filter(|(name, _)| self.on_disk.contains(*name));
        let parts = self.layers.values().chain(self.logs.values()).chain(volumes.map(|(_, usage)| usage));
        parts.chain([&self.etc]).copied().sum()
    }
}

/// Earlier answers by pod.
#[derive(Default)]
pub(crate) struct DiskCache(Mutex<BTreeMap<String, (Instant, Arc<PodDisk>)>>);

impl DiskCache {
    /// What a pod holds, measured at most `age` ago.
    pub async fn pod(&self, place: Place, age: Duration) -> Result<Arc<PodDisk>> {
        if let Some((at, known)) = self.lock().get(&place.uid)
            && at.elapsed() < age
        {
            return Ok(known.clone());
        }
        let uid = place.uid.clone();
        let fresh = Arc::new(blocking(move || Ok(measure(&place))).await?);
        self.lock().insert(uid, (Instant::now(), fresh.clone()));
        Ok(fresh)
    }

    /// Forgets pods that are gone.
    pub fn prune(&self, shared: &Shared) {
        self.lock().retain(|uid, _| shared.pods.get(uid).is_some());
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, (Instant, Arc<PodDisk>)>> {
        // Nothing panics while holding this lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn measure(place: &Place) -> PodDisk {
    let mut found = PodDisk::default();
    let home = fs::metadata(place.dir()).map(|m| m.dev()).ok();
    for entry in children(&place.dir().join("containers")) {
        let id = entry.file_name().to_string_lossy().into_owned();
        let name = id.rsplit_once('.').map_or(id.as_str(), |(name, _)| name).to_owned();
        // Last words are written to the disk, too.
        let usage = walk(&entry.path().join("upper")) + walk(&place.termination_log(&id));
        let before = found.layers.entry(name).or_default();
        *before = *before + usage;
    }
    found.etc = walk(&place.dir().join("etc"));
    for entry in children(&place.dir().join("logs")) {
        found.logs.insert(entry.file_name().to_string_lossy().into_owned(), walk(&entry.path()));
    }
    for entry in children(&place.dir().join("volumes")) {
        let name = entry.file_name().to_string_lossy().into_owned();
        if entry.metadata().is_ok_and(|m| Some(m.dev()) == home) {
            found.on_disk.insert(name.clone());
        }
        found.volumes.insert(name, walk(&entry.path()));
    }
    found
}

fn children(dir: &Path) -> impl Iterator<Item = fs::DirEntry> {
    fs::read_dir(dir).into_iter().flatten().flatten()
}

/// What is at and below `root`: as `du -x`, a file with several names counts once, links are not followed.
pub(crate) fn walk(root: &Path) -> DiskUsage {
    let mut usage = DiskUsage::default();
    let Ok(top) = fs::symlink_metadata(root) else { return usage };
    let (mut seen, mut waiting) = (BTreeSet::new(), vec![root.to_owned()]);
    let mut count = |meta: &fs::Metadata| {
        if meta.nlink() < 2 || meta.is_dir() || seen.insert(meta.ino()) {
            usage.bytes = usage.bytes.saturating_add(meta.blocks().saturating_mul(BLOCK));
            usage.inodes += 1;
        }
        usage.inodes < MAX_ENTRIES
    };
    count(&top);
    if !top.is_dir() {
        return usage;
    }
    'walk: while let Some(dir) = waiting.pop() {
        for entry in children(&dir) {
            let Ok(meta) = entry.metadata() else { continue };
            if meta.dev() != top.dev() {
                continue;
            }
            if meta.is_dir() {
                waiting.push(entry.path());
            }
            if !count(&meta) {
                break 'walk;
            }
        }
    }
    usage
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trees_are_measured_as_du_does() {
        let dir = tempfile::tempdir().expect("a directory");
        let root = dir.path().join("root");
        fs::create_dir_all(root.join("sub")).expect("directories");
        fs::write(root.join("sub/big"), vec![1; 300_000]).expect("a file");
        fs::hard_link(root.join("sub/big"), root.join("again")).expect("a second name");
        std::os::unix::fs::symlink("/", root.join("link")).expect("a link");
        let usage = walk(&root);
        assert_eq!(usage.inodes, 4, "root, sub, big, link");
        assert!((300_000..400_000).contains(&usage.bytes), "{usage:?}");
        assert_eq!(walk(&dir.path().join("absent")), DiskUsage::default());
        let room = FileSystem::of(dir.path()).expect("a file system");
        assert!(room.available_bytes <= room.capacity_bytes && room.capacity_bytes > 0, "{room:?}");
        assert!(FileSystem::of(Path::new("/no/such")).is_err());
    }

    #[test]
    fn memory_does_not_count_as_storage() {
        let usage = |bytes| DiskUsage { bytes, inodes: 1 };
        let disk = PodDisk {
            layers: [("a".to_owned(), usage(1))].into(),
            logs: [("a".to_owned(), usage(10))].into(),
            volumes: [("disk".to_owned(), usage(100)), ("memory".to_owned(), usage(1000))].into(),
            on_disk: ["disk".to_owned()].into(),
            etc: usage(10_000),
        };
        assert_eq!(disk.ephemeral(), DiskUsage { bytes: 10_111, inodes: 4 });
    }
}
