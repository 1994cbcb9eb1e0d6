//! GET and LIST over TLS.

use super::writes;
use crate::{client::Dialer, stats::Latencies, table::Table};
use anyhow::Result;
use podium_e2e::Cluster;
use std::time::Instant;

const GET_RUNS: usize = 5;
const GETS: usize = 20_000;
const LISTS: usize = 40;

pub async fn rows(table: &mut Table, cluster: &Cluster) -> Result<()> {
    let (get, list) = ("reads: GET a pod, 16 clients", "reads: LIST 5,000 pods");
    if !table.wants(get) && !table.wants(list) {
        return Ok(());
    }
    let dialer = Dialer::new(cluster)?;
    let first = format!("/api/v1/namespaces/{}/pods/bench-0", writes::NAMESPACE);
    if dialer.connect().await?.ask("GET", &first, None).await.is_err() {
        writes::pods(&dialer).await?;
    }
    if table.wants(get) {
        let request = |n| {
            let path = format!("/api/v1/namespaces/{}/pods/bench-{}", writes::NAMESPACE, n % writes::PODS);
            ("GET".to_owned(), path, None)
        };
        let runs = dialer.load(16, GET_RUNS, GETS, request).await?;
        table.row(get, &runs.said(), "15000/s", runs.rate() >= 15_000.0);
    }
    if table.wants(list) {
        let mut connection = dialer.connect().await?;
        let path = format!("/api/v1/namespaces/{}/pods", writes::NAMESPACE);
        let (mut took, mut bytes) = (Vec::new(), 0);
        for _ in 0..LISTS {
            let from = Instant::now();
            bytes = connection.count(&path).await?;
            took.push(from.elapsed());
        }
        let p50 = Latencies::new(took).ms(0.5);
        let said = format!("{p50:.1} ms for {:.1} MB (median of {LISTS})", bytes as f64 / 1e6);
        table.row(list, &said, "20 ms", p50 <= 20.0);
    }
    Ok(())
}
