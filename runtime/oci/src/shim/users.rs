//! A user namespace of the pod's own (`hostUsers: false`), and the namespaces that must belong to it: only then may the
//! pod's root mount sysfs and mqueue, and rule its network.

use std::fs::{self, File};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, setns};
use nix::sys::wait::waitpid;
use nix::unistd::{Pid, pipe2};

use super::pod::reap_for_ever;
use super::record::USERS;
use crate::config::{IDS_PER_POD, PodConfig};
use crate::error::{Context, Result};

/// Makes the namespaces and enters all but the user namespace itself, whose powers outside would be lost. That is
/// mounted below the pod's directory, and a network namespace where the pod's is expected. Returns the init of a shared
/// PID namespace.
pub(super) fn enter(config: &PodConfig, base: u32) -> Result<Option<Pid>> {
    let mut flags = CloneFlags::empty();
    flags.set(CloneFlags::CLONE_NEWIPC, !config.host_ipc);
    flags.set(CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWUTS, config.netns.is_some());
    let (gate, open) = pipe2(OFlag::O_CLOEXEC).context(|| "create pipe".to_owned())?;
    let child = hold(flags | CloneFlags::CLONE_NEWUSER, config.share_pid, &gate, &open)?;
    drop(gate);
    let proc = format!("/proc/{child}");
    for map in ["uid_map", "gid_map"] {
        let path = Path::new(&proc).join(map);
        fs::write(&path, format!("0 {base} {IDS_PER_POD}\n")).at("write", &path)?;
    }
    pin(&Path::new(&proc).join("ns/user"), &config.dir.join(USERS))?;
    if let Some(path) = &config.netns {
        pin(&Path::new(&proc).join("ns/net"), path)?;
    }
    let kinds =
        [("net", CloneFlags::CLONE_NEWNET), ("uts", CloneFlags::CLONE_NEWUTS), ("ipc", CloneFlags::CLONE_NEWIPC)];
    for (name, kind) in kinds.into_iter().filter(|(_, kind)| flags.contains(*kind)) {
        let path = Path::new(&proc).join("ns").join(name);
        let namespace = File::open(&path).at("open", &path)?;
        setns(namespace, kind).at("enter", &path)?;
    }
    drop(open);
    if config.share_pid {
        return Ok(Some(child));
    }
    waitpid(child, None).context(|| "wait for the holder of namespaces".to_owned())?;
    Ok(None)
}

/// A process in new namespaces, which waits for `open` to be closed, and then ends or is the init of its PID namespace.
fn hold(mut flags: CloneFlags, share_pid: bool, gate: &OwnedFd, open: &OwnedFd) -> Result<Pid> {
    flags.set(CloneFlags::CLONE_NEWPID, share_pid);
    let flags = libc::c_long::from(flags.bits() | libc::SIGCHLD);
    // SAFETY: a fork without a new stack, in a process with one thread; the child calls only what is below.
    let pid = unsafe { libc::syscall(libc::SYS_clone, flags, 0, 0, 0, 0) };
    match pid {
        0 => {
            let mut byte = 0_u8;
            // SAFETY: plain system calls on this process' own copies of both descriptors and on local memory.
            unsafe {
                libc::close(open.as_raw_fd());
                libc::read(gate.as_raw_fd(), (&raw mut byte).cast(), 1);
                if !share_pid {
                    libc::_exit(0);
                }
            }
            reap_for_ever()
        }
        pid if pid > 0 => Ok(Pid::from_raw(pid as i32)),
        _ => Err(io::Error::last_os_error()).context(|| "create user namespace".to_owned()),
    }
}

/// Keeps a namespace by a mount; of one that an earlier shim kept there nothing is left.
fn pin(namespace: &Path, path: &Path) -> Result<()> {
    unpin(path)?;
    File::options().create(true).append(true).open(path).at("create", path)?;
    mount(Some(namespace), path, None::<&str>, MsFlags::MS_BIND, None::<&str>).at("mount namespace at", path)
}

/// Lets a namespace go that is kept by a mount, and removes the file. Nothing there is fine.
pub fn unpin(path: &Path) -> Result<()> {
    match umount2(path, MntFlags::MNT_DETACH) {
        Ok(()) | Err(Errno::EINVAL | Errno::ENOENT) => {}
        Err(error) => return Err(error).at("unmount", path),
    }
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error).at("remove", path),
        _ => Ok(()),
    }
}
