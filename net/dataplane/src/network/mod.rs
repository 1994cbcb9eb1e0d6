//! Pods' interfaces and addresses.

use crate::Result;
use ipnetwork::Ipv4Network;
use podium_rules::services::Protocol;
use serde::{Deserialize, Serialize};
use std::{net::{IpAddr, Ipv4Addr}, path::PathBuf};

/// What the network of a node is made of.
#[derive(Clone, Debug)]
pub struct NetworkConfig {
    /// Eight hexadecimal digits, not all zero: the cluster that everything made here belongs to.
    pub id: String,
    /// The node's part of the cluster CIDR.
    pub pod_cidr: Ipv4Network,
    /// Addresses of all pods.
    pub cluster_cidr: Ipv4Network,
    /// Addresses of Services.
    pub service_cidr: Ipv4Network,
    /// The node's own address.
    pub node_ip: Ipv4Addr,
    /// Where attachments are remembered, a file per pod.
    pub state_dir: PathBuf,
    /// Where network namespaces are kept; best `/run/podium/<id>/netns`.
    pub netns_dir: PathBuf,
}

/// A port of the node that leads to a pod (`hostPort`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostPort {
    /// Only on this address of the node; all of them when `None`.
    pub host_ip: Option<Ipv4Addr>,
    /// Transport protocol.
    pub protocol: Protocol,
    /// Port of the node.
    pub host_port: u16,
    /// Port of the pod.
    pub container_port: u16,
}

/// A pod's network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attachment {
    /// Whose it is.
    pub pod_uid: String,
    /// For people.
    pub pod_name: String,
    /// Path of the network namespace.
    pub netns: PathBuf,
    /// The pod's address.
    pub ip: IpAddr,
    /// Name of the host's end of the veth; the pod's end is `eth0`.
    pub interface: String,
    /// Ports of the node that lead here.
    pub host_ports: Vec<HostPort>,
}

/// The pods' network of a node.
pub struct Network {}

impl Network {
    /// Prepares the node (forwarding, masquerading) and takes over the attachments on disk.
    pub async fn open(_config: NetworkConfig) -> Result<Self> {
        Ok(Self {})
    }
    /// Makes the pod's network, or returns the one it has.
    pub async fn attach(&self, pod_uid: &str, _pod_name: &str, _host_ports: &[HostPort]) -> Result<Attachment> {
        Err(crate::Error::Invalid(pod_uid.to_owned()))
    }
    /// Ends the pod's network; fine when there is none.
    pub async fn detach(&self, _pod_uid: &str) -> Result<()> {
        Ok(())
    }
    /// Every attachment, by pod uid.
    pub fn attachments(&self) -> Vec<Attachment> {
        Vec::new()
    }
    /// Ends every pod's network and removes what `open` made.
    pub async fn close_all(&self) -> Result<()> {
        Ok(())
    }
}
