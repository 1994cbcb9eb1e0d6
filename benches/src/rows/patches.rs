//! Patches of Deployments over TLS: server-side apply and strategic merge.

use crate::{client::Dialer, table::Table};
use anyhow::Result;
use podium_e2e::Cluster;
use serde_json::{Value, json};

const RUNS: usize = 5;
const SIZE: usize = 2_000;
const CLIENTS: usize = 16;
/// Deployments that are patched in turn.
const DEPLOYMENTS: usize = 64;
/// Patches per second.
const BAR: f64 = 3_000.0;
const PATH: &str = "/apis/apps/v1/namespaces/default/deployments";

pub async fn rows(table: &mut Table, cluster: &Cluster) -> Result<()> {
    let (apply, strategic) = ("patches: apply a Deployment, 16 clients", "patches: strategic, Deployment, 16 clients");
    if !table.wants(apply) && !table.wants(strategic) {
        return Ok(());
    }
    let dialer = Dialer::new(cluster)?;
    let mut connection = dialer.connect().await?;
    for n in 0..DEPLOYMENTS {
        let (method, path, body) = applied(n);
        connection.ask(&method, &path, body).await?;
    }
    if table.wants(apply) {
        let runs = dialer.load(CLIENTS, RUNS, SIZE, applied).await?;
        table.row(apply, &runs.said(), "3000/s", runs.rate() >= BAR);
    }
    if table.wants(strategic) {
        let runs = dialer.load(CLIENTS, RUNS, SIZE, merged).await?;
        table.row(strategic, &runs.said(), "3000/s", runs.rate() >= BAR);
    }
    Ok(())
}

fn name(n: usize) -> String {
    format!("bench-{}", n % DEPLOYMENTS)
}

/// What differs from patch to patch.
fn container(n: usize) -> Value {
    json!({"name": "c", "env": [{"name": "N", "value": n.to_string()}]})
}

fn applied(n: usize) -> (String, String, Option<String>) {
    let (name, mut container) = (name(n), container(n));
    container["image"] = json!("i:1");
    container["ports"] = json!([{"name": "http", "containerPort": 80}]);
    container["resources"] = json!({"requests": {"cpu": "10m", "memory": "16Mi"}});
    let labels = json!({"app": name});
    // Paused: the API alone is measured.
    let object = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name, "labels": labels},
        "spec": {"replicas": 0, "paused": true, "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}}}});
    ("APPLY".to_owned(), format!("{PATH}/{name}?fieldManager=bench"), Some(object.to_string()))
}

fn merged(n: usize) -> (String, String, Option<String>) {
    let patch = json!({"spec": {"template": {"spec": {"containers": [container(n)]}}}});
    ("STRATEGIC".to_owned(), format!("{PATH}/{}", name(n)), Some(patch.to_string()))
}
