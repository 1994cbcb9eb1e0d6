//! Mirrors of static pods in the API: made where missing, made anew where the manifest changed, gone with it.

use super::manifests::{HASH, is_static};
use crate::{Result, error::is_not_found, shared::Shared};
use k8s_openapi::api::core::v1::{Node, Pod};
use kube::{
    Api,
    api::{DeleteParams, ListParams, Patch, PatchParams, PostParams, Preconditions},
};
use serde_json::{Value, json};

/// Marks a mirror; its value is the hash of what it mirrors.
const MIRROR: &str = "kubernetes.io/config.mirror";

/// Whether this pod of the API only shows one that runs by a manifest.
pub(super) fn is_mirror(pod: &Pod) -> bool {
    hash(pod, MIRROR).is_some()
}

fn hash<'a>(pod: &'a Pod, key: &str) -> Option<&'a String> {
    pod.metadata.annotations.as_ref()?.get(key)
}

/// Brings all mirrors of this node in line with its static pods.
pub(super) async fn follow(shared: &Shared) -> Result<()> {
    let all: Api<Pod> = Api::all(shared.eager.clone());
    let fields = format!("spec.nodeName={}", shared.config.node_name);
    let mirrors = all.list(&ListParams::default().fields(&fields)).await?.items;
    let slots = shared.pods.list();
    let ours = || slots.iter().filter(|slot| is_static(&slot.pod.load()) && !slot.removed());
    let mut fitting = Vec::new();
    for mirror in mirrors.into_iter().filter(is_mirror) {
        let twin = ours().find(|slot| hash(&slot.pod.load(), HASH) == hash(&mirror, MIRROR));
        match twin.filter(|_| mirror.metadata.deletion_timestamp.is_none()) {
            Some(twin) => fitting.push((twin.uid.clone(), mirror)),
            None => delete(shared, &mirror).await?,
        }
    }
    for slot in ours() {
        let known = fitting.iter().find(|(uid, _)| *uid == slot.uid).map(|(_, mirror)| mirror.clone());
        let mirror = match known {
            Some(mirror) => mirror,
            None => create(shared, &slot.pod.load()).await?,
        };
        if let Some(view) = slot.view.load_full() {
            show(shared, &mirror, &view.status).await?;
        }
    }
    Ok(())
}

async fn delete(shared: &Shared, mirror: &Pod) -> Result<()> {
    let (namespace, name) = (mirror.metadata.namespace.clone(), mirror.metadata.name.clone());
    let api: Api<Pod> = Api::namespaced(shared.eager.clone(), &namespace.unwrap_or_default());
    let same = Preconditions { uid: mirror.metadata.uid.clone(), resource_version: None };
    let params = DeleteParams { grace_period_seconds: Some(0), preconditions: Some(same), ..DeleteParams::default() };
    match api.delete(&name.unwrap_or_default(), &params).await {
        Err(error) if is_not_found(&error) => Ok(()),
        other => other.map(drop).map_err(Into::into),
    }
}

async fn create(shared: &Shared, pod: &Pod) -> Result<Pod> {
    let mut mirror = pod.clone();
    let hash = hash(pod, HASH).cloned().unwrap_or_default();
    mirror.status = None;
    mirror.metadata.uid = None;
    mirror.metadata.annotations.get_or_insert_default().insert(MIRROR.to_owned(), hash);
    // It goes with its node.
    let nodes: Api<Node> = Api::all(shared.eager.clone());
    let node = nodes.get_opt(&shared.config.node_name).await?.and_then(|node| node.metadata.uid);
    let owner = node.map(|uid| {
        json!([{ "apiVersion": "v1", "kind": "Node", "name": shared.config.node_name, "uid": uid, "controller": true }])
    });
    mirror.metadata.owner_references = owner.and_then(|list| serde_json::from_value(list).ok());
    let namespace = mirror.metadata.namespace.clone().unwrap_or_default();
    let api: Api<Pod> = Api::namespaced(shared.eager.clone(), &namespace);
    Ok(api.create(&PostParams::default(), &mirror).await?)
}

/// The static pod's status, where the mirror has another.
async fn show(shared: &Shared, mirror: &Pod, status: &Value) -> Result<()> {
    let shown = serde_json::to_value(&mirror.status).unwrap_or_default();
    let same = ["phase", "podIP", "containerStatuses", "initContainerStatuses", "reason"];
    if same.iter().all(|field| shown[*field] == status[*field]) {
        return Ok(());
    }
    let (namespace, name) = (mirror.metadata.namespace.clone(), mirror.metadata.name.clone());
    let api: Api<Pod> = Api::namespaced(shared.eager.clone(), &namespace.unwrap_or_default());
    let mut status = status.clone();
    if let Some(fields) = status.as_object_mut() {
        // The mirror's generation is its own.
        fields.remove("observedGeneration");
    }
    let patch = Patch::Strategic(json!({ "metadata": { "uid": mirror.metadata.uid }, "status": status }));
    match api.patch_status(&name.unwrap_or_default(), &PatchParams::default(), &patch).await {
        Err(error) if is_not_found(&error) => Ok(()),
        other => other.map(drop).map_err(Into::into),
    }
}
