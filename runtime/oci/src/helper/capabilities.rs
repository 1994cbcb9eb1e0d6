//! Linux capabilities of a container: the usual set, what the pod adds, what it drops.

use std::collections::BTreeSet;

use crate::config::ContainerConfig;
use crate::error::{Error, Result};

/// What containerd gives by default.
const DEFAULT: &str = "AUDIT_WRITE CHOWN DAC_OVERRIDE FOWNER FSETID KILL MKNOD NET_BIND_SERVICE NET_RAW SETFCAP \
    SETGID SETPCAP SETUID SYS_CHROOT";

/// By number, as in linux/capability.h.
const ALL: &str = "CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE \
    NET_BIND_SERVICE NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT SYS_PTRACE \
    SYS_PACCT SYS_ADMIN SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE \
    AUDIT_CONTROL SETFCAP MAC_OVERRIDE MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON BPF \
    CHECKPOINT_RESTORE";

/// Full names (`CAP_…`), limited to `available`, the mask this process may hand out. The order of Kubernetes: an `ALL`
/// first, then single names; a capability that this host withholds is left out when it came by `ALL` only.
pub(super) fn resolve(config: &ContainerConfig, available: u64) -> Result<Vec<String>> {
    let can =
        |name: &&str| ALL.split_whitespace().position(|known| known == *name).is_some_and(|n| available >> n & 1 == 1);
    let every = || ALL.split_whitespace().filter(can);
    if config.privileged {
        return Ok(every().map(full).collect());
    }
    let add = config.capabilities_add.iter().map(|name| short(name)).collect::<Result<Vec<_>>>()?;
    let drop = config.capabilities_drop.iter().map(|name| short(name)).collect::<Result<Vec<_>>>()?;
    let mut set: BTreeSet<&str> = DEFAULT.split_whitespace().filter(can).collect();
    if add.iter().any(|name| name == "ALL") {
        set.extend(every());
    }
    if drop.iter().any(|name| name == "ALL") {
        set.clear();
    }
    set.extend(add.iter().map(String::as_str).filter(|name| *name != "ALL"));
    for name in &drop {
        set.remove(name.as_str());
    }
    Ok(set.into_iter().map(full).collect())
}

/// What this process may hand out: its bounding and permitted sets.
pub(super) fn available() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = |key: &str| {
        let value = status.lines().find_map(|line| line.strip_prefix(key))?;
        u64::from_str_radix(value.trim(), 16).ok()
    };
    mask("CapBnd:").unwrap_or(u64::MAX) & mask("CapPrm:").unwrap_or(u64::MAX)
}

fn short(name: &str) -> Result<String> {
    let upper = name.to_ascii_uppercase();
    let short = upper.strip_prefix("CAP_").unwrap_or(&upper);
    if short == "ALL" || ALL.split_whitespace().any(|known| known == short) {
        return Ok(short.to_owned());
    }
    Err(Error::Invalid(format!("unknown capability {name:?}")))
}

fn full(name: &str) -> String {
    format!("CAP_{name}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn add_and_drop_follow_kubernetes() {
        let names = |add: &[&str], drop: &[&str]| {
            let owned = |list: &[&str]| list.iter().map(|name| (*name).to_owned()).collect();
            let config = ContainerConfig {
                capabilities_add: owned(add),
                capabilities_drop: owned(drop),
                ..ContainerConfig::default()
            };
            resolve(&config, u64::MAX)
        };
        assert_eq!(names(&[], &[]).unwrap().len(), 14);
        assert_eq!(names(&["NET_ADMIN"], &["ALL"]).unwrap(), ["CAP_NET_ADMIN"]);
        assert_eq!(names(&["ALL"], &["CAP_SYS_ADMIN"]).unwrap().len(), 40);
        assert!(!names(&[], &["chown"]).unwrap().contains(&"CAP_CHOWN".to_owned()));
        assert!(names(&["FLY"], &[]).is_err());
    }
}
