//! Control groups of pods and their parents, on v1, hybrid and v2 hosts alike.
//!
//! Containers' own groups are made by libcontainer; here are the groups above them, removal, usage and OOM counts.
//! Deliberately absent: systemd's cgroup driver. A path is absolute below each hierarchy's mount point and is the same
//! in all of them.

mod figures;
mod usage;

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::config::Resources;
use crate::error::{Context, Error, Result};

/// Controllers that limits need; enabled for children on v2.
const CONTROLLERS: [&str; 4] = ["cpu", "memory", "pids", "hugetlb"];
/// Kernel refuses rmdir while a killed task is still leaving; tries before giving up: ten seconds, for a busy machine.
const REMOVE_TRIES: u32 = 2000;
/// Pause between two tries.
const REMOVE_PAUSE: std::time::Duration = std::time::Duration::from_millis(5);

/// The host's hierarchies.
#[derive(Debug, Clone)]
pub struct Cgroups {
    /// v1: mount point per controller.
    controllers: BTreeMap<String, PathBuf>,
    /// All mount points, each once (v1's `cpu,cpuacct` is one).
    mounts: Vec<PathBuf>,
    /// cgroup2's mount point, if any.
    unified: Option<PathBuf>,
}

impl Cgroups {
    /// Reads the mount table.
    pub fn detect() -> Result<Cgroups> {
        let table = Path::new("/proc/self/mountinfo");
        let cgroups = Cgroups::parse(&fs::read_to_string(table).at("read", table)?);
        if cgroups.mounts.is_empty() {
            return Err(Error::Invalid("no cgroup file system is mounted".to_owned()));
        }
        Ok(cgroups)
    }

    /// From the text of /proc/self/mountinfo (proc_pid_mountinfo(5)).
    fn parse(table: &str) -> Cgroups {
        let mut found = Cgroups { controllers: BTreeMap::new(), mounts: Vec::new(), unified: None };
        for line in table.lines() {
            let Some((left, right)) = line.split_once(" - ") else { continue };
            let (mut left, mut right) = (left.split(' ').skip(3), right.split(' '));
            let (Some(root), Some(point)) = (left.next(), left.next()) else { continue };
            let (kind, options) = (right.next().unwrap_or(""), right.nth(1).unwrap_or(""));
            // A bind of a subtree (a container's view) is no hierarchy of ours.
            if root != "/" || found.mounts.iter().any(|mount| mount == Path::new(point)) {
                continue;
            }
            match kind {
                "cgroup2" if found.unified.is_none() => {
                    found.unified = Some(point.into());
                    found.mounts.push(point.into());
                }
                "cgroup" => {
                    for option in options.split(',').filter(|option| V1.contains(option)) {
                        found.controllers.entry(option.to_owned()).or_insert_with(|| point.into());
                    }
                    found.mounts.push(point.into());
                }
                _ => {}
            }
        }
        found
    }

    /// Limits are on the unified hierarchy (a hybrid host counts as v1).
    pub fn is_v2(&self) -> bool {
        self.controllers.is_empty()
    }

    /// The host can limit huge pages.
    pub(crate) fn limits_huge_pages(&self) -> bool {
        let offers = |mount: &PathBuf| fs::read_to_string(mount.join("cgroup.controllers")).unwrap_or_default();
        match &self.unified {
            Some(mount) if self.is_v2() => offers(mount).split_whitespace().any(|name| name == "hugetlb"),
            _ => self.controllers.contains_key("hugetlb"),
        }
    }

    /// The directories of the group, one in each hierarchy.
    pub fn groups(&self, path: &str) -> Result<Vec<PathBuf>> {
        let parts: PathBuf = parts(path)?.collect();
        Ok(self.mounts.iter().map(|mount| mount.join(&parts)).collect())
    }

    /// Makes the group, its parents too, and sets limits.
    pub fn create(&self, path: &str, resources: &Resources) -> Result<()> {
        for mount in &self.mounts {
            let mut group = mount.clone();
            for part in parts(path)? {
                if self.is_v2() {
                    delegate(&group)?;
                }
                group.push(part);
                match fs::create_dir(&group) {
                    Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                        return Err(error).at("create cgroup", &group);
                    }
                    Err(_) => {}
                    // A v1 cpuset starts empty and would refuse tasks.
                    Ok(()) if self.controllers.get("cpuset") == Some(mount) => inherit_cpuset(&group)?,
                    Ok(()) => {}
                }
            }
            if self.is_v2() {
                delegate(&group)?;
            }
        }
        self.update(path, resources)
    }

    /// Changes limits; None leaves one as it is.
    pub fn update(&self, path: &str, resources: &Resources) -> Result<()> {
        let set = |controller: &str, file: &str, value: String| -> Result<()> {
            match self.group(controller, path) {
                Some(group) if group.join(file).exists() => {
                    fs::write(group.join(file), value).at("write", &group.join(file))
                }
                _ => Ok(()),
            }
        };
        let limit = |value: i64| if value < 0 { "max".to_owned() } else { value.to_string() };
        let period = resources.cpu_period_micros.unwrap_or(100_000);
        if self.is_v2() {
            if let Some(shares) = resources.cpu_shares {
                set("cpu", "cpu.weight", weight(shares).to_string())?;
            }
            if let Some(quota) = resources.cpu_quota_micros {
                set("cpu", "cpu.max", format!("{} {period}", limit(quota)))?;
            }
            if let Some(bytes) = resources.memory_limit_bytes {
                set("memory", "memory.max", limit(bytes))?;
            }
        } else {
            if let Some(shares) = resources.cpu_shares {
                set("cpu", "cpu.shares", shares.max(2).to_string())?;
            }
            if let Some(quota) = resources.cpu_quota_micros {
                set("cpu", "cpu.cfs_period_us", period.to_string())?;
                set("cpu", "cpu.cfs_quota_us", quota.max(-1).to_string())?;
            }
            if let Some(bytes) = resources.memory_limit_bytes {
                set("memory", "memory.limit_in_bytes", bytes.max(-1).to_string())?;
            }
        }
        for (size, bytes) in &resources.huge_pages {
            let file =
                if self.is_v2() { format!("hugetlb.{size}.max") } else { format!("hugetlb.{size}.limit_in_bytes") };
            set("hugetlb", &file, bytes.to_string())?;
        }
        match resources.pids_limit {
            Some(tasks) => set("pids", "pids.max", limit(tasks)),
            None => Ok(()),
        }
    }

    /// Processes of the group and the groups below it.
    pub fn processes(&self, path: &str) -> Result<Vec<i32>> {
        let mut pids = Vec::new();
        if let Some(group) = self.group("memory", path) {
            walk(&group, &mut |group| {
                let list = fs::read_to_string(group.join("cgroup.procs")).unwrap_or_default();
                pids.extend(list.lines().filter_map(|line| line.parse::<i32>().ok()));
            });
        }
        Ok(pids)
    }

    /// SIGKILL to every process of the group, until none is left or they refuse to go.
    pub fn kill(&self, path: &str) -> Result<()> {
        for _ in 0..REMOVE_TRIES {
            let pids = self.processes(path)?;
            if pids.is_empty() {
                break;
            }
            for pid in pids.into_iter().filter(|pid| *pid > 1) {
                let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGKILL);
            }
            std::thread::sleep(REMOVE_PAUSE);
        }
        Ok(())
    }

    /// Removes the group and those below it from every hierarchy; it must be empty of processes. Missing is fine.
    pub fn remove(&self, path: &str) -> Result<()> {
        let relative: PathBuf = parts(path)?.collect();
        for mount in &self.mounts {
            let mut groups = Vec::new();
            walk(&mount.join(&relative), &mut |group| groups.push(group.to_owned()));
            for group in groups.into_iter().rev() {
                remove_one(&group)?;
            }
        }
        Ok(())
    }

    /// Moves this process into the group, in the hierarchies where it is not in the root already: a shim must not die
    /// with its agent's service unit.
    pub(crate) fn leave_parent(&self, path: &str) -> Result<()> {
        let own = fs::read_to_string("/proc/self/cgroup").at("read", Path::new("/proc/self/cgroup"))?;
        if own.lines().all(|line| line.ends_with(":/")) {
            return Ok(());
        }
        self.create(path, &Resources::default())?;
        let relative: PathBuf = parts(path)?.collect();
        for mount in &self.mounts {
            let file = mount.join(&relative).join("cgroup.procs");
            fs::write(&file, "0").at("write", &file)?;
        }
        Ok(())
    }

    /// Puts a process into a group that only has to be found again by [`Cgroups::kill`].
    pub(crate) fn adopt(&self, path: &str, pid: i32) -> Result<()> {
        let Some(group) = self.group("memory", path) else { return Ok(()) };
        fs::create_dir_all(&group).at("create cgroup", &group)?;
        let file = group.join("cgroup.procs");
        fs::write(&file, pid.to_string()).at("write", &file)
    }

    /// The directory of the group where the controller lives.
    fn group(&self, controller: &str, path: &str) -> Option<PathBuf> {
        let mount = if self.is_v2() { self.unified.as_ref() } else { self.controllers.get(controller) }?;
        Some(mount.join(path.trim_start_matches('/')))
    }
}

/// v1 controllers; other mount options are no controllers.
const V1: [&str; 12] = [
    "cpu",
    "cpuacct",
    "cpuset",
    "memory",
    "devices",
    "freezer",
    "blkio",
    "pids",
    "net_cls",
    "net_prio",
    "perf_event",
    "hugetlb",
];

/// The path's names; `.` and `..` are refused.
fn parts(path: &str) -> Result<impl Iterator<Item = &str>> {
    let parts = path.split('/').filter(|part| !part.is_empty());
    if !path.starts_with('/') || parts.clone().next().is_none() || parts.clone().any(|part| part.starts_with('.')) {
        return Err(Error::Invalid(format!("invalid cgroup path {path:?}")));
    }
    Ok(parts)
}

/// v2: lets children of `group` be limited. A controller that is absent or threaded stays off.
fn delegate(group: &Path) -> Result<()> {
    let file = group.join("cgroup.subtree_control");
    let available = fs::read_to_string(group.join("cgroup.controllers")).unwrap_or_default();
    let enabled = fs::read_to_string(&file).unwrap_or_default();
    for controller in CONTROLLERS {
        let has = |list: &str| list.split_whitespace().any(|word| word == controller);
        if has(&available) && !has(&enabled) {
            fs::write(&file, format!("+{controller}")).at("write", &file)?;
        }
    }
    Ok(())
}

/// v1: copies the parent's CPUs and memory nodes.
fn inherit_cpuset(group: &Path) -> Result<()> {
    for file in ["cpuset.cpus", "cpuset.mems"] {
        let from = group.with_file_name(file);
        let value = fs::read_to_string(&from).unwrap_or_default();
        if !value.trim().is_empty() {
            fs::write(group.join(file), value.trim()).at("write", &group.join(file))?;
        }
    }
    Ok(())
}

/// cpu.shares (2..=262144) to cpu.weight (1..=10000), as KEP-2254 maps them.
fn weight(shares: u64) -> u64 {
    1 + (shares.clamp(2, 262_144) - 2) * 9999 / 262_142
}

/// `group` first, then what is below it.
fn walk(group: &Path, visit: &mut dyn FnMut(&Path)) {
    if !group.is_dir() {
        return;
    }
    visit(group);
    for entry in fs::read_dir(group).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            walk(&entry.path(), visit);
        }
    }
}

/// rmdir, waiting for tasks that are still leaving.
fn remove_one(group: &Path) -> Result<()> {
    let mut tries = 0;
    loop {
        match fs::remove_dir(group) {
            Ok(()) => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) if error.raw_os_error() == Some(libc::EBUSY) && tries < REMOVE_TRIES => {
                tries += 1;
                std::thread::sleep(REMOVE_PAUSE);
            }
            Err(error) => return Err(error).at("remove cgroup", group),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hierarchies_are_told_apart() {
        let hybrid = "30 24 0:26 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n\
                      31 24 0:27 / /sys/fs/cgroup/memory rw shared:5 - cgroup cgroup rw,memory\n\
                      32 24 0:28 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,name=systemd\n\
                      33 24 0:29 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n\
                      34 24 0:29 /sub /elsewhere rw - cgroup2 cgroup2 rw\n";
        let found = Cgroups::parse(hybrid);
        assert!(!found.is_v2());
        assert_eq!(found.mounts.len(), 4);
        assert_eq!(found.group("cpuacct", "/a"), Some("/sys/fs/cgroup/cpu,cpuacct/a".into()));
        assert_eq!(found.group("pids", "/a"), None);
        let unified = Cgroups::parse("30 24 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n");
        assert!(unified.is_v2());
        assert_eq!(unified.group("memory", "/a/b"), Some("/sys/fs/cgroup/a/b".into()));
    }

    #[test]
    fn shares_become_weights() {
        for (shares, expected) in [(0, 1), (2, 1), (1024, 39), (262_144, 10_000), (u64::MAX, 10_000)] {
            assert_eq!(weight(shares), expected, "{shares}");
        }
    }

    #[test]
    fn paths_stay_below_the_mount() {
        for path in ["", "/", "a", "/a/../..", "/./a"] {
            assert!(parts(path).is_err(), "{path}");
        }
        assert_eq!(parts("/a//b/").unwrap().collect::<Vec<_>>(), ["a", "b"]);
    }
}
