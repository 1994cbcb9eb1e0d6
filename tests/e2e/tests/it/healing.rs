//! Self-healing: whatever is killed, the desired state holds again within seconds, containers run
//! on, and every acknowledged write is found.

use anyhow::{Context, Result, bail, ensure};
use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use kube::{
    Api,
    api::{ListParams, PostParams},
};
use podium_e2e::{Cluster, eventually, kill_9, run, with_cluster};
use serde_json::Value;
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::Duration,
};

const WEB: &str = r#"
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      terminationGracePeriodSeconds: 1
      containers: [{name: web, image: "podium/demo:1"}]
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {type: NodePort, selector: {app: web}, ports: [{port: 80, nodePort: 30080}]}
"#;

/// Names, containers and restarts of the Deployment's pods.
async fn pods(cluster: &Cluster) -> Result<Vec<(String, String, i32)>> {
    let api: Api<Pod> = Api::default_namespaced(cluster.client().await?);
    let list = api.list(&ListParams::default().labels("app=web")).await?;
    let mut found = Vec::new();
    for pod in list.items {
        let name = pod.metadata.name.unwrap_or_default();
        for status in pod.status.and_then(|s| s.container_statuses).unwrap_or_default() {
            found.push((name.clone(), status.container_id.unwrap_or_default(), status.restart_count));
        }
    }
    Ok(found)
}

/// The desired state: two ready pods, and the Service answers.
async fn whole(cluster: &Cluster) -> Result<()> {
    eventually("two pods are ready and served", || async {
        let ready = cluster.kubectl(&[
            "get",
            "deployment",
            "web",
            "-o",
            "jsonpath={.status.readyReplicas}/{.status.replicas}",
        ])?;
        cluster.get("http://127.0.0.1:30080/")?;
        Ok((ready == "2/2").then_some(()))
    })
    .await
}

/// Proof that the control plane still acts: it scales up, and down again.
async fn acts(cluster: &Cluster) -> Result<()> {
    for replicas in ["3", "2"] {
        cluster.kubectl(&["scale", "deployment", "web", "--replicas", replicas])?;
        let expected = format!("{replicas}/{replicas}");
        eventually("it scales", || async {
            let ready = cluster.kubectl(&[
                "get",
                "deployment",
                "web",
                "-o",
                "jsonpath={.status.readyReplicas}/{.status.replicas}",
            ])?;
            ensure!(
                ready == expected,
                "{ready} instead of {expected}\n{}",
                cluster.kubectl(&["describe", "deploy,rs,pod"])?
            );
            Ok(Some(()))
        })
        .await?;
    }
    Ok(())
}

/// Writes ConfigMaps all the while; gives the names whose write was acknowledged.
struct Client {
    stop: Arc<AtomicBool>,
    task: tokio::task::JoinHandle<Vec<String>>,
}

impl Client {
    async fn start(cluster: &Cluster) -> Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let api: Api<ConfigMap> = Api::default_namespaced(cluster.client().await?);
        let stopped = stop.clone();
        let task = tokio::spawn(async move {
            let mut acknowledged = Vec::new();
            for n in 0.. {
                if stopped.load(SeqCst) {
                    break;
                }
                let name = format!("write-{n}");
                let map = ConfigMap {
                    metadata: kube::api::ObjectMeta { name: Some(name.clone()), ..Default::default() },
                    ..Default::default()
                };
                if api.create(&PostParams::default(), &map).await.is_ok() {
                    acknowledged.push(name);
                }
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
            acknowledged
        });
        Ok(Self { stop, task })
    }
    async fn check(self, cluster: &Cluster) -> Result<()> {
        self.stop.store(true, SeqCst);
        let acknowledged = self.task.await?;
        ensure!(acknowledged.len() > 50, "only {} writes were acknowledged", acknowledged.len());
        let api: Api<ConfigMap> = Api::default_namespaced(cluster.client().await?);
        let found: std::collections::BTreeSet<String> =
            api.list(&ListParams::default()).await?.items.into_iter().filter_map(|m| m.metadata.name).collect();
        let lost: Vec<_> = acknowledged.iter().filter(|name| !found.contains(*name)).collect();
        ensure!(lost.is_empty(), "{} acknowledged writes are lost: {:?}", lost.len(), lost.first());
        Ok(())
    }
}

#[test]
fn processes_may_be_killed_in_any_order() {
    with_cluster(|cluster| async move {
        cluster.load_images()?;
        cluster.apply(WEB)?;
        whole(&cluster).await?;
        let client = Client::start(&cluster).await?;

        // A container's process: restarted, and counted.
        let before = pods(&cluster).await?;
        let data = cluster.data.to_string_lossy().into_owned();
        let pid = eventually("a container's process", || async {
            let list = run("pgrep", &["-f", "^httpd -f"]).or_else(|_| run("pgrep", &["-x", "serve"]));
            Ok(list?.lines().find(|pid| in_container(pid, &data)).map(str::to_owned))
        })
        .await?;
        let init = container_init(&pid)?;
        kill_9(init)?;
        eventually("the restart is counted", || async {
            Ok((pods(&cluster).await?.iter().map(|p| p.2).sum::<i32>() == before.iter().map(|p| p.2).sum::<i32>() + 1)
                .then_some(()))
        })
        .await?;
        whole(&cluster).await?;

        // A pod: replaced.
        let victim = pods(&cluster).await?[0].0.clone();
        cluster.kubectl(&["delete", "pod", &victim])?;
        eventually("another pod", || async { Ok(pods(&cluster).await?.iter().all(|p| p.0 != victim).then_some(())) })
            .await?;
        whole(&cluster).await?;

        // Agent, control plane, PostgreSQL: the same containers go on, no restart is counted.
        let before = pods(&cluster).await?;
        for name in ["agent", "server", "postgres"] {
            let pid = if name == "postgres" { cluster.postgres_pid()? } else { cluster.pid_of(name)? };
            kill_9(pid)?;
            eventually(&format!("{name} comes back"), || async {
                let now = if name == "postgres" { cluster.postgres_pid()? } else { cluster.pid_of(name)? };
                Ok((now != pid).then_some(()))
            })
            .await?;
            whole(&cluster).await.with_context(|| format!("after the {name} was killed"))?;
            acts(&cluster).await.with_context(|| format!("after the {name} was killed"))?;
        }
        let after = pods(&cluster).await?;
        ensure!(before.iter().all(|pod| after.contains(pod)), "not the same containers: {before:?}, then {after:?}");
        client.check(&cluster).await
    });
}

/// Whether a process runs in a container of this cluster: its root's upper layer is in the data directory.
fn in_container(pid: &str, data: &str) -> bool {
    let mounts = std::fs::read_to_string(format!("/proc/{pid}/mountinfo")).unwrap_or_default();
    mounts.lines().any(|line| line.contains(" / / ") && line.contains(&format!("upperdir={data}/")))
}

/// The first process of the PID namespace that `pid` is in.
fn container_init(pid: &str) -> Result<i32> {
    let namespace = std::fs::read_link(format!("/proc/{pid}/ns/pid"))?;
    for entry in std::fs::read_dir("/proc")?.flatten() {
        let same = std::fs::read_link(entry.path().join("ns/pid")).is_ok_and(|ns| ns == namespace);
        let status = std::fs::read_to_string(entry.path().join("status")).unwrap_or_default();
        let first = status.lines().any(|l| l.starts_with("NSpid:") && l.split_whitespace().last() == Some("1"));
        if same && first {
            return Ok(entry.file_name().to_string_lossy().parse()?);
        }
    }
    bail!("no init of {}", namespace.display())
}

#[test]
fn every_actor_may_be_killed() {
    with_cluster(|cluster| async move {
        cluster.load_images()?;
        cluster.apply(WEB)?;
        whole(&cluster).await?;
        let client = Client::start(&cluster).await?;
        let before = pods(&cluster).await?;
        let names = eventually("the agent's actors are shown", || async {
            let actors: Value = serde_json::from_str(&cluster.kubectl(&["get", "actors", "-o", "json"])?)?;
            let items = actors["items"].as_array().context("items")?;
            let names: Vec<_> = items.iter().filter_map(|a| Some(a["metadata"]["name"].as_str()?.to_owned())).collect();
            Ok(names.iter().any(|n| n.starts_with("node-a.agent.pods.")).then_some(names))
        })
        .await?;
        ensure!(names.len() > 30, "{names:?}");
        for kind in
            ["root.store.writer", "root.store.kinds.pods", "root.controllers.deployment", "root.controllers.scheduler"]
        {
            ensure!(names.iter().any(|n| n == kind), "{kind} is not among {names:?}");
        }
        for name in &names {
            let restarts = || async {
                let actor: Value = serde_json::from_str(&cluster.kubectl(&["get", "actor", name, "-o", "json"])?)?;
                Ok::<_, anyhow::Error>(
                    actor["status"]["startedAt"]
                        .as_str()
                        .map(str::to_owned)
                        .zip(actor["status"]["state"].as_str().map(str::to_owned)),
                )
            };
            let Ok(Some((started, _))) = restarts().await else { continue };
            if let Err(error) = cluster.kubectl(&["delete", "actor", name]) {
                // A pod's actor may have gone with its pod; an actor that ended for good is no failure.
                ensure!(error.to_string().contains("NotFound"), "{name}: {error:?}");
                continue;
            }
            eventually(&format!("{name} is rebuilt"), || async {
                Ok(restarts().await?.filter(|(now, state)| *now != started && state == "Running"))
            })
            .await?;
        }
        whole(&cluster).await?;
        acts(&cluster).await?;
        let after = pods(&cluster).await?;
        ensure!(before.iter().all(|pod| after.contains(pod)), "not the same containers: {before:?}, then {after:?}");
        client.check(&cluster).await
    });
}
