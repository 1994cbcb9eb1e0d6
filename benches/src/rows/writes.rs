//! Creates over TLS.

use crate::{client::Dialer, stats::Runs, table::Table};
use anyhow::Result;
use podium_e2e::Cluster;
use serde_json::json;

const RUNS: usize = 5;
/// Bytes of payload in a ConfigMap.
const PAYLOAD: usize = 500;
/// Pods that [`pods`] makes.
pub const PODS: usize = 5_000;
/// Where they are.
pub const NAMESPACE: &str = "kube-public";

/// 10,000 objects by one client and by 16.
pub async fn small(table: &mut Table, cluster: &Cluster) -> Result<()> {
    for (clients, size) in [(1, 200), (16, 1_800)] {
        let name = format!("creates: ConfigMaps, {clients} client{}", if clients == 1 { "" } else { "s" });
        if table.wants(&name) || table.wants(super::memory::LOADED) {
            let runs = config_maps(cluster, clients, size).await?;
            table.note(&name, &runs.said());
        }
    }
    Ok(())
}

/// By 64 clients; and pods.
pub async fn large(table: &mut Table, cluster: &Cluster) -> Result<()> {
    let name = "creates: ConfigMaps, 64 clients";
    if table.wants(name) {
        let runs = config_maps(cluster, 64, 4_000).await?;
        let met = runs.rate() >= 5000.0 && runs.ms(0.99) <= 30.0;
        table.row(name, &runs.said(), "5000/s, p99 30 ms", met);
    }
    let name = "creates: pods, 16 clients";
    if table.wants(name) {
        let runs = pods(&Dialer::new(cluster)?).await?;
        table.row(name, &runs.said(), "4000/s", runs.rate() >= 4000.0);
    }
    Ok(())
}

async fn config_maps(cluster: &Cluster, clients: usize, size: usize) -> Result<Runs> {
    let payload = "x".repeat(PAYLOAD);
    let request = move |n| {
        let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": format!("bench-{clients}-{n}")},
            "data": {"payload": payload}});
        ("POST".to_owned(), "/api/v1/namespaces/default/configmaps".to_owned(), Some(map.to_string()))
    };
    Dialer::new(cluster)?.load(clients, RUNS, size, request).await
}

/// Makes [`PODS`] pods of some 2.5 KB that no scheduler looks at: the API alone is measured.
pub async fn pods(dialer: &Dialer) -> Result<Runs> {
    let padding = "x".repeat(1500);
    let request = move |n| {
        let pod = json!({"apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": format!("bench-{n}"), "namespace": NAMESPACE, "labels": {"app": "bench"}},
            "spec": {"schedulerName": "nobody", "automountServiceAccountToken": false,
                "containers": [{"name": "c", "image": "i", "env": [{"name": "PAD", "value": padding}],
                    "resources": {"requests": {"cpu": "10m"}}}]}});
        ("POST".to_owned(), format!("/api/v1/namespaces/{NAMESPACE}/pods"), Some(pod.to_string()))
    };
    dialer.load(16, RUNS, PODS / RUNS, request).await
}
