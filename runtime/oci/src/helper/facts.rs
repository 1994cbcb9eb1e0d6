//! What a container must know of its pod and its host.

use std::fs;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// From the shim, which owns the pod's namespaces; containers inherit them from helper and shim.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct PodFacts {
    /// PID namespace to join: the pod's shared one.
    pub pid_namespace: Option<PathBuf>,
    /// The pod's user namespace, and the host's id of its root.
    pub users: Option<(PathBuf, u32)>,
    /// No PID namespace at all.
    pub host_pid: bool,
    /// The container's cgroup.
    pub cgroup: String,
    /// The pod's shared /dev/shm on the host.
    pub shm: PathBuf,
    /// Huge pages can be limited.
    pub huge_pages: bool,
    /// Limits are on cgroup v2.
    pub cgroup_v2: bool,
    /// The container's group in every hierarchy of cgroup v1, where it joins a PID namespace; each is there already.
    pub groups: Vec<PathBuf>,
}

/// Lowering oom_score_adj needs CAP_SYS_RESOURCE, which some virtual machines withhold.
pub(crate) fn can_lower_oom_score() -> bool {
    const CAP_SYS_RESOURCE: u32 = 24;
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    effective
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .is_some_and(|mask| mask >> CAP_SYS_RESOURCE & 1 == 1)
}
