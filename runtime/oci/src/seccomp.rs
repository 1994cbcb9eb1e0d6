//! The `RuntimeDefault` system call filter, and profiles from files.
//!
//! An allow list: what is not named fails with EPERM (ENOSYS for clone3, so that libc falls back to clone, whose flags
//! can be checked). Comparable to containerd's default profile; the few calls that containerd ties to a capability
//! are allowed here when the container has that capability.

use std::fs;

use libcontainer::oci_spec::runtime::{Arch, LinuxSeccomp};
use serde_json::{Value, json};

use crate::config::{ContainerConfig, Seccomp};
use crate::error::{Context, Error, Result};

/// Allowed to every container.
const ALLOWED: &str = "accept accept4 access adjtimex alarm arch_prctl bind brk cachestat capget capset chdir chmod \
    chown chown32 clock_adjtime clock_adjtime64 clock_getres clock_getres_time64 clock_gettime clock_gettime64 \
    clock_nanosleep clock_nanosleep_time64 close close_range connect copy_file_range creat dup dup2 dup3 \
    epoll_create epoll_create1 epoll_ctl epoll_ctl_old epoll_pwait epoll_pwait2 epoll_wait epoll_wait_old eventfd \
    eventfd2 execve execveat exit exit_group faccessat faccessat2 fadvise64 fadvise64_64 fallocate fanotify_mark \
    fchdir fchmod fchmodat fchmodat2 fchown fchown32 fchownat fcntl fcntl64 fdatasync fgetxattr flistxattr flock \
    fork fremovexattr fsetxattr fstat fstat64 fstatat64 fstatfs fstatfs64 fsync ftruncate ftruncate64 futex \
    futex_requeue futex_time64 futex_wait futex_waitv futex_wake futimesat getcpu getcwd getdents getdents64 \
    getegid getegid32 geteuid geteuid32 getgid getgid32 getgroups getgroups32 getitimer getpeername getpgid getpgrp \
    getpid getppid getpriority getrandom getresgid getresgid32 getresuid getresuid32 getrlimit get_robust_list \
    getrusage getsid getsockname getsockopt get_thread_area gettid gettimeofday getuid getuid32 getxattr \
    getxattrat inotify_add_watch inotify_init inotify_init1 inotify_rm_watch io_cancel ioctl io_destroy io_getevents \
    io_pgetevents io_pgetevents_time64 ioprio_get ioprio_set io_setup io_submit ipc kill landlock_add_rule \
    landlock_create_ruleset landlock_restrict_self lchown lchown32 lgetxattr link linkat listen listmount listxattr \
    listxattrat llistxattr _llseek lremovexattr lseek lsetxattr lstat lstat64 madvise map_shadow_stack membarrier \
    memfd_create memfd_secret mincore mkdir mkdirat mknod mknodat mlock mlock2 mlockall mmap mmap2 mprotect \
    mq_getsetattr mq_notify mq_open mq_timedreceive mq_timedreceive_time64 mq_timedsend mq_timedsend_time64 mq_unlink \
    mremap mseal msgctl msgget msgrcv msgsnd msync munlock munlockall munmap name_to_handle_at nanosleep newfstatat \
    _newselect open openat openat2 pause pidfd_open pidfd_send_signal pipe pipe2 pkey_alloc pkey_free pkey_mprotect \
    poll ppoll ppoll_time64 prctl pread64 preadv preadv2 prlimit64 process_mrelease pselect6 pselect6_time64 \
    pwrite64 pwritev pwritev2 read readahead readlink readlinkat readv recv recvfrom recvmmsg recvmmsg_time64 recvmsg \
    remap_file_pages removexattr removexattrat rename renameat renameat2 restart_syscall riscv_hwprobe rmdir rseq \
    rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo rt_sigreturn rt_sigsuspend rt_sigtimedwait \
    rt_sigtimedwait_time64 rt_tgsigqueueinfo sched_getaffinity sched_getattr sched_getparam sched_get_priority_max \
    sched_get_priority_min sched_getscheduler sched_rr_get_interval sched_rr_get_interval_time64 sched_setaffinity \
    sched_setattr sched_setparam sched_setscheduler sched_yield seccomp select semctl semget semop semtimedop \
    semtimedop_time64 send sendfile sendfile64 sendmmsg sendmsg sendto setfsgid setfsgid32 setfsuid setfsuid32 setgid \
    setgid32 setgroups setgroups32 setitimer setpgid setpriority setregid setregid32 setresgid setresgid32 setresuid \
    setresuid32 setreuid setreuid32 setrlimit set_robust_list setsid setsockopt set_thread_area set_tid_address \
    setuid setuid32 setxattr setxattrat shmat shmctl shmdt shmget shutdown sigaltstack signalfd signalfd4 sigprocmask \
    sigreturn socket socketcall socketpair splice stat stat64 statfs statfs64 statmount statx symlink symlinkat sync \
    sync_file_range syncfs sysinfo tee tgkill time timer_create timer_delete timer_getoverrun timer_gettime \
    timer_gettime64 timer_settime timer_settime64 timerfd_create timerfd_gettime timerfd_gettime64 timerfd_settime \
    timerfd_settime64 times tkill truncate truncate64 ugetrlimit umask uname unlink unlinkat uretprobe utime \
    utimensat utimensat_time64 utimes vfork vmsplice wait4 waitid waitpid write writev process_vm_readv \
    process_vm_writev ptrace modify_ldt";

/// Allowed with a capability.
const WITH_CAPABILITY: [(&str, &str); 11] = [
    ("DAC_READ_SEARCH", "open_by_handle_at"),
    (
        "SYS_ADMIN",
        "bpf clone clone3 fanotify_init fsconfig fsmount fsopen fspick lookup_dcookie mount mount_setattr move_mount \
         open_tree perf_event_open quotactl quotactl_fd setdomainname sethostname setns umount umount2 unshare",
    ),
    ("SYS_BOOT", "reboot"),
    ("SYS_CHROOT", "chroot"),
    ("SYS_MODULE", "delete_module init_module finit_module"),
    ("SYS_PACCT", "acct"),
    ("SYS_PTRACE", "kcmp pidfd_getfd process_madvise"),
    ("SYS_RAWIO", "iopl ioperm"),
    ("SYS_TIME", "settimeofday stime clock_settime clock_settime64"),
    ("SYS_NICE", "get_mempolicy mbind set_mempolicy set_mempolicy_home_node"),
    ("SYSLOG", "syslog"),
];

/// Namespace flags (CLONE_NEWNS, …USER, …) that clone may not carry without SYS_ADMIN.
const CLONE_NAMESPACES: u64 = 0x7E02_0000;
/// personality(2) values in use: Linux, 32-bit Linux, and both with ADDR_NO_RANDOMIZE, and the query.
const PERSONALITIES: [u64; 5] = [0x0, 0x8, 0x2_0000, 0x2_0008, 0xffff_ffff];

/// The filter of a container, None when unconfined.
pub(crate) fn load(config: &ContainerConfig) -> Result<Option<LinuxSeccomp>> {
    let profile = match &config.seccomp {
        _ if config.privileged => return Ok(None),
        Seccomp::Unconfined => return Ok(None),
        Seccomp::RuntimeDefault => default(config),
        Seccomp::Localhost(path) => {
            let bytes = fs::read(path).at("read seccomp profile", path)?;
            serde_json::from_slice(&bytes).map_err(std::io::Error::from).at("parse seccomp profile", path)?
        }
    };
    let mut profile = profile;
    swap_masked(&mut profile);
    let profile: LinuxSeccomp =
        serde_json::from_value(profile).map_err(|error| Error::Invalid(format!("invalid seccomp profile: {error}")))?;
    Ok(Some(profile))
}

/// The OCI spec has a masked comparison's mask in `value` and the wanted bits in `valueTwo`; libcontainer 0.7 reads them
/// the other way round.
fn swap_masked(profile: &mut Value) {
    for rule in profile["syscalls"].as_array_mut().into_iter().flatten() {
        for arg in rule["args"].as_array_mut().into_iter().flatten() {
            if arg["op"] == "SCMP_CMP_MASKED_EQ" {
                let (mask, bits) = (arg["value"].take(), arg["valueTwo"].take());
                (arg["value"], arg["valueTwo"]) = (if bits.is_null() { json!(0) } else { bits }, mask);
            }
        }
    }
}

fn default(config: &ContainerConfig) -> Value {
    let has = |capability: &str| {
        let named = |list: &[String]| {
            list.iter().any(|name| {
                let name = name.to_ascii_uppercase();
                name == "ALL" || name.strip_prefix("CAP_").unwrap_or(&name) == capability
            })
        };
        named(&config.capabilities_add) || (capability == "SYS_CHROOT" && !named(&config.capabilities_drop))
    };
    let allow =
        |names: &str| json!({ "names": names.split_whitespace().collect::<Vec<_>>(), "action": "SCMP_ACT_ALLOW" });
    let when = |name: &str, index: u32, value: u64, two: u64, op: &str| {
        json!({ "names": [name], "action": "SCMP_ACT_ALLOW",
                "args": [{ "index": index, "value": value, "valueTwo": two, "op": op }] })
    };
    let mut rules = vec![allow(ALLOWED)];
    rules.extend(PERSONALITIES.map(|value| when("personality", 0, value, 0, "SCMP_CMP_EQ")));
    rules.extend(WITH_CAPABILITY.iter().filter(|(capability, _)| has(capability)).map(|(_, names)| allow(names)));
    if !has("SYS_ADMIN") {
        rules.push(when("clone", 0, CLONE_NAMESPACES, 0, "SCMP_CMP_MASKED_EQ"));
        rules.push(json!({ "names": ["clone3"], "action": "SCMP_ACT_ERRNO", "errnoRet": libc::ENOSYS }));
    }
    json!({
        "defaultAction": "SCMP_ACT_ERRNO",
        "defaultErrnoRet": libc::EPERM,
        "architectures": architectures(),
        "syscalls": rules,
    })
}

/// The native one and those whose programs it runs too.
fn architectures() -> Vec<Arch> {
    match std::env::consts::ARCH {
        "x86_64" => vec![Arch::ScmpArchX86_64, Arch::ScmpArchX86, Arch::ScmpArchX32],
        "aarch64" => vec![Arch::ScmpArchAarch64, Arch::ScmpArchArm],
        _ => vec![Arch::ScmpArchNative],
    }
}
