//! The node itself: what it tells of its use, to whom, and who must leave when it runs short.

use anyhow::{Context, Result, ensure};
use podium_e2e::{Cluster, NODE_IP, eventually, kill_9, run, with_cluster};
use serde_json::Value;

/// Pods that hold different amounts of memory, and two that hold more storage than they may.
const HUNGRY: &str = r#"
apiVersion: v1
kind: Pod
metadata: {name: small}
spec:
  containers: [{name: c, image: podium/demo:1, command: [sleep, "1000"]}]
---
apiVersion: v1
kind: Pod
metadata: {name: big}
spec:
  containers:
  - {name: c, image: podium/demo:1, command: [sh, -c, 'x=$(head -c 20000000 /dev/zero | tr "\\0" x); sleep 1000; true']}
---
apiVersion: v1
kind: Pod
metadata: {name: modest}
spec:
  containers:
  - {name: c, image: podium/demo:1, command: [sleep, "1000"], resources: {requests: {memory: 50Mi}}}
---
apiVersion: v1
kind: Pod
metadata: {name: volume}
spec:
  containers:
  - name: c
    image: podium/demo:1
    command: [sh, -c, "head -c 3000000 /dev/zero > /v/f; sleep 1000"]
    volumeMounts: [{name: v, mountPath: /v}]
  volumes: [{name: v, emptyDir: {sizeLimit: 1Mi}}]
---
apiVersion: v1
kind: Pod
metadata: {name: layer}
spec:
  containers:
  - name: c
    image: podium/demo:1
    command: [sh, -c, "head -c 3000000 /dev/zero > /f; sleep 1000"]
    resources: {limits: {ephemeral-storage: 2Mi}}
"#;

/// Every byte of memory is too little to be left, so that pressure is certain.
const PRESSURE: &str = "evictionHard: {memory.available: 100%}\nevictionPressureTransitionPeriod: 5s\n";

fn pod(cluster: &Cluster, name: &str) -> Result<Value> {
    Ok(serde_json::from_str(&cluster.kubectl(&["get", "pod", name, "-o", "json"])?)?)
}

async fn evicted(cluster: &Cluster, name: &str) -> Result<String> {
    let status = eventually(&format!("{name} is evicted"), || async move {
        let status = pod(cluster, name)?["status"].clone();
        Ok((status["phase"] == "Failed").then_some(status))
    })
    .await?;
    ensure!(status["reason"] == "Evicted", "{status}");
    let conditions = status["conditions"].as_array().context("conditions")?;
    let disrupted = conditions.iter().any(|c| c["type"] == "DisruptionTarget" && c["reason"] == "TerminationByKubelet");
    ensure!(disrupted, "{status}");
    Ok(status["message"].as_str().unwrap_or_default().to_owned())
}

#[test]
fn pods_leave_a_node_that_runs_short() {
    with_cluster(|cluster| async move {
        cluster.load_images()?;
        cluster.apply(HUNGRY)?;
        let volume = evicted(&cluster, "volume").await?;
        ensure!(volume.starts_with("Usage of EmptyDir volume \"v\" exceeds the limit \"1Mi\"."), "{volume}");
        let layer = evicted(&cluster, "layer").await?;
        ensure!(
            layer.starts_with("Pod ephemeral local storage usage exceeds the total limit of containers 2Mi."),
            "{layer}"
        );
        for name in ["small", "big", "modest"] {
            ensure!(pod(&cluster, name)?["status"]["phase"] == "Running", "{name} has no limits");
        }
        std::fs::write(cluster.data.join("kubelet.yaml"), PRESSURE)?;
        kill_9(cluster.pid_of("agent")?)?;
        let big = evicted(&cluster, "big").await?;
        ensure!(big.starts_with("The node was low on resource: memory. Threshold quantity: "), "{big}");
        ensure!(
            big.contains("Container c was using ") && big.contains(", request is 0, has larger consumption"),
            "{big}"
        );
        ensure!(pod(&cluster, "small")?["status"]["phase"] == "Running", "one at a time, the largest first");
        eventually("the node says so and is tainted", || async {
            let node: Value = serde_json::from_str(&cluster.kubectl(&["get", "node", "node-a", "-o", "json"])?)?;
            let conditions = node["status"]["conditions"].as_array().context("conditions")?;
            let pressed = conditions.iter().any(|c| c["type"] == "MemoryPressure" && c["status"] == "True");
            let taints = node["spec"]["taints"].to_string();
            Ok((pressed && taints.contains("node.kubernetes.io/memory-pressure")).then_some(()))
        })
        .await?;
        evicted(&cluster, "small").await?;
        // modest holds less than it asked for: it goes last, if ever.
        let events = cluster.kubectl(&["get", "events", "--field-selector", "reason=Evicted", "-o", "name"])?;
        ensure!(events.lines().count() >= 4, "{events}");
        Ok(())
    });
}

/// No disk has as much room as this wants, and no image is too young.
const NO_ROOM: &str = "evictionHard: {nodefs.available: 100%}\nimageMinimumGCAge: 0s\n";

#[test]
fn unused_images_go_where_the_disk_is_full_and_pods_after_them() {
    with_cluster(|cluster| async move {
        cluster.kubectl(&["run", "past", "--image=busybox", "--restart=Never", "--", "true"])?;
        cluster.kubectl(&["wait", "--for=jsonpath={.status.phase}=Succeeded", "pod/past", "--timeout=60s"])?;
        cluster.kubectl(&["delete", "pod", "past"])?;
        ensure!(cluster.podium(&["image", "list"])?.contains("library/busybox"), "it was pulled");
        std::fs::write(cluster.data.join("kubelet.yaml"), NO_ROOM)?;
        kill_9(cluster.pid_of("agent")?)?;
        eventually("the image is gone, its layers too", || async {
            let layers = std::fs::read_dir(cluster.data.join("images/layers"))?.count();
            let listed = cluster.podium(&["image", "list"])?.contains("library/busybox");
            Ok((!listed && layers == 0).then_some(()))
        })
        .await?;
        // It takes in nobody meanwhile, whoever sends them.
        let late = r#"{"apiVersion":"v1","kind":"Pod","metadata":{"name":"late"},"spec":{"nodeName":"node-a",
            "containers":[{"name":"c","image":"busybox","command":["sleep","1000"]}]}}"#;
        cluster.apply(late)?;
        let message = evicted(&cluster, "late").await?;
        ensure!(message.starts_with("The node had condition: [DiskPressure]."), "{message}");
        Ok(())
    });
}

/// Status and body of a GET at the agent's port.
fn ask(path: &str, args: &[&str]) -> Result<(u16, String)> {
    let url = format!("https://{NODE_IP}:10250{path}");
    let answer = run("curl", &[&["-sk", "--max-time", "10", "-w", "\n%{http_code}", &url], args].concat())?;
    let (body, code) = answer.rsplit_once('\n').context("a status")?;
    Ok((code.parse()?, body.to_owned()))
}

/// Writes a part of a kubeconfig's user to a file.
fn part(cluster: &Cluster, kubeconfig: &str, name: &str) -> Result<String> {
    let (from, to) = (cluster.data.join(kubeconfig), cluster.data.join(name));
    let path = format!("jsonpath={{.users[0].user.client-{name}-data}}");
    let text = run("kubectl", &["config", "view", "--raw", "--kubeconfig", &from.to_string_lossy(), "-o", &path])?;
    std::fs::write(&to, text)?;
    let file = to.to_string_lossy().into_owned();
    run("sh", &["-c", "base64 -d < \"$0\" > \"$0.pem\"", &file])?;
    Ok(format!("{file}.pem"))
}

#[test]
fn the_node_tells_its_use_to_those_who_may() {
    with_cluster(|cluster| async move {
        cluster.load_images()?;
        let busy = ["run", "busy", "--image=podium/demo:1", "--", "sh", "-c", "while :; do :; done"];
        cluster.kubectl(&busy)?;
        cluster.kubectl(&["wait", "--for=condition=Ready", "pod/busy", "--timeout=60s"])?;
        ensure!(ask("/metrics/resource", &[])?.0 == 401, "nobody is anonymous");
        ensure!(ask("/healthz", &["-H", "Authorization: Bearer nonsense"])?.0 == 401, "a token that is nobody's");
        let (certificate, key) = ("certificate", "key");
        let node = "pki/nodes/node-a/node.kubeconfig";
        let (crt, pem) = (part(&cluster, node, certificate)?, part(&cluster, node, key)?);
        let (code, body) = ask("/exec/default/busy/busy?command=id", &["--cert", &crt, "--key", &pem])?;
        ensure!(code == 403 && body.starts_with("Forbidden (user=system:node:node-a, verb=get"), "{code} {body}");
        let pki = |name: &str| cluster.data.join("pki").join(name).to_string_lossy().into_owned();
        let (crt, pem) = (pki("kubelet-client.crt"), pki("kubelet-client.key"));
        let api = ["--cert", crt.as_str(), "--key", pem.as_str()];
        let labels = r#"{container="busy",namespace="default",pod="busy"}"#;
        eventually("the container's use of CPU grows", || async {
            let (_, text) = ask("/metrics/resource", &api)?;
            let line =
                text.lines().find_map(|l| l.strip_prefix(&format!("container_cpu_usage_seconds_total{labels} ")));
            let seconds: f64 = line.and_then(|l| l.split(' ').next()).context("a figure")?.parse()?;
            ensure!(text.contains("\nnode_cpu_usage_seconds_total ") && text.contains("\nresource_scrape_error 0\n"));
            Ok((seconds > 1.0).then_some(()))
        })
        .await?;
        let (code, text) = ask("/stats/summary", &api)?;
        ensure!(code == 200, "{code} {text}");
        let summary: Value = serde_json::from_str(&text)?;
        let pods = summary["pods"].as_array().context("pods")?;
        let busy = pods.iter().find(|p| p["podRef"]["name"] == "busy").context("busy")?;
        let above = |value: &Value, least: u64| value.as_u64().is_some_and(|value| value > least);
        ensure!(above(&busy["containers"][0]["cpu"]["usageNanoCores"], 50_000_000), "{busy}");
        ensure!(above(&busy["containers"][0]["memory"]["workingSetBytes"], 0), "{busy}");
        ensure!(busy["network"]["name"] == "eth0" && above(&busy["ephemeral-storage"]["usedBytes"], 0), "{busy}");
        ensure!(above(&summary["node"]["fs"]["capacityBytes"], 0), "{summary}");
        let (_, text) = ask("/metrics/cadvisor", &api)?;
        ensure!(text.contains("container_memory_working_set_bytes{container=\"busy\""), "{text}");
        let (_, text) = ask("/metrics", &api)?;
        ensure!(text.contains("\nkubelet_running_pods 1\n") && text.contains("\nprocess_cpu_seconds_total "), "{text}");
        let (_, text) = ask("/configz", &api)?;
        let config: Value = serde_json::from_str(&text)?;
        ensure!(config["kubeletconfig"]["evictionHard"]["memory.available"] == "100Mi", "{config}");
        let (code, text) = ask("/checkpoint/default/busy/busy", &[&api[..], &["-X", "POST"]].concat())?;
        ensure!(code == 500 && text.contains("checkpoint/restore support not available"), "{code} {text}");
        ensure!(ask("/checkpoint/default/none/busy", &[&api[..], &["-X", "POST"]].concat())?.0 == 404);
        let log = std::fs::read_to_string(cluster.data.join("log/agent.log"))?;
        ensure!(!log.contains(" ERROR ") && !log.contains(" WARN "), "a start is quiet:\n{log}");
        Ok(())
    });
}
