//! Which pods stand behind a Service, and on which ports.

use crate::{View, pods, selector, view::Item};
use k8s_openapi::api::core::v1::{Pod, Service, ServicePort, ServiceSpec};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use podium_types::Key;
use std::{collections::BTreeSet, sync::Arc};

/// A port of a Service as a pod serves it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Port {
    /// Name of the Service's port, `""` for the only one.
    pub name: String,
    /// Number in the pod; `None` for a headless Service without ports.
    pub port: Option<i32>,
    /// `TCP`, `UDP` or `SCTP`.
    pub protocol: String,
    /// `appProtocol`, where the Service names one.
    pub app_protocol: Option<String>,
}

/// A pod behind a Service.
pub struct Backend<'a> {
    /// The pod.
    pub pod: &'a Arc<Item<Pod>>,
    /// Its address.
    pub ip: &'a str,
    /// The ports that it serves.
    pub ports: Vec<Port>,
    /// Ready, or the Service publishes those that are not; never while it is being deleted
    /// unless the Service publishes all.
    pub ready: bool,
    /// Ready, whether or not it is being deleted.
    pub serving: bool,
}

/// The spec of a Service whose endpoints controllers make: it has a selector and is no alias.
pub fn selecting(service: &Service) -> Option<&ServiceSpec> {
    let spec = service.spec.as_ref()?;
    let selects = spec.selector.as_ref().is_some_and(|selector| !selector.is_empty());
    (selects && spec.type_.as_deref() != Some("ExternalName")).then_some(spec)
}

/// The pods that a Service selects, in key order; pods without an address and those that
/// have ended are left out.
pub fn backends<'a>(view: &'a View, service: &'a Item<Service>, spec: &ServiceSpec) -> Vec<Backend<'a>> {
    let Some(selector) = &spec.selector else { return Vec::new() };
    let publish = spec.publish_not_ready_addresses == Some(true);
    let selected = view.pods_labelled(&service.key().namespace, selector).filter(|pod| !pods::terminal(pod));
    selected
        .filter_map(|pod| {
            let ip = pod.status.as_ref()?.pod_ip.as_deref().filter(|ip| !ip.is_empty())?;
            let serving = pods::ready(pod);
            let ready = publish || (serving && !pod.deleting());
            Some(Backend { pod, ip, ports: ports(spec, pod), ready, serving: serving || publish })
        })
        .collect()
}

fn ports(spec: &ServiceSpec, pod: &Pod) -> Vec<Port> {
    let headless = spec.cluster_ip.as_deref() == Some("None");
    let list = spec.ports.as_deref().unwrap_or_default();
    if list.is_empty() && headless {
        return Vec::new();
    }
    list.iter()
        .filter_map(|port| {
            Some(Port {
                name: port.name.clone().unwrap_or_default(),
                port: Some(number(port, pod)?),
                protocol: protocol(port).to_owned(),
                app_protocol: port.app_protocol.clone(),
            })
        })
        .collect()
}

fn protocol(port: &ServicePort) -> &str {
    port.protocol.as_deref().unwrap_or("TCP")
}

/// The number that a target port has in a pod; a name is looked up in its containers.
fn number(port: &ServicePort, pod: &Pod) -> Option<i32> {
    match &port.target_port {
        None => Some(port.port),
        Some(IntOrString::Int(0)) => Some(port.port),
        Some(IntOrString::Int(number)) => Some(*number),
        Some(IntOrString::String(name)) => {
            let spec = pod.spec.as_ref()?;
            let sidecars =
                spec.init_containers.iter().flatten().filter(|c| c.restart_policy.as_deref() == Some("Always"));
            let mut ports = spec.containers.iter().chain(sidecars).flat_map(|c| c.ports.iter().flatten());
            let found = ports.find(|candidate| {
                candidate.name.as_deref() == Some(name)
                    && candidate.protocol.as_deref().unwrap_or("TCP") == protocol(port)
            });
            found.map(|port| port.container_port)
        }
    }
}

/// The host name of a pod in DNS, where its subdomain is the Service's name.
pub fn hostname<'a>(pod: &'a Pod, service: &str) -> Option<&'a str> {
    let spec = pod.spec.as_ref()?;
    let name = spec.hostname.as_deref().filter(|name| !name.is_empty())?;
    (spec.subdomain.as_deref() == Some(service)).then_some(name)
}

/// Keys of the Services that an event concerns: of a pod those that select it, before or
/// after; of a Service itself; of a made object the Service of that name.
pub fn services_of(view: &View, object: &podium_machinery::state::Event) -> Vec<Key> {
    let namespace = &object.object.key.namespace;
    let seen = [Some(&object.object), object.previous.as_ref()].into_iter().flatten();
    let selected: BTreeSet<&Key> = seen
        .flat_map(|object| {
            let labels = &object.labels;
            view.services_about(namespace, labels).filter(|service| {
                let selector = selecting(service).and_then(|spec| spec.selector.as_ref());
                selector.is_some_and(|selector| selector::contains(selector, labels))
            })
        })
        .map(|service| service.key())
        .collect();
    selected.into_iter().cloned().collect()
}
