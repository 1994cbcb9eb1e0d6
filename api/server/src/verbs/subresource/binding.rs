//! `pods/binding`: giving a pod its node.

use super::kind;
use crate::{
    time,
    user::User,
    verbs::{Api, WriteOptions, Written},
};
use podium_machinery::selectors::taints;
use podium_types::{ApiError, FieldError, Key, meta};
use serde_json::{Value, json};

impl Api {
    /// Sets `spec.nodeName` of the pod to the target of a Binding; refused where it has one already.
    ///
    /// Where the target has a uid, it must be that of the node, and nothing that came about since the
    /// decision may keep the pod away: neither deletion nor a cordon or taint.
    pub async fn bind(
        &self,
        user: &User,
        key: &Key,
        binding: &Value,
        options: &WriteOptions,
    ) -> Result<Written, ApiError> {
        let pods = kind("pods")?;
        let node = binding["target"]["name"].as_str().unwrap_or_default();
        if node.is_empty() {
            let error = FieldError::required("target.name", "");
            return Err(ApiError::invalid("Binding", "", &key.name, &[error]));
        }
        match binding["target"]["kind"].as_str() {
            None | Some("" | "Node") => {}
            Some(other) => {
                let error = FieldError::not_supported("target.kind", &other.into(), &["Node", "<empty>"]);
                return Err(ApiError::invalid("Binding", "", &key.name, &[error]));
            }
        }
        let wanted = binding["target"]["uid"].as_str().unwrap_or_default();
        let found = if wanted.is_empty() { None } else { Some(self.peek(kind("nodes")?, &Key::new("", node))) };
        let found = found.map(|found| found.filter(|found| found.uid == wanted).map(|found| found.value()));
        let now = time::stamp(self.backend().now());
        let (uid, revision) = (meta::uid(binding), meta::string(binding, "resourceVersion"));
        self.modify(user, pods, key, "binding", options, revision.is_empty(), |old| {
            if let Some(why) = found.as_ref().and_then(|found| taints::closed(found.as_ref(), old)) {
                let message = format!("pod {} cannot be assigned to node {node:?}: {why}", key.name);
                return Err(ApiError::conflict("pods/binding", "", &key.name, &message));
            }
            bound(old, key, node, uid, revision, binding, &now)
        })
        .await
    }
}

fn bound(
    old: &Value,
    key: &Key,
    node: &str,
    uid: &str,
    revision: &str,
    binding: &Value,
    now: &str,
) -> Result<Value, ApiError> {
    let refuse = |why: &str| Err(ApiError::conflict("pods/binding", "", &key.name, why));
    if meta::is_deleting(old) {
        return refuse(&format!("pod {} is being deleted, cannot be assigned to a host", key.name));
    }
    let current = old["spec"]["nodeName"].as_str().unwrap_or_default();
    if !current.is_empty() {
        return refuse(&format!("pod {} is already assigned to node {current:?}", key.name));
    }
    if old["spec"]["schedulingGates"].as_array().is_some_and(|g| !g.is_empty()) {
        return refuse(&format!("pod {} has non-empty .spec.schedulingGates", key.name));
    }
    let mut pod = old.clone();
    for (field, value) in [("uid", uid), ("resourceVersion", revision)] {
        if !value.is_empty() {
            meta::metadata_mut(&mut pod).insert(field.into(), value.into());
        }
    }
    for (name, value) in meta::pairs(binding, "annotations") {
        let annotations = meta::metadata_mut(&mut pod).entry("annotations").or_insert_with(|| json!({}));
        if let Some(map) = annotations.as_object_mut() {
            map.insert(name.into(), value.into());
        }
    }
    meta::member_mut(&mut pod, "spec").insert("nodeName".into(), node.into());
    scheduled(&mut pod, now);
    Ok(pod)
}

/// Condition `PodScheduled`.
fn scheduled(pod: &mut Value, now: &str) {
    let condition = json!({"type": "PodScheduled", "status": "True", "lastProbeTime": null, "lastTransitionTime": now});
    let status = meta::member_mut(pod, "status");
    let list = status.entry("conditions").or_insert_with(|| json!([]));
    let Some(list) = list.as_array_mut() else { return };
    match list.iter_mut().find(|c| c["type"] == "PodScheduled") {
        Some(present) => *present = condition,
        None => list.push(condition),
    }
}
