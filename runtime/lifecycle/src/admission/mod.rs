//! Whether this node takes in a pod that was bound to it. The scheduler has looked already, but not every pod comes by
//! the scheduler, and its picture may be old. Reasons and words are the kubelet's (lifecycle/predicate.go).

mod selector;
mod sysctl;

use crate::resources::{self, Amounts, amount};
use k8s_openapi::api::core::v1::{AppArmorProfile, ContainerPort, Node, Pod, PodSpec, ResourceRequirements};
use podium_types::Quantity;
use std::collections::BTreeSet;

/// The resource that counts pods.
const PODS: &str = "pods";

/// The node as far as admission looks at it.
#[derive(Clone, Copy, Debug)]
pub struct Host<'a> {
    /// Its name.
    pub name: &'a str,
    /// The API's object; None while it is not known, and then nothing is asked of its labels.
    pub node: Option<&'a Node>,
    /// What pods may use.
    pub allocatable: &'a Amounts,
    /// Sysctls that pods may set beyond the safe ones; `net.core.*` allows all below.
    pub allowed_sysctls: &'a [String],
    /// The kernel confines programs by AppArmor.
    pub app_armor: bool,
}

/// Why a pod is not taken in; it becomes Failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// `pod.status.reason`
    pub reason: String,
    /// `pod.status.message`
    pub message: String,
}

impl Rejection {
    fn new(reason: impl Into<String>, message: &str) -> Self {
        Self { reason: reason.into(), message: format!("Pod was rejected: {message}") }
    }
}

/// Looks at a new pod beside `others` that hold the node's resources already.
pub fn admit(pod: &Pod, others: &[&Pod], host: &Host<'_>) -> Result<(), Rejection> {
    let Some(spec) = &pod.spec else { return Ok(()) };
    if let Some(name) = sysctl::forbidden(spec, host.allowed_sysctls) {
        return Err(Rejection::new("SysctlForbidden", &format!("forbidden sysctl: \"{name}\" not allowlisted")));
    }
    if !host.app_armor && wants_app_armor(spec) {
        return Err(Rejection::new("AppArmor", "Cannot enforce AppArmor: AppArmor is not enabled on the host"));
    }
    room(pod, others, host.allocatable)?;
    let predicate = |name: &str, why: &str| Rejection::new(name, &format!("Predicate {name} failed: {why}"));
    if spec.node_name.as_deref().is_some_and(|name| name != host.name) {
        return Err(predicate("NodeName", "node(s) didn't match the requested node name"));
    }
    if host.node.is_some_and(|node| !selector::selects(spec, node, host.name)) {
        return Err(predicate("NodeAffinity", "node(s) didn't match Pod's node affinity/selector"));
    }
    let taken: BTreeSet<HostPort> = others.iter().flat_map(|other| host_ports(other)).collect();
    if host_ports(pod).iter().any(|own| taken.iter().any(|other| own.clashes(other))) {
        return Err(predicate("NodePorts", "node(s) didn't have free ports for the requested pod ports"));
    }
    Ok(())
}

fn room(pod: &Pod, others: &[&Pod], allocatable: &Amounts) -> Result<(), Rejection> {
    let short = |name: &str, requested: i64, used: i64, capacity: i64| {
        let message = format!(
            "Node didn't have enough resource: {name}, requested: {requested}, used: {used}, capacity: {capacity}"
        );
        Rejection::new(format!("OutOf{name}"), &message)
    };
    let count = i64::try_from(others.len()).unwrap_or(i64::MAX);
    if let Some(capacity) = amount(Some(allocatable), PODS).map(|q| q.value()).filter(|most| count >= *most) {
        return Err(short(PODS, 1, count, capacity));
    }
    // What the node does not know of, nobody here counts.
    for (name, there) in allocatable.iter().filter(|(name, _)| *name != PODS && asks(pod, name)) {
        let Ok(there) = Quantity::parse(&there.0) else { continue };
        let capacity = if name == "cpu" { there.milli_value() } else { there.value() };
        let requested = resources::request(pod, name);
        let used = others.iter().map(|other| resources::request(other, name)).fold(0, i64::saturating_add);
        if requested > 0 && requested.saturating_add(used) > capacity {
            return Err(short(name, requested, used, capacity));
        }
    }
    Ok(())
}

/// Some container, or the pod as a whole, names the resource.
fn asks(pod: &Pod, name: &str) -> bool {
    let names = |r: &ResourceRequirements| [&r.requests, &r.limits].into_iter().flatten().any(|m| m.contains_key(name));
    pod.spec.as_ref().is_some_and(|spec| {
        let containers = spec.init_containers.iter().flatten().chain(&spec.containers);
        containers.filter_map(|c| c.resources.as_ref()).chain(&spec.resources).any(names)
            || spec.overhead.as_ref().is_some_and(|overhead| overhead.contains_key(name))
    })
}

fn wants_app_armor(spec: &PodSpec) -> bool {
    let confines = |profile: Option<&AppArmorProfile>| profile.is_some_and(|p| p.type_ != "Unconfined");
    let containers = spec.init_containers.iter().flatten().chain(&spec.containers);
    confines(spec.security_context.as_ref().and_then(|c| c.app_armor_profile.as_ref()))
        || containers
            .filter_map(|c| c.security_context.as_ref())
            .any(|context| confines(context.app_armor_profile.as_ref()))
}

/// A port of the node: protocol, number, address (None is all).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct HostPort(String, i32, Option<String>);

impl HostPort {
    fn of(port: &ContainerPort) -> Option<Self> {
        let number = port.host_port.filter(|number| *number > 0)?;
        let address = port.host_ip.clone().filter(|ip| !matches!(ip.as_str(), "" | "0.0.0.0" | "::"));
        Some(Self(port.protocol.clone().unwrap_or_else(|| "TCP".to_owned()), number, address))
    }
    fn clashes(&self, other: &Self) -> bool {
        let apart = self.2.is_some() && other.2.is_some() && self.2 != other.2;
        (&self.0, self.1) == (&other.0, other.1) && !apart
    }
}

fn host_ports(pod: &Pod) -> Vec<HostPort> {
    let Some(spec) = &pod.spec else { return Vec::new() };
    let sidecars = spec.init_containers.iter().flatten().filter(|c| c.restart_policy.as_deref() == Some("Always"));
    let containers = sidecars.chain(&spec.containers);
    containers.flat_map(|c| c.ports.iter().flatten()).filter_map(HostPort::of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn pod(spec: Value) -> Pod {
        serde_json::from_value(json!({ "metadata": { "name": "p" }, "spec": spec })).expect("a pod")
    }

    fn asking(amounts: Value) -> Pod {
        pod(json!({ "containers": [{ "name": "a", "resources": { "requests": amounts } }] }))
    }

    fn port(number: i32, ip: &str, protocol: &str) -> Pod {
        let port = json!({ "containerPort": 1, "hostPort": number, "hostIP": ip, "protocol": protocol });
        pod(json!({ "containers": [{ "name": "a", "ports": [port] }] }))
    }

    fn verdict(pod: &Pod, others: &[&Pod]) -> (String, String) {
        let allocatable: Amounts = serde_json::from_value(json!({
            "cpu": "1", "memory": "1Gi", "pods": "2", "example.com/gpu": "1", "hugepages-2Mi": "4Mi",
        }))
        .expect("amounts");
        let node = json!({ "metadata": { "name": "n1", "labels": { "disk": "ssd" } } });
        let node: Node = serde_json::from_value(node).expect("a node");
        let host = Host {
            name: "n1",
            node: Some(&node),
            allocatable: &allocatable,
            allowed_sysctls: &["net.core.*".to_owned()],
            app_armor: false,
        };
        admit(pod, others, &host).err().map(|r| (r.reason, r.message)).unwrap_or_default()
    }

    #[test]
    fn a_full_node_says_of_what() {
        let half = asking(json!({ "cpu": "600m" }));
        for (new, others, reason) in [
            (asking(json!({ "cpu": "1" })), vec![], ""),
            (asking(json!({ "cpu": "1001m" })), vec![], "OutOfcpu"),
            (asking(json!({ "cpu": "500m" })), vec![&half], "OutOfcpu"),
            (asking(json!({ "memory": "2Gi" })), vec![], "OutOfmemory"),
            (asking(json!({ "hugepages-2Mi": "6Mi" })), vec![], "OutOfhugepages-2Mi"),
            (asking(json!({ "example.com/gpu": "2" })), vec![], "OutOfexample.com/gpu"),
            (asking(json!({ "example.org/unknown": "2" })), vec![], ""),
            (asking(json!({})), vec![&half], ""),
            (asking(json!({})), vec![&half, &half], "OutOfpods"),
        ] {
            assert_eq!(verdict(&new, &others).0, reason, "{new:?}");
        }
        let (_, message) = verdict(&asking(json!({ "cpu": "500m" })), &[&half]);
        let expected =
            "Pod was rejected: Node didn't have enough resource: cpu, requested: 500, used: 600, capacity: 1000";
        assert_eq!(message, expected);
    }

    #[test]
    fn selectors_names_and_ports_must_fit() {
        let bare = json!([{ "name": "a" }]);
        let affinity = |disk: &str| {
            let wants = json!({ "key": "disk", "operator": "In", "values": [disk] });
            json!({ "nodeAffinity": { "requiredDuringSchedulingIgnoredDuringExecution": {
                "nodeSelectorTerms": [{ "matchExpressions": [wants] }] } } })
        };
        for (spec, reason) in [
            (json!({ "containers": bare, "nodeSelector": { "disk": "ssd" }, "nodeName": "n1" }), ""),
            (json!({ "containers": bare, "nodeSelector": { "disk": "hdd" } }), "NodeAffinity"),
            (json!({ "containers": bare, "affinity": affinity("ssd") }), ""),
            (json!({ "containers": bare, "affinity": affinity("hdd") }), "NodeAffinity"),
            (json!({ "containers": bare, "nodeName": "n2" }), "NodeName"),
        ] {
            assert_eq!(verdict(&pod(spec.clone()), &[]).0, reason, "{spec}");
        }
        for (other, clash) in [
            (port(80, "", "TCP"), true),
            (port(80, "0.0.0.0", "TCP"), true),
            (port(80, "192.0.2.1", "TCP"), true),
            (port(80, "192.0.2.2", "TCP"), false),
            (port(80, "", "UDP"), false),
            (port(81, "", "TCP"), false),
        ] {
            let found = verdict(&port(80, "192.0.2.1", "TCP"), &[&other]);
            assert_eq!(found.0 == "NodePorts", clash, "{found:?} {other:?}");
        }
    }

    #[test]
    fn the_kernel_is_not_to_be_tuned_freely_nor_app_armor_wished_for() {
        let tuned = |name: &str, more: Value| {
            let mut spec = json!({ "containers": [{ "name": "a" }],
                "securityContext": { "sysctls": [{ "name": name, "value": "1" }] } });
            spec.as_object_mut().expect("a map").extend(more.as_object().expect("a map").clone());
            verdict(&pod(spec), &[]).0
        };
        assert_eq!(tuned("net.ipv4.tcp_syncookies", json!({})), "");
        assert_eq!(tuned("net/ipv4/tcp_syncookies", json!({})), "");
        assert_eq!(tuned("net.core.somaxconn", json!({})), "", "allowed by a pattern");
        assert_eq!(tuned("net.ipv4.tcp_syncookies", json!({ "hostNetwork": true })), "SysctlForbidden");
        assert_eq!(tuned("kernel.msgmax", json!({})), "SysctlForbidden");
        assert_eq!(tuned("kernel.shm_rmid_forced", json!({})), "");
        assert_eq!(tuned("kernel.shm_rmid_forced", json!({ "hostIPC": true })), "SysctlForbidden");
        for (kind, reason) in [("Unconfined", ""), ("RuntimeDefault", "AppArmor"), ("Localhost", "AppArmor")] {
            let context = json!({ "appArmorProfile": { "type": kind } });
            let spec = json!({ "containers": [{ "name": "a", "securityContext": context }] });
            assert_eq!(verdict(&pod(spec), &[]).0, reason, "{kind}");
        }
    }
}
