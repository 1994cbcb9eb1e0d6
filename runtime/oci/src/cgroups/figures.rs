//! What the files of a group say, as numbers. Pure: one text per file in, [`Stats`] out.

use crate::config::Stats;

/// Limits of v1 beyond this mean none: the kernel writes the greatest multiple of a page.
const UNLIMITED: u64 = 1 << 62;

/// Where figures stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Layout {
    /// v1, and hybrid hosts.
    V1,
    /// The unified hierarchy.
    V2,
}

impl Layout {
    /// Controller and file of each text in [`Texts`], in its order.
    pub fn files(self) -> [(&'static str, &'static str); 6] {
        match self {
            Layout::V1 => [
                ("cpuacct", "cpuacct.usage"),
                ("cpu", "cpu.stat"),
                ("memory", "memory.usage_in_bytes"),
                ("memory", "memory.limit_in_bytes"),
                ("memory", "memory.stat"),
                ("pids", "pids.current"),
            ],
            Layout::V2 => [
                ("cpu", "cpu.stat"),
                ("cpu", "cpu.stat"),
                ("memory", "memory.current"),
                ("memory", "memory.max"),
                ("memory", "memory.stat"),
                ("pids", "pids.current"),
            ],
        }
    }
}

/// The texts of a group's files; a missing file is an empty text.
#[derive(Debug, Clone, Default)]
pub(super) struct Texts {
    pub cpu: String,
    pub throttling: String,
    pub usage: String,
    pub limit: String,
    pub memory: String,
    pub pids: String,
}

/// The figures; one whose file is absent is 0.
pub(super) fn stats(layout: Layout, texts: &Texts) -> Stats {
    let memory = |v1: &str, v2: &str| {
        // v1 tells of the group alone too; everything below it counts.
        let key = if layout == Layout::V1 { v1 } else { v2 };
        field(&texts.memory, key)
    };
    // The root of the unified hierarchy has no figure of its own.
    let usage = match texts.usage.trim().parse() {
        Ok(bytes) => bytes,
        Err(_) => memory("total_rss", "anon") + memory("total_cache", "file"),
    };
    let throttled = match layout {
        Layout::V1 => field(&texts.throttling, "throttled_time"),
        Layout::V2 => field(&texts.throttling, "throttled_usec").saturating_mul(1000),
    };
    Stats {
        cpu_usage_nanos: match layout {
            Layout::V1 => number(&texts.cpu),
            Layout::V2 => field(&texts.cpu, "usage_usec").saturating_mul(1000),
        },
        cpu_periods: field(&texts.throttling, "nr_periods"),
        cpu_throttled_periods: field(&texts.throttling, "nr_throttled"),
        cpu_throttled_nanos: throttled,
        memory_usage_bytes: usage,
        memory_working_set_bytes: usage.saturating_sub(memory("total_inactive_file", "inactive_file")),
        memory_rss_bytes: memory("total_rss", "anon"),
        memory_cache_bytes: memory("total_cache", "file"),
        memory_limit_bytes: texts.limit.trim().parse().ok().filter(|bytes| *bytes < UNLIMITED),
        page_faults: memory("total_pgfault", "pgfault"),
        major_page_faults: memory("total_pgmajfault", "pgmajfault"),
        pids: number(&texts.pids),
    }
}

/// How many processes the OOM killer took, by `memory.oom_control` (v1) or `memory.events` (v2).
pub(super) fn oom_kills(text: &str) -> u64 {
    field(text, "oom_kill")
}

/// The value beside `key` in a file of `key value` lines.
fn field(text: &str, key: &str) -> u64 {
    let value = |line: &str| line.strip_prefix(key)?.strip_prefix(' ')?.trim().parse().ok();
    text.lines().find_map(value).unwrap_or(0)
}

/// A file that holds one number.
fn number(text: &str) -> u64 {
    text.trim().parse().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(all: [&str; 6]) -> Texts {
        let [cpu, throttling, usage, limit, memory, pids] = all.map(str::to_owned);
        Texts { cpu, throttling, usage, limit, memory, pids }
    }

    #[test]
    fn both_layouts_tell_the_same() {
        let v1 = texts([
            "5000000\n",
            "nr_periods 9\nnr_throttled 2\nthrottled_time 7000\n",
            "1000\n",
            "2000\n",
            "cache 1\nrss 2\npgfault 1\ntotal_cache 500\ntotal_rss 400\ntotal_pgfault 7\ntotal_pgmajfault 3\n\
             inactive_file 5\ntotal_inactive_file 300\n",
            "4\n",
        ]);
        let v2 = texts([
            "usage_usec 5000\nuser_usec 1\n",
            "nr_periods 9\nnr_throttled 2\nthrottled_usec 7\n",
            "1000\n",
            "2000\n",
            "anon 400\nfile 500\ninactive_anon 9\ninactive_file 300\npgfault 7\npgmajfault 3\n",
            "4\n",
        ]);
        let expected = Stats {
            cpu_usage_nanos: 5_000_000,
            cpu_periods: 9,
            cpu_throttled_periods: 2,
            cpu_throttled_nanos: 7000,
            memory_usage_bytes: 1000,
            memory_working_set_bytes: 700,
            memory_rss_bytes: 400,
            memory_cache_bytes: 500,
            memory_limit_bytes: Some(2000),
            page_faults: 7,
            major_page_faults: 3,
            pids: 4,
        };
        assert_eq!(stats(Layout::V1, &v1), expected);
        assert_eq!(stats(Layout::V2, &v2), expected);
    }

    #[test]
    fn absent_and_unlimited_figures() {
        let root = texts(["usage_usec 1\n", "", "", "", "anon 30\nfile 12\ninactive_file 2\n", ""]);
        let found = stats(Layout::V2, &root);
        assert_eq!((found.memory_usage_bytes, found.memory_working_set_bytes, found.pids), (42, 40, 0));
        for limit in ["max\n", "9223372036854771712\n", ""] {
            let unlimited = texts(["", "", "1", limit, "", ""]);
            assert_eq!(stats(Layout::V1, &unlimited).memory_limit_bytes, None, "{limit}");
        }
        // More inactive cache than usage: the kernel's counters lag.
        let lagging = texts(["", "", "1", "", "inactive_file 5\n", ""]);
        assert_eq!(stats(Layout::V2, &lagging).memory_working_set_bytes, 0);
        assert_eq!(stats(Layout::V1, &Texts::default()), Stats::default());
    }

    #[test]
    fn fields_match_whole_words() {
        let text = "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n";
        assert_eq!(oom_kills(text), 3);
        assert_eq!(field(text, "oom"), 0);
    }
}
