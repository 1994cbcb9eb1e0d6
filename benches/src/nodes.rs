//! Simulated nodes: Node objects and one watcher that plays all their agents.

use crate::client::Dialer;
use anyhow::Result;
use futures_util::StreamExt;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::sync::mpsc;

/// Connections that write pod statuses.
const WRITERS: usize = 16;
/// Time between two renewals of a node's lease.
const RENEWAL: Duration = Duration::from_secs(10);

/// Makes `count` Nodes, and sets every pod bound to one of them Running and Ready.
pub async fn simulate(dialer: &Dialer, count: usize) -> Result<tokio::task::JoinHandle<Result<()>>> {
    let mut connection = dialer.connect().await?;
    for n in 0..count {
        let now = "2026-01-01T00:00:00Z";
        let resources = json!({"cpu": "32", "memory": "64Gi", "pods": "110"});
        let node = json!({"apiVersion": "v1", "kind": "Node",
            "metadata": {"name": format!("sim-{n}"), "labels": {"simulated": "true"}},
            "status": {"capacity": resources, "allocatable": resources,
                "conditions": [{"type": "Ready", "status": "True", "lastHeartbeatTime": now, "lastTransitionTime": now}]}});
        connection.ask("POST", "/api/v1/nodes", Some(node.to_string())).await?;
        connection
            .ask("PATCH", &format!("/api/v1/nodes/sim-{n}/status"), Some(json!({"status": node["status"]}).to_string()))
            .await?;
        let lease = json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": format!("sim-{n}")},
            "spec": {"holderIdentity": format!("sim-{n}"), "leaseDurationSeconds": 3600, "renewTime": "2036-01-01T00:00:00.000000Z"}});
        connection
            .ask("POST", "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases", Some(lease.to_string()))
            .await?;
    }
    let mut statuses = Vec::new();
    for _ in 0..WRITERS {
        let (sender, receiver) = mpsc::channel::<Value>(4096);
        tokio::spawn(write_statuses(dialer.clone(), receiver));
        statuses.push(sender);
    }
    let dialer = dialer.clone();
    Ok(tokio::spawn(async move {
        // As agents do: one that was cut off for being slow begins anew with all there is.
        loop {
            watch(&dialer, &statuses).await?;
        }
    }))
}

/// Follows the pods until the server ends it, and hands those on that a simulated node is to run.
async fn watch(dialer: &Dialer, statuses: &[mpsc::Sender<Value>]) -> Result<()> {
    let mut connection = dialer.connect().await?;
    let response = connection.open("GET", "/api/v1/pods?watch=true&resourceVersion=0", None).await?;
    let mut body = response.into_body().into_data_stream();
    let (mut buffer, mut next) = (Vec::new(), 0);
    while let Some(chunk) = body.next().await {
        buffer.extend_from_slice(&chunk?);
        let whole = buffer.iter().rposition(|b| *b == b'\n').map_or(0, |end| end + 1);
        let rest = buffer.split_off(whole);
        for line in std::mem::replace(&mut buffer, rest).split(|b| *b == b'\n').filter(|line| !line.is_empty()) {
            let event: Value = serde_json::from_slice(line)?;
            let pod = &event["object"];
            let ours = pod["spec"]["nodeName"].as_str().is_some_and(|n| n.starts_with("sim-"));
            if ours && event["type"] != "DELETED" && pod["status"]["phase"] == "Pending" {
                next += 1;
                let _ = statuses[next % WRITERS].send(pod.clone()).await;
            }
        }
    }
    Ok(())
}

/// Renews the leases of simulated nodes every ten seconds, evenly over that time, until it is dropped.
pub async fn renew(dialer: Dialer, count: usize) -> Result<()> {
    let shares = (0..WRITERS).map(|first| renew_share(dialer.clone(), first, count));
    futures_util::future::try_join_all(shares).await.map(drop)
}

async fn renew_share(dialer: Dialer, first: usize, count: usize) -> Result<()> {
    let mut connection = dialer.connect().await?;
    let own: Vec<usize> = (first..count).step_by(WRITERS).collect();
    let mut clock = tokio::time::interval(RENEWAL / u32::try_from(own.len().max(1))?);
    for (n, node) in own.iter().cycle().enumerate() {
        clock.tick().await;
        let path = format!("/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/sim-{node}");
        let renewed = format!("2036-01-01T00:00:00.{:06}Z", n % 1_000_000);
        let patch = json!({"spec": {"renewTime": renewed}});
        connection.ask("PATCH", &path, Some(patch.to_string())).await?;
    }
    Ok(())
}

async fn write_statuses(dialer: Dialer, mut pods: mpsc::Receiver<Value>) -> Result<()> {
    let mut connection = dialer.connect().await?;
    while let Some(pod) = pods.recv().await {
        let now = "2026-01-01T00:00:00Z";
        let condition = |kind: &str| json!({"type": kind, "status": "True", "lastTransitionTime": now});
        let conditions: Vec<Value> = ["PodScheduled", "Initialized", "ContainersReady", "Ready"].map(condition).into();
        let patch =
            json!({"status": {"phase": "Running", "startTime": now, "podIP": "192.0.2.1", "conditions": conditions}});
        let (ns, name) = (&pod["metadata"]["namespace"], &pod["metadata"]["name"]);
        let path = format!(
            "/api/v1/namespaces/{}/pods/{}/status",
            ns.as_str().unwrap_or_default(),
            name.as_str().unwrap_or_default()
        );
        // A pod that went meanwhile needs no status.
        let _ = connection.ask("PATCH", &path, Some(patch.to_string())).await;
        tokio::time::sleep(Duration::ZERO).await;
    }
    Ok(())
}
