//! What the shim leaves on disk, and how it is cleaned up when the shim was killed.
//!
//! `DIR/shim.lock` is locked while the shim lives; `DIR/pod.json` is its config; `DIR/c/<id>/record.json` is a
//! container's record, replaced atomically, so an exit code is there or it is not.

use std::fs::{self, File};
use std::io;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use nix::fcntl::{Flock, FlockArg};

use super::users::unpin;
use crate::cgroups::Cgroups;
use crate::config::{ContainerRecord, ContainerState, Exit, PodConfig};
use crate::error::{Context, Result};

/// Locked by the living shim.
pub(super) const LOCK: &str = "shim.lock";
/// The pod's config.
pub(super) const POD: &str = "pod.json";
/// The pod's /dev/shm.
pub(super) const SHM: &str = "shm";
/// The pod's user namespace, where it has one of its own.
pub(crate) const USERS: &str = "users";
/// A directory per container.
pub(super) const CONTAINERS: &str = "c";
/// A container's record in its directory.
pub(crate) const RECORD: &str = "record.json";
/// A shim that does not listen gets so many pauses to begin or to end: five seconds.
const SETTLE_TRIES: u32 = 1000;
/// See [`SETTLE_TRIES`].
const SETTLE_PAUSE: Duration = Duration::from_millis(5);

/// Where a container's bundle and record are.
pub(super) fn bundle(dir: &Path, id: &str) -> PathBuf {
    dir.join(CONTAINERS).join(id)
}

/// Replaces the record atomically.
pub(super) fn save(dir: &Path, record: &ContainerRecord) -> Result<()> {
    let path = bundle(dir, &record.id).join(RECORD);
    let next = path.with_extension("next");
    let bytes = serde_json::to_vec(record).map_err(io::Error::from).at("encode", &path)?;
    fs::write(&next, bytes).at("write", &next)?;
    fs::rename(&next, &path).at("replace", &path)
}

/// All records of a pod directory.
fn load(dir: &Path) -> Vec<ContainerRecord> {
    let entries = fs::read_dir(dir.join(CONTAINERS)).into_iter().flatten().flatten();
    let mut records: Vec<ContainerRecord> =
        entries.filter_map(|entry| serde_json::from_slice(&fs::read(entry.path().join(RECORD)).ok()?).ok()).collect();
    records.sort_by(|a, b| a.id.cmp(&b.id));
    records
}

/// A shim lives here. One that does not listen is beginning or ending; the kernel closes a dying process' socket before
/// its lock. That is waited for.
pub(crate) fn is_alive(dir: &Path) -> bool {
    for _ in 0..SETTLE_TRIES {
        let Ok(file) = File::options().write(true).open(dir.join(LOCK)) else { return false };
        if Flock::lock(file, FlockArg::LockExclusiveNonblock).is_ok() {
            return false;
        }
        let listens = config(dir).is_some_and(|config| match UnixStream::connect(&config.socket) {
            Ok(_) => true,
            // Its queue is full.
            Err(error) => error.kind() == io::ErrorKind::WouldBlock,
        });
        if listens {
            return true;
        }
        std::thread::sleep(SETTLE_PAUSE);
    }
    true
}

/// Where the user namespace is mounted of a pod that has one of its own.
pub fn user_namespace(pod_dir: &Path) -> PathBuf {
    pod_dir.join(USERS)
}

/// What a shim was told about its pod.
fn config(dir: &Path) -> Option<PodConfig> {
    serde_json::from_slice(&fs::read(dir.join(POD)).ok()?).ok()
}

/// Start time of a process in clock ticks since boot, and whether it is a zombie (proc_pid_stat(5)).
pub(super) fn start_ticks(pid: i32) -> Option<(u64, bool)> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    let zombie = matches!(fields.next()?, "Z" | "X");
    Some((fields.nth(18)?.parse().ok()?, zombie))
}

/// Clears away what a killed shim left: ends its containers, removes their cgroups, mounts, socket and state. Blocks.
///
/// Returns the last records. A container that still ran has no exit code (nobody could wait for it): its
/// [`Exit::code`] is None. A pod whose shim lives is left alone and its records are returned as they are; a directory
/// without a shim's traces gives none.
pub fn cleanup(pod_dir: &Path) -> Result<Vec<ContainerRecord>> {
    let alive = is_alive(pod_dir);
    // Read after that: a dying one may have written its last.
    let mut records = load(pod_dir);
    if alive {
        return Ok(records);
    }
    let Some(config) = config(pod_dir) else { return Ok(records) };
    let cgroups = Cgroups::detect()?;
    for record in &mut records {
        if let ContainerState::Exited(_) = record.state {
            continue;
        }
        let oom_killed = cgroups.oom_kills(&format!("{}/{}", config.cgroup_parent, record.id)) > 0;
        let alive = start_ticks(record.pid).is_some_and(|(ticks, zombie)| ticks == record.start_ticks && !zombie);
        let oom_killed = oom_killed && !alive;
        record.state =
            ContainerState::Exited(Exit { code: None, signal: None, oom_killed, finished_at: Timestamp::now() });
    }
    cgroups.kill(&config.cgroup_parent)?;
    cgroups.remove(&config.cgroup_parent)?;
    remove_traces(&config)?;
    Ok(records)
}

/// Removes everything a shim made on disk; the directory itself goes when nothing else is in it.
pub(super) fn remove_traces(config: &PodConfig) -> Result<()> {
    let shm = config.dir.join(SHM);
    let _ = nix::mount::umount2(&shm, nix::mount::MntFlags::MNT_DETACH);
    let _ = fs::remove_dir(&shm);
    unpin(&config.dir.join(USERS))?;
    let _ = fs::remove_file(&config.socket);
    let containers = config.dir.join(CONTAINERS);
    match fs::remove_dir_all(&containers) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error).at("remove", &containers),
        _ => {}
    }
    for file in [POD, "shim.log", LOCK] {
        let _ = fs::remove_file(config.dir.join(file));
    }
    let _ = fs::remove_dir(&config.dir);
    Ok(())
}
