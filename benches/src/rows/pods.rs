//! POST to Running of one pod on a real node, image present, network included.

use crate::{client::Dialer, stats::Latencies, table::Table};
use anyhow::{Context, Result};
use futures_util::StreamExt;
use http_body_util::BodyExt;
use podium_e2e::Cluster;
use serde_json::{Value, json};
use std::time::Instant;

const RUNS: usize = 30;

pub async fn rows(table: &mut Table, cluster: &Cluster) -> Result<()> {
    let name = "pod: POST to Running, one node";
    if !table.wants(name) {
        return Ok(());
    }
    cluster.load_images()?;
    let dialer = Dialer::new(cluster)?;
    let mut connection = dialer.connect().await?;
    let mut took = Vec::new();
    for n in 0..RUNS {
        let pod_name = format!("quick-{n}");
        let path = format!("/api/v1/namespaces/default/pods?watch=true&fieldSelector=metadata.name%3D{pod_name}");
        let mut watch = dialer.connect().await?;
        let mut events = watch.open("GET", &path, None).await?.into_body().into_data_stream();
        let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": pod_name},
            "spec": {"terminationGracePeriodSeconds": 0, "containers": [{"name": "c", "image": "podium/demo:1"}]}});
        let from = Instant::now();
        connection.ask("POST", "/api/v1/namespaces/default/pods", Some(pod.to_string())).await?;
        let mut buffer = Vec::new();
        'running: loop {
            buffer.extend_from_slice(&events.next().await.context("the watch ended")??);
            while let Some(end) = buffer.iter().position(|b| *b == b'\n') {
                let line: Vec<u8> = buffer.drain(..=end).collect();
                let event: Value = serde_json::from_slice(&line)?;
                if event["object"]["status"]["phase"] == "Running" {
                    break 'running;
                }
            }
        }
        took.push(from.elapsed());
        connection.ask("DELETE", &format!("/api/v1/namespaces/default/pods/{pod_name}"), None).await?;
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    }
    let took = Latencies::new(took);
    let (p50, p99) = (took.ms(0.5), took.ms(0.99));
    table.print(
        name,
        &format!("p50 {p50:.0} ms, p99 {p99:.0} ms"),
        "p50 80 ms, p99 250 ms",
        p50 <= 80.0 && p99 <= 250.0,
    );
    Ok(())
}
