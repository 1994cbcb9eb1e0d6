//! What a cluster writes that nothing happens to: leases, and nothing else.
//!
//! Counted in the history that PostgreSQL keeps of every write.

use crate::table::Table;
use anyhow::{Context, Result, ensure};
use podium_e2e::{Cluster, run};
use std::time::Duration;

/// How long workloads are left to settle.
const CALM: Duration = Duration::from_secs(15);
/// How long writes are counted.
const WINDOW: Duration = Duration::from_secs(30);
/// Seconds between two renewals of a node's lease.
const RENEWAL: f64 = 10.0;

/// A workload of each sort, so that rest is not for want of anything to look after.
const WORKLOADS: &str = r#"
apiVersion: v1
kind: Service
metadata: {name: rest}
spec: {selector: {app: rest}, ports: [{port: 80}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: rest}
spec:
  replicas: 3
  selector: {matchLabels: {app: rest}}
  template: {metadata: {labels: {app: rest}}, spec: {containers: [{name: c, image: "podium/demo:1"}]}}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: rest}
spec:
  serviceName: rest
  replicas: 1
  selector: {matchLabels: {app: rest-s}}
  template: {metadata: {labels: {app: rest-s}}, spec: {containers: [{name: c, image: "podium/demo:1"}]}}
---
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: rest}
spec:
  selector: {matchLabels: {app: rest-d}}
  template: {metadata: {labels: {app: rest-d}}, spec: {containers: [{name: c, image: "podium/demo:1"}]}}
"#;

pub async fn rows(table: &mut Table, cluster: &Cluster) -> Result<()> {
    let (others, leases) = ("rest: writes that are no leases", "rest: lease renewals");
    if !table.wants(others) && !table.wants(leases) {
        return Ok(());
    }
    cluster.load_images()?;
    cluster.apply(WORKLOADS)?;
    for workload in ["deployment/rest", "statefulset/rest", "daemonset/rest"] {
        cluster.kubectl(&["rollout", "status", workload, "--timeout=60s"])?;
    }
    tokio::time::sleep(CALM).await;
    let from: u64 = ask(cluster, "SELECT rv FROM store.rev")?.parse().context("the newest revision")?;
    tokio::time::sleep(WINDOW).await;
    let count = format!(
        "SELECT count(*) FILTER (WHERE resource <> 'leases.coordination.k8s.io') || ' ' || \
         count(*) FILTER (WHERE resource = 'leases.coordination.k8s.io') || ' ' || \
         coalesce(string_agg(DISTINCT resource, ',') FILTER (WHERE resource <> 'leases.coordination.k8s.io'), '') \
         FROM podium.history WHERE revision > {from}"
    );
    let answer = ask(cluster, &count)?;
    let mut words = answer.split_whitespace();
    let mut number = || words.next().and_then(|word| word.parse::<u64>().ok()).context("no count");
    let (written, renewed) = (number()?, number()?);
    let seconds = WINDOW.as_secs();
    let what = words.next().map(|what| format!(": {what}")).unwrap_or_default();
    table.row(others, &format!("{written} in {seconds} s{what}"), "0", written == 0);
    ensure!(renewed > 0, "the node renews no lease");
    let most = seconds as f64 / RENEWAL + 1.0;
    table.row(leases, &format!("{renewed} in {seconds} s, 1 node"), "1 per node in 10 s", renewed as f64 <= most);
    for workload in ["service/rest", "deployment/rest", "statefulset/rest", "daemonset/rest"] {
        cluster.kubectl(&["delete", workload, "--wait=true"])?;
    }
    Ok(())
}

/// One value from the cluster's database.
fn ask(cluster: &Cluster, query: &str) -> Result<String> {
    let url = std::fs::read_to_string(cluster.data.join("database-url"))?;
    Ok(run("psql", &[url.trim(), "-X", "-A", "-t", "-c", query])?.trim().to_owned())
}
