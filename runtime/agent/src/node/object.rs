//! The Node as JSON: what registration and status writes send.

use super::machine::architecture;
use crate::shared::Shared;
use jiff::Timestamp;
use podium_lifecycle::eviction::Pressure;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Images listed in the status, at most (the kubelet's default).
const MAX_IMAGES: usize = 50;

/// What the node tells about itself at registration.
pub(super) fn node(shared: &Shared) -> Value {
    let name = &shared.config.node_name;
    json!({
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": name,
            "labels": {
                "kubernetes.io/hostname": name,
                "kubernetes.io/os": "linux",
                "kubernetes.io/arch": architecture(),
                "beta.kubernetes.io/os": "linux",
                "beta.kubernetes.io/arch": architecture(),
            },
        },
        "spec": {},
    })
}

/// One of the node's conditions.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Condition {
    pub kind: &'static str,
    pub status: bool,
    pub reason: &'static str,
    pub message: String,
}

/// How the node is. `blocked` says why pods cannot run.
pub(super) fn conditions(blocked: Option<String>, pressures: &BTreeSet<Pressure>) -> Vec<Condition> {
    let of = |kind, status, reason, message: &str| Condition { kind, status, reason, message: message.to_owned() };
    let pressed = |pressure: Pressure| {
        let status = pressures.contains(&pressure);
        let (reason, message) = match (pressure, status) {
            (Pressure::Memory, true) => ("KubeletHasInsufficientMemory", "kubelet has insufficient memory available"),
            (Pressure::Memory, false) => ("KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
            (Pressure::Disk, true) => ("KubeletHasDiskPressure", "kubelet has disk pressure"),
            (Pressure::Disk, false) => ("KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
            (Pressure::Pid, true) => ("KubeletHasInsufficientPID", "kubelet has insufficient PID available"),
            (Pressure::Pid, false) => ("KubeletHasSufficientPID", "kubelet has sufficient PID available"),
        };
        of(pressure.condition(), status, reason, message)
    };
    let ready = match blocked {
        None => of("Ready", true, "KubeletReady", "kubelet is posting ready status"),
        Some(why) => of("Ready", false, "KubeletNotReady", &why),
    };
    vec![pressed(Pressure::Memory), pressed(Pressure::Disk), pressed(Pressure::Pid), ready]
}

/// The status; `since` are times of the last changes, in the order of `conditions`.
pub(super) fn status(shared: &Shared, conditions: &[Condition], since: &[Timestamp], now: Timestamp) -> Value {
    let conditions: Vec<Value> = conditions
        .iter()
        .zip(since)
        .map(|(c, since)| {
            json!({
                "type": c.kind,
                "status": if c.status { "True" } else { "False" },
                "reason": c.reason,
                "message": c.message,
                "lastHeartbeatTime": seconds(now),
                "lastTransitionTime": seconds(*since),
            })
        })
        .collect();
    let mut images = shared.images.list();
    images.sort_by_key(|image| std::cmp::Reverse(image.size));
    let images: Vec<Value> = images
        .iter()
        .take(MAX_IMAGES)
        .map(|image| {
            let names: Vec<&String> = image.repo_digest.iter().chain(&image.names).collect();
            json!({ "names": names, "sizeBytes": image.size })
        })
        .collect();
    let features = json!({ "recursiveReadOnlyMounts": true, "userNamespaces": true });
    let handlers = ["", "podium"].map(|name| json!({ "name": name, "features": features }));
    json!({
        "capacity": shared.devices.capacity(&shared.machine.capacity),
        "allocatable": shared.allocatable(),
        "addresses": [
            { "type": "InternalIP", "address": shared.config.node_ip.to_string() },
            { "type": "Hostname", "address": shared.config.node_name },
        ],
        "daemonEndpoints": { "kubeletEndpoint": { "Port": shared.kubelet_port } },
        "nodeInfo": shared.machine.info,
        "runtimeHandlers": handlers,
        "features": { "supplementalGroupsPolicy": true },
        "images": images,
        "conditions": conditions,
    })
}

/// RFC 3339 in whole seconds, as `metav1.Time` is written.
pub(crate) fn seconds(at: Timestamp) -> String {
    Timestamp::from_second(at.as_second()).unwrap_or(at).to_string()
}
