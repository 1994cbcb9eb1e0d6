//! From a fresh process to the owner of a pod: session, namespaces, cgroup, socket.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use nix::fcntl::{Flock, FlockArg};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, setns, unshare};
use nix::sys::signal::SigSet;
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::unistd::{ForkResult, Pid, fork, setsid};

use super::READY;
use super::record::{CONTAINERS, LOCK, POD, SHM};
use super::users;
use crate::cgroups::Cgroups;
use crate::config::{PodConfig, Resources};
use crate::error::{Context, Error, Result};

/// The OOM killer should take a container before its shim (as containerd's shim).
const OOM_SCORE: &str = "-998";

/// An entered pod.
pub(super) struct Pod {
    pub config: PodConfig,
    pub cgroups: Cgroups,
    pub listener: UnixListener,
    pub signals: SignalFd,
    /// Init of the shared PID namespace.
    pub init: Option<Pid>,
    /// Where the containers' /dev/shm is.
    pub shm: PathBuf,
    /// Held as long as this process lives; tells the living from the dead.
    _lock: Flock<File>,
}

impl Pod {
    /// None in the process that only launched the shim.
    pub fn enter() -> Result<Option<Pod>> {
        let mut text = String::new();
        io::stdin().read_to_string(&mut text).context(|| "read the pod's config".to_owned())?;
        let config: PodConfig =
            serde_json::from_str(&text).map_err(|error| Error::Invalid(format!("invalid pod config: {error}")))?;
        drop(text);
        // A second fork, so that the shim is nobody's child that its agent would have to reap.
        // SAFETY: this process has one thread.
        match unsafe { fork() }.context(|| "fork".to_owned())? {
            ForkResult::Parent { .. } => return Ok(None),
            ForkResult::Child => {}
        }
        setsid().context(|| "setsid".to_owned())?;
        std::env::set_current_dir("/").at("enter", Path::new("/"))?;
        let _ = nix::sys::prctl::set_name(c"podium-shim");
        nix::sys::prctl::set_child_subreaper(true).context(|| "become a subreaper".to_owned())?;
        let mut mask = SigSet::all();
        for fault in [libc::SIGSEGV, libc::SIGBUS, libc::SIGILL, libc::SIGFPE, libc::SIGABRT] {
            if let Ok(signal) = nix::sys::signal::Signal::try_from(fault) {
                mask.remove(signal);
            }
        }
        mask.thread_set_mask().context(|| "block signals".to_owned())?;
        let signals = SignalFd::with_flags(&mask, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)
            .context(|| "create signalfd".to_owned())?;
        let lock = take_directory(&config)?;
        let _ = fs::write("/proc/self/oom_score_adj", OOM_SCORE);
        let cgroups = Cgroups::detect()?;
        if let Some(root) = config.cgroup_parent.split('/').find(|part| !part.is_empty()) {
            cgroups.leave_parent(&format!("/{root}/shims"))?;
        }
        cgroups.create(&config.cgroup_parent, &Resources::default())?;
        let held = config.user_base.map(|base| users::enter(&config, base)).transpose()?;
        enter_namespaces(&config, held.is_some())?;
        let shm = shared_memory(&config)?;
        let init = match held {
            Some(init) => init,
            None => config.share_pid.then(pid_namespace).transpose()?,
        };
        if let Some(init) = init {
            cgroups.adopt(&format!("{}/init", config.cgroup_parent), init.as_raw())?;
        }
        let listener = listen(&config.socket)?;
        announce(&config)?;
        Ok(Some(Pod { config, cgroups, listener, signals, init, shm, _lock: lock }))
    }
}

/// Makes the pod's directory ours, and leaves there what [`super::cleanup`] needs.
fn take_directory(config: &PodConfig) -> Result<Flock<File>> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(&config.dir).at("create", &config.dir)?;
    if config.user_base.is_some() {
        // The pod's root, who is nobody here, passes through to its /dev/shm, and no further.
        fs::set_permissions(&config.dir, fs::Permissions::from_mode(0o711)).at("chmod", &config.dir)?;
        let containers = config.dir.join(CONTAINERS);
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&containers).at("create", &containers)?;
    }
    let path = config.dir.join(LOCK);
    let file = File::options().create(true).write(true).truncate(false).mode(0o600).open(&path).at("open", &path)?;
    let mut lock = Flock::lock(file, FlockArg::LockExclusiveNonblock)
        .map_err(|(_, error)| error)
        .context(|| format!("another shim owns {}", config.dir.display()))?;
    lock.set_len(0).at("write", &path)?;
    write!(lock, "{}", std::process::id()).at("write", &path)?;
    let path = config.dir.join(POD);
    let bytes = serde_json::to_vec(config).map_err(io::Error::from).at("encode", &path)?;
    fs::write(&path, bytes).at("write", &path)?;
    Ok(lock)
}

/// Network by path, UTS and IPC of its own: containers inherit all three by being forked from here. `inside`: entered
/// already.
fn enter_namespaces(config: &PodConfig, inside: bool) -> Result<()> {
    if let Some(path) = &config.netns {
        if !inside {
            let namespace = File::open(path).at("open", path)?;
            setns(namespace, CloneFlags::CLONE_NEWNET).at("enter", path)?;
            unshare(CloneFlags::CLONE_NEWUTS).context(|| "unshare UTS namespace".to_owned())?;
        }
        if !config.hostname.is_empty() {
            nix::unistd::sethostname(&config.hostname).context(|| format!("set host name {:?}", config.hostname))?;
        }
    }
    if !config.host_ipc && !inside {
        unshare(CloneFlags::CLONE_NEWIPC).context(|| "unshare IPC namespace".to_owned())?;
    }
    for (name, value) in &config.sysctls {
        let namespaced = match name.split('.').next() {
            Some("net") => config.netns.is_some(),
            Some("kernel" | "fs") => !config.host_ipc && is_ipc(name),
            _ => false,
        };
        if !namespaced || name.contains('/') || name.contains("..") {
            return Err(Error::Invalid(format!("sysctl {name:?} is not namespaced in this pod")));
        }
        let path = Path::new("/proc/sys").join(name.replace('.', "/"));
        fs::write(&path, value).at("write", &path)?;
    }
    Ok(())
}

/// The sysctls of an IPC namespace (ipc_namespaces(7)).
fn is_ipc(name: &str) -> bool {
    matches!(name, "kernel.sem" | "kernel.shmall" | "kernel.shmmax" | "kernel.shmmni" | "kernel.shm_rmid_forced")
        || name.starts_with("kernel.msg")
        || name.starts_with("fs.mqueue.")
}

/// One /dev/shm for all containers of the pod.
fn shared_memory(config: &PodConfig) -> Result<PathBuf> {
    if config.host_ipc {
        return Ok("/dev/shm".into());
    }
    let path = config.dir.join(SHM);
    fs::create_dir_all(&path).at("create", &path)?;
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    mount(Some("shm"), &path, Some("tmpfs"), flags, Some("mode=1777,size=65536k")).at("mount tmpfs at", &path)?;
    Ok(path)
}

/// Starts the init of a shared PID namespace: it does nothing but reap.
fn pid_namespace() -> Result<Pid> {
    // SAFETY: a fork without a new stack, in a process with one thread; the child calls only what is below.
    let pid = unsafe { libc::syscall(libc::SYS_clone, libc::CLONE_NEWPID | libc::SIGCHLD, 0, 0, 0, 0) };
    match pid {
        0 => reap_for_ever(),
        pid if pid > 0 => Ok(Pid::from_raw(pid as i32)),
        _ => Err(io::Error::last_os_error()).context(|| "create PID namespace".to_owned()),
    }
}

pub(super) fn reap_for_ever() -> ! {
    let _ = nix::sys::prctl::set_name(c"podium-pause");
    // SAFETY: this process owns its copies of all descriptors and uses none of them.
    unsafe { libc::close_range(0, libc::c_uint::MAX, 0) };
    loop {
        // SAFETY: plain system calls on local memory. SIGCHLD is blocked, so it is taken by sigwait.
        unsafe {
            let mut set = std::mem::zeroed();
            libc::sigemptyset(&mut set);
            libc::sigaddset(&mut set, libc::SIGCHLD);
            let mut signal = 0;
            libc::sigwait(&set, &mut signal);
            while libc::waitpid(-1, std::ptr::null_mut(), libc::WNOHANG) > 0 {}
        }
    }
}

fn listen(path: &Path) -> Result<UnixListener> {
    if let Some(parent) = path.parent() {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(parent).at("create", parent)?;
    }
    // We hold the pod's lock, so whoever left this socket is dead.
    let _ = fs::remove_file(path);
    let listener = UnixListener::bind(path).at("bind", path)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).at("chmod", path)?;
    listener.set_nonblocking(true).at("prepare", path)?;
    Ok(listener)
}

/// Says that the shim answers, and lets go of the launcher's descriptors.
fn announce(config: &PodConfig) -> Result<()> {
    let null = File::options().read(true).write(true).open("/dev/null").at("open", Path::new("/dev/null"))?;
    let path = config.dir.join("shim.log");
    let log = File::options().create(true).append(true).mode(0o600).open(&path).at("open", &path)?;
    println!("{READY}");
    io::stdout().flush().context(|| "announce".to_owned())?;
    for (from, to) in [(&null, 0), (&null, 1), (&log, 2)] {
        // SAFETY: both descriptors are open; the standard ones are replaced on purpose.
        if unsafe { libc::dup2(from.as_raw_fd(), to) } < 0 {
            return Err(io::Error::last_os_error()).context(|| "redirect standard streams".to_owned());
        }
    }
    drop(OwnedFd::from(null));
    Ok(())
}
