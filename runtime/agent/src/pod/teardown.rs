//! Takes a pod's processes, network, volumes and cgroups away; its logs and status stay until the API forgets it.

use super::Place;
use crate::{Error, Result, error::blocking, shared::Shared};
use podium_oci::Shim;
use podium_volumes::Volumes;
use std::{collections::BTreeSet, path::Path, sync::Arc, time::Duration};

/// How long killed containers may take to end.
const ENDING: Duration = Duration::from_secs(10);

/// Fine to repeat.
pub(super) async fn run(place: &Place, shim: Option<Shim>) -> Result<()> {
    place.shared.meter.probes.forget(&place.uid);
    let cgroups = vec![place.cgroup()];
    clear(&place.shared, &place.uid, shim, cgroups).await
}

/// Pods on disk that the API does not know: deleted while the agent was away.
pub(crate) async fn sweep(shared: &Arc<Shared>, known: &BTreeSet<String>) {
    let mut uids: BTreeSet<String> = BTreeSet::new();
    for entry in std::fs::read_dir(shared.config.pods_dir()).into_iter().flatten().flatten() {
        uids.insert(entry.file_name().to_string_lossy().into_owned());
    }
    if let Ok(network) = shared.network().await {
        uids.extend(network.attachments().into_iter().map(|a| a.pod_uid));
    }
    for uid in uids.into_iter().filter(|uid| !known.contains(uid) && shared.pods.get(uid).is_none()) {
        tracing::info!(uid, "removing a pod that was deleted meanwhile");
        if let Err(error) = forget(shared, &uid).await {
            tracing::warn!(%error, uid, "removing a pod that was deleted meanwhile");
        }
    }
}

async fn forget(shared: &Arc<Shared>, uid: &str) -> Result<()> {
    let shim = Shim::connect(&shared.config.shim_socket(uid)).await?;
    let root = format!("/podium-{}", shared.id);
    // Its class is not known any more.
    let classes = ["", "/burstable", "/besteffort"];
    let cgroups = classes.iter().map(|class| format!("{root}{class}/pod{uid}")).collect();
    // Nobody is left who would wait out a grace period: the pod is gone from the API.
    if let Some(shim) = shim {
        end(&shim).await?;
    }
    clear(shared, uid, None, cgroups).await?;
    let dir = shared.config.pod_dir(uid);
    tokio::fs::remove_dir_all(&dir).await.or_else(ignore_missing).map_err(crate::error::io("remove a pod's files"))
}

/// Kills a pod's containers and ends its shim.
pub(crate) async fn end(shim: &Shim) -> Result<()> {
    let ended = tokio::time::timeout(ENDING, shim.end()).await;
    Ok(ended.map_err(|_| Error::Other(format!("killed containers still run after {} s", ENDING.as_secs())))??)
}

async fn clear(shared: &Arc<Shared>, uid: &str, shim: Option<Shim>, cgroups: Vec<String>) -> Result<()> {
    if let Some(shim) = shim {
        shim.stop().await?;
    }
    let dir = shared.config.pod_dir(uid);
    let (shim_dir, owner) = (dir.join("shim"), shared.clone());
    blocking(move || {
        if shim_dir.exists() {
            podium_oci::cleanup(&shim_dir)?;
            remove(&shim_dir)?;
        }
        let containers = dir.join("containers");
        for entry in std::fs::read_dir(&containers).into_iter().flatten().flatten() {
            podium_oci::unmount(&entry.path())?;
        }
        remove(&containers)?;
        Volumes::new(&dir).teardown()?;
        remove(&dir.join("tokens"))?;
        cgroups.iter().try_for_each(|path| owner.cgroups.remove(path))?;
        Ok(())
    })
    .await?;
    shared.devices.release(uid)?;
    shared.user_ids.release(uid);
    let network = shared.network.borrow().clone();
    if let Some(network) = network {
        network.detach(uid).await?;
    }
    // One that the shim made, and no network was ever attached to.
    let netns = shared.config.netns(uid);
    blocking(move || Ok(podium_oci::unpin(&netns)?)).await?;
    Ok(())
}

fn remove(path: &Path) -> Result<()> {
    std::fs::remove_dir_all(path)
        .or_else(ignore_missing)
        .map_err(|source| Error::Io { what: format!("remove {}", path.display()), source })
}

fn ignore_missing(error: std::io::Error) -> std::io::Result<()> {
    if error.kind() == std::io::ErrorKind::NotFound { Ok(()) } else { Err(error) }
}
