//! What this machine is and has.

use crate::{Result, error::io, settings::Settings};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use std::{collections::BTreeMap, fs, path::Path};

/// The kernel's sizes of huge pages.
const HUGE_PAGES: &str = "/sys/kernel/mm/hugepages";

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
        let mut capacity = BTreeMap::from([
            ("cpu".to_owned(), Quantity(cpus.to_string())),
            ("memory".to_owned(), Quantity(format!("{}Ki", memory_bytes / 1024))),
            ("ephemeral-storage".to_owned(), Quantity(format!("{}Ki", disk_bytes / 1024))),
            ("pods".to_owned(), Quantity(max_pods.to_string())),
        ]);
        capacity.extend(huge_pages(Path::new(HUGE_PAGES)));
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

/// `hugepages-2Mi` and so on, with the bytes of all such pages.
fn huge_pages(dir: &Path) -> BTreeMap<String, Quantity> {
    let size = |entry: fs::DirEntry| {
        let name = entry.file_name().into_string().ok()?;
        let kilobytes: i64 = name.strip_prefix("hugepages-")?.strip_suffix("kB")?.parse().ok()?;
        let pages: i64 = fs::read_to_string(entry.path().join("nr_hugepages")).ok()?.trim().parse().ok()?;
        let bytes = |amount: i64| podium_types::Quantity::new(amount, podium_types::quantity::Format::BinarySi);
        let (size, all) = (kilobytes.checked_mul(1024)?, kilobytes.checked_mul(1024)?.checked_mul(pages)?);
        Some((format!("hugepages-{}", bytes(size)), Quantity(bytes(all).to_string())))
    };
    fs::read_dir(dir).into_iter().flatten().flatten().filter_map(size).collect()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn huge_pages_are_counted_by_size() {
        let dir = tempfile::tempdir().expect("a directory");
        for (name, pages) in [("hugepages-2048kB", "3\n"), ("hugepages-1048576kB", "0\n"), ("other", "1")] {
            fs::create_dir(dir.path().join(name)).expect("a directory");
            fs::write(dir.path().join(name).join("nr_hugepages"), pages).expect("a file");
        }
        let found: Vec<_> = huge_pages(dir.path()).into_iter().map(|(name, all)| (name, all.0)).collect();
        assert_eq!(
            found,
            [("hugepages-1Gi", "0"), ("hugepages-2Mi", "6Mi")].map(|(a, b)| (a.to_owned(), b.to_owned()))
        );
        assert!(huge_pages(&dir.path().join("absent")).is_empty());
    }
}
