//! What is used: measured by the agent, shown by `kubectl top`, acted on by an autoscaler.

use anyhow::{Context, Result, ensure};
use podium_e2e::{Cluster, eventually, with_cluster};
use std::time::{Duration, Instant};

/// A container that burns CPU while `/tmp/busy` is there, and an autoscaler without patience.
const BUSY: &str = r#"
apiVersion: apps/v1
kind: Deployment
metadata: {name: busy}
spec:
  selector: {matchLabels: {app: busy}}
  template:
    metadata: {labels: {app: busy}}
    spec:
      terminationGracePeriodSeconds: 0
      containers:
      - name: burner
        image: podium/demo:1
        command: [sh, -c, "while :; do if [ -e /tmp/busy ]; then :; else sleep 0.2; fi; done"]
        resources: {requests: {cpu: 50m, memory: 16Mi}, limits: {cpu: 200m}}
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: busy}
spec:
  minReplicas: 1
  maxReplicas: 3
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: busy}
  metrics:
  - {type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 80}}}
  behavior:
    scaleDown: {stabilizationWindowSeconds: 0}
"#;

/// How long two syncs, two rounds of measuring and the start of pods may take.
const LONG: Duration = Duration::from_secs(60);

async fn replicas(cluster: &Cluster, wanted: &str) -> Result<()> {
    let began = Instant::now();
    loop {
        let now = cluster.kubectl(&["get", "deploy", "busy", "-o", "jsonpath={.spec.replicas}"])?;
        if now == wanted {
            return Ok(());
        }
        let told = || cluster.kubectl(&["describe", "hpa", "busy"]).unwrap_or_default();
        ensure!(began.elapsed() < LONG, "{now} replicas, not {wanted}: {}", told());
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

#[test]
fn a_busy_pod_is_seen_and_scaled_up_and_down() {
    with_cluster(|cluster| async move {
        cluster.load_images()?;
        let kubectl = |args: &[&str]| cluster.kubectl(args);

        // Nobody has asked yet: the first question is answered all the same.
        let nodes = kubectl(&["top", "nodes"])?;
        let line = nodes.lines().find(|line| line.starts_with("node-a")).context("no node-a")?;
        ensure!(line.split_whitespace().count() == 5 && line.contains("Mi") && line.contains('%'), "{nodes}");
        let error = kubectl(&["top", "pod", "nobody"]).err().map(|e| e.to_string()).unwrap_or_default();
        ensure!(error.contains("podmetrics.metrics.k8s.io \"default/nobody\" not found"), "{error}");

        cluster.apply(BUSY)?;
        kubectl(&["wait", "deploy/busy", "--for=condition=Available", "--timeout=60s"])?;
        kubectl(&["exec", "deploy/busy", "--", "touch", "/tmp/busy"])?;
        replicas(&cluster, "3").await?;
        let top = kubectl(&["top", "pods", "-l", "app=busy", "--containers"])?;
        let line = top.lines().find(|line| line.contains("burner")).context("no container")?;
        ensure!(line.starts_with("busy-") && line.trim_end().ends_with("Mi"), "{top}");
        let described = kubectl(&["describe", "hpa", "busy"])?;
        for word in [
            "SuccessfulRescale",
            "New size: 3; reason: cpu resource utilization (percentage of request) above target",
            "ScalingActive",
            "ValidMetricFound",
        ] {
            ensure!(described.contains(word), "{word}: {described}");
        }

        let pods = kubectl(&["get", "pods", "-l", "app=busy", "-o", "jsonpath={.items[*].metadata.name}"])?;
        for pod in pods.split_whitespace() {
            kubectl(&["wait", &format!("pod/{pod}"), "--for=condition=Ready", "--timeout=60s"])?;
            kubectl(&["exec", pod, "--", "rm", "-f", "/tmp/busy"])?;
        }
        replicas(&cluster, "1").await?;
        eventually("it says why", || async {
            let events = kubectl(&["get", "events", "--field-selector=reason=SuccessfulRescale", "-o", "yaml"])?;
            Ok(events.contains("New size: 1; reason: All metrics below target").then_some(()))
        })
        .await?;
        let all = kubectl(&["top", "pods", "-A", "--sort-by=cpu"])?;
        ensure!(all.contains("busy-"), "{all}");
        let raw = kubectl(&["get", "--raw", "/apis/metrics.k8s.io/v1beta1/namespaces/default/pods"])?;
        ensure!(raw.contains("\"kind\":\"PodMetricsList\"") && raw.contains("\"window\":\""), "{raw}");
        ensure!(kubectl(&["get", "nodes.metrics.k8s.io"])?.contains("WINDOW"));
        Ok(())
    });
}
