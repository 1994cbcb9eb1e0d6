//! The node as a whole.

use super::{Interface, interfaces, rate::Rates};
use crate::{Result, node::Machine, shared::Shared};
use jiff::Timestamp;
use podium_oci::Stats;
use std::fs;

/// Figures of the machine and of the groups that hold all pods and all shims.
#[derive(Clone, Debug)]
pub(crate) struct NodeSample {
    pub started: Timestamp,
    pub stats: Stats,
    pub nano_cores: u64,
    /// Bytes that can be used without swapping or taking from others.
    pub memory_available: u64,
    pub interfaces: Vec<Interface>,
    /// Tasks that run, and how many may.
    pub processes: Processes,
    /// `pods` (all pods together) and `runtime` (shims): name, use, nanoseconds of CPU time per second.
    pub systems: Vec<(&'static str, Stats, u64)>,
}

/// Tasks of the machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Processes {
    pub running: u64,
    pub most: u64,
}

pub(super) fn take(shared: &Shared, rates: &mut Rates, now: Timestamp) -> Result<NodeSample> {
    let started = booted();
    let stats = shared.cgroups.stats("/")?;
    let group = format!("/podium-{}", shared.id);
    let systems = [("pods", group.clone()), ("runtime", format!("{group}/shims"))];
    let systems = systems.iter().filter_map(|(name, path)| {
        let stats = shared.cgroups.stats(path).ok()?;
        Some((*name, stats, rates.add(path, started, now, stats.cpu_usage_nanos)))
    });
    Ok(NodeSample {
        started,
        systems: systems.collect(),
        nano_cores: rates.add("/", started, now, stats.cpu_usage_nanos),
        memory_available: available(
            shared.machine.memory_bytes,
            stats.memory_working_set_bytes,
            Machine::memory_available(),
        ),
        stats,
        interfaces: interfaces::of_node(),
        processes: processes(),
    })
}

/// Of the capacity, what is not in the working set (the kubelet's `memory.available`); never more than the kernel says.
/// A root group that holds more than the machine has counts somebody else's memory too: then the kernel's word alone.
fn available(capacity: i64, working_set: u64, kernel: i64) -> u64 {
    let positive = |bytes: i64| u64::try_from(bytes).unwrap_or(0);
    match positive(capacity).checked_sub(working_set) {
        Some(left) => left.min(positive(kernel)),
        None => positive(kernel),
    }
}

/// Tasks now and at most: `kernel.pid_max`, or `kernel.threads-max` where that is less.
pub(crate) fn processes() -> Processes {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let number = |path: &str| read(path).trim().parse().unwrap_or(u64::MAX);
    let most = number("/proc/sys/kernel/pid_max").min(number("/proc/sys/kernel/threads-max"));
    Processes { running: tasks(&read("/proc/loadavg")), most }
}

/// All tasks, by /proc/loadavg: `0.1 0.2 0.3 running/all last`.
fn tasks(loadavg: &str) -> u64 {
    let pair = loadavg.split_whitespace().nth(3).and_then(|pair| pair.split_once('/'));
    pair.and_then(|(_, all)| all.parse().ok()).unwrap_or(0)
}

/// When the machine started.
fn booted() -> Timestamp {
    let text = fs::read_to_string("/proc/stat").unwrap_or_default();
    let second = text.lines().find_map(|l| l.strip_prefix("btime ")?.trim().parse().ok());
    second.and_then(|s| Timestamp::from_second(s).ok()).unwrap_or(Timestamp::UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_of_the_machine() {
        for (loadavg, expected) in [("0.20 0.18 0.12 1/80 11206\n", 80), ("", 0), ("a b c d e", 0)] {
            assert_eq!(tasks(loadavg), expected, "{loadavg}");
        }
        let all = processes();
        assert!(all.running > 0 && all.running < all.most, "{all:?}");
        assert!(booted() > Timestamp::UNIX_EPOCH && booted() <= Timestamp::now());
        for (working_set, kernel, expected) in [(40, 90, 60), (40, 50, 50), (100, 50, 0), (400, 50, 50), (0, -1, 0)] {
            assert_eq!(available(100, working_set, kernel), expected, "{working_set} {kernel}");
        }
    }
}
