//! A large cluster held by the whole control plane: 100,000 running pods on 5,000 simulated nodes,
//! which renew their leases as real ones do.

use super::memory::Memory;
use crate::{client::Dialer, nodes, table::Table};
use anyhow::{Result, ensure};
use podium_e2e::Cluster;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const NODES: usize = 5_000;
const DEPLOYMENTS: usize = 100;
/// Pods of each Deployment.
const SIZE: usize = 1_000;
/// Longest wait until all pods are ready.
const PATIENCE: Duration = Duration::from_secs(1200);
/// How long the cluster is held before it is weighed.
const HOLD: Duration = Duration::from_secs(30);
/// Megabytes.
const BAR: f64 = 2048.0;
const NAMESPACE: &str = "default";

pub async fn rows(table: &mut Table, cluster: &Cluster) -> Result<()> {
    let name = "scale: 100,000 pods on 5,000 nodes, memory";
    if !table.wants(name) {
        return Ok(());
    }
    let dialer = Dialer::new(cluster)?;
    let agents = nodes::simulate(&dialer, NODES).await?;
    let beats = tokio::spawn(nodes::renew(dialer.clone(), NODES));
    let began = Instant::now();
    let mut connection = dialer.connect().await?;
    for n in 0..DEPLOYMENTS {
        let name = format!("scale-{n}");
        let labels = json!({"app": name});
        let deployment = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name},
            "spec": {"replicas": SIZE, "selector": {"matchLabels": labels}, "progressDeadlineSeconds": 3600,
                "template": {"metadata": {"labels": labels}, "spec": {"nodeSelector": {"simulated": "true"},
                    "automountServiceAccountToken": false, "containers": [{"name": "c", "image": "i",
                        "env": [{"name": "A", "value": "a"}, {"name": "B", "value": "b"}],
                        "resources": {"requests": {"cpu": "10m", "memory": "16Mi"}}}]}}}});
        let path = format!("/apis/apps/v1/namespaces/{NAMESPACE}/deployments");
        connection.ask("POST", &path, Some(deployment.to_string())).await?;
        until_ready(&dialer, &name, began).await?;
    }
    let took = began.elapsed().as_secs_f64();
    tokio::time::sleep(HOLD).await;
    ensure!(!agents.is_finished() && !beats.is_finished(), "the simulated nodes gave up");
    let (server, postgres) = (Memory::of(cluster.pid_of("server")?), Memory::of_family(cluster.postgres_pid()?));
    let all = server.pss + postgres.pss;
    let said = format!("{all:.0} MB (server {:.0}, PostgreSQL {:.0})", server.pss, postgres.pss);
    table.row(name, &said, "2048 MB", all <= BAR);
    table.note("scale: until all are ready", &format!("{took:.0} s, {:.0} pods/s", (DEPLOYMENTS * SIZE) as f64 / took));
    beats.abort();
    agents.abort();
    Ok(())
}

async fn until_ready(dialer: &Dialer, name: &str, began: Instant) -> Result<()> {
    let mut connection = dialer.connect().await?;
    let path = format!("/apis/apps/v1/namespaces/{NAMESPACE}/deployments/{name}");
    loop {
        let now: Value = serde_json::from_slice(&connection.ask("GET", &path, None).await?)?;
        if now["status"]["readyReplicas"] == SIZE {
            return Ok(());
        }
        ensure!(began.elapsed() < PATIENCE, "{name} not ready in time: {}", now["status"]);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
