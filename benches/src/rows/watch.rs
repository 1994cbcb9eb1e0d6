//! One write reaching many watchers.

use crate::{client::Dialer, stats::Latencies, table::Table};
use anyhow::Result;
use futures_util::StreamExt;
use http_body_util::BodyExt;
use podium_e2e::Cluster;
use serde_json::json;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

const WATCHERS: usize = 1_000;
const WRITES: usize = 20;

pub async fn rows(table: &mut Table, cluster: &Cluster) -> Result<()> {
    let name = "watch: create to event, 1,000 watchers";
    if !table.wants(name) {
        return Ok(());
    }
    let dialer = Dialer::new(cluster)?;
    let (seen, mut events) = mpsc::unbounded_channel::<Instant>();
    let mut watchers = Vec::new();
    for _ in 0..WATCHERS {
        let mut connection = dialer.connect().await?;
        let path = "/api/v1/namespaces/kube-system/configmaps?watch=true&labelSelector=bench%3Dwatch";
        let mut body = connection.open("GET", path, None).await?.into_body().into_data_stream();
        let seen = seen.clone();
        watchers.push(tokio::spawn(async move {
            let _connection = connection;
            while let Some(Ok(chunk)) = body.next().await {
                let now = Instant::now();
                for _ in 0..chunk.iter().filter(|b| **b == b'\n').count() {
                    let _ = seen.send(now);
                }
            }
        }));
    }
    let mut writer = dialer.connect().await?;
    let mut took = Vec::new();
    for n in 0..WRITES {
        let map = json!({"apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": format!("watch-{n}"), "labels": {"bench": "watch"}}});
        let from = Instant::now();
        writer.ask("POST", "/api/v1/namespaces/kube-system/configmaps", Some(map.to_string())).await?;
        for _ in 0..WATCHERS {
            let at = tokio::time::timeout(Duration::from_secs(10), events.recv()).await?;
            took.extend(at.map(|at| at.duration_since(from)));
        }
    }
    for watcher in watchers {
        watcher.abort();
    }
    let took = Latencies::new(took);
    let (p50, p99) = (took.ms(0.5), took.ms(0.99));
    table.row(name, &format!("p50 {p50:.1} ms, p99 {p99:.1} ms, {} events", took.len()), "p99 25 ms", p99 <= 25.0);
    Ok(())
}
