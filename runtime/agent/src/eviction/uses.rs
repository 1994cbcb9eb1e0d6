//! What pods hold, as decisions about them need it.

use crate::{
    Result,
    pod::Place,
    pods::PodSlot,
    shared::Shared,
    stats::{DiskUsage, PodDisk, PodSample},
};
use futures_util::{StreamExt, stream};
use k8s_openapi::api::core::v1::{Container, Pod};
use podium_lifecycle::eviction::{ContainerUse, PodUse, Signal};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

/// Pods whose directories are walked at once.
const WALKS: usize = 2;
/// Directories are walked anew at every look.
const AT_ONCE: Duration = Duration::from_secs(1);

/// Pods that have limits of storage, with what they hold on the disk.
pub(super) async fn limited(shared: &Arc<Shared>) -> Vec<(Arc<PodSlot>, PodUse)> {
    let slots = here(shared).into_iter().filter(|slot| has_limits(&slot.pod.load()));
    walked(shared, slots.collect())
        .await
        .into_iter()
        .map(|(slot, disk)| (slot.clone(), of(&slot, None, Some(&disk))))
        .collect()
}

/// Pods that may have to go, with what they hold of what is short.
pub(super) async fn all(shared: &Arc<Shared>, signal: Signal) -> Result<Vec<(Arc<PodSlot>, PodUse)>> {
    let slots = here(shared);
    if matches!(signal, Signal::MemoryAvailable | Signal::PidAvailable) {
        let sample = shared.meter.sample(shared).await?;
        let find = |slot: &PodSlot| sample.pods.iter().find(|p| p.uid == slot.uid);
        return Ok(slots.into_iter().map(|slot| (slot.clone(), of(&slot, find(&slot), None))).collect());
    }
    let disks = walked(shared, slots).await;
    Ok(disks.into_iter().map(|(slot, disk)| (slot.clone(), of(&slot, None, Some(&disk)))).collect())
}

/// Pods that hold something, and were not asked to leave yet.
fn here(shared: &Shared) -> Vec<Arc<PodSlot>> {
    let stays = |slot: &Arc<PodSlot>| !slot.ended() && !slot.removed() && slot.eviction().is_none();
    shared.pods.list().into_iter().filter(stays).collect()
}

async fn walked(shared: &Arc<Shared>, slots: Vec<Arc<PodSlot>>) -> Vec<(Arc<PodSlot>, Arc<PodDisk>)> {
    let walks = slots.into_iter().map(|slot| async move {
        let place = Place { shared: shared.clone(), pod: slot.pod.load_full(), uid: slot.uid.clone() };
        let disk = shared.meter.disk.pod(place, AT_ONCE).await.ok()?;
        Some((slot, disk))
    });
    stream::iter(walks).buffer_unordered(WALKS).filter_map(|found| async { found }).collect().await
}

fn of(slot: &PodSlot, sample: Option<&PodSample>, disk: Option<&PodDisk>) -> PodUse {
    let mut containers: BTreeMap<String, ContainerUse> = BTreeMap::new();
    for container in sample.iter().flat_map(|s| &s.containers) {
        containers.entry(container.name.clone()).or_default().memory = container.stats.memory_working_set_bytes;
    }
    if let Some(disk) = disk {
        let names: BTreeSet<&String> = disk.layers.keys().chain(disk.logs.keys()).collect();
        for name in names {
            let both: DiskUsage = [&disk.layers, &disk.logs].into_iter().filter_map(|map| map.get(name)).copied().sum();
            containers.entry(name.clone()).or_default().disk = both.bytes;
        }
    }
    PodUse {
        pod: slot.pod.load_full(),
        memory: sample.map(|s| s.stats.memory_working_set_bytes),
        disk: disk.map(|d| (d.ephemeral().bytes, d.ephemeral().inodes)),
        processes: sample.map(|s| s.stats.pids),
        containers,
        volumes: disk.iter().flat_map(|d| &d.volumes).map(|(name, usage)| (name.clone(), usage.bytes)).collect(),
    }
}

/// Limits that say how much storage the pod may hold.
fn has_limits(pod: &Pod) -> bool {
    let Some(spec) = &pod.spec else { return false };
    let limit = |c: &Container| {
        let limits = c.resources.as_ref().and_then(|r| r.limits.as_ref());
        limits.is_some_and(|l| l.contains_key("ephemeral-storage"))
    };
    spec.volumes.iter().flatten().any(|v| v.empty_dir.as_ref().is_some_and(|e| e.size_limit.is_some()))
        || spec.containers.iter().chain(spec.init_containers.iter().flatten()).any(limit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_limited_pods_are_walked() {
        let limits = json!({ "limits": { "ephemeral-storage": "1Mi" } });
        for (spec, expected) in [
            (json!({ "containers": [{ "name": "a" }] }), false),
            (json!({ "containers": [{ "name": "a", "resources": { "limits": { "cpu": "1" } } }] }), false),
            (json!({ "containers": [{ "name": "a", "resources": limits }] }), true),
            (json!({ "containers": [], "initContainers": [{ "name": "a", "resources": limits }] }), true),
            (json!({ "containers": [], "volumes": [{ "name": "v", "emptyDir": {} }] }), false),
            (json!({ "containers": [], "volumes": [{ "name": "v", "emptyDir": { "sizeLimit": "1" } }] }), true),
        ] {
            let pod = serde_json::from_value(json!({ "spec": spec })).expect("a pod");
            assert_eq!(has_limits(&pod), expected, "{spec}");
        }
    }
}
