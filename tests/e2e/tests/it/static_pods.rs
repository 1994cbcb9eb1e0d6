//! Static pods: they run by a file on the node, the API only shows them.

use anyhow::{Result, ensure};
use podium_e2e::{Cluster, eventually, kill_9, with_cluster};
use serde_json::Value;

const MANIFEST: &str = r#"
apiVersion: v1
kind: Pod
metadata: {name: stands}
spec:
  terminationGracePeriodSeconds: 0
  containers: [{name: c, image: "podium/demo:1", imagePullPolicy: Never, command: [sh, -c, "echo WORD; sleep 1000"]}]
"#;
/// Name of the mirror: the node's is added.
const MIRROR: &str = "stands-node-a";

/// Uid of the mirror and id of its container, once that runs and has said `word`.
async fn shown(cluster: &Cluster, word: &str) -> Result<(String, String)> {
    eventually("the mirror shows a running pod", || async {
        let pod: Value = serde_json::from_str(&cluster.kubectl(&["get", "pod", MIRROR, "-o", "json"])?)?;
        let status = &pod["status"];
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let running = status["phase"] == "Running" && pod["metadata"]["deletionTimestamp"].is_null();
        if !running || cluster.kubectl(&["logs", MIRROR])?.trim() != word {
            return Ok(None);
        }
        Ok(Some((text(&pod["metadata"]["uid"]), text(&status["containerStatuses"][0]["containerID"]))))
    })
    .await
}

#[test]
fn manifests_run_without_the_api_and_are_mirrored_in_it() {
    with_cluster(|cluster| async move {
        cluster.load_images()?;
        let dir = cluster.data.join("manifests");
        std::fs::create_dir_all(&dir)?;
        let file = dir.join("stands.yaml");
        std::fs::write(&file, MANIFEST.replace("WORD", "one"))?;
        std::fs::write(cluster.data.join("kubelet.yaml"), format!("staticPodPath: {}\n", dir.display()))?;
        kill_9(cluster.pid_of("agent")?)?;
        let (mirror, container) = shown(&cluster, "one").await?;

        // Whoever deletes the mirror deletes a picture.
        cluster.kubectl(&["delete", "pod", MIRROR, "--wait=false"])?;
        let again = eventually("the mirror is back", || async {
            let (uid, id) = shown(&cluster, "one").await?;
            Ok((uid != mirror).then_some(id))
        })
        .await?;
        ensure!(again == container, "the container ran on: {again} is not {container}");
        // A new life of the agent finds it, and starts no second one.
        kill_9(cluster.pid_of("agent")?)?;
        eventually("the agent is back", || async { Ok(cluster.pid_of("agent").ok()) }).await?;
        ensure!(shown(&cluster, "one").await?.1 == container, "the container ran on");

        // Another manifest is another pod; no manifest is none.
        std::fs::write(&file, MANIFEST.replace("WORD", "two"))?;
        ensure!(shown(&cluster, "two").await?.1 != container);
        std::fs::remove_file(&file)?;
        eventually("mirror and pod are gone", || async {
            let pods = cluster.kubectl(&["get", "pods", "-o", "name"])?;
            let left = std::fs::read_dir(cluster.data.join("pods"))?.count();
            Ok((pods.is_empty() && left == 0).then_some(()))
        })
        .await
    });
}
