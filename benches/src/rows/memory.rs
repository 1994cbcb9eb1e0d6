//! Memory of each process: proportional set size (what is shared counts in parts), as /proc says.

use crate::table::Table;
use anyhow::Result;
use podium_e2e::Cluster;
use std::time::Duration;

/// How long a cluster is left alone before it counts as idle.
const CALM: Duration = Duration::from_secs(5);
/// The row that needs 10,000 objects.
pub const LOADED: &str = "memory: control plane, with 10,000 objects";
const AFTER: &str = "memory: control plane, after all rows";

pub fn idle(table: &mut Table, cluster: &Cluster) -> Result<()> {
    if !table.wants("memory: control plane, idle") {
        return Ok(());
    }
    std::thread::sleep(CALM);
    let server = Memory::of(cluster.pid_of("server")?);
    table.row("memory: control plane, idle", &server.said(), "40 MB", server.pss <= 40.0);
    let postgres = Memory::of_family(cluster.postgres_pid()?);
    table.row("memory: PostgreSQL, all processes, idle", &postgres.said(), "100 MB", postgres.pss <= 100.0);
    table.note("memory: agent, idle", &Memory::of(cluster.pid_of("agent")?).said());
    table.note("memory: podium up (the parent), idle", &Memory::of(parent(cluster.pid_of("server")?)?).said());
    Ok(())
}

/// After exactly 10,000 creates.
pub fn loaded(table: &mut Table, cluster: &Cluster) -> Result<()> {
    if table.wants(LOADED) {
        std::thread::sleep(CALM);
        let server = Memory::of(cluster.pid_of("server")?);
        table.row(LOADED, &server.said(), "120 MB", server.pss <= 120.0);
    }
    Ok(())
}

/// At the end, with all that the rows left.
pub fn after(table: &mut Table, cluster: &Cluster) -> Result<()> {
    if table.wants(AFTER) {
        std::thread::sleep(CALM);
        table.note(AFTER, &Memory::of(cluster.pid_of("server")?).said());
        table.note("memory: PostgreSQL, after all rows", &Memory::of_family(cluster.postgres_pid()?).said());
    }
    Ok(())
}

fn parent(pid: i32) -> Result<i32> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|l| l.strip_prefix("PPid:")).unwrap_or_default();
    Ok(line.trim().parse()?)
}

/// Megabytes.
#[derive(Default)]
pub struct Memory {
    pub pss: f64,
    rss: f64,
}

impl Memory {
    /// Of one process.
    pub fn of(pid: i32) -> Self {
        let text = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
        let megabytes = |field: &str| {
            let line = text.lines().find(|l| l.starts_with(field)).unwrap_or_default();
            line.split_whitespace().nth(1).and_then(|kb| kb.parse::<f64>().ok()).unwrap_or(f64::NAN) / 1024.0
        };
        Self { pss: megabytes("Pss:"), rss: megabytes("Rss:") }
    }
    /// Of a process and all below it.
    pub fn of_family(pid: i32) -> Self {
        let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
        let below = children.split_whitespace().filter_map(|c| c.parse().ok()).map(Self::of_family);
        below.fold(Self::of(pid), |all, one| Self { pss: all.pss + one.pss, rss: all.rss + one.rss })
    }
    /// In words.
    pub fn said(&self) -> String {
        format!("{:.1} MB (resident {:.1})", self.pss, self.rss)
    }
}
