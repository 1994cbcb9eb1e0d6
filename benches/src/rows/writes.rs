//! Creates over TLS.

use crate::{client::Dialer, table::Table};
use anyhow::Result;
use podium_e2e::Cluster;
use serde_json::json;

pub async fn rows(table: &mut Table, cluster: &Cluster) -> Result<()> {
    let dialer = Dialer::new(cluster)?;
    for (clients, total) in [(1, 1_000), (16, 8_000), (64, 16_000)] {
        let name = format!("creates: ConfigMaps, {clients} clients");
        if !table.wants(&name) {
            continue;
        }
        let payload = "x".repeat(500);
        let (took, rate) = dialer
            .load(clients, total, move |n| {
                let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": format!("bench-{clients}-{n}")},
                    "data": {"payload": payload}});
                ("POST".to_owned(), "/api/v1/namespaces/default/configmaps".to_owned(), Some(map.to_string()))
            })
            .await?;
        let (p50, p99) = (took.ms(0.5), took.ms(0.99));
        let said = format!("{rate:.0}/s, p50 {p50:.1} ms, p99 {p99:.1} ms");
        let (bar, met) = match clients {
            64 => ("5000/s, p99 30 ms", rate >= 5000.0 && p99 <= 30.0),
            _ => ("-", true),
        };
        table.print(&name, &said, bar, met);
    }
    let name = "creates: pods, 16 clients";
    if table.wants(name) {
        let (took, rate) = dialer
            .load(16, 5_000, |n| {
                let pod = json!({"apiVersion": "v1", "kind": "Pod", 
                "metadata": {"name": format!("bench-{n}"), "namespace": "kube-public", "labels": {"app": "bench"}},
                "spec": {"nodeSelector": {"none": "such"}, "automountServiceAccountToken": false,
                    "containers": [{"name": "c", "image": "i", "env": [{"name": "PAD", "value": "x".repeat(1500)}],
                        "resources": {"requests": {"cpu": "10m"}}}]}});
                ("POST".to_owned(), "/api/v1/namespaces/kube-public/pods".to_owned(), Some(pod.to_string()))
            })
            .await?;
        table.print(name, &format!("{rate:.0}/s, p99 {:.1} ms", took.ms(0.99)), "4000/s", rate >= 4000.0);
    }
    Ok(())
}
