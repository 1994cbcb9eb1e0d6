//! Which directory of this node a volume's claim is bound to. Other kinds of volumes need a driver that is not here.

use super::Place;
use crate::{Error, Result};
use k8s_openapi::api::core::v1::{PersistentVolume, PersistentVolumeClaim, Volume};
use kube::Api;
use podium_machinery::selectors::node::term_matches;
use podium_volumes::{GroupChange, Source};
use std::path::PathBuf;

fn missing(message: String) -> Error {
    podium_volumes::Error::Missing(message).into()
}

/// The claim of a volume: the one it names, or the one made for an ephemeral volume of the pod.
fn claim(place: &Place, volume: &Volume) -> Option<String> {
    let named = volume.persistent_volume_claim.as_ref().map(|source| source.claim_name.clone());
    named.or_else(|| volume.ephemeral.as_ref().map(|_| format!("{}-{}", place.name(), volume.name)))
}

/// Mounted read-only, whatever the containers ask for.
pub(super) fn read_only(volume: &Volume) -> bool {
    volume.persistent_volume_claim.as_ref().is_some_and(|source| source.read_only == Some(true))
}

/// What a claimed volume is made from; None where the volume is no claim.
pub(super) async fn source(place: &Place, volume: &Volume) -> Result<Option<Source>> {
    let Some(name) = claim(place, volume) else { return Ok(None) };
    let client = &place.shared.client;
    let claims: Api<PersistentVolumeClaim> = Api::namespaced(client.clone(), place.namespace());
    let claim = claims.get_opt(&name).await?;
    let claim = claim.ok_or_else(|| missing(format!("persistentvolumeclaim \"{name}\" not found")))?;
    // Somebody else's claim of that name is not the pod's.
    let ours = claim.metadata.owner_references.iter().flatten().any(|owner| owner.uid == place.uid);
    if volume.ephemeral.is_some() && !ours {
        return Err(missing(format!("PVC {}/{name} was not created for pod {}", place.namespace(), place.name())));
    }
    let bound = claim.status.as_ref().and_then(|s| s.phase.as_deref()) == Some("Bound");
    let disk = claim.spec.as_ref().and_then(|s| s.volume_name.clone()).filter(|_| bound);
    let disk = disk.ok_or_else(|| missing(format!("persistentvolumeclaim \"{name}\" is not bound")))?;
    let volumes: Api<PersistentVolume> = Api::all(client.clone());
    let found = volumes.get_opt(&disk).await?;
    let found = found.ok_or_else(|| missing(format!("persistentvolume \"{disk}\" not found")))?;
    let whose = found.spec.as_ref().and_then(|s| s.claim_ref.as_ref()).and_then(|r| r.uid.clone());
    if whose != claim.metadata.uid {
        return Err(missing(format!("persistentvolume \"{disk}\" is bound to another claim than \"{name}\"")));
    }
    let here = place.shared.node.load_full();
    if let Some(node) = here.filter(|node| !reachable(&found, node, &place.shared.config.node_name)) {
        let node = node.metadata.name.clone().unwrap_or_default();
        return Err(missing(format!("persistentvolume \"{disk}\": no matching NodeSelectorTerms on {node}")));
    }
    on_disk(place, &found).map(Some).ok_or_else(|| {
        missing(format!("no volume plugin matched persistentvolume \"{disk}\": this node has local and hostPath"))
    })
}

fn reachable(disk: &PersistentVolume, node: &k8s_openapi::api::core::v1::Node, name: &str) -> bool {
    let affinity = disk.spec.as_ref().and_then(|s| s.node_affinity.as_ref()).and_then(|a| a.required.as_ref());
    let labels = node.metadata.labels.clone().unwrap_or_default();
    affinity.is_none_or(|terms| terms.node_selector_terms.iter().any(|term| term_matches(term, &labels, name)))
}

fn on_disk(place: &Place, disk: &PersistentVolume) -> Option<Source> {
    let spec = disk.spec.as_ref()?;
    if let Some(local) = &spec.local {
        let policy = place.spec().and_then(|s| s.security_context.as_ref());
        let change = match policy.and_then(|c| c.fs_group_change_policy.as_deref()) {
            Some("OnRootMismatch") => GroupChange::OnRootMismatch,
            _ => GroupChange::Always,
        };
        return Some(Source::Local { path: PathBuf::from(&local.path), change: Some(change), kind: None });
    }
    let host = spec.host_path.as_ref()?;
    // A type that nobody knows was refused when the volume was made.
    let kind = host.type_.as_deref().unwrap_or_default().parse().unwrap_or_default();
    // Owners of host paths are left alone, as in a kubelet.
    Some(Source::Local { path: PathBuf::from(&host.path), change: None, kind: Some(kind) })
}
