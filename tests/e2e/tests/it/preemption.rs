//! Who must go for whom, as Kubernetes' conformance tests try it: with a resource that the node has
//! only because somebody says so.

use anyhow::{Result, ensure};
use podium_e2e::{Cluster, eventually, with_cluster};
use serde_json::json;

/// Four classes of pods, each more important than the one before.
fn classes(cluster: &Cluster) -> Result<()> {
    for value in 1..=4 {
        let (name, value) = (format!("p{value}"), format!("--value={value}"));
        cluster.kubectl(&["create", "priorityclass", &name, &value])?;
    }
    Ok(())
}

const RESOURCE: &str = "example.com/fakecpu";

/// The spec of a pod of a class that asks for so much of the resource.
fn spec(class: &str, amount: u32) -> serde_json::Value {
    let amount = json!({RESOURCE: amount.to_string()});
    json!({"priorityClassName": class, "terminationGracePeriodSeconds": 0, "containers": [{"name": "c",
        "image": "podium/demo:1", "command": ["sleep", "3600"], "resources": {"requests": amount, "limits": amount}}]})
}

fn pod(cluster: &Cluster, name: &str, class: &str, amount: u32, finalizers: &[&str]) -> Result<()> {
    let space = if class.starts_with("system-") { "kube-system" } else { "default" };
    let metadata = json!({"name": name, "namespace": space, "finalizers": finalizers});
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec(class, amount)});
    cluster.apply(&pod.to_string()).map(drop)
}

fn set(cluster: &Cluster, class: &str, count: u32, amount: u32) -> Result<()> {
    let labels = json!({"class": class});
    let set = json!({"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": {"name": class},
        "spec": {"replicas": count, "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": spec(class, amount)}}});
    cluster.apply(&set.to_string()).map(drop)
}

/// How many pods of a class have a node and stay there.
fn placed(cluster: &Cluster, class: &str) -> Result<usize> {
    let path = r#"jsonpath={range .items[*]}{.spec.nodeName} {.metadata.deletionTimestamp}{"\n"}{end}"#;
    let text = cluster.kubectl(&["get", "pods", "-l", &format!("class={class}"), "-o", path])?;
    Ok(text.lines().filter(|line| line.trim_end() == "node-a").count())
}

fn offer(cluster: &Cluster, amount: u32) -> Result<()> {
    let amount = json!({RESOURCE: amount.to_string()});
    let patch = json!({"status": {"capacity": amount, "allocatable": amount}}).to_string();
    cluster.kubectl(&["patch", "node", "node-a", "--subresource=status", "--type=merge", "-p", &patch]).map(drop)
}

const READY: &str = r#"{.status.conditions[?(@.type=="Ready")].status}"#;

#[test]
fn the_less_important_go_for_the_more_important() {
    with_cluster(|cluster| async move {
        cluster.load_images()?;
        let kubectl = |args: &[&str]| cluster.kubectl(args);
        let gone = |name: &str| kubectl(&["get", "pod", name]).is_err();
        classes(&cluster)?;
        offer(&cluster, 5)?;

        // The least important goes, and no one else.
        pod(&cluster, "low", "p1", 2, &[])?;
        pod(&cluster, "middle", "p2", 2, &[])?;
        for name in ["low", "middle"] {
            cluster.reads(&format!("pod/{name}"), READY, "True").await?;
        }
        pod(&cluster, "high", "p4", 2, &[])?;
        cluster.reads("pod/high", READY, "True").await?;
        ensure!(gone("low") && !gone("middle"));
        pod(&cluster, "critical", "system-cluster-critical", 2, &[])?;
        cluster.reads("pod/critical kube-system", READY, "True").await?;
        ensure!(gone("middle") && !gone("high"));
        kubectl(&["delete", "pod", "high", "--now"])?;
        kubectl(&["delete", "pod", "critical", "-n", "kube-system", "--now"])?;

        // Whoever must go is told why, and his finalizer is waited for.
        pod(&cluster, "held", "p1", 5, &["example.com/held"])?;
        cluster.reads("pod/held", READY, "True").await?;
        pod(&cluster, "next", "p4", 5, &[])?;
        let told = r#"{.status.conditions[?(@.type=="DisruptionTarget")].reason}"#;
        cluster.reads("pod/held", told, "PreemptionByScheduler").await?;
        cluster.reads("pod/next", "{.status.nominatedNodeName}", "node-a").await?;
        ensure!(!kubectl(&["get", "pod", "held", "-o", "jsonpath={.metadata.deletionTimestamp}"])?.is_empty());
        kubectl(&["patch", "pod", "held", "--type=json", "-p", r#"[{"op":"remove","path":"/metadata/finalizers"}]"#])?;
        cluster.reads("pod/next", READY, "True").await?;
        kubectl(&["delete", "pod", "next", "--now"])?;

        // Sets of four classes, each pushing out the one below.
        offer(&cluster, 1000)?;
        for (class, count, amount, expected) in [
            ("p1", 5, 200, [5, 0, 0, 0]),
            ("p2", 4, 300, [0, 3, 0, 0]),
            ("p3", 4, 450, [0, 0, 2, 0]),
            ("p4", 1, 500, [0, 0, 1, 1]),
        ] {
            set(&cluster, class, count, amount)?;
            eventually(&format!("{class}: {expected:?} are placed"), || async {
                let now = [
                    placed(&cluster, "p1")?,
                    placed(&cluster, "p2")?,
                    placed(&cluster, "p3")?,
                    placed(&cluster, "p4")?,
                ];
                ensure!(now == expected, "{now:?}");
                Ok(Some(()))
            })
            .await?;
        }
        for (class, made) in [("p1", "5"), ("p2", "4"), ("p3", "4"), ("p4", "1")] {
            cluster.reads(&format!("rs/{class}"), "{.status.replicas}", made).await?;
        }
        Ok(())
    });
}

fn port(cluster: &Cluster, name: &str, ip: &str, protocol: &str) -> Result<()> {
    let ports = json!([{"containerPort": 8080, "hostPort": 54322, "hostIP": ip, "protocol": protocol}]);
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name},
        "spec": {"terminationGracePeriodSeconds": 0, "containers": [{"name": "c", "image": "podium/demo:1",
            "command": ["sleep", "3600"], "ports": ports}]}});
    cluster.apply(&pod.to_string()).map(drop)
}

#[test]
fn a_port_of_every_address_clashes_with_that_of_one() {
    with_cluster(|cluster| async move {
        cluster.load_images()?;
        port(&cluster, "every", "0.0.0.0", "TCP")?;
        cluster.reads("pod/every", READY, "True").await?;
        port(&cluster, "one", "127.0.0.1", "TCP")?;
        port(&cluster, "other", "127.0.0.1", "UDP")?;
        cluster.reads("pod/other", READY, "True").await?;
        let why = r#"{.status.conditions[?(@.type=="PodScheduled")].reason}"#;
        cluster.reads("pod/one", why, "Unschedulable").await?;
        let words = cluster.kubectl(&["describe", "pod", "one"])?;
        ensure!(words.contains("didn't have free ports for the requested pod ports"), "{words}");
        cluster.kubectl(&["delete", "pod", "every", "--now"])?;
        cluster.reads("pod/one", READY, "True").await
    });
}
