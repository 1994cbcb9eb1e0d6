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

fn node_lock() -> Result<PathBuf> {
    std::fs::create_dir_all("/run/podium")?;
    let namespace = std::fs::metadata("/proc/self/ns/net").context("reading the network namespace")?.ino();
    Ok(PathBuf::from(format!("/run/podium/node-{namespace}.lock")))
}

/// The lock, or what its holder wrote.
fn lock(path: &Path) -> Result<Result<Flock<File>, String>> {
    let file = OpenOptions::new().create(true).truncate(false).read(true).write(true).open(path);
    let file = file.with_context(|| format!("opening {}", path.display()))?;
    match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
        Ok(lock) => Ok(Ok(lock)),
        Err((mut file, nix::errno::Errno::EWOULDBLOCK)) => {
            let mut text = String::new();
            file.read_to_string(&mut text)?;
            Ok(Err(text))
        }
        Err((_, error)) => Err(error).with_context(|| format!("locking {}", path.display())),
    }
}

fn put(file: &mut File, text: &str) -> Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    file.write_all(text.as_bytes())?;
    Ok(())
}
