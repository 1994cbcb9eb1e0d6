//! Small answers: health, pods, configuration, actors; and what is refused.

use super::query::{container, find, refuse};
use crate::shared::Shared;
use actix_web::{HttpResponse, http::StatusCode, web};
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
