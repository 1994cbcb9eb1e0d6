//! Sets of pods as Kubernetes' conformance tests try them: who owns whom, what a status keeps, how
//! Deployments roll, and how DaemonSets mend.

use anyhow::{Context, Result, ensure};
use podium_e2e::{Cluster, eventually, with_cluster};

/// A set of pods that only sleep; `%KIND%`, `%NAME%`, `%COUNT%` and `%MORE%` are replaced.
const SET: &str = r#"
apiVersion: apps/v1
kind: %KIND%
metadata: {name: %NAME%, labels: {set: %NAME%}}
spec:
  %COUNT%
  %MORE%
  selector: {matchLabels: {app: %NAME%}}
  template:
    metadata: {labels: {app: %NAME%}}
    spec:
      terminationGracePeriodSeconds: 0
      containers: [{name: c, image: "podium/demo:1", command: [sleep, "3600"]}]
"#;

const CONTROLLER: &str = r#"
apiVersion: v1
kind: ReplicationController
metadata: {name: %NAME%, namespace: %SPACE%}
spec:
  replicas: %COUNT%
  template:
    metadata: {labels: {app: %NAME%}}
    spec:
      terminationGracePeriodSeconds: 0
      containers: [{name: c, image: "podium/demo:1", command: [sleep, "3600"]}]
"#;

fn set(kind: &str, name: &str, count: &str, more: &str) -> String {
    SET.replace("%KIND%", kind).replace("%NAME%", name).replace("%COUNT%", count).replace("%MORE%", more)
}

fn controller(space: &str, name: &str, count: u32) -> String {
    CONTROLLER.replace("%NAME%", name).replace("%SPACE%", space).replace("%COUNT%", &count.to_string())
}

/// Names of the pods of an app that are not on their way out, sorted.
fn pods(cluster: &Cluster, app: &str) -> Result<Vec<String>> {
    let path = r#"jsonpath={range .items[*]}{.metadata.name} {.metadata.deletionTimestamp}{"\n"}{end}"#;
    let text = cluster.kubectl(&["get", "pods", "-l", &format!("app={app}"), "-o", path])?;
    let lines = text.lines().filter_map(|line| line.split_once(' ')).filter(|(_, gone)| gone.is_empty());
    Ok(lines.map(|(name, _)| name.to_owned()).collect())
}

async fn count(cluster: &Cluster, app: &str, wanted: usize) -> Result<Vec<String>> {
    eventually(&format!("{wanted} pods of {app}"), || async {
        let pods = pods(cluster, app)?;
        ensure!(pods.len() == wanted, "{pods:?}");
        Ok(Some(pods))
    })
    .await
}

const OWNER: &str = "{.metadata.ownerReferences[*].name}";

/// A pod without an owner is taken in, and let go once its labels are others.
async fn adoption(cluster: &Cluster, name: &str, manifest: &str) -> Result<()> {
    let kubectl = |args: &[&str]| cluster.kubectl(args);
    let stray = format!("stray-{name}");
    kubectl(&["run", &stray, "--image=podium/demo:1", &format!("--labels=app={name}"), "--", "sleep", "3600"])?;
    cluster.apply(manifest)?;
    let pod = format!("pod/{stray}");
    cluster.reads(&pod, OWNER, name).await?;
    ensure!(count(cluster, name, 1).await? == [stray.clone()], "it has one pod too many");
    kubectl(&["label", "pod", &stray, "--overwrite", "app=free"])?;
    cluster.reads(&pod, OWNER, "").await?;
    let new = count(cluster, name, 1).await?;
    ensure!(new != [stray.clone()], "{new:?}");
    kubectl(&["delete", "pod", &stray, "--now"]).map(drop)
}

#[test]
fn sets_take_in_let_go_and_say_what_they_cannot_make() {
    with_cluster(|cluster| async move {
        cluster.load_images()?;
        let kubectl = |args: &[&str]| cluster.kubectl(args);
        adoption(&cluster, "rs", &set("ReplicaSet", "rs", "replicas: 1", "")).await?;
        adoption(&cluster, "rc", &controller("default", "rc", 1)).await?;

        // What a quota forbids is said on the controller until it asks for less.
        kubectl(&["create", "namespace", "tight"])?;
        kubectl(&["create", "quota", "two", "-n", "tight", "--hard=pods=2"])?;
        cluster.apply(&controller("tight", "many", 3))?;
        let failure = r#"{.status.conditions[?(@.type=="ReplicaFailure")].status}"#;
        cluster.reads("rc/many tight", failure, "True").await?;
        let events =
            ["get", "events", "-n", "tight", "-o", r#"jsonpath={.items[?(@.reason=="FailedCreate")].message}"#];
        eventually("the event says which quota", || async {
            Ok(kubectl(&events)?.contains("exceeded quota: two, requested: pods=1, used: pods=2").then_some(()))
        })
        .await?;
        kubectl(&["scale", "rc/many", "-n", "tight", "--replicas=2"])?;
        cluster.reads("rc/many tight", failure, "").await?;
        cluster.reads("quota/two tight", "{.status.used.pods}", "2").await?;
        // What is deleted is given back at once.
        kubectl(&["delete", "rc", "many", "-n", "tight"])?;
        cluster.reads("quota/two tight", "{.status.used.pods}", "0").await?;

        // A set's own status can be written by others, and its scale by whoever scales.
        for kind in ["rs", "rc"] {
            let object = format!("{kind}/{kind}");
            kubectl(&["scale", &object, "--replicas=2"])?;
            cluster.reads(&object, "{.status.readyReplicas}", "2").await?;
            let patch = r#"{"spec":{"replicas":1}}"#;
            kubectl(&["patch", &object, "--subresource=scale", "--type=merge", "-p", patch])?;
            cluster.reads(&object, "{.status.replicas}", "1").await?;
            let patch = r#"{"status":{"conditions":[{"type":"Mine","status":"True"}]}}"#;
            let patched =
                kubectl(&["patch", &object, "--subresource=status", "--type=merge", "-p", patch, "-o", "json"])?;
            ensure!(patched.contains("\"Mine\""), "{patched}");
        }
        kubectl(&["delete", "rs", "-l", "set=rs"])?;
        count(&cluster, "rs", 0).await.map(drop)
    });
}

/// Sizes of the ReplicaSets of a Deployment, the largest first.
fn sizes(cluster: &Cluster, app: &str) -> Result<Vec<u32>> {
    let text =
        cluster.kubectl(&["get", "rs", "-l", &format!("app={app}"), "-o", "jsonpath={.items[*].spec.replicas}"])?;
    let mut sizes: Vec<u32> = text.split_whitespace().map(str::parse).collect::<Result<_, _>>()?;
    sizes.sort_unstable_by(|one, other| other.cmp(one));
    Ok(sizes)
}

async fn sized(cluster: &Cluster, app: &str, wanted: &[u32]) -> Result<()> {
    eventually(&format!("ReplicaSets of {wanted:?}"), || async {
        let sizes = sizes(cluster, app)?;
        ensure!(sizes == wanted, "{sizes:?}");
        Ok(Some(()))
    })
    .await
}

#[test]
fn deployments_roll_as_they_are_told() {
    with_cluster(|cluster| async move {
        cluster.load_images()?;
        let kubectl = |args: &[&str]| cluster.kubectl(args);

        // Recreate: none of the new before the last of the old is gone.
        cluster.apply(&set("Deployment", "again", "replicas: 2", "strategy: {type: Recreate}"))?;
        kubectl(&["rollout", "status", "deploy/again", "--timeout=60s"])?;
        kubectl(&["set", "env", "deploy/again", "V=2"])?;
        let path = "jsonpath={.items[*].metadata.labels.pod-template-hash}";
        eventually("all are new", || async {
            let mut kinds: Vec<String> =
                kubectl(&["get", "pods", "-l", "app=again", "-o", path])?.split(' ').map(str::to_owned).collect();
            kinds.dedup();
            ensure!(kinds.len() == 1, "old and new at once: {kinds:?}");
            let updated = kubectl(&[
                "get",
                "deploy",
                "again",
                "-o",
                "jsonpath={.status.updatedReplicas}/{.status.readyReplicas}",
            ])?;
            Ok((updated == "2/2").then_some(()))
        })
        .await?;
        kubectl(&["delete", "deploy", "again"])?;

        // No history is kept where none is wanted.
        cluster.apply(&set("Deployment", "short", "replicas: 1", "revisionHistoryLimit: 0"))?;
        kubectl(&["rollout", "status", "deploy/short", "--timeout=60s"])?;
        for version in ["V=2", "V=3"] {
            kubectl(&["set", "env", "deploy/short", version])?;
            kubectl(&["rollout", "status", "deploy/short", "--timeout=60s"])?;
            sized(&cluster, "short", &[1]).await?;
        }
        // A rollout that leads nowhere gives way to the next one.
        kubectl(&["set", "image", "deploy/short", "c=podium/absent:1"])?;
        sized(&cluster, "short", &[1, 1]).await?;
        kubectl(&["set", "image", "deploy/short", "c=podium/demo:1"])?;
        kubectl(&["rollout", "status", "deploy/short", "--timeout=60s"])?;
        sized(&cluster, "short", &[1]).await?;
        kubectl(&["delete", "deploy", "short"])?;

        // What is scaled in the middle of a rollout is scaled in proportion.
        let rolling = "strategy: {rollingUpdate: {maxSurge: 3, maxUnavailable: 2}}";
        cluster.apply(&set("Deployment", "wide", "replicas: 10", rolling))?;
        kubectl(&["rollout", "status", "deploy/wide", "--timeout=90s"])?;
        kubectl(&["set", "image", "deploy/wide", "c=podium/absent:1"])?;
        sized(&cluster, "wide", &[8, 5]).await?;
        cluster.reads("deploy/wide", "{.status.availableReplicas}", "8").await?;
        kubectl(&["scale", "deploy/wide", "--replicas=30"])?;
        sized(&cluster, "wide", &[20, 13]).await?;
        let condition = r#"{"status":{"conditions":[{"type":"Mine","status":"True","reason":"R","message":"m"}]}}"#;
        let patched = kubectl(&["patch", "deploy", "wide", "--subresource=status", "-p", condition, "-o", "json"])?;
        ensure!(patched.contains("\"Mine\""), "{patched}");
        kubectl(&["delete", "deploy", "wide"])?;
        count(&cluster, "wide", 0).await.map(drop)
    });
}

/// Names and revisions of the ControllerRevisions of the DaemonSet.
fn revisions(cluster: &Cluster) -> Result<Vec<(String, u64)>> {
    let path = r#"jsonpath={range .items[*]}{.metadata.name} {.revision}{"\n"}{end}"#;
    let text = cluster.kubectl(&["get", "controllerrevisions", "-l", "app=ds", "-o", path])?;
    let lines = text.lines().filter_map(|line| line.split_once(' '));
    lines.map(|(name, revision)| Ok((name.to_owned(), revision.parse()?))).collect()
}

async fn revised(cluster: &Cluster, wanted: usize) -> Result<Vec<(String, u64)>> {
    eventually(&format!("{wanted} revisions"), || async {
        let found = revisions(cluster)?;
        ensure!(found.len() == wanted, "{found:?}");
        Ok(Some(found))
    })
    .await
}

#[test]
fn daemon_sets_mend_roll_back_and_keep_revisions() {
    with_cluster(|cluster| async move {
        cluster.load_images()?;
        let kubectl = |args: &[&str]| cluster.kubectl(args);
        cluster.apply(&set("DaemonSet", "ds", "", ""))?;
        kubectl(&["rollout", "status", "ds/ds", "--timeout=60s"])?;

        // One that was taken away, and one that has failed, come anew.
        let first = count(&cluster, "ds", 1).await?.remove(0);
        kubectl(&["delete", "pod", &first, "--now"])?;
        let second = another(&cluster, &first).await?;
        let failed = r#"{"status":{"phase":"Failed"}}"#;
        kubectl(&["patch", "pod", &second, "--subresource=status", "-p", failed])?;
        let third = another(&cluster, &second).await?;
        eventually("the failed one is gone", || async { Ok(kubectl(&["get", "pod", &second]).is_err().then_some(())) })
            .await?;
        kubectl(&["rollout", "status", "ds/ds", "--timeout=60s"])?;

        // What never ran is undone, and nothing runs twice; the revision is the old one with a new number.
        let old = revised(&cluster, 1).await?;
        kubectl(&["set", "image", "ds/ds", "c=podium/absent:1"])?;
        let broken = another(&cluster, &third).await?;
        kubectl(&["rollout", "undo", "ds/ds"])?;
        let healed = another(&cluster, &broken).await?;
        kubectl(&["rollout", "status", "ds/ds", "--timeout=60s"])?;
        ensure!(count(&cluster, "ds", 1).await? == [healed.clone()], "it was replaced once more");
        let now = revised(&cluster, 2).await?;
        let newest = now.iter().max_by_key(|(_, revision)| *revision).context("a revision")?;
        ensure!(newest.0 == old[0].0 && newest.1 == 3, "{old:?} {now:?}");

        // Revisions can be labelled, made and deleted by hand.
        let other = now.iter().find(|(name, _)| *name != newest.0).context("the other")?.0.clone();
        kubectl(&["delete", "controllerrevision", &other])?;
        revised(&cluster, 1).await?;
        kubectl(&["label", "controllerrevision", &newest.0, "mine=yes"])?;
        ensure!(kubectl(&["get", "controllerrevisions", "-l", "mine=yes", "-o", "name"])?.lines().count() == 1);
        let text = kubectl(&["get", "controllerrevision", &newest.0, "-o", "json"])?;
        let mut own: serde_json::Value = serde_json::from_str(&text)?;
        own["metadata"] = serde_json::json!({"name": "by-hand", "labels": {"app": "ds", "gone": "soon"},
            "ownerReferences": own["metadata"]["ownerReferences"]});
        own["revision"] = 7.into();
        cluster.apply(&own.to_string())?;
        revised(&cluster, 2).await?;
        kubectl(&["delete", "controllerrevisions", "-l", "gone=soon"])?;
        revised(&cluster, 1).await?;
        kubectl(&["delete", "ds", "-l", "set=ds"])?;
        count(&cluster, "ds", 0).await?;
        revised(&cluster, 0).await.map(drop)
    });
}

/// Waits for a pod of the DaemonSet that is not that one.
async fn another(cluster: &Cluster, old: &str) -> Result<String> {
    eventually(&format!("a pod after {old}"), || async {
        let pods = pods(cluster, "ds")?;
        ensure!(pods.len() == 1 && pods[0] != old, "{pods:?}");
        Ok(pods.into_iter().next())
    })
    .await
}
