//! The manifests of an introduction to Kubernetes, unchanged, and what their objects promise.

use anyhow::{Context, Result, ensure};
use futures_util::TryStreamExt;
use k8s_openapi::api::{apps::v1::Deployment, core::v1::Pod};
use kube::{
    Api,
    api::{ListParams, Patch, PatchParams, WatchEvent, WatchParams},
};
use podium_e2e::{Cluster, eventually, run, shared, with_cluster};
use serde_json::json;
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering::SeqCst},
    },
    time::Duration,
};

fn apply(cluster: &Cluster, manifest: &str) -> Result<()> {
    let file = shared(&format!("manifests/{manifest}")).context("the manifests were there a moment ago")?;
    cluster.kubectl(&["apply", "-f", &file.to_string_lossy()]).map(drop)
}

#[test]
fn the_manifests_run_unchanged() {
    if shared("manifests").is_none() {
        return;
    }
    with_cluster(|cluster| async move {
        cluster.load_images()?;
        let kubectl = |args: &[&str]| cluster.kubectl(args);

        // The pod that asks for a label waits for it, and says so.
        apply(&cluster, "03-pod-labels.yaml")?;
        let events = eventually("it says why it waits", || async {
            let text = kubectl(&["describe", "pod", "pod-label-example"])?;
            Ok(text.contains("FailedScheduling").then_some(text))
        })
        .await?;
        ensure!(
            events.contains("0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector"),
            "{events}"
        );
        kubectl(&["label", "node", "node-a", "gpu=nvidia"])?;
        kubectl(&["wait", "pod/pod-label-example", "--for=condition=Ready", "--timeout=60s"])?;
        // Its labels are those of the ReplicaSet below, which would adopt it and have one too many.
        kubectl(&["delete", "pod", "pod-label-example", "--grace-period=1"])?;

        for manifest in [
            "01-namespace",
            "17-secret",
            "18-configmap",
            "02-pod",
            "13-volumes",
            "07-replicaset",
            "08-deployment",
            "04-service-nodeport",
            "06-service-externalname",
        ] {
            apply(&cluster, &format!("{manifest}.yaml"))?;
        }
        kubectl(&["wait", "pod/pod-example", "pod/volume-example", "--for=condition=Ready", "--timeout=60s"])?;
        kubectl(&["rollout", "status", "deployment/deploy-example", "--timeout=60s"])?;
        eventually("the ReplicaSet is complete", || async {
            let ready = kubectl(&["get", "rs", "rs-example", "-o", "jsonpath={.status.readyReplicas}"])?;
            Ok((ready == "3").then_some(()))
        })
        .await?;

        ensure!(kubectl(&["get", "ns", "prod", "--show-labels"])?.contains("app=MyBigWebApp"));
        ensure!(kubectl(&["logs", "pod-example"])? == "isAwesome\n");
        ensure!(kubectl(&["get", "configmap", "manifest-config", "-o", "jsonpath={.data.city}"])? == "Ann Arbor");
        ensure!(kubectl(&["get", "secret", "manifest-secret"])?.contains("Opaque"));
        let sealed = kubectl(&["get", "secret", "manifest-secret", "-o", "jsonpath={.data.username}"])?;
        ensure!(sealed == "ZXhhbXBsZQ==", "{sealed}");

        // Both containers of the volume example see the same files.
        let page = eventually("the page is written", || async {
            let page =
                kubectl(&["exec", "volume-example", "-c", "nginx", "--", "cat", "/usr/share/nginx/html/index.html"])?;
            Ok((!page.is_empty()).then_some(page))
        })
        .await?;
        ensure!(page.contains("UTC") || page.contains(':'), "{page}");
        let refused = kubectl(&["exec", "volume-example", "-c", "nginx", "--", "touch", "/usr/share/nginx/html/x"]);
        ensure!(refused.is_err_and(|e| e.to_string().contains("Read-only")), "the mount is not read-only");

        // Labels and selectors; the NodePort reaches the six pods that carry them.
        let chosen = kubectl(&["get", "pods", "-l", "app=nginx,env in (prod)", "-o", "name"])?;
        ensure!(chosen.lines().count() == 6, "{chosen}");
        eventually("the NodePort answers", || async { Ok(Some(cluster.get("http://127.0.0.1:32410/")?)) }).await?;

        // A ReplicaSet replaces what is taken from it; a Deployment goes back.
        let victim = kubectl(&[
            "get",
            "pods",
            "-o",
            "jsonpath={.items[?(@.metadata.ownerReferences[0].name==\"rs-example\")].metadata.name}",
        ])?;
        let victim = victim.split(' ').next().unwrap_or_default().to_owned();
        kubectl(&["delete", "pod", &victim, "--grace-period=1"])?;
        eventually("it was replaced", || async {
            let ready = kubectl(&["get", "rs", "rs-example", "-o", "jsonpath={.status.readyReplicas}"])?;
            Ok((ready == "3").then_some(()))
        })
        .await?;
        kubectl(&["set", "image", "deployment/deploy-example", "nginx=nginx:latest"])?;
        kubectl(&["rollout", "status", "deployment/deploy-example", "--timeout=90s"])?;
        ensure!(kubectl(&["rollout", "history", "deployment/deploy-example"])?.contains('2'));
        kubectl(&["rollout", "undo", "deployment/deploy-example"])?;
        kubectl(&["rollout", "status", "deployment/deploy-example", "--timeout=90s"])?;
        let image = kubectl(&[
            "get",
            "deployment",
            "deploy-example",
            "-o",
            "jsonpath={.spec.template.spec.containers[0].image}",
        ])?;
        ensure!(image == "nginx:stable-alpine", "{image}");

        // Deleting the owner takes its pods along, and a namespace its contents.
        kubectl(&["delete", "deployment", "deploy-example"])?;
        kubectl(&["delete", "rs", "rs-example"])?;
        eventually("their pods are gone", || async {
            let left = kubectl(&["get", "pods", "-o", "name"])?;
            Ok((left.lines().count() == 2).then_some(()))
        })
        .await?;
        kubectl(&["create", "configmap", "inside", "-n", "prod", "--from-literal=a=b"])?;
        kubectl(&["delete", "namespace", "prod", "--timeout=60s"])?;
        ensure!(kubectl(&["get", "ns", "prod"]).is_err());
        Ok(())
    });
}

const ROLLING: &str = r#"
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 3
  selector: {matchLabels: {app: web}}
  strategy: {type: RollingUpdate, rollingUpdate: {maxSurge: 1, maxUnavailable: 0}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - name: web
        image: podium/demo:1
        readinessProbe: {httpGet: {path: /, port: 80}, periodSeconds: 1}
        lifecycle: {preStop: {sleep: {seconds: 2}}}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {type: NodePort, selector: {app: web}, ports: [{port: 80}]}
"#;

#[test]
fn a_rolling_update_fails_no_request() {
    with_cluster(|cluster| async move {
        cluster.load_images()?;
        cluster.apply(ROLLING)?;
        cluster.kubectl(&["rollout", "status", "deployment/web", "--timeout=60s"])?;
        let port = cluster.kubectl(&["get", "service", "web", "-o", "jsonpath={.spec.ports[0].nodePort}"])?;
        let url = format!("http://127.0.0.1:{port}/");
        eventually("the Service answers", || async { Ok(Some(cluster.get(&url)?)) }).await?;
        let (stop, asked) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU32::new(0)));
        let client = {
            let (stop, asked, url) = (stop.clone(), asked.clone(), url.clone());
            tokio::task::spawn_blocking(move || {
                let mut failed = Vec::new();
                while !stop.load(SeqCst) {
                    if let Err(error) = run("curl", &["-sS", "--fail", "--max-time", "5", &url]) {
                        failed.push(error.to_string());
                    }
                    asked.fetch_add(1, SeqCst);
                }
                failed
            })
        };
        let api: Api<Deployment> = Api::default_namespaced(cluster.client().await?);
        let env = json!({"spec": {"template": {"spec": {"containers": [{"name": "web", "env": [{"name": "V", "value": "2"}]}]}}}});
        api.patch("web", &PatchParams::default(), &Patch::Strategic(env)).await?;
        let status = cluster.kubectl(&["rollout", "status", "deployment/web", "--timeout=120s"]);
        tokio::time::sleep(Duration::from_secs(3)).await;
        stop.store(true, SeqCst);
        let failed = client.await?;
        status?;
        ensure!(failed.is_empty(), "{} of {} requests failed: {:?}", failed.len(), asked.load(SeqCst), failed.first());
        ensure!(asked.load(SeqCst) > 20, "too few requests to say anything");
        let pods: Api<Pod> = Api::default_namespaced(cluster.client().await?);
        let all = pods.list(&ListParams::default().labels("app=web")).await?;
        let new = all.items.iter().filter(|p| p.spec.iter().any(|s| s.containers[0].env.is_some())).count();
        ensure!(new >= 3, "only {new} pods are new");
        Ok(())
    });
}

#[test]
fn a_client_library_watches_every_change_once_and_in_order() {
    with_cluster(|cluster| async move {
        let pods: Api<Pod> = Api::default_namespaced(cluster.client().await?);
        let from =
            pods.list(&ListParams::default()).await?.metadata.resource_version.context("a list has a revision")?;
        let watch = tokio::spawn({
            let pods = pods.clone();
            async move {
                let mut seen = Vec::new();
                let mut events = Box::pin(pods.watch(&WatchParams::default().labels("w=x").timeout(20), &from).await?);
                while let Some(event) = events.try_next().await? {
                    match event {
                        WatchEvent::Added(p) => seen.push(format!("added {}", p.metadata.name.unwrap_or_default())),
                        WatchEvent::Deleted(p) => {
                            seen.push(format!("deleted {}", p.metadata.name.unwrap_or_default()));
                            if seen.iter().filter(|s| s.starts_with("deleted")).count() == 20 {
                                break;
                            }
                        }
                        _ => {}
                    }
                }
                anyhow::Ok(seen)
            }
        });
        // Unschedulable on purpose: nothing but the API takes part.
        let manifest = |n: u32, label: &str| {
            serde_json::from_value::<Pod>(json!({"metadata": {"name": format!("p{n}"), "labels": {"w": label}},
                "spec": {"nodeSelector": {"none": "such"}, "containers": [{"name": "c", "image": "i"}]}}))
        };
        for n in 0..20 {
            pods.create(&Default::default(), &manifest(n, "x")?).await?;
        }
        for n in 0..20 {
            if n % 2 == 0 {
                pods.delete(&format!("p{n}"), &Default::default()).await?;
            } else {
                // A selector that no longer matches is a deletion to this watcher.
                let patch = Patch::Merge(json!({"metadata": {"labels": {"w": "y"}}}));
                pods.patch(&format!("p{n}"), &PatchParams::default(), &patch).await?;
            }
        }
        let seen = watch.await??;
        let mut expected: Vec<String> = (0..20).map(|n| format!("added p{n}")).collect();
        expected.extend((0..20).map(|n| format!("deleted p{n}")));
        ensure!(seen == expected, "{seen:?}");
        Ok(())
    });
}
