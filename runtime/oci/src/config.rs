//! What callers say about a pod and its containers: plain data, serialised to the shim as JSON.
//!
//! Deliberately absent: Kubernetes types. The agent translates; this crate knows containers only.

use std::path::PathBuf;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Ids that a pod with a user namespace of its own has.
pub const IDS_PER_POD: u32 = 65_536;

/// One pod: the namespaces its containers share, and where its state lives.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct PodConfig {
    /// The pod's uid (for messages; unique on the node).
    pub uid: String,
    /// The pod's namespace.
    pub namespace: String,
    /// The pod's name.
    pub name: String,
    /// Per-pod state of the shim: records, exit codes, bundles. Created when missing.
    pub dir: PathBuf,
    /// The shim's unix socket; below 100 bytes (`sun_path`), so not inside `dir`.
    pub socket: PathBuf,
    /// Network namespace to join by path; None is the host's network (and its UTS namespace).
    pub netns: Option<PathBuf>,
    /// Host name in the pod's UTS namespace; ignored on the host's network.
    pub hostname: String,
    /// All containers share one PID namespace (shareProcessNamespace).
    pub share_pid: bool,
    /// Containers see the host's processes.
    pub host_pid: bool,
    /// Containers use the host's IPC namespace.
    pub host_ipc: bool,
    /// Namespaced sysctls (`net.…`, `kernel.shm…`, …), name and value.
    pub sysctls: Vec<(String, String)>,
    /// The pod has a user namespace of its own with [`IDS_PER_POD`] ids, of which this one is the first on the host. Its
    /// network namespace is made by the shim then.
    #[serde(default)]
    pub user_base: Option<u32>,
    /// Absolute cgroup of the pod, e.g. `/podium-1a2b3c4d/burstable/pod<uid>`; see [`crate::cgroups`].
    pub cgroup_parent: String,
}

/// One container of a pod.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ContainerConfig {
    /// Unique in the pod, also over attempts; `[a-zA-Z0-9_.-]`.
    pub id: String,
    /// The container's name in the pod spec.
    pub name: String,
    /// Restart count; kept in the record so that a restarted agent knows it.
    pub attempt: u32,
    /// Root filesystem, usually from [`crate::Images::mount`].
    pub rootfs: PathBuf,
    /// Program and arguments; `args[0]` is looked up in the container's PATH.
    pub args: Vec<String>,
    /// Environment. A default PATH is added when there is none.
    pub env: Vec<(String, String)>,
    /// Working directory, created when missing; empty is `/`.
    pub cwd: String,
    /// Numeric user; see [`crate::user::resolve`] for names.
    pub user: UserSpec,
    /// Mounts beyond the standard ones (/proc, /sys, /dev, …); one with the same destination replaces a standard one.
    pub mounts: Vec<Mount>,
    /// Limits.
    pub resources: Resources,
    /// -1000..=1000; raised to what this host permits when it would need CAP_SYS_RESOURCE.
    pub oom_score_adj: i32,
    /// Capabilities beyond the default set; `ALL`, with or without `CAP_`.
    pub capabilities_add: Vec<String>,
    /// Capabilities to take away; `ALL` takes all, then `add` gives.
    pub capabilities_drop: Vec<String>,
    /// All capabilities, all devices, nothing masked, no seccomp.
    pub privileged: bool,
    /// Root filesystem mounted read-only.
    pub readonly_rootfs: bool,
    /// `allowPrivilegeEscalation: false`.
    pub no_new_privileges: bool,
    /// System call filter.
    pub seccomp: Seccomp,
    /// A terminal instead of three pipes.
    pub tty: bool,
    /// Keep stdin open for attach.
    pub stdin: bool,
    /// Close stdin when the first attach session ends.
    pub stdin_once: bool,
    /// Where CRI log lines go; directories are created.
    pub log_path: PathBuf,
    /// The log is rotated at this size; None is [`crate::logs::MAX_FILE_BYTES`].
    #[serde(default)]
    pub log_max_bytes: Option<u64>,
    /// Files kept of the log; None is [`crate::logs::MAX_FILES`].
    #[serde(default)]
    pub log_max_files: Option<usize>,
    /// Devices of the host beyond those that every container has.
    #[serde(default)]
    pub devices: Vec<Device>,
    /// Notes beside the container, for whoever looks at its bundle.
    #[serde(default)]
    pub annotations: std::collections::BTreeMap<String, String>,
    /// Replaces the default masked paths (procMount: Unmasked gives an empty list).
    pub masked_paths: Option<Vec<String>>,
    /// Replaces the default read-only paths.
    pub readonly_paths: Option<Vec<String>>,
    /// Id of a running container of the pod whose processes this one sees; nothing where the pod shares its PID
    /// namespace anyway.
    #[serde(default)]
    pub join_pid: Option<String>,
}

/// Who a process runs as.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserSpec {
    /// User id.
    pub uid: u32,
    /// Primary group id.
    pub gid: u32,
    /// Supplementary groups.
    pub additional_gids: Vec<u32>,
}

/// A bind mount, or with a `kind` any file system.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mount {
    /// Host path, or the file system's source.
    pub source: PathBuf,
    /// Absolute path in the container.
    pub destination: PathBuf,
    /// File system type; None is a recursive bind.
    pub kind: Option<String>,
    /// Further mount options, as in fstab.
    pub options: Vec<String>,
    /// Read-only.
    pub readonly: bool,
    /// How mounts made later travel.
    pub propagation: Propagation,
}

/// A device node of the host in a container.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Device {
    /// The node on the host.
    pub host_path: PathBuf,
    /// Where the container finds it.
    pub container_path: PathBuf,
    /// `r`, `w`, `m`, as cgroups spell them.
    pub permissions: String,
}

/// Kubernetes' mountPropagation.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Propagation {
    /// `None`: rprivate.
    #[default]
    Private,
    /// `HostToContainer`: rslave.
    HostToContainer,
    /// `Bidirectional`: rshared.
    Bidirectional,
}

/// Limits of a cgroup; None leaves the kernel's default.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resources {
    /// CPU shares in v1 units (2..=262144; 1024 is one CPU of weight); v2 weights are derived.
    pub cpu_shares: Option<u64>,
    /// CPU time per period in microseconds; -1 is unlimited.
    pub cpu_quota_micros: Option<i64>,
    /// Period in microseconds, usually 100000.
    pub cpu_period_micros: Option<u64>,
    /// Memory limit in bytes; -1 is unlimited.
    pub memory_limit_bytes: Option<i64>,
    /// Number of tasks.
    pub pids_limit: Option<i64>,
    /// Bytes of huge pages by their size (`2MB`); a host that cannot count them does not limit them.
    #[serde(default)]
    pub huge_pages: Vec<(String, u64)>,
}

/// Which system calls are allowed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Seccomp {
    /// All of them (Kubernetes' default).
    #[default]
    Unconfined,
    /// The allow list in [`crate::seccomp`].
    RuntimeDefault,
    /// A profile file in the OCI/Docker JSON format.
    Localhost(PathBuf),
}

/// A process to start in a running container.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ExecConfig {
    /// Program and arguments.
    pub args: Vec<String>,
    /// Added to the container's own environment.
    pub env: Vec<(String, String)>,
    /// None is the container's.
    pub cwd: Option<String>,
    /// None is the container's.
    pub user: Option<UserSpec>,
    /// A terminal: stdout carries both outputs, stderr is None.
    pub tty: bool,
    /// Give a stdin.
    pub stdin: bool,
    /// Give stdout; otherwise it goes nowhere.
    pub stdout: bool,
    /// Give stderr; otherwise it goes nowhere.
    pub stderr: bool,
}

/// What the shim knows of a container; on disk too, so it survives both processes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ContainerRecord {
    /// The container's id.
    pub id: String,
    /// Its name in the pod spec.
    pub name: String,
    /// Restart count.
    pub attempt: u32,
    /// Its init process in the host's PID namespace; 0 before it exists.
    pub pid: i32,
    /// The kernel's start time of `pid` (clock ticks since boot): tells a reused pid from ours.
    pub start_ticks: u64,
    /// Where it is in its life.
    pub state: ContainerState,
    /// When it started.
    pub started_at: Option<Timestamp>,
    /// Its log.
    pub log_path: PathBuf,
}

/// Life of a container.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum ContainerState {
    /// Being made.
    Created,
    /// Its init runs.
    Running,
    /// Its init ended.
    Exited(Exit),
}

/// How an init process ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Exit {
    /// Exit code; 128 + signal for a signal, as shells and Kubernetes count. None: unknown, since the shim was
    /// killed and nobody could wait for the process.
    pub code: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// The kernel killed it for want of memory.
    pub oom_killed: bool,
    /// When.
    pub finished_at: Timestamp,
}

/// Pushed by [`crate::Shim::events`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ContainerExit {
    /// The container's id.
    pub id: String,
    /// How it ended.
    pub exit: Exit,
}

/// Answer to [`crate::Shim::run`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Started {
    /// The init process in the host's PID namespace.
    pub pid: i32,
    /// When it started.
    pub started_at: Timestamp,
}

/// Usage of one cgroup.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stats {
    /// CPU time used since creation, nanoseconds.
    pub cpu_usage_nanos: u64,
    /// CPU periods in which the group wanted to run; without a quota none.
    pub cpu_periods: u64,
    /// Those in which its quota ran out.
    pub cpu_throttled_periods: u64,
    /// How long it waited for that, nanoseconds.
    pub cpu_throttled_nanos: u64,
    /// Memory charged, bytes.
    pub memory_usage_bytes: u64,
    /// Usage without inactive page cache: what eviction and `kubectl top` look at.
    pub memory_working_set_bytes: u64,
    /// Anonymous memory, bytes.
    pub memory_rss_bytes: u64,
    /// Page cache, bytes.
    pub memory_cache_bytes: u64,
    /// None is unlimited.
    pub memory_limit_bytes: Option<u64>,
    /// Pages that were not mapped when touched.
    pub page_faults: u64,
    /// Those that had to be read from a disk.
    pub major_page_faults: u64,
    /// Tasks.
    pub pids: u64,
}
