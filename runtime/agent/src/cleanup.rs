//! Ends everything that an agent left on this machine: pods, cgroups, network. For `podium down`, when no agent runs.

use crate::{
    Error, Result, cluster_id,
    error::{blocking, io},
};
use futures_util::{StreamExt, TryStreamExt, stream};
use podium_dataplane::Leftovers;
use podium_oci::{Shim, cgroups::Cgroups};
use podium_volumes::Volumes;
use serde::{Deserialize, Serialize};
use std::{
    net::IpAddr,
    path::{Path, PathBuf},
};

/// Pods that are ended at the same time.
const PARALLEL: usize = 16;

/// What a later cleanup must know and cannot find out.
#[derive(Default, Serialize, Deserialize)]
pub(crate) struct Traces {
    /// Destinations of our routes, in CIDR notation.
    pub routes: Vec<String>,
    /// Addresses of the name server.
    pub dns: Vec<IpAddr>,
}

impl Traces {
    fn file(data_dir: &Path) -> PathBuf {
        data_dir.join("agent.json")
    }
    pub fn write(&self, data_dir: &Path) -> Result<()> {
        let file = Self::file(data_dir);
        std::fs::write(&file, serde_json::to_vec(self).unwrap_or_default())
            .map_err(io(format!("write {}", file.display())))
    }
    fn read(data_dir: &Path) -> Self {
        let bytes = std::fs::read(Self::file(data_dir)).unwrap_or_default();
        serde_json::from_slice(&bytes).unwrap_or_default()
    }
}

/// Ends all pods of the cluster in `data_dir` at once and removes what they had. Fine when there is nothing.
pub async fn cleanup(data_dir: &Path, run_dir: &Path) -> Result<()> {
    let pods = data_dir.join("pods");
    let entries = std::fs::read_dir(&pods).into_iter().flatten().flatten();
    let ends = entries.map(|entry| async move {
        let uid = entry.file_name();
        let socket = run_dir.join("pods").join(format!("{}.sock", uid.to_string_lossy()));
        end(&entry.path(), &socket).await
    });
    stream::iter(ends).buffer_unordered(PARALLEL).try_collect::<()>().await?;
    groups_and_network(data_dir, run_dir).await
}

/// Removes the cgroups of all pods, and everything of the network.
pub(crate) async fn groups_and_network(data_dir: &Path, run_dir: &Path) -> Result<()> {
    let id = cluster_id(data_dir);
    let group = format!("/podium-{id}");
    blocking(move || {
        let cgroups = Cgroups::detect()?;
        cgroups.kill(&group)?;
        Ok(cgroups.remove(&group)?)
    })
    .await?;
    let traces = Traces::read(data_dir);
    let leftovers = Leftovers {
        netns_dir: run_dir.join("netns"),
        state_dir: data_dir.join("network"),
        dns_addresses: traces.dns,
        routes: traces.routes.iter().filter_map(|cidr| cidr.parse().ok()).collect(),
    };
    podium_dataplane::cleanup(&id, &leftovers).await?;
    Ok(())
}

async fn end(dir: &Path, socket: &Path) -> Result<()> {
    if let Some(shim) = Shim::connect(socket).await? {
        crate::pod::end(&shim).await?;
    }
    let dir = dir.to_owned();
    blocking(move || {
        podium_oci::cleanup(&dir.join("shim"))?;
        for entry in std::fs::read_dir(dir.join("containers")).into_iter().flatten().flatten() {
            podium_oci::unmount(&entry.path())?;
        }
        Volumes::new(&dir).teardown()?;
        std::fs::remove_dir_all(&dir).map_err(|source| Error::Io { what: format!("remove {}", dir.display()), source })
    })
    .await
}
