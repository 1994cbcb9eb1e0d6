//! A Deployment of 1,000 pods on 100 simulated nodes, until all are ready.

use crate::{client::Dialer, nodes::simulate, stats::Latencies, table::Table};
use anyhow::{Result, ensure};
use podium_e2e::Cluster;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const RUNS: usize = 3;
const PODS: u32 = 1_000;
const NODES: usize = 100;

pub async fn rows(table: &mut Table, cluster: &Cluster) -> Result<()> {
    let name = "deployment: 1,000 pods, 100 simulated nodes";
    if !table.wants(name) {
        return Ok(());
    }
    let dialer = Dialer::new(cluster)?;
    let agents = simulate(&dialer, NODES).await?;
    let mut connection = dialer.connect().await?;
    let mut took = Vec::new();
    for run in 0..RUNS {
        let (name, labels) = (format!("many-{run}"), json!({"app": format!("many-{run}")}));
        let deployment = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name},
            "spec": {"replicas": PODS, "selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels},
                "spec": {"nodeSelector": {"simulated": "true"}, "automountServiceAccountToken": false,
                    "containers": [{"name": "c", "image": "i", "resources": {"requests": {"cpu": "10m"}}}]}}}});
        let from = Instant::now();
        connection.ask("POST", "/apis/apps/v1/namespaces/default/deployments", Some(deployment.to_string())).await?;
        let path = format!("/apis/apps/v1/namespaces/default/deployments/{name}");
        loop {
            let now: Value = serde_json::from_slice(&connection.ask("GET", &path, None).await?)?;
            if now["status"]["readyReplicas"] == PODS {
                break;
            }
            ensure!(from.elapsed() < Duration::from_secs(120), "not ready in time: {}", now["status"]);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        took.push(from.elapsed());
        connection.ask("DELETE", &path, None).await?;
        tokio::time::sleep(Duration::from_secs(5)).await;
    }
    agents.abort();
    let p50 = Latencies::new(took).ms(0.5) / 1e3;
    table.print(name, &format!("{p50:.2} s (median of {RUNS})"), "1 s", p50 <= 1.0);
    Ok(())
}
