//! Variables from files that an init container wrote (`fileKeyRef`).

use anyhow::{Result, ensure};
use podium_e2e::{Cluster, eventually, with_cluster};
use serde_json::{Value, json};

const FILE: &str = "DB='one two' # told\nTEXT='a\nb'\n";

fn pod(name: &str, script: &str, keys: &Value) -> String {
    let mount = json!([{ "name": "v", "mountPath": "/v" }]);
    let writer = json!({
        "name": "w", "image": "podium/demo:1", "command": ["sh", "-c", script], "volumeMounts": mount,
        "env": [{ "name": "FILE", "value": FILE }],
    });
    // The reader does not even mount the volume.
    let reader = json!({
        "name": "r", "image": "podium/demo:1", "command": ["sh", "-c", "echo \"$A-$B-${C-none}\""], "env": keys,
    });
    let spec = json!({
        "restartPolicy": "Never", "terminationGracePeriodSeconds": 0,
        "initContainers": [writer], "containers": [reader], "volumes": [{ "name": "v", "emptyDir": {} }],
    });
    json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": name }, "spec": spec }).to_string()
}

fn key(name: &str, key: &str, optional: bool) -> Value {
    let from = json!({ "volumeName": "v", "path": "env/file", "key": key, "optional": optional });
    json!({ "name": name, "valueFrom": { "fileKeyRef": from } })
}

async fn waits(cluster: &Cluster, pod: &str, words: &str) -> Result<()> {
    eventually(&format!("{pod} says {words:?}"), || async {
        let path = "jsonpath={..waiting.reason} {..waiting.message}";
        let said = cluster.kubectl(&["get", "pod", pod, "-o", path])?;
        Ok((said.starts_with("CreateContainerConfigError") && said.contains(words)).then_some(()))
    })
    .await
}

#[test]
fn an_init_container_writes_the_environment_of_the_next() {
    with_cluster(|cluster| async move {
        cluster.load_images()?;
        let write = "mkdir /v/env; printf %s \"$FILE\" > /v/env/file";
        let keys = json!([key("A", "DB", false), key("B", "TEXT", false), key("C", "NONE", true)]);
        cluster.apply(&pod("reads", write, &keys))?;
        cluster.kubectl(&["wait", "--for=jsonpath={.status.phase}=Succeeded", "pod/reads", "--timeout=60s"])?;
        let said = cluster.kubectl(&["logs", "reads", "-c", "r"])?;
        ensure!(said == "one two-a\nb-none\n", "{said:?}");
        cluster.apply(&pod("lacks", write, &json!([key("A", "NONE", false)])))?;
        cluster.apply(&pod("empty", "true", &json!([key("A", "DB", false)])))?;
        cluster.apply(&pod("broken", "mkdir /v/env; echo DB=1 > /v/env/file", &json!([key("A", "DB", true)])))?;
        // A link out of the volume leads to files of the node.
        cluster.apply(&pod(
            "steals",
            "ln -s /etc /v/env; ln -s /etc/passwd /v/file",
            &json!([key("A", "DB", true)]),
        ))?;
        waits(&cluster, "lacks", "key \"NONE\" not found in file \"env/file\"").await?;
        waits(&cluster, "empty", "file \"env/file\" not found in volume \"v\"").await?;
        waits(&cluster, "broken", "value must be enclosed in single quotes").await?;
        waits(&cluster, "steals", "must stay inside the volume").await
    });
}
