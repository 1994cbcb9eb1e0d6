//! One parent per data directory, and one cluster per network namespace.
//!
//! A second cluster beside the first would share its pod addresses, its cgroups' parent and
//! its ports; it is refused with a clear word unless it has a network namespace of its own.

use crate::layout::Layout;
use anyhow::{Context, Result, bail};
use nix::fcntl::{Flock, FlockArg};
use std::{
    fs::{File, OpenOptions},
    io::{Read, Seek, Write},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

/// Times that a lock is taken anew because its file was removed meanwhile.
const TRIES: u32 = 100;

/// Both locks; released when the process ends.
pub struct Locks {
    _own: Flock<File>,
    _node: Flock<File>,
}

/// Takes both locks and writes the pidfile.
pub fn take(layout: &Layout) -> Result<Locks> {
    let mut own = match lock(&layout.pidfile())? {
        Ok(own) => own,
        Err(pid) => bail!("a cluster in {} is running already (pid {pid})", layout.data.display()),
    };
    let mut node = match lock(&node_lock()?)? {
        Ok(node) => node,
        Err(other) => {
            bail!("another cluster runs on this machine: {other}; end it with `podium down --data-dir {other}`")
        }
    };
    put(&mut own, &std::process::id().to_string())?;
    put(&mut node, &layout.data.display().to_string())?;
    Ok(Locks { _own: own, _node: node })
}

/// The pid of the parent that runs the cluster in this directory, if one does.
pub fn holder(layout: &Layout) -> Result<Option<i32>> {
    let own = lock(&layout.pidfile())?;
    if let Err(pid) = own {
        return Ok(pid.trim().parse().ok());
    }
    drop(own);
    if let Err(other) = lock(&node_lock()?)? {
        bail!("another cluster runs on this machine: {other}; end it with `podium down --data-dir {other}`");
    }
    Ok(None)
}

/// Removes what marks this machine, or this network namespace, as taken; nothing where a cluster runs.
pub fn forget() -> Result<()> {
    let path = node_lock()?;
    if let Ok(_held) = lock(&path)? {
        std::fs::remove_file(&path).with_context(|| format!("removing {}", path.display()))?;
    }
    Ok(())
}

fn node_lock() -> Result<PathBuf> {
    std::fs::create_dir_all("/run/podium")?;
    let namespace = std::fs::metadata("/proc/self/ns/net").context("reading the network namespace")?.ino();
    Ok(PathBuf::from(format!("/run/podium/node-{namespace}.lock")))
}

/// The lock, or what its holder wrote.
fn lock(path: &Path) -> Result<Result<Flock<File>, String>> {
    for _ in 0..TRIES {
        let file = OpenOptions::new().create(true).truncate(false).read(true).write(true).open(path);
        let file = file.with_context(|| format!("opening {}", path.display()))?;
        let held = match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => lock,
            Err((mut file, nix::errno::Errno::EWOULDBLOCK)) => {
                let mut text = String::new();
                file.read_to_string(&mut text)?;
                return Ok(Err(text));
            }
            Err((_, error)) => return Err(error).with_context(|| format!("locking {}", path.display())),
        };
        // A lock on a file that was removed between the two steps would keep nobody out.
        if std::fs::metadata(path).is_ok_and(|there| held.metadata().is_ok_and(|own| own.ino() == there.ino())) {
            return Ok(Ok(held));
        }
    }
    bail!("{} is removed again and again", path.display())
}

fn put(file: &mut File, text: &str) -> Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    file.write_all(text.as_bytes())?;
    Ok(())
}
