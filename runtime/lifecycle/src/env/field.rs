//! Downward API: fields of the pod and resources of its containers as text.

use crate::resources::{Amounts, amount};
use k8s_openapi::api::core::v1::{Container, Pod, ResourceFieldSelector};
use podium_types::Quantity;
use std::{collections::BTreeMap, net::IpAddr};

/// What the node knows and the pod's spec does not.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// The pod's addresses.
    pub pod_ips: Vec<IpAddr>,
    /// The node's addresses.
    pub host_ips: Vec<IpAddr>,
    /// What a container without limits may use.
    pub allocatable: Amounts,
}

/// `key="value"` lines, sorted, as files of the downward API have them.
pub fn labels_text(map: Option<&BTreeMap<String, String>>) -> String {
    let lines: Vec<_> = map.into_iter().flatten().map(|(key, value)| format!("{key}={}", quoted(value))).collect();
    lines.join("\n")
}

/// The same for annotations.
pub fn annotations_text(map: Option<&BTreeMap<String, String>>) -> String {
    labels_text(map)
}

/// Go's strconv.Quote for printable text.
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// The value of a `fieldPath`; an error names the path.
pub fn field(pod: &Pod, facts: &Facts, path: &str) -> Result<String, String> {
    let meta = &pod.metadata;
    let spec = pod.spec.as_ref();
    let join = |ips: &[IpAddr]| ips.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
    let first = |ips: &[IpAddr]| ips.first().map(ToString::to_string).unwrap_or_default();
    let subscript = |prefix: &str| path.strip_prefix(prefix)?.strip_prefix("['")?.strip_suffix("']");
    if let Some(key) = subscript("metadata.labels") {
        return Ok(meta.labels.as_ref().and_then(|l| l.get(key)).cloned().unwrap_or_default());
    }
    if let Some(key) = subscript("metadata.annotations") {
        return Ok(meta.annotations.as_ref().and_then(|l| l.get(key)).cloned().unwrap_or_default());
    }
    Ok(match path {
        "metadata.name" => meta.name.clone().unwrap_or_default(),
        "metadata.namespace" => meta.namespace.clone().unwrap_or_default(),
        "metadata.uid" => meta.uid.clone().unwrap_or_default(),
        "metadata.labels" => labels_text(meta.labels.as_ref()),
        "metadata.annotations" => annotations_text(meta.annotations.as_ref()),
        "spec.nodeName" => spec.and_then(|s| s.node_name.clone()).unwrap_or_default(),
        "spec.serviceAccountName" => spec.and_then(|s| s.service_account_name.clone()).unwrap_or_default(),
        "status.hostIP" => first(&facts.host_ips),
        "status.hostIPs" => join(&facts.host_ips),
        "status.podIP" => first(&facts.pod_ips),
        "status.podIPs" => join(&facts.pod_ips),
        _ => return Err(format!("unsupported fieldPath: {path}")),
    })
}

/// The value of a `resourceFieldRef`, divided and rounded up. `own` is the container that asks.
pub fn resource_field(
    pod: &Pod,
    own: Option<&Container>,
    facts: &Facts,
    selector: &ResourceFieldSelector,
) -> Result<String, String> {
    let spec = pod.spec.as_ref();
    let named = |name: &String| {
        let all = spec.into_iter().flat_map(|s| s.containers.iter().chain(s.init_containers.iter().flatten()));
        all.into_iter().find(|c| &c.name == name)
    };
    let container = match selector.container_name.as_ref().filter(|n| !n.is_empty()) {
        Some(name) => Some(named(name).ok_or_else(|| format!("container {name} not found"))?),
        None => own,
    };
    let resources = container.and_then(|c| c.resources.as_ref());
    let Some((side, name)) = selector.resource.split_once('.') else {
        return Err(format!("unsupported container resource : {}", selector.resource));
    };
    let value = match side {
        // Without a limit a container may use what the node has.
        "limits" => {
            amount(resources.and_then(|r| r.limits.as_ref()), name).or_else(|| amount(Some(&facts.allocatable), name))
        }
        "requests" => amount(resources.and_then(|r| r.requests.as_ref()), name)
            .or_else(|| amount(resources.and_then(|r| r.limits.as_ref()), name)),
        _ => return Err(format!("unsupported container resource : {}", selector.resource)),
    };
    let value = value.unwrap_or_default();
    let divisor = selector.divisor.as_ref().and_then(|q| Quantity::parse(&q.0).ok()).filter(|q| !q.is_zero());
    let (amount, by) = match divisor {
        // In thousandths, so that a divisor of `1m` works; memory stays far from overflow in 128 bits.
        Some(by) => (i128::from(value.milli_value()), i128::from(by.milli_value())),
        None => (i128::from(value.milli_value()), 1000),
    };
    Ok(((amount + by - 1) / by.max(1)).to_string())
}
