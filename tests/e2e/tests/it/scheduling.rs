//! Why a pod waits, where it goes, and who may send it away.

use anyhow::{Context, Result, ensure};
use podium_e2e::{eventually, podium, with_cluster};
use serde_json::Value;
use std::process::Command;

const HUNGRY: &str = r#"
apiVersion: v1
kind: Pod
metadata: {name: hungry}
spec:
  containers: [{name: c, image: "podium/demo:1", resources: {requests: {cpu: "4000"}}}]
"#;

const GUARDED: &str = r#"
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      terminationGracePeriodSeconds: 1
      containers: [{name: c, image: "podium/demo:1"}]
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: web}
spec: {minAvailable: 2, selector: {matchLabels: {app: web}}}
"#;

const PROFILES: &str = r#"
apiVersion: v1
kind: ConfigMap
metadata: {name: kube-scheduler, namespace: kube-system}
data:
  config.yaml: |
    apiVersion: kubescheduler.config.k8s.io/v1
    kind: KubeSchedulerConfiguration
    profiles:
    - schedulerName: default-scheduler
    - schedulerName: packer
      pluginConfig:
      - name: NodeResourcesFit
        args: {scoringStrategy: {type: MostAllocated}}
---
apiVersion: v1
kind: Pod
metadata: {name: packed}
spec:
  schedulerName: packer
  containers: [{name: c, image: "podium/demo:1"}]
"#;

#[test]
fn a_pod_that_waits_is_explained_and_a_budget_is_kept() {
    with_cluster(|cluster| async move {
        cluster.load_images()?;
        let kubectl = |args: &[&str]| cluster.kubectl(args);
        cluster.apply(HUNGRY)?;
        cluster.apply(GUARDED)?;
        eventually("it says why it waits", || async {
            Ok(kubectl(&["describe", "pod", "hungry"])?.contains("1 Insufficient cpu").then_some(()))
        })
        .await?;
        let words = cluster.podium(&["explain", "pod", "hungry"])?;
        ensure!(words.contains("Insufficient cpu") && words.contains("node-a"), "{words}");
        // As kubectl does: where KUBECONFIG says.
        let mut usual = Command::new(podium()?);
        usual.env("KUBECONFIG", cluster.data.join("kubeconfig")).env_remove("PODIUM_DATA_DIR");
        let same = usual.args(["explain", "pod", "hungry"]).output()?;
        ensure!(String::from_utf8_lossy(&same.stdout).contains("Insufficient cpu"), "{same:?}");
        let raw: Value =
            serde_json::from_str(&kubectl(&["get", "--raw", "/api/v1/namespaces/default/pods/hungry/explain"])?)?;
        ensure!(raw["state"] == "Unschedulable" && raw["nodes"][0]["node"] == "node-a", "{raw}");
        ensure!(raw["advice"].as_str().is_some_and(|advice| advice.contains("request at most")), "{raw}");
        let waiting = kubectl(&["get", "--raw", "/metrics"])?;
        ensure!(waiting.contains("scheduler_pending_pods{queue=\"unschedulable\"} 1"), "{waiting}");
        // One that asks for less goes at once.
        kubectl(&["delete", "pod", "hungry"])?;
        cluster.apply(&HUNGRY.replace("\"4000\"", "10m"))?;
        kubectl(&["wait", "pod/hungry", "--for=condition=Ready", "--timeout=60s"])?;

        // A profile of people's own.
        cluster.apply(PROFILES)?;
        kubectl(&["wait", "pod/packed", "--for=condition=Ready", "--timeout=60s"])?;
        let by = kubectl(&[
            "get",
            "events",
            "--field-selector",
            "involvedObject.name=packed,reason=Scheduled",
            "-o",
            "name",
        ])?;
        ensure!(by.lines().count() == 1, "{by}");

        kubectl(&["rollout", "status", "deployment/web", "--timeout=60s"])?;
        eventually("the budget has counted", || async {
            let healthy = kubectl(&["get", "pdb", "web", "-o", "jsonpath={.status.currentHealthy}"])?;
            Ok((healthy == "2").then_some(()))
        })
        .await?;
        let pods = kubectl(&["get", "pods", "-l", "app=web", "-o", "jsonpath={.items[*].metadata.name}"])?;
        let pod = pods.split(' ').next().context("a pod")?.to_owned();
        let file = cluster.data.join("eviction.json");
        let metadata = serde_json::json!({"name": pod, "namespace": "default"});
        let eviction = serde_json::json!({"apiVersion": "policy/v1", "kind": "Eviction", "metadata": metadata});
        std::fs::write(&file, eviction.to_string())?;
        let path = format!("/api/v1/namespaces/default/pods/{pod}/eviction");
        let evict = || -> Result<String> { kubectl(&["create", "--raw", &path, "-f", &file.to_string_lossy()]) };
        let refused = evict().err().context("the budget forbids it")?.to_string();
        ensure!(refused.contains("would violate the pod's disruption budget"), "{refused}");
        kubectl(&["patch", "pdb", "web", "-p", r#"{"spec":{"minAvailable":1}}"#])?;
        eventually("it is granted", || async { Ok(Some(evict()?)) }).await?;
        eventually("it is gone and replaced", || async {
            let gone = kubectl(&["get", "pod", &pod]).is_err();
            let ready = kubectl(&["get", "deployment", "web", "-o", "jsonpath={.status.readyReplicas}"])?;
            Ok((gone && ready == "2").then_some(()))
        })
        .await
    });
}
