//! Memory of each process: proportional set size, as /proc says.

use crate::table::Table;
use anyhow::Result;
use podium_e2e::Cluster;

pub fn idle(table: &mut Table, cluster: &Cluster) -> Result<()> {
    if !table.wants("memory") {
        return Ok(());
    }
    std::thread::sleep(std::time::Duration::from_secs(3));
    let server = pss(cluster.pid_of("server")?);
    table.print("memory: control plane, idle", &format!("{server:.1} MB"), "40 MB", server <= 40.0);
    let agent = pss(cluster.pid_of("agent")?);
    table.print("memory: agent, idle", &format!("{agent:.1} MB"), "60 MB", agent <= 60.0);
    let postgres = family(cluster.postgres_pid()?);
    table.print("memory: PostgreSQL, all processes, idle", &format!("{postgres:.1} MB"), "100 MB", postgres <= 100.0);
    Ok(())
}

pub fn loaded(table: &mut Table, cluster: &Cluster) -> Result<()> {
    if !table.wants("memory") {
        return Ok(());
    }
    let server = pss(cluster.pid_of("server")?);
    table.print("memory: control plane after the rows above", &format!("{server:.1} MB"), "120 MB", server <= 120.0);
    Ok(())
}

/// In megabytes.
fn pss(pid: i32) -> f64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
    let line = text.lines().find(|l| l.starts_with("Pss:")).unwrap_or_default().to_owned();
    line.split_whitespace().nth(1).and_then(|kb| kb.parse::<f64>().ok()).unwrap_or(f64::NAN) / 1000.0
}

/// A process and its children.
fn family(pid: i32) -> f64 {
    let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    pss(pid) + children.split_whitespace().filter_map(|c| c.parse().ok()).map(family).sum::<f64>()
}
