//! What a group used, and whether the kernel killed in it for want of memory.

use std::fs;
use std::path::{Path, PathBuf};

use super::Cgroups;
use crate::config::Stats;
use crate::error::{Context, Result};

impl Cgroups {
    /// Usage of the group with everything below it; a figure whose controller is absent is 0.
    pub fn stats(&self, path: &str) -> Result<Stats> {
        let dir = |controller| self.group(controller, path).unwrap_or_default();
        let memory = dir("memory");
        let detail = fs::read_to_string(memory.join("memory.stat")).at("read", &memory.join("memory.stat"))?;
        let (usage, prefix, rss, cpu) = if self.is_v2() {
            let cpu = fs::read_to_string(dir("cpu").join("cpu.stat")).unwrap_or_default();
            ("memory.current", "", "anon", field(&cpu, "usage_usec").saturating_mul(1000))
        } else {
            ("memory.usage_in_bytes", "total_", "total_rss", number(dir("cpuacct").join("cpuacct.usage")))
        };
        let usage = number(memory.join(usage));
        let inactive = field(&detail, &format!("{prefix}inactive_file"));
        Ok(Stats {
            cpu_usage_nanos: cpu,
            memory_usage_bytes: usage,
            memory_working_set_bytes: usage.saturating_sub(inactive),
            memory_rss_bytes: field(&detail, rss),
            pids: number(dir("pids").join("pids.current")),
        })
    }

    /// How many processes of the group the OOM killer took.
    pub fn oom_kills(&self, path: &str) -> u64 {
        let file = if self.is_v2() { "memory.events" } else { "memory.oom_control" };
        let memory = self.group("memory", path).unwrap_or_default();
        field(&fs::read_to_string(memory.join(file)).unwrap_or_default(), "oom_kill")
    }

    /// One OOM kill takes the whole container, as Kubernetes does since 1.28; v2 only.
    pub(crate) fn kill_together(&self, path: &str) {
        if let (true, Some(group)) = (self.is_v2(), self.group("memory", path)) {
            let _ = fs::write(group.join("memory.oom.group"), "1");
        }
    }
}

/// The value beside `key` in a file of `key value` lines.
fn field(text: &str, key: &str) -> u64 {
    let value = |line: &str| line.strip_prefix(key)?.strip_prefix(' ')?.trim().parse().ok();
    text.lines().find_map(value).unwrap_or(0)
}

/// A file that holds one number.
fn number(file: impl AsRef<Path>) -> u64 {
    let file: PathBuf = file.as_ref().into();
    fs::read_to_string(file).ok().and_then(|text| text.trim().parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::field;

    #[test]
    fn fields_match_whole_words() {
        let text = "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n";
        assert_eq!(field(text, "oom_kill"), 3);
        assert_eq!(field(text, "oom"), 0);
    }
}
