//! What a node takes in: pods that fit it, volumes that are its own; all else is refused with Kubernetes' words.

use anyhow::{Context, Result, ensure};
use podium_e2e::{Cluster, eventually, with_cluster};
use serde_json::{Value, json};

/// Pods bound past the scheduler, and the reason with which each fails. Each names the node itself.
fn misfits() -> Vec<(&'static str, Value, &'static str)> {
    let bare = json!([{ "name": "c", "image": "podium/demo:1" }]);
    let asks = |what: Value| json!([{ "name": "c", "image": "podium/demo:1", "resources": { "requests": what } }]);
    let sysctls = json!({ "sysctls": [{ "name": "kernel.msgmax", "value": "8192" }] });
    vec![
        ("cpu", json!({ "containers": asks(json!({ "cpu": "1000" })) }), "OutOfcpu"),
        ("memory", json!({ "containers": asks(json!({ "memory": "1Pi" })) }), "OutOfmemory"),
        ("affinity", json!({ "containers": bare, "nodeSelector": { "no": "such" } }), "NodeAffinity"),
        ("sysctl", json!({ "containers": bare, "securityContext": sysctls }), "SysctlForbidden"),
    ]
}

/// A pod whose runtime this node has not.
const ODD: &str = "
apiVersion: node.k8s.io/v1
kind: RuntimeClass
metadata: {name: odd}
handler: odd
---
apiVersion: v1
kind: Pod
metadata: {name: odd}
spec: {runtimeClassName: odd, containers: [{name: c, image: podium/demo:1}]}
";

/// A claim of a local volume, two pods in turn on it, and read-only kinds of volumes.
const CLAIMED: &str = r#"
apiVersion: v1
kind: PersistentVolume
metadata: {name: disk}
spec:
  capacity: {storage: 1Gi}
  accessModes: [ReadWriteOnce]
  storageClassName: manual
  claimRef: {namespace: default, name: data}
  persistentVolumeReclaimPolicy: Retain
  local: {path: DISK}
  nodeAffinity: {required: {nodeSelectorTerms: [{matchExpressions: [{key: kubernetes.io/hostname, operator: Exists}]}]}}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: data}
spec: {accessModes: [ReadWriteOnce], storageClassName: manual, volumeName: disk, resources: {requests: {storage: 1Gi}}}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {colour: blue}
"#;

fn user(name: &str) -> String {
    json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": { "name": name },
        "spec": {
            "terminationGracePeriodSeconds": 0,
            "securityContext": { "fsGroup": 4000, "supplementalGroups": [50], "supplementalGroupsPolicy": "Strict" },
            "containers": [{
                "name": "c", "image": "podium/demo:1",
                "command": ["sh", "-c", "echo $HOSTNAME >> /data/file; ln -sf /etc/passwd /data/out; sleep 1000"],
                "volumeMounts": [
                    { "name": "data", "mountPath": "/data" },
                    { "name": "settings", "mountPath": "/settings" },
                    { "name": "data", "mountPath": "/rro", "readOnly": true, "recursiveReadOnly": "Enabled" },
                ],
            }],
            "volumes": [
                { "name": "data", "persistentVolumeClaim": { "claimName": "data" } },
                { "name": "settings", "configMap": { "name": "settings" } },
            ],
        },
    })
    .to_string()
}

fn pod(cluster: &Cluster, name: &str) -> Result<Value> {
    Ok(serde_json::from_str(&cluster.kubectl(&["get", "pod", name, "-o", "json"])?)?)
}

#[test]
fn misfits_are_rejected_and_claims_are_mounted() {
    with_cluster(|cluster| async move {
        cluster.load_images()?;
        for (name, mut spec, reason) in misfits() {
            spec["nodeName"] = json!("node-a");
            let pod = json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": name }, "spec": spec });
            cluster.apply(&pod.to_string())?;
            failed(&cluster, name, reason).await?;
        }
        // A handler that nobody has: no sandbox, and an event that says why.
        cluster.apply(ODD)?;
        told(&cluster, "odd", "no runtime for \"odd\" is configured").await?;
        claims(&cluster).await
    });
}

async fn failed(cluster: &Cluster, name: &str, reason: &str) -> Result<()> {
    let status = eventually(&format!("{name} is rejected"), || async move {
        let status = pod(cluster, name)?["status"].clone();
        Ok((status["phase"] == "Failed").then_some(status))
    })
    .await?;
    ensure!(status["reason"] == reason, "{status}");
    ensure!(status["message"].as_str().is_some_and(|m| m.starts_with("Pod was rejected: ")), "{status}");
    Ok(())
}

async fn told(cluster: &Cluster, name: &str, words: &str) -> Result<()> {
    let field = format!("involvedObject.name={name}");
    eventually(&format!("an event of {name} says {words:?}"), || async {
        let events = cluster.kubectl(&["get", "events", "--field-selector", &field, "-o", "jsonpath={..message}"])?;
        Ok(events.contains(words).then_some(()))
    })
    .await
}

async fn claims(cluster: &Cluster) -> Result<()> {
    let disk = cluster.data.join("disk");
    std::fs::create_dir_all(&disk)?;
    std::fs::write(disk.join("file"), "kept\n")?;
    cluster.apply(&CLAIMED.replace("DISK", &disk.to_string_lossy()))?;
    // What a binder does, so that the node is tested alone.
    let uid = cluster.kubectl(&["get", "pvc", "data", "-o", "jsonpath={.metadata.uid}"])?;
    let of = json!({ "spec": { "claimRef": { "namespace": "default", "name": "data", "uid": uid } } }).to_string();
    cluster.kubectl(&["patch", "pv", "disk", "-p", &of])?;
    let bound = json!({ "status": { "phase": "Bound" } }).to_string();
    cluster.kubectl(&["patch", "pvc", "data", "--subresource=status", "-p", &bound])?;
    for name in ["first", "second"] {
        cluster.apply(&user(name))?;
        let ready = cluster.kubectl(&["wait", &format!("pod/{name}"), "--for=condition=Ready", "--timeout=60s"]);
        ready.with_context(|| cluster.kubectl(&["describe", "pod,pvc,pv"]).unwrap_or_default())?;
        let within = |script: &str| cluster.kubectl(&["exec", name, "--", "sh", "-c", script]);
        eventually("the claim is written to", || async {
            Ok(within("cat /data/file")?.ends_with(&format!("{name}\n")).then_some(()))
        })
        .await?;
        ensure!(within("stat -c %g /data/file")? == "4000\n");
        ensure!(within("id -G")? == "0 50 4000\n", "{}", within("id -G")?);
        for dir in ["/settings", "/rro"] {
            let outcome = within(&format!("touch {dir}/x"));
            ensure!(outcome.as_ref().is_err_and(|e| e.to_string().contains("Read-only")), "{dir}: {outcome:?}");
        }
        cluster.kubectl(&["delete", "pod", name, "--wait", "--timeout=60s"])?;
    }
    ensure!(std::fs::read_to_string(disk.join("file"))? == "kept\nfirst\nsecond\n", "data of a claim outlives pods");
    let mounts = std::fs::read_to_string("/proc/self/mountinfo")?;
    let left = mounts.lines().filter(|line| line.contains(&*disk.to_string_lossy())).count();
    ensure!(left == 0, "{left} mounts of the claim's volume are left");
    // A subPath that leads out of the claim is refused.
    let mut sly: Value = serde_json::from_str(&user("sly")).context("a pod")?;
    sly["spec"]["containers"][0]["volumeMounts"][0]["subPath"] = json!("out");
    cluster.apply(&sly.to_string())?;
    told(cluster, "sly", "must stay inside the volume").await
}
