//! A machine that is about to go: its pods end in order, and nothing is taken in any more.

use anyhow::{Result, ensure};
use podium_e2e::{Cluster, eventually, with_cluster};
use serde_json::{Value, json};

/// Long enough to see who ends first; longer than any stage.
const SETTINGS: &str = "shutdownGracePeriod: 23s\nshutdownGracePeriodCriticalPods: 20s\n";

/// Ends at once by SIGTERM, or never.
fn pod(name: &str, class: Option<&str>, stubborn: bool) -> String {
    let end = if stubborn { "trap '' TERM" } else { "trap 'exit 0' TERM" };
    let script = format!("{end}; while true; do sleep 0.1; done");
    let containers = json!([{ "name": "c", "image": "podium/demo:1", "command": ["sh", "-c", script] }]);
    let spec = json!({ "nodeName": "node-a", "priorityClassName": class, "containers": containers });
    json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": name }, "spec": spec }).to_string()
}

fn get(cluster: &Cluster, what: &str, name: &str) -> Result<Value> {
    Ok(serde_json::from_str(&cluster.kubectl(&["get", what, name, "-o", "json"])?)?)
}

fn condition(object: &Value, kind: &str) -> Value {
    let all = object["status"]["conditions"].as_array().into_iter().flatten();
    all.into_iter().find(|c| c["type"] == kind).cloned().unwrap_or_default()
}

#[test]
fn pods_end_by_priority_when_the_machine_goes() {
    with_cluster(|cluster| async move {
        cluster.load_images()?;
        std::fs::write(cluster.data.join("kubelet.yaml"), SETTINGS)?;
        let before = cluster.pid_of("agent")?;
        podium_e2e::kill_9(before)?;
        let agent =
            eventually("the agent is back", || async { Ok(cluster.pid_of("agent").ok().filter(|pid| *pid != before)) })
                .await?;
        cluster.apply(&pod("web", None, true))?;
        cluster.apply(&pod("database", Some("system-node-critical"), false))?;
        cluster.kubectl(&["wait", "--for=condition=Ready", "pod/web", "pod/database", "--timeout=60s"])?;

        nix::sys::signal::kill(nix::unistd::Pid::from_raw(agent), nix::sys::signal::Signal::SIGPWR)?;
        let ready = eventually("the node says that it goes", || async {
            let ready = condition(&get(&cluster, "node", "node-a")?, "Ready");
            Ok((ready["status"] == "False").then_some(ready))
        })
        .await?;
        ensure!(ready["reason"] == "KubeletNotReady" && ready["message"] == "node is shutting down", "{ready}");
        cluster.apply(&pod("late", None, false))?;
        let late = failed(&cluster, "late").await?;
        ensure!(late["status"]["reason"] == "NodeShutdown", "{}", late["status"]);

        let (web, database) = (failed(&cluster, "web").await?, failed(&cluster, "database").await?);
        for pod in [&web, &database] {
            let status = &pod["status"];
            ensure!(status["reason"] == "Terminated", "{status}");
            ensure!(status["message"] == "Pod was terminated in response to imminent node shutdown.", "{status}");
            ensure!(condition(pod, "DisruptionTarget")["reason"] == "TerminationByKubelet", "{status}");
        }
        let end = |pod: &Value| pod["status"]["containerStatuses"][0]["state"]["terminated"].clone();
        let (first, second) = (end(&web), end(&database));
        ensure!(first["exitCode"] == 137 && second["exitCode"] == 0, "{first} {second}");
        ensure!(first["finishedAt"].as_str() <= second["finishedAt"].as_str(), "{first} {second}");
        // A class tells what its pods cost beside their containers; who names none that exists is refused.
        let class = json!({ "apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "metadata": { "name": "heavy" },
            "handler": "podium", "overhead": { "podFixed": { "memory": "16Mi" } } });
        cluster.apply(&class.to_string())?;
        let mut heavy: Value = serde_json::from_str(&pod("heavy", None, false))?;
        heavy["spec"]["runtimeClassName"] = json!("heavy");
        cluster.apply(&heavy.to_string())?;
        ensure!(get(&cluster, "pod", "heavy")?["spec"]["overhead"]["memory"] == "16Mi");
        heavy["spec"]["runtimeClassName"] = json!("absent");
        heavy["metadata"]["name"] = json!("nowhere");
        let refused = cluster.apply(&heavy.to_string());
        let why = "pod rejected: RuntimeClass \"absent\" not found";
        ensure!(refused.as_ref().is_err_and(|e| e.to_string().contains(why)), "{refused:?}");
        Ok(())
    });
}

async fn failed(cluster: &Cluster, name: &str) -> Result<Value> {
    eventually(&format!("{name} has failed"), || async {
        let pod = get(cluster, "pod", name)?;
        Ok((pod["status"]["phase"] == "Failed").then_some(pod))
    })
    .await
}
