//! What a group used, and whether the kernel killed in it for want of memory.

use std::fs;

use super::Cgroups;
use super::figures::{self, Layout, Texts};
use crate::config::Stats;
use crate::error::{Error, Result};

impl Cgroups {
    /// Usage of the group with everything below it (`/` is the whole machine); a figure whose controller is absent is
    /// 0.
    pub fn stats(&self, path: &str) -> Result<Stats> {
        let layout = if self.is_v2() { Layout::V2 } else { Layout::V1 };
        let read = |(controller, file): (&str, &str)| {
            let group = self.group(controller, path)?;
            fs::read_to_string(group.join(file)).ok()
        };
        let [cpu, throttling, usage, limit, memory, pids] = layout.files().map(read);
        if cpu.is_none() && memory.is_none() {
            return Err(Error::NotFound(format!("cgroup {path}")));
        }
        let [cpu, throttling, usage, limit, memory, pids] =
            [cpu, throttling, usage, limit, memory, pids].map(Option::unwrap_or_default);
        Ok(figures::stats(layout, &Texts { cpu, throttling, usage, limit, memory, pids }))
    }

    /// How many processes of the group the OOM killer took.
    pub fn oom_kills(&self, path: &str) -> u64 {
        let file = if self.is_v2() { "memory.events" } else { "memory.oom_control" };
        let memory = self.group("memory", path).unwrap_or_default();
        figures::oom_kills(&fs::read_to_string(memory.join(file)).unwrap_or_default())
    }

    /// One OOM kill takes the whole container, as Kubernetes does since 1.28; v2 only.
    pub(crate) fn kill_together(&self, path: &str) {
        if let (true, Some(group)) = (self.is_v2(), self.group("memory", path)) {
            let _ = fs::write(group.join("memory.oom.group"), "1");
        }
    }
}
