//! A Deployment of 1,000 pods on 100 simulated nodes, until all are ready.

use crate::{
    client::{Connection, Dialer},
    nodes::simulate,
    stats::median,
    table::Table,
};
use anyhow::{Result, ensure};
use podium_e2e::Cluster;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const RUNS: usize = 5;
const PODS: u32 = 1_000;
const NODES: usize = 100;
/// Longest wait for a run, or for what it leaves to be gone.
const PATIENCE: Duration = Duration::from_secs(120);
const DEPLOYMENTS: &str = "/apis/apps/v1/namespaces/default/deployments";

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
        took.push(roll_out(&mut connection, &format!("many-{run}")).await?.as_secs_f64());
    }
    agents.abort();
    let (fastest, slowest) = (took.iter().copied().fold(f64::NAN, f64::min), took.iter().copied().fold(0.0, f64::max));
    let p50 = median(took);
    let said = format!("{p50:.2} s ({fastest:.2} to {slowest:.2} in {RUNS} runs)");
    table.row(name, &said, "1 s", p50 <= 1.0);
    Ok(())
}

/// From the POST until all are ready; afterwards everything is removed again.
async fn roll_out(connection: &mut Connection, name: &str) -> Result<Duration> {
    let labels = json!({"app": name});
    let deployment = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name},
        "spec": {"replicas": PODS, "selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels},
            "spec": {"nodeSelector": {"simulated": "true"}, "automountServiceAccountToken": false,
                "terminationGracePeriodSeconds": 0,
                "containers": [{"name": "c", "image": "i", "resources": {"requests": {"cpu": "10m"}}}]}}}});
    let path = format!("{DEPLOYMENTS}/{name}");
    let from = Instant::now();
    connection.ask("POST", DEPLOYMENTS, Some(deployment.to_string())).await?;
    loop {
        let now: Value = serde_json::from_slice(&connection.ask("GET", &path, None).await?)?;
        if now["status"]["readyReplicas"] == PODS {
            break;
        }
        ensure!(from.elapsed() < PATIENCE, "{name} not ready in time: {}", now["status"]);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let took = from.elapsed();
    connection.ask("DELETE", &path, None).await?;
    let left = format!("/api/v1/namespaces/default/pods?labelSelector=app%3D{name}");
    let from = Instant::now();
    loop {
        let pods: Value = serde_json::from_slice(&connection.ask("GET", &left, None).await?)?;
        if pods["items"].as_array().is_none_or(Vec::is_empty) {
            return Ok(took);
        }
        ensure!(from.elapsed() < PATIENCE, "pods of {name} are left");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
