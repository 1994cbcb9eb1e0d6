//! Pods on claims: the StatefulSet of the introduction to Kubernetes, unchanged, on volumes that an
//! administrator has made; what stays when pods go, and what becomes of volumes.

use anyhow::{Context, Result, ensure};
use podium_e2e::{eventually, shared, with_cluster};

/// A volume of a directory of the host, and one of a node's own disk.
const VOLUMES: &str = r#"
apiVersion: v1
kind: PersistentVolume
metadata: {name: kept}
spec:
  capacity: {storage: 2Gi}
  accessModes: [ReadWriteOnce]
  storageClassName: standard
  persistentVolumeReclaimPolicy: Retain
  hostPath: {path: %DIR%/kept, type: DirectoryOrCreate}
---
apiVersion: v1
kind: PersistentVolume
metadata: {name: local}
spec:
  capacity: {storage: 2Gi}
  accessModes: [ReadWriteOnce]
  storageClassName: standard
  persistentVolumeReclaimPolicy: Delete
  local: {path: %DIR%/local}
  nodeAffinity:
    required:
      nodeSelectorTerms:
      - matchExpressions: [{key: kubernetes.io/hostname, operator: In, values: [node-a]}]
"#;

#[test]
fn a_stateful_set_of_the_manifests_keeps_its_data() {
    let Some(manifests) = shared("manifests") else { return };
    with_cluster(|cluster| async move {
        cluster.load_images()?;
        let kubectl = |args: &[&str]| cluster.kubectl(args);
        let dir = cluster.data.join("volumes");
        std::fs::create_dir_all(dir.join("local"))?;
        for manifest in ["16-storageclass", "10-statefulset"] {
            let file = manifests.join(format!("{manifest}.yaml"));
            kubectl(&["apply", "-f", &file.to_string_lossy()])?;
        }
        // Nobody makes volumes of that class: the first pod waits until somebody does by hand.
        let waiting = r#"{.status.conditions[?(@.type=="PodScheduled")].message}"#;
        eventually("the pod says what it waits for", || async {
            let told = kubectl(&["get", "pod", "sts-example-0", "-o", &format!("jsonpath={waiting}")])?;
            Ok(told.contains("unbound immediate PersistentVolumeClaims").then_some(()))
        })
        .await?;
        cluster.apply(&VOLUMES.replace("%DIR%", &dir.to_string_lossy()))?;
        kubectl(&["rollout", "status", "sts/sts-example", "--timeout=90s"])?;
        let volume = |claim: &str| -> Result<String> {
            kubectl(&["get", "pvc", claim, "-o", "jsonpath={.status.phase} {.spec.volumeName}"])
        };
        let both = [volume("www-sts-example-0")?, volume("www-sts-example-1")?];
        ensure!(both.iter().all(|one| one.starts_with("Bound ")) && both[0] != both[1], "{both:?}");

        // What pods write is there for those who come after them.
        let page = "/usr/share/nginx/html/page";
        for pod in ["sts-example-0", "sts-example-1"] {
            kubectl(&["exec", pod, "--", "sh", "-c", &format!("echo by $(hostname) > {page}")])?;
        }
        let mut written = Vec::new();
        for volume in ["kept", "local"] {
            written.push(std::fs::read_to_string(dir.join(volume).join("page")).with_context(|| volume.to_owned())?);
        }
        written.sort();
        ensure!(written == ["by sts-example-0\n", "by sts-example-1\n"], "{written:?}");
        let uid = kubectl(&["get", "pod", "sts-example-0", "-o", "jsonpath={.metadata.uid}"])?;
        kubectl(&["delete", "pod", "sts-example-0", "--grace-period=1"])?;
        kubectl(&["rollout", "status", "sts/sts-example", "--timeout=90s"])?;
        ensure!(kubectl(&["get", "pod", "sts-example-0", "-o", "jsonpath={.metadata.uid}"])? != uid);
        ensure!(kubectl(&["exec", "sts-example-0", "--", "cat", page])? == "by sts-example-0\n");

        // A claim outlives the set, but cannot go while a pod uses it.
        kubectl(&["delete", "pvc", "www-sts-example-1", "--wait=false"])?;
        let held = kubectl(&["get", "pvc", "www-sts-example-1", "-o", "jsonpath={.metadata.finalizers}"])?;
        ensure!(held.contains("kubernetes.io/pvc-protection"), "{held}");
        kubectl(&["delete", "sts", "sts-example"])?;
        eventually("it goes with the pod", || async {
            Ok(kubectl(&["get", "pvc", "www-sts-example-1"]).is_err().then_some(()))
        })
        .await?;
        ensure!(volume("www-sts-example-0")? == both[0]);
        kubectl(&["delete", "pvc", "www-sts-example-0"])?;

        // One is kept with its data; the other should be deleted, and nobody can.
        cluster.reads("pv/kept", "{.status.phase}", "Released").await?;
        cluster.reads("pv/local", "{.status.phase}", "Failed").await?;
        let events = kubectl(&["describe", "pv", "local"])?;
        ensure!(events.contains("VolumeFailedDelete"), "{events}");
        ensure!(dir.join("kept/page").is_file());
        // Given free by hand, it can be had again.
        kubectl(&["patch", "pv", "kept", "--type=json", "-p", r#"[{"op":"remove","path":"/spec/claimRef"}]"#])?;
        cluster.reads("pv/kept", "{.status.phase}", "Available").await?;
        kubectl(&["delete", "pv", "kept", "local"]).map(drop)
    });
}
