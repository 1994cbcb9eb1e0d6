//! Small answers: health, pods, configuration, actors; and what is refused.

use super::query::{container, find, refuse};
use crate::{shared::Shared, stats};
use actix_web::{HttpResponse, http::StatusCode, web};
use k8s_openapi::api::core::v1::Pod;
use serde_json::{Value, json};

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

/// `/runningpods/`: the pods that have something running, as the runtime knows them.
pub(super) async fn running(shared: web::Data<Shared>) -> HttpResponse {
    let slots = shared.pods.list();
    let views = slots.iter().filter_map(|slot| Some((slot, slot.view.load_full()?)));
    let items: Vec<Value> =
        views.filter_map(|(slot, view)| running_pod(&slot.uid, slot.pod.load_full().as_ref(), &view.status)).collect();
    HttpResponse::Ok().json(json!({ "kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": items }))
}

fn running_pod(uid: &str, pod: &Pod, status: &Value) -> Option<Value> {
    let containers: Vec<Value> =
        stats::running(status).map(|c| json!({ "name": c["name"], "image": c["image"], "resources": {} })).collect();
    let (name, namespace) = (&pod.metadata.name, &pod.metadata.namespace);
    (!containers.is_empty()).then(|| {
        json!({ "metadata": { "name": name, "namespace": namespace, "uid": uid }, "spec": { "containers": containers },
            "status": {} })
    })
}

/// `/configz`: the settings that are in force, in the kubelet's form.
pub(super) async fn configz(shared: web::Data<Shared>) -> HttpResponse {
    HttpResponse::Ok()
        .json(json!({ "kubeletconfig": shared.config.kubelet_configuration(&shared.settings, shared.kubelet_port) }))
}

/// Checkpoints are not made; said after the container was found, as a kubelet without a runtime for them does.
pub(super) async fn checkpoint(path: web::Path<(String, String, String)>, shared: web::Data<Shared>) -> HttpResponse {
    let (namespace, pod, name) = path.into_inner();
    match find(&shared, &namespace, &pod) {
        Ok((_, view)) if container(&view, &name).is_some() => {
            let text =
                format!("checkpointing of {namespace}/{pod}/{name} failed (checkpoint/restore support not available)");
            refuse(StatusCode::INTERNAL_SERVER_ERROR, text)
        }
        Ok(_) => refuse(StatusCode::NOT_FOUND, format!("container {name} does not exist")),
        Err(refusal) => refusal.into(),
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_runs_is_a_running_pod() {
        let pod: Pod =
            serde_json::from_value(json!({ "metadata": { "name": "p", "namespace": "ns" } })).expect("a pod");
        let container = |name: &str, state: &str| json!({ "name": name, "image": "i", "state": { state: {} } });
        let status = json!({ "containerStatuses": [container("a", "running"), container("b", "waiting")] });
        let shown = running_pod("u", &pod, &status).expect("it runs");
        assert_eq!(shown["metadata"], json!({ "name": "p", "namespace": "ns", "uid": "u" }));
        assert_eq!(shown["spec"]["containers"], json!([{ "name": "a", "image": "i", "resources": {} }]));
        assert!(running_pod("u", &pod, &json!({})).is_none());
    }
}
