//! Where a pod's things are on this node.

use crate::shared::Shared;
use k8s_openapi::api::core::v1::{Container, Pod, PodSpec};
use podium_lifecycle::{qos, roster};
use std::{path::PathBuf, sync::Arc};

/// A pod with the agent it runs under; cheap to clone into work that runs beside the actor.
#[derive(Clone)]
pub(crate) struct Place {
    pub shared: Arc<Shared>,
    pub pod: Arc<Pod>,
    pub uid: String,
}

impl Place {
    pub fn dir(&self) -> PathBuf {
        self.shared.config.pod_dir(&self.uid)
    }
    /// State of the shim.
    pub fn shim_dir(&self) -> PathBuf {
        self.dir().join("shim")
    }
    /// Root file system of one life of a container.
    pub fn container_dir(&self, id: &str) -> PathBuf {
        self.dir().join("containers").join(id)
    }
    /// Log of one life of a container.
    pub fn log(&self, container: &str, attempt: u32) -> PathBuf {
        self.dir().join("logs").join(container).join(format!("{attempt}.log"))
    }
    /// The last words of one life of a container.
    pub fn termination_log(&self, id: &str) -> PathBuf {
        self.dir().join("termination").join(id)
    }
    /// Files that every container sees: `hosts`, `resolv.conf`, `hostname`.
    pub fn etc(&self, name: &str) -> PathBuf {
        self.dir().join("etc").join(name)
    }
    pub fn status_file(&self) -> PathBuf {
        self.dir().join("status.json")
    }
    pub fn cgroup(&self) -> String {
        let class = qos::class(&self.pod).cgroup().map(|name| format!("/{name}")).unwrap_or_default();
        format!("/podium-{}{class}/pod{}", self.shared.id, self.uid)
    }
    pub fn spec(&self) -> Option<&PodSpec> {
        self.pod.spec.as_ref()
    }
    pub fn namespace(&self) -> &str {
        self.pod.metadata.namespace.as_deref().unwrap_or_default()
    }
    pub fn name(&self) -> &str {
        self.pod.metadata.name.as_deref().unwrap_or_default()
    }
    pub fn host_network(&self) -> bool {
        self.spec().and_then(|s| s.host_network) == Some(true)
    }
    /// The pod has users of its own (`hostUsers: false`).
    pub fn own_users(&self) -> bool {
        self.spec().and_then(|s| s.host_users) == Some(false)
    }
    /// Its user namespace, where it has one of its own and its shim is there.
    pub fn users(&self) -> Option<PathBuf> {
        self.own_users().then(|| podium_oci::user_namespace(&self.shim_dir()))
    }
    /// A container by its name, whatever its part.
    pub fn container(&self, name: &str) -> Option<Container> {
        roster(&self.pod).into_iter().map(|(_, container)| container).find(|c| c.name == name)
    }
    /// The container whose processes an ephemeral one sees.
    pub fn target(&self, name: &str) -> Option<&str> {
        let mut all = self.spec()?.ephemeral_containers.iter().flatten();
        all.find(|c| c.name == name)?.target_container_name.as_deref().filter(|target| !target.is_empty())
    }
}

/// Id of one life of a container within its pod.
pub(crate) fn container_id(name: &str, attempt: u32) -> String {
    format!("{name}.{attempt}")
}

/// The reverse of [`container_id`].
pub(super) fn parse_id(id: &str) -> Option<(&str, u32)> {
    let (name, attempt) = id.rsplit_once('.')?;
    Some((name, attempt.parse().ok()?))
}

/// The id that the API shows, unique in the cluster.
pub(super) fn public_id(uid: &str, id: &str) -> String {
    format!("{}-{id}", uid.replace('-', ""))
}
