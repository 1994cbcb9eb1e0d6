//! GET and LIST over TLS.

use crate::{client::Dialer, stats::Latencies, table::Table};
use anyhow::Result;
use podium_e2e::Cluster;
use std::time::Instant;

pub async fn rows(table: &mut Table, cluster: &Cluster) -> Result<()> {
    let dialer = Dialer::new(cluster)?;
    let name = "reads: GET a pod, 16 clients";
    if table.wants(name) {
        let path = "/api/v1/namespaces/kube-public/pods/bench-";
        let (took, rate) =
            dialer.load(16, 40_000, move |n| ("GET".to_owned(), format!("{path}{}", n % 5_000), None)).await?;
        let said = format!("{rate:.0}/s, p50 {:.2} ms, p99 {:.2} ms", took.ms(0.5), took.ms(0.99));
        table.print(name, &said, "15000/s", rate >= 15_000.0);
    }
    let name = "reads: LIST 5,000 pods";
    if table.wants(name) {
        let mut connection = dialer.connect().await?;
        let (mut took, mut bytes) = (Vec::new(), 0);
        for _ in 0..20 {
            let from = Instant::now();
            bytes = connection.ask("GET", "/api/v1/namespaces/kube-public/pods", None).await?.len();
            took.push(from.elapsed());
        }
        let p50 = Latencies::new(took).ms(0.5);
        table.print(
            name,
            &format!("{p50:.1} ms for {:.1} MB (median of 20)", bytes as f64 / 1e6),
            "20 ms",
            p50 <= 20.0,
        );
    }
    Ok(())
}
