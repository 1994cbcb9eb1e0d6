//! ServiceAccount: a pod runs as an account that exists, with a token it can reach.

use crate::verbs::{Api, names};
use podium_types::{ApiError, Key, meta};
use serde_json::{Value, json};

/// Where a container finds its token.
const MOUNT_PATH: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
/// What the volume's name begins with; five characters follow.
const VOLUME_PREFIX: &str = "kube-api-access-";
/// Seconds that the token is good for; the odd seven tells such tokens from those that users ask for.
const TOKEN_SECONDS: u32 = 3607;
/// Pods that a node runs from its own files bring their own spec.
const MIRROR: &str = "kubernetes.io/config.mirror";

pub(super) fn admit(api: &Api, pod: &mut Value) -> Result<(), ApiError> {
    if pod["metadata"]["annotations"].get(MIRROR).is_some() {
        return Ok(());
    }
    let name = match pod["spec"]["serviceAccountName"].as_str() {
        Some(name) if !name.is_empty() => name.to_owned(),
        _ => "default".to_owned(),
    };
    let namespace = meta::namespace(pod).to_owned();
    let account = podium_kinds::by_resource("serviceaccounts").and_then(|k| api.peek(k, &Key::new(&namespace, &name)));
    let Some(account) = account.map(|a| a.value()) else {
        let why = format!("error looking up service account {namespace}/{name}: serviceaccount {name:?} not found");
        return Err(ApiError::forbidden("pods", "", meta::name(pod), &why));
    };
    let spec = meta::member_mut(pod, "spec");
    spec.insert("serviceAccountName".into(), name.as_str().into());
    spec.insert("serviceAccount".into(), name.as_str().into());
    let pulls = &account["imagePullSecrets"];
    if pulls.as_array().is_some_and(|p| !p.is_empty()) && spec.get("imagePullSecrets").is_none_or(is_empty) {
        spec.insert("imagePullSecrets".into(), pulls.clone());
    }
    let choice = spec.get("automountServiceAccountToken").or_else(|| account.get("automountServiceAccountToken"));
    if choice.and_then(Value::as_bool).unwrap_or(true) {
        mount(api, pod);
    }
    Ok(())
}

fn is_empty(list: &Value) -> bool {
    list.as_array().is_none_or(Vec::is_empty)
}

fn mount(api: &Api, pod: &mut Value) {
    let existing = pod["spec"]["volumes"].as_array().and_then(|volumes| {
        volumes.iter().filter_map(|v| v["name"].as_str()).find(|n| n.starts_with(VOLUME_PREFIX)).map(str::to_owned)
    });
    let volume = existing.clone().unwrap_or_else(|| format!("{VOLUME_PREFIX}{}", names::suffix(&api.backend().uid())));
    let mut needed = false;
    for list in ["initContainers", "containers"] {
        for container in pod["spec"][list].as_array_mut().into_iter().flatten() {
            needed |= mount_in(container, &volume);
        }
    }
    if needed && existing.is_none() {
        let spec = meta::member_mut(pod, "spec");
        let volumes = spec.entry("volumes").or_insert_with(|| json!([]));
        if volumes.is_null() {
            *volumes = json!([]);
        }
        if let Some(volumes) = volumes.as_array_mut() {
            volumes.push(projected(&volume));
        }
    }
}

/// True where the container had nothing mounted there.
fn mount_in(container: &mut Value, volume: &str) -> bool {
    let Some(container) = container.as_object_mut() else { return false };
    let mounts = container.entry("volumeMounts").or_insert_with(|| json!([]));
    if mounts.is_null() {
        *mounts = json!([]);
    }
    let Some(mounts) = mounts.as_array_mut() else { return false };
    if mounts.iter().any(|m| m["mountPath"] == MOUNT_PATH) {
        return false;
    }
    mounts.push(json!({"name": volume, "readOnly": true, "mountPath": MOUNT_PATH}));
    true
}

fn projected(name: &str) -> Value {
    json!({"name": name, "projected": {"defaultMode": 420, "sources": [
        {"serviceAccountToken": {"expirationSeconds": TOKEN_SECONDS, "path": "token"}},
        {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
        {"downwardAPI": {"items": [{"path": "namespace", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}}]}},
    ]}})
}
