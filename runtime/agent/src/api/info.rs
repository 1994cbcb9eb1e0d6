//! Small answers: health, pods, metrics, usage, actors.

use super::query::refuse;
use crate::shared::Shared;
use actix_web::{HttpResponse, http::StatusCode, web};
use futures_util::future::join_all;
use jiff::Timestamp;
use podium_oci::Stats;
use serde_json::{Value, json};
use std::fmt::Write;

pub(super) async fn healthz() -> HttpResponse {
    refuse(StatusCode::OK, "ok")
}

/// The pods of this node, with the status the node has of them.
pub(super) async fn pods(shared: web::Data<Shared>) -> HttpResponse {
    let items: Vec<Value> = shared
        .pods
        .list()
        .iter()
        .filter_map(|slot| {
            let mut pod = serde_json::to_value(slot.pod.load_full().as_ref()).ok()?;
            if let Some(view) = slot.view.load_full() {
                pod["status"] = view.status.clone();
            }
            Some(pod)
        })
        .collect();
    HttpResponse::Ok().json(json!({ "kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": items }))
}

/// The tree of actors, in path order.
pub(super) async fn actors(shared: web::Data<Shared>) -> HttpResponse {
    HttpResponse::Ok().json(shared.tree.list())
}

/// Kills an actor; its supervisor decides what follows.
pub(super) async fn kill_actor(path: web::Path<String>, shared: web::Data<Shared>) -> HttpResponse {
    if shared.tree.kill(&path) {
        HttpResponse::Ok().json(json!({ "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success" }))
    } else {
        refuse(StatusCode::NOT_FOUND, format!("actor \"{path}\" not found"))
    }
}

/// Usage of one pod: of each container, by name.
struct Usage {
    namespace: String,
    name: String,
    uid: String,
    containers: Vec<(String, Stats)>,
}

async fn usage(shared: &Shared) -> Vec<Usage> {
    let slots = shared.pods.list();
    let all = slots.iter().map(|slot| async move {
        let shim = slot.view.load_full()?.shim.clone()?;
        let stats = shim.stats().await.ok()?;
        let meta = slot.pod.load().metadata.clone();
        let name = |id: &str| id.rsplit_once('.').map_or(id, |(name, _)| name).to_owned();
        Some(Usage {
            namespace: meta.namespace.unwrap_or_default(),
            name: meta.name.unwrap_or_default(),
            uid: slot.uid.clone(),
            containers: stats.into_iter().map(|(id, stats)| (name(&id), stats)).collect(),
        })
    });
    join_all(all).await.into_iter().flatten().collect()
}

/// `/stats/summary`
pub(super) async fn summary(shared: web::Data<Shared>) -> HttpResponse {
    let now = Timestamp::now().to_string();
    let cpu = |nanos: u64| json!({ "time": now, "usageCoreNanoSeconds": nanos });
    let memory = |s: &Stats| {
        json!({
            "time": now,
            "usageBytes": s.memory_usage_bytes,
            "workingSetBytes": s.memory_working_set_bytes,
            "rssBytes": s.memory_rss_bytes,
        })
    };
    let pods: Vec<Value> = usage(&shared)
        .await
        .iter()
        .map(|pod| {
            let total = pod.containers.iter().fold(Stats::default(), |sum, (_, s)| Stats {
                cpu_usage_nanos: sum.cpu_usage_nanos + s.cpu_usage_nanos,
                memory_usage_bytes: sum.memory_usage_bytes + s.memory_usage_bytes,
                memory_working_set_bytes: sum.memory_working_set_bytes + s.memory_working_set_bytes,
                memory_rss_bytes: sum.memory_rss_bytes + s.memory_rss_bytes,
                pids: sum.pids + s.pids,
            });
            let containers: Vec<Value> = pod
                .containers
                .iter()
                .map(|(name, s)| json!({ "name": name, "cpu": cpu(s.cpu_usage_nanos), "memory": memory(s) }))
                .collect();
            json!({
                "podRef": { "name": pod.name, "namespace": pod.namespace, "uid": pod.uid },
                "containers": containers,
                "cpu": cpu(total.cpu_usage_nanos),
                "memory": memory(&total),
                "process_stats": { "process_count": total.pids },
            })
        })
        .collect();
    HttpResponse::Ok().json(json!({ "node": { "nodeName": shared.config.node_name }, "pods": pods }))
}

/// Prometheus text: actors and containers.
pub(super) async fn metrics(shared: web::Data<Shared>) -> HttpResponse {
    let mut text = String::from("# TYPE kubelet_running_pods gauge\n");
    // Writing to a string does not fail.
    let pods = usage(&shared).await;
    let _ = writeln!(text, "kubelet_running_pods {}", pods.len());
    let _ = writeln!(text, "# TYPE container_cpu_usage_seconds_total counter");
    for pod in &pods {
        for (name, s) in &pod.containers {
            let labels = format!("namespace=\"{}\",pod=\"{}\",container=\"{name}\"", pod.namespace, pod.name);
            let seconds = s.cpu_usage_nanos as f64 / 1e9;
            let _ = writeln!(text, "container_cpu_usage_seconds_total{{{labels}}} {seconds}");
        }
    }
    let _ = writeln!(text, "# TYPE container_memory_working_set_bytes gauge");
    for pod in &pods {
        for (name, s) in &pod.containers {
            let labels = format!("namespace=\"{}\",pod=\"{}\",container=\"{name}\"", pod.namespace, pod.name);
            let _ = writeln!(text, "container_memory_working_set_bytes{{{labels}}} {}", s.memory_working_set_bytes);
        }
    }
    let _ = writeln!(text, "# TYPE podium_actor_restarts_total counter");
    for actor in shared.tree.list() {
        let _ = writeln!(text, "podium_actor_restarts_total{{path=\"{}\"}} {}", actor.path, actor.restarts);
    }
    HttpResponse::Ok().content_type("text/plain; version=0.0.4").body(text)
}
