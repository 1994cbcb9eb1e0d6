//! Images as volumes: read, not written or run; whole or in part.

use anyhow::{Result, ensure};
use podium_e2e::{Cluster, eventually, with_cluster};
use serde_json::json;

fn pod(name: &str, image: &str) -> String {
    let mounts = json!([
        { "name": "tools", "mountPath": "/whole" },
        { "name": "tools", "mountPath": "/part", "subPath": "bin" },
    ]);
    let containers =
        json!([{ "name": "c", "image": "podium/demo:1", "command": ["sleep", "1000"], "volumeMounts": mounts }]);
    let spec = json!({
        "terminationGracePeriodSeconds": 0,
        "containers": containers,
        "volumes": [{ "name": "tools", "image": { "reference": image, "pullPolicy": "Never" } }],
    });
    json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": name }, "spec": spec }).to_string()
}

#[test]
fn an_image_is_mounted_as_a_volume() {
    with_cluster(|cluster| async move {
        cluster.load_images()?;
        cluster.apply(&pod("reader", "podium/demo:1"))?;
        cluster.kubectl(&["wait", "--for=condition=Ready", "pod/reader", "--timeout=60s"])?;
        let within = |script: &str| cluster.kubectl(&["exec", "reader", "--", "sh", "-c", script]);
        ensure!(within("ls -d /whole/bin/sh /part/sh")? == "/part/sh\n/whole/bin/sh\n");
        for (script, why) in
            [("touch /whole/x", "Read-only"), ("touch /part/x", "Read-only"), ("/part/busybox true", "denied")]
        {
            let outcome = within(script);
            ensure!(outcome.as_ref().is_err_and(|e| e.to_string().contains(why)), "{script}: {outcome:?}");
        }
        cluster.kubectl(&["delete", "pod", "reader", "--wait", "--timeout=60s"])?;
        let pods = cluster.data.join("pods").display().to_string();
        eventually("no mount is left", || async {
            let mounts = std::fs::read_to_string("/proc/self/mountinfo")?;
            Ok((!mounts.contains(&pods)).then_some(()))
        })
        .await?;
        cluster.apply(&pod("lost", "podium/absent:1"))?;
        told(&cluster, "lost", "\"podium/absent:1\" is not present with pull policy of Never").await
    });
}

async fn told(cluster: &Cluster, name: &str, words: &str) -> Result<()> {
    let field = format!("involvedObject.name={name}");
    eventually(&format!("an event of {name} says {words:?}"), || async {
        let events = cluster.kubectl(&["get", "events", "--field-selector", &field, "-o", "jsonpath={..message}"])?;
        Ok(events.contains(words).then_some(()))
    })
    .await
}
