//! StatefulSets as Kubernetes' conformance tests try them: order, halting, partitions, rolling back.

use anyhow::{Context, Result, ensure};
use podium_e2e::{Cluster, eventually, with_cluster};
use std::time::Duration;

/// Its pods are ready while `/tmp/well` is there, which they make when they start.
const SET: &str = r#"
apiVersion: v1
kind: Service
metadata: {name: ss}
spec: {clusterIP: None, selector: {app: ss}, ports: [{port: 80}]}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: ss, labels: {set: ss}}
spec:
  replicas: %COUNT%
  podManagementPolicy: %POLICY%
  serviceName: ss
  selector: {matchLabels: {app: ss}}
  template:
    metadata: {labels: {app: ss}}
    spec:
      terminationGracePeriodSeconds: 0
      containers:
      - name: c
        image: podium/demo:1
        command: [sh, -c, "touch /tmp/well && sleep 3600"]
        readinessProbe: {exec: {command: [test, -e, /tmp/well]}, periodSeconds: 1, failureThreshold: 1}
"#;

/// How long nothing may happen before it counts as halted.
const STILL: Duration = Duration::from_secs(4);

fn set(policy: &str, count: u32) -> String {
    SET.replace("%POLICY%", policy).replace("%COUNT%", &count.to_string())
}

/// What each pod of the set says in a field, by name.
fn each(cluster: &Cluster, field: &str) -> Result<Vec<(String, String)>> {
    let path = format!(r#"jsonpath={{range .items[*]}}{{.metadata.name}} {field}{{"\n"}}{{end}}"#);
    let text = cluster.kubectl(&["get", "pods", "-l", "app=ss", "-o", &path])?;
    Ok(text
        .lines()
        .filter_map(|line| line.split_once(' '))
        .map(|(one, two)| (one.to_owned(), two.to_owned()))
        .collect())
}

fn names(cluster: &Cluster) -> Result<Vec<String>> {
    Ok(each(cluster, "x")?.into_iter().map(|(name, _)| name).collect())
}

async fn come_to(cluster: &Cluster, wanted: &[&str]) -> Result<()> {
    eventually(&format!("pods {wanted:?}"), || async {
        let names = names(cluster)?;
        ensure!(names == wanted, "{names:?}");
        Ok(Some(()))
    })
    .await
}

async fn stay_at(cluster: &Cluster, wanted: &[&str]) -> Result<()> {
    come_to(cluster, wanted).await?;
    tokio::time::sleep(STILL).await;
    let names = names(cluster)?;
    ensure!(names == wanted, "{names:?}");
    Ok(())
}

/// Makes a pod of the set unready, or well again.
async fn health(cluster: &Cluster, pod: &str, well: bool) -> Result<()> {
    let command = if well { "touch /tmp/well" } else { "rm /tmp/well" };
    cluster.kubectl(&["exec", pod, "--", "sh", "-c", command])?;
    let ready = r#"{.status.conditions[?(@.type=="Ready")].status}"#;
    cluster.reads(&format!("pod/{pod}"), ready, if well { "True" } else { "False" }).await
}

#[test]
fn order_halts_at_whoever_is_unwell_and_bursts_do_not() {
    with_cluster(|cluster| async move {
        cluster.load_images()?;
        let kubectl = |args: &[&str]| cluster.kubectl(args);
        cluster.apply(&set("OrderedReady", 1))?;
        kubectl(&["rollout", "status", "sts/ss", "--timeout=60s"])?;
        health(&cluster, "ss-0", false).await?;
        kubectl(&["scale", "sts/ss", "--replicas=3"])?;
        stay_at(&cluster, &["ss-0"]).await?;
        health(&cluster, "ss-0", true).await?;
        come_to(&cluster, &["ss-0", "ss-1", "ss-2"]).await?;
        kubectl(&["rollout", "status", "sts/ss", "--timeout=60s"])?;
        // Down from the last one on, which waits while another is the first that is unwell.
        for pod in ["ss-0", "ss-1", "ss-2"] {
            health(&cluster, pod, false).await?;
        }
        kubectl(&["scale", "sts/ss", "--replicas=0"])?;
        stay_at(&cluster, &["ss-0", "ss-1", "ss-2"]).await?;
        for pod in ["ss-2", "ss-1", "ss-0"] {
            // It goes as soon as it is well.
            kubectl(&["exec", pod, "--", "touch", "/tmp/well"])?;
        }
        come_to(&cluster, &[]).await?;
        kubectl(&["delete", "sts", "-l", "set=ss"])?;

        cluster.apply(&set("Parallel", 1))?;
        kubectl(&["rollout", "status", "sts/ss", "--timeout=60s"])?;
        health(&cluster, "ss-0", false).await?;
        kubectl(&["scale", "sts/ss", "--replicas=3"])?;
        come_to(&cluster, &["ss-0", "ss-1", "ss-2"]).await?;
        kubectl(&["wait", "pod/ss-1", "pod/ss-2", "--for=condition=Ready", "--timeout=60s"])?;
        health(&cluster, "ss-1", false).await?;
        kubectl(&["scale", "sts/ss", "--replicas=0"])?;
        come_to(&cluster, &[]).await
    });
}

const HASH: &str = r"{.metadata.labels.controller-revision-hash}";

async fn hashes(cluster: &Cluster, wanted: &[&String]) -> Result<()> {
    eventually(&format!("revisions {wanted:?}"), || async {
        let hashes: Vec<String> = each(cluster, HASH)?.into_iter().map(|(_, hash)| hash).collect();
        ensure!(hashes.iter().collect::<Vec<_>>() == wanted, "{hashes:?}");
        Ok(Some(()))
    })
    .await
}

fn revision(cluster: &Cluster, which: &str) -> Result<String> {
    cluster.kubectl(&["get", "sts", "ss", "-o", &format!("jsonpath={{.status.{which}Revision}}")])
}

#[test]
fn updates_keep_to_their_partition_and_going_back_is_the_same_revision() {
    with_cluster(|cluster| async move {
        cluster.load_images()?;
        let kubectl = |args: &[&str]| cluster.kubectl(args);
        let partition = |number: u32| {
            let patch = format!(r#"{{"spec":{{"updateStrategy":{{"rollingUpdate":{{"partition":{number}}}}}}}}}"#);
            kubectl(&["patch", "sts", "ss", "-p", &patch]).map(drop)
        };
        cluster.apply(&set("OrderedReady", 3))?;
        kubectl(&["rollout", "status", "sts/ss", "--timeout=60s"])?;
        let old = revision(&cluster, "current")?;
        ensure!(old == revision(&cluster, "update")?);

        // A canary; who is deleted comes back as what it was.
        partition(3)?;
        kubectl(&["set", "env", "sts/ss", "V=2"])?;
        let new = eventually("a new revision", || async {
            Ok(Some(revision(&cluster, "update")?).filter(|new| *new != old && !new.is_empty()))
        })
        .await?;
        hashes(&cluster, &[&old, &old, &old]).await?;
        partition(2)?;
        hashes(&cluster, &[&old, &old, &new]).await?;
        kubectl(&["delete", "pod", "ss-0", "ss-2", "--now"])?;
        hashes(&cluster, &[&old, &old, &new]).await?;
        cluster.reads("sts/ss", "{.status.readyReplicas}", "3").await?;
        partition(0)?;
        hashes(&cluster, &[&new, &new, &new]).await?;
        kubectl(&["rollout", "status", "sts/ss", "--timeout=60s"])?;
        ensure!(revision(&cluster, "current")? == new);

        // Back: no third revision.
        kubectl(&["rollout", "undo", "sts/ss"])?;
        hashes(&cluster, &[&old, &old, &old]).await?;
        kubectl(&["rollout", "status", "sts/ss", "--timeout=60s"])?;
        ensure!(revision(&cluster, "update")? == old);
        let kept = kubectl(&["get", "controllerrevisions", "-l", "app=ss", "-o", "name"])?;
        ensure!(kept.lines().count() == 2, "{kept}");

        // The scale and the status are written through their own doors.
        let scale = kubectl(&["get", "sts", "ss", "--subresource=scale", "-o", "jsonpath={.kind} {.spec.replicas}"])?;
        ensure!(scale == "Scale 3", "{scale}");
        let condition = r#"{"status":{"conditions":[{"type":"Mine","status":"True"}]}}"#;
        let patched =
            kubectl(&["patch", "sts", "ss", "--subresource=status", "--type=merge", "-p", condition, "-o", "json"])?;
        ensure!(patched.contains("\"Mine\""), "{patched}");
        kubectl(&["patch", "sts", "ss", "--subresource=scale", "--type=merge", "-p", r#"{"spec":{"replicas":1}}"#])?;
        come_to(&cluster, &["ss-0"]).await
    });
}

const CLASH: &str = r#"
apiVersion: v1
kind: Pod
metadata: {name: before}
spec:
  nodeName: node-a
  terminationGracePeriodSeconds: 0
  containers: [{name: c, image: "podium/demo:1", command: [sleep, "3600"], ports: [{containerPort: 80, hostPort: 21017}]}]
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: ss}
spec:
  replicas: 1
  serviceName: ss
  selector: {matchLabels: {app: ss}}
  template:
    metadata: {labels: {app: ss}}
    spec:
      nodeName: node-a
      terminationGracePeriodSeconds: 0
      containers: [{name: c, image: "podium/demo:1", command: [sleep, "3600"], ports: [{containerPort: 80, hostPort: 21017}]}]
"#;

#[test]
fn a_pod_that_the_node_turns_away_comes_again_until_there_is_room() {
    with_cluster(|cluster| async move {
        cluster.load_images()?;
        let kubectl = |args: &[&str]| cluster.kubectl(args);
        let (before, after) = CLASH.split_once("---").context("two objects")?;
        cluster.apply(before)?;
        kubectl(&["wait", "pod/before", "--for=condition=Ready", "--timeout=60s"])?;
        cluster.apply(after)?;
        let uid = || kubectl(&["get", "pod", "ss-0", "-o", "jsonpath={.metadata.uid}"]);
        let first = eventually("it was made", || async { Ok(uid().ok()) }).await?;
        eventually("it was turned away and made anew", || async {
            Ok(uid().ok().filter(|now| !now.is_empty() && *now != first))
        })
        .await?;
        kubectl(&["delete", "pod", "before", "--now"])?;
        cluster.reads("sts/ss", "{.status.readyReplicas}", "1").await
    });
}
