//! What an agent must be told.

use crate::settings::Settings;
use ipnetwork::Ipv4Network;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::{
    net::IpAddr,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

/// See the fields.
#[derive(Clone, Debug)]
pub struct AgentConfig {
    /// Name of the Node.
    pub node_name: String,
    /// How to reach the API, and as whom.
    pub kubeconfig: PathBuf,
    /// Images, pods, logs.
    pub data_dir: PathBuf,
    /// Sockets and namespaces; a short path.
    pub run_dir: PathBuf,
    /// The binary that runs as a pod's shim.
    pub exe: PathBuf,
    /// Certificate of the kubelet API.
    pub kubelet_cert: PathBuf,
    /// Its key.
    pub kubelet_key: PathBuf,
    /// Who signs clients of the kubelet API.
    pub client_ca: PathBuf,
    /// Port of the kubelet API; 0 is any free one.
    pub kubelet_port: u16,
    /// Address of the node.
    pub node_ip: IpAddr,
    /// Address of the cluster's name server.
    pub cluster_dns: IpAddr,
    /// Usually `cluster.local`.
    pub cluster_domain: String,
    /// Addresses of Services.
    pub service_cidr: Ipv4Network,
    /// Addresses of pods.
    pub cluster_cidr: Ipv4Network,
    /// Registry mirrors and credentials; need not exist.
    pub registries: PathBuf,
    /// A KubeletConfiguration; need not exist.
    pub settings: PathBuf,
    /// Pods that the node takes at most.
    pub max_pods: u32,
}

impl AgentConfig {
    /// State of one pod.
    pub(crate) fn pod_dir(&self, uid: &str) -> PathBuf {
        self.pods_dir().join(uid)
    }
    /// All pods' state.
    pub(crate) fn pods_dir(&self) -> PathBuf {
        self.data_dir.join("pods")
    }
    /// A pod's network namespace is mounted here.
    pub(crate) fn netns(&self, uid: &str) -> PathBuf {
        self.run_dir.join("netns").join(uid)
    }
    /// A pod's shim answers here.
    pub(crate) fn shim_socket(&self, uid: &str) -> PathBuf {
        self.run_dir.join("pods").join(format!("{uid}.sock"))
    }

    /// What of this a kubelet has too, as a KubeletConfiguration, with the settings that are one anyway.
    pub(crate) fn kubelet_configuration(&self, settings: &Settings, port: u16) -> Value {
        let mut all = json!({
            "kind": "KubeletConfiguration",
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "address": "0.0.0.0",
            "port": port,
            "tlsCertFile": self.kubelet_cert,
            "tlsPrivateKeyFile": self.kubelet_key,
            "authentication": {
                "x509": { "clientCAFile": self.client_ca },
                "webhook": { "enabled": true },
                "anonymous": { "enabled": false },
            },
            "authorization": { "mode": "Webhook" },
            "clusterDomain": self.cluster_domain,
            "clusterDNS": [self.cluster_dns.to_string()],
            "maxPods": self.max_pods,
            "cgroupDriver": "cgroupfs",
        });
        if let (Some(all), Ok(Value::Object(more))) = (all.as_object_mut(), serde_json::to_value(settings)) {
            all.extend(more);
        }
        all
    }
}

/// Eight hexadecimal digits that mark everything which the cluster in `data_dir` makes outside of it.
pub fn cluster_id(data_dir: &Path) -> String {
    let digest = Sha256::digest(data_dir.as_os_str().as_bytes());
    let id = hex::encode(&digest[..4]);
    // All zero stands for no cluster.
    if id == "00000000" { "00000001".to_owned() } else { id }
}
