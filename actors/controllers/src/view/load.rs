//! What the pods of a node ask of it, kept up to date pod by pod.

use crate::resources::Resources;
use k8s_openapi::api::core::v1::Pod;
use std::collections::BTreeMap;

/// A port of the host that a container takes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct HostPort {
    /// Port number.
    pub port: i32,
    /// `TCP`, `UDP` or `SCTP`.
    pub protocol: String,
    /// Address of the host; `0.0.0.0` is every address.
    pub ip: String,
}

impl HostPort {
    /// Whether both cannot be had on one node.
    pub fn clashes(&self, other: &Self) -> bool {
        let any = |ip: &str| ip == "0.0.0.0";
        self.port == other.port
            && self.protocol == other.protocol
            && (self.ip == other.ip || any(&self.ip) || any(&other.ip))
    }
}

/// The host ports that a pod takes; with the host's network every container port is one.
pub fn pod_ports(pod: &Pod) -> Vec<HostPort> {
    let Some(spec) = &pod.spec else { return Vec::new() };
    // Restartable init containers run beside the others.
    let sidecars = spec.init_containers.iter().flatten().filter(|c| c.restart_policy.as_deref() == Some("Always"));
    let ports = spec.containers.iter().chain(sidecars).flat_map(|c| c.ports.iter().flatten());
    ports
        .filter_map(|port| {
            let number = match port.host_port {
                Some(number) if number > 0 => number,
                _ if spec.host_network == Some(true) => port.container_port,
                _ => return None,
            };
            Some(HostPort {
                port: number,
                protocol: port.protocol.clone().unwrap_or_else(|| "TCP".to_owned()),
                ip: port.host_ip.clone().filter(|ip| !ip.is_empty()).unwrap_or_else(|| "0.0.0.0".to_owned()),
            })
        })
        .collect()
}

/// Millicores that a container without a request counts for in scores.
const CPU_WITHOUT_REQUEST: i64 = 100;
/// Bytes that a container without a request counts for in scores.
const MEMORY_WITHOUT_REQUEST: i64 = 200 * 1024 * 1024;

/// Millicores and bytes that a pod counts for in scores: pods that ask for nothing must
/// weigh something, or all of them would go to one node.
pub fn weight(pod: &Pod, requests: &Resources) -> (i64, i64) {
    let containers = pod.spec.as_ref().map_or(0, |spec| i64::try_from(spec.containers.len()).unwrap_or(0));
    let or = |request: i64, default: i64| if request == 0 { default * containers } else { request };
    (or(requests.cpu, CPU_WITHOUT_REQUEST), or(requests.memory, MEMORY_WITHOUT_REQUEST))
}

/// Requests and host ports of all pods of a node that have not ended.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Load {
    /// Sum of the pods' requests.
    pub requested: Resources,
    /// Millicores and bytes as scores see them; see [`weight`].
    pub weight: (i64, i64),
    /// Host ports taken, and how often (a pod bound by hand may clash).
    pub ports: BTreeMap<HostPort, usize>,
}

impl Load {
    /// Counts a pod in.
    pub fn add(&mut self, pod: &Pod) {
        let requests = Resources::of_pod(pod);
        let (cpu, memory) = weight(pod, &requests);
        self.weight = (self.weight.0 + cpu, self.weight.1 + memory);
        self.requested.add(&requests);
        for port in pod_ports(pod) {
            *self.ports.entry(port).or_default() += 1;
        }
    }
    /// Counts a pod out that was counted in.
    pub fn remove(&mut self, pod: &Pod) {
        let requests = Resources::of_pod(pod);
        let (cpu, memory) = weight(pod, &requests);
        self.weight = (self.weight.0 - cpu, self.weight.1 - memory);
        self.requested.subtract(&requests);
        for port in pod_ports(pod) {
            if let Some(count) = self.ports.get_mut(&port) {
                *count -= 1;
                if *count == 0 {
                    self.ports.remove(&port);
                }
            }
        }
    }
}
