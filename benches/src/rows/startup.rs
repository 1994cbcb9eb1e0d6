//! From nothing to API ready and node Ready, private database included.

use crate::{stats::Latencies, table::Table};
use anyhow::{Context, Result};
use podium_e2e::Cluster;
use std::time::Duration;

const RUNS: usize = 5;

pub async fn rows(table: &mut Table, cluster: &Cluster) -> Result<()> {
    if !table.wants("start") {
        return Ok(());
    }
    let (mut api, mut node) = (Vec::new(), Vec::new());
    for _ in 0..RUNS {
        cluster.podium(&["down", "--purge"])?;
        let printed = cluster.up()?;
        let step = |words: &str| -> Result<u64> {
            let line = printed.lines().find(|l| l.trim_start().starts_with(words)).with_context(|| printed.clone())?;
            Ok(line.split_whitespace().rev().nth(1).unwrap_or_default().parse()?)
        };
        let ready = step("PostgreSQL")? + step("API ready")?;
        api.push(Duration::from_millis(ready));
        node.push(Duration::from_millis(ready + step("node Ready")?));
    }
    let (api, node) = (Latencies::new(api).ms(0.5), Latencies::new(node).ms(0.5));
    table.row("start: API ready, fresh database", &format!("{api:.0} ms (median of {RUNS})"), "2000 ms", api <= 2000.0);
    table.row("start: node Ready", &format!("{node:.0} ms (median of {RUNS})"), "5000 ms", node <= 5000.0);
    Ok(())
}
