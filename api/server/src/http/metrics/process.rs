//! This process in numbers, as Prometheus' client libraries name them.

use super::{family, line};
use std::fs;

/// Ticks of a second in `/proc/self/stat` (USER_HZ, the same on every architecture we run on).
const TICKS: f64 = 100.0;
/// Place of the user's time behind the program's name there; the kernel's follows.
const USER_TIME: usize = 11;

/// Adds what the kernel tells; what it does not tell is left out.
pub(super) fn render(text: &mut String) {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    if let Some(seconds) = cpu(&stat) {
        family(text, "process_cpu_seconds_total", "counter", "CPU time of user and system in seconds.");
        line(text, "process_cpu_seconds_total", "", seconds);
    }
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    if let Some(bytes) = resident(&status) {
        family(text, "process_resident_memory_bytes", "gauge", "Resident memory in bytes.");
        line(text, "process_resident_memory_bytes", "", bytes);
    }
    if let Ok(open) = fs::read_dir("/proc/self/fd") {
        family(text, "process_open_fds", "gauge", "Open file descriptors.");
        line(text, "process_open_fds", "", open.count());
    }
}

fn cpu(stat: &str) -> Option<f64> {
    // The name may hold spaces and brackets of its own.
    let (_, rest) = stat.rsplit_once(')')?;
    let mut words = rest.split_ascii_whitespace().skip(USER_TIME);
    let mut next = || words.next()?.parse::<f64>().ok();
    Some((next()? + next()?) / TICKS)
}

fn resident(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.split_ascii_whitespace().next()?.parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_kernel_tells_is_read() {
        let stat = "7 (a ) b) S 1 2 3 4 5 6 7 8 9 10 250 50 0 0 20 0";
        assert_eq!((cpu(stat), cpu("")), (Some(3.0), None));
        assert_eq!((resident("Name: x\nVmRSS:\t  12 kB\n"), resident("")), (Some(12 * 1024), None));
        let mut text = String::new();
        render(&mut text);
        assert!(text.contains("process_resident_memory_bytes ") && text.contains("process_open_fds "));
    }
}
