//! What this machine is and has.

use crate::{Result, error::io, settings::Settings};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use std::{collections::BTreeMap, fs, path::Path};

/// Facts that do not change while the agent runs.
#[derive(Clone, Debug)]
pub(crate) struct Machine {
    pub memory_bytes: i64,
    pub capacity: BTreeMap<String, Quantity>,
    /// Of that, what pods may use.
    pub allocatable: BTreeMap<String, Quantity>,
    pub info: BTreeMap<&'static str, String>,
}

impl Machine {
    pub fn probe(data_dir: &Path, max_pods: u32, settings: &Settings) -> Result<Self> {
        let memory_bytes = meminfo("MemTotal:")?;
        let cpus = std::thread::available_parallelism().map_or(1, usize::from);
        let disk = nix::sys::statvfs::statvfs(data_dir)
            .map_err(|e| io(format!("statvfs {}", data_dir.display()))(e.into()))?;
        let disk_bytes = disk.blocks().saturating_mul(disk.fragment_size());
        let capacity = BTreeMap::from([
            ("cpu".to_owned(), Quantity(cpus.to_string())),
            ("memory".to_owned(), Quantity(format!("{}Ki", memory_bytes / 1024))),
            ("ephemeral-storage".to_owned(), Quantity(format!("{}Ki", disk_bytes / 1024))),
            ("pods".to_owned(), Quantity(max_pods.to_string())),
        ]);
        let read = |path: &str| fs::read_to_string(path).map(|t| t.trim().to_owned()).unwrap_or_default();
        let release = read("/etc/os-release");
        let os = release.lines().find_map(|l| l.strip_prefix("PRETTY_NAME=")).unwrap_or("Linux").trim_matches('"');
        let version = env!("CARGO_PKG_VERSION");
        let info = BTreeMap::from([
            ("machineID", read("/etc/machine-id")),
            ("systemUUID", read("/sys/class/dmi/id/product_uuid")),
            ("bootID", read("/proc/sys/kernel/random/boot_id")),
            ("kernelVersion", read("/proc/sys/kernel/osrelease")),
            ("osImage", os.to_owned()),
            ("containerRuntimeVersion", format!("podium://{version}")),
            ("kubeletVersion", "v1.36.0+podium".to_owned()),
            ("kubeProxyVersion", String::new()),
            ("operatingSystem", "linux".to_owned()),
            ("architecture", architecture().to_owned()),
        ]);
        Ok(Self { memory_bytes, allocatable: settings.allocatable(&capacity), capacity, info })
    }

    /// Memory that is free for use now, bytes.
    pub fn memory_available() -> i64 {
        meminfo("MemAvailable:").unwrap_or(i64::MAX)
    }
}

/// As Go names it.
pub(crate) fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

/// Bytes of a line in /proc/meminfo.
fn meminfo(name: &str) -> Result<i64> {
    let text = fs::read_to_string("/proc/meminfo").map_err(io("read /proc/meminfo"))?;
    let line = text.lines().find_map(|l| l.strip_prefix(name)).unwrap_or_default();
    let kilobytes: i64 = line.split_whitespace().next().and_then(|n| n.parse().ok()).unwrap_or(0);
    Ok(kilobytes * 1024)
}
