//! Exec in a pod with users of its own. libcontainer joins every namespace of a container but that of its users, and
//! would start the program as the host's root; so here the namespaces are joined, the users' first.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;

use libcontainer::capabilities::{drop_privileges, reset_effective};
use libcontainer::oci_spec::runtime::{Process, Spec};
use libcontainer::syscall::syscall::create_syscall;
use libcontainer::workload::Executor;
use nix::fcntl::OFlag;
use nix::pty::{PtyMaster, grantpt, posix_openpt, ptsname_r, unlockpt};
use nix::sched::{CloneFlags, setns};
use nix::unistd::{Gid, Uid, setresgid, setresuid, setsid};

use super::StartFailure;
use super::executor::Program;
use crate::cgroups::Cgroups;
use crate::config::ContainerRecord;
use crate::error::{Context, Error, Result};
use crate::shim::RECORD;

/// Joined in this order; those that this process is in already are left out.
const KINDS: [(&str, CloneFlags); 4] = [
    ("user", CloneFlags::CLONE_NEWUSER),
    ("pid", CloneFlags::CLONE_NEWPID),
    ("cgroup", CloneFlags::CLONE_NEWCGROUP),
    ("mnt", CloneFlags::CLONE_NEWNS),
];

/// Starts `process` in the container of `bundle`, as a child of the shim. Its pid, and its terminal's master side. Why
/// a program does not start is told by `failure`.
pub(super) fn exec(
    bundle: &Path,
    spec: &Spec,
    process: &Process,
    (program, failure): (Program, StartFailure),
) -> Result<(i32, Option<OwnedFd>, StartFailure)> {
    let path = bundle.join(RECORD);
    let record: ContainerRecord =
        serde_json::from_slice(&fs::read(&path).at("read", &path)?).map_err(io::Error::from).at("decode", &path)?;
    join_cgroups(spec)?;
    join_namespaces(record.pid)?;
    let terminal = process.terminal().unwrap_or(false).then(|| terminal(process)).transpose()?;
    // SAFETY: a fork without a new stack, in a process with one thread. The child is the shim's, as this process is.
    let pid = unsafe { libc::syscall(libc::SYS_clone, libc::CLONE_PARENT | libc::SIGCHLD, 0, 0, 0, 0) };
    match i32::try_from(pid) {
        Ok(0) => begin(spec, process, &program, terminal.as_ref().map(|(_, slave)| slave)),
        Ok(pid) if pid > 0 => Ok((pid, terminal.map(|(master, _)| master.into()), failure)),
        _ => Err(io::Error::last_os_error()).context(|| "fork".to_owned()),
    }
}

/// While this process may still write there.
fn join_cgroups(spec: &Spec) -> Result<()> {
    let path = spec.linux().as_ref().and_then(|linux| linux.cgroups_path().as_ref());
    let path =
        path.and_then(|path| path.to_str()).ok_or_else(|| Error::Invalid("container has no cgroup".to_owned()))?;
    for group in Cgroups::detect()?.groups(path)? {
        let file = group.join("cgroup.procs");
        if file.exists() {
            fs::write(&file, "0").at("write", &file)?;
        }
    }
    Ok(())
}

fn join_namespaces(pid: i32) -> Result<()> {
    let open = |(name, kind): (&'static str, CloneFlags)| {
        let path = Path::new("/proc").join(pid.to_string()).join("ns").join(name);
        File::open(&path).at("open", &path).map(|file| (name, kind, file))
    };
    // All of them before the first is entered: outside is out of reach then.
    let other = |(name, _): &(&str, CloneFlags)| {
        let at = |process: &str| fs::read_link(Path::new("/proc").join(process).join("ns").join(name)).ok();
        at("self") != at(&pid.to_string())
    };
    let all = KINDS.into_iter().filter(other).map(open).collect::<Result<Vec<_>>>()?;
    for (name, kind, namespace) in all {
        setns(namespace, kind).context(|| format!("enter {name} namespace"))?;
        if kind == CloneFlags::CLONE_NEWUSER {
            become_user(0, 0).context(|| "become the pod's root".to_owned())?;
        }
    }
    Ok(())
}

/// With the capabilities it has, which are limited later.
fn become_user(uid: u32, gid: u32) -> nix::Result<()> {
    let (uid, gid) = (Uid::from_raw(uid), Gid::from_raw(gid));
    nix::sys::prctl::set_keepcaps(true)?;
    setresgid(gid, gid, gid)?;
    setresuid(uid, uid, uid)?;
    nix::sys::prctl::set_keepcaps(false)
}

/// Of the container's own devpts.
fn terminal(process: &Process) -> Result<(PtyMaster, File)> {
    let what = || "open a terminal".to_owned();
    let master = posix_openpt(OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC).context(what)?;
    grantpt(&master).context(what)?;
    unlockpt(&master).context(what)?;
    let path = ptsname_r(&master).context(what)?;
    let slave = File::options().read(true).write(true).open(&path).at("open", Path::new(&path))?;
    let (uid, gid) = (process.user().uid(), process.user().gid());
    nix::unistd::fchown(&slave, Some(uid.into()), Some(gid.into())).context(what)?;
    Ok((master, slave))
}

/// The child's whole life before it is the program.
fn begin(spec: &Spec, process: &Process, program: &Program, slave: Option<&File>) -> ! {
    if let Err(message) = prepare(process, program, slave) {
        program.tell(&message);
        std::process::exit(1);
    }
    let mut spec = spec.clone();
    spec.set_process(Some(process.clone()));
    let Err(message) = program.start(&spec);
    program.tell(&message);
    std::process::exit(1)
}

fn prepare(process: &Process, program: &Program, slave: Option<&File>) -> Result<(), String> {
    let words = |what: &'static str| move |error: &dyn std::fmt::Display| format!("{what}: {error}");
    setsid().map_err(|e| words("setsid")(&e))?;
    if let Some(slave) = slave {
        for fd in 0..3 {
            // SAFETY: both descriptors are open; the standard ones are replaced on purpose.
            if unsafe { libc::dup2(slave.as_raw_fd(), fd) } < 0 {
                return Err(words("redirect")(&io::Error::last_os_error()));
            }
        }
        // SAFETY: the descriptor is a terminal's, and nobody's yet.
        if unsafe { libc::ioctl(0, libc::TIOCSCTTY, 0) } < 0 {
            return Err(words("take the terminal")(&io::Error::last_os_error()));
        }
    }
    std::env::set_current_dir(process.cwd()).map_err(|e| words("enter the working directory")(&e))?;
    // One outside of the container's root has no absolute path here (CVE-2024-21626).
    if !std::env::current_dir().is_ok_and(|dir| dir.is_absolute()) {
        return Err("the working directory is outside of the container".to_owned());
    }
    if process.no_new_privileges().unwrap_or(false) {
        nix::sys::prctl::set_no_new_privs().map_err(|e| words("set no_new_privs")(&e))?;
    }
    let (user, system) = (process.user(), create_syscall());
    let groups: Vec<Gid> = user.additional_gids().iter().flatten().map(|gid| Gid::from_raw(*gid)).collect();
    nix::unistd::setgroups(&groups).map_err(|e| words("set groups")(&e))?;
    become_user(user.uid(), user.gid()).map_err(|e| words("set user")(&e))?;
    reset_effective(system.as_ref()).map_err(|e| words("reset capabilities")(&e))?;
    if let Some(capabilities) = process.capabilities() {
        drop_privileges(capabilities, system.as_ref()).map_err(|e| words("drop capabilities")(&e))?;
    }
    let pairs = process.env().iter().flatten().filter_map(|entry| entry.split_once('='));
    let mut env: HashMap<String, String> = pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    let home = if user.uid() == 0 { "/root" } else { "/" };
    env.entry("HOME".to_owned()).or_insert_with(|| home.to_owned());
    program.setup_envs(env).map_err(|e| words("set the environment")(&e))
}
