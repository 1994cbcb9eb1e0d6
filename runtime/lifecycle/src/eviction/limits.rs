//! Pods above their own limits of storage leave, however much the node has left.

use super::{EVICTED, Eviction, IMMEDIATE_GRACE_SECONDS, PodUse};
use crate::resources::amount;
use k8s_openapi::api::core::v1::PodSpec;
use podium_types::Quantity;

/// What limits are called.
const STORAGE: &str = "ephemeral-storage";

/// Why the pod must leave: the size of an emptyDir, what all containers may hold together, or one of them.
pub fn exceeded(used: &PodUse) -> Option<Eviction> {
    let spec = used.pod.spec.as_ref()?;
    let message = empty_dir(spec, used).or_else(|| pod(spec, used)).or_else(|| container(spec, used))?;
    Some(Eviction { reason: EVICTED, message, grace_seconds: IMMEDIATE_GRACE_SECONDS })
}

fn empty_dir(spec: &PodSpec, used: &PodUse) -> Option<String> {
    spec.volumes.iter().flatten().find_map(|volume| {
        let size = &volume.empty_dir.as_ref()?.size_limit.as_ref()?.0;
        let limit = Quantity::parse(size).ok().filter(|limit| limit.value() > 0)?;
        let above = above(*used.volumes.get(&volume.name)?, &limit);
        above.then(|| format!("Usage of EmptyDir volume \"{}\" exceeds the limit \"{size}\". ", volume.name))
    })
}

fn pod(spec: &PodSpec, used: &PodUse) -> Option<String> {
    let limit = |c: &k8s_openapi::api::core::v1::Container| amount(c.resources.as_ref()?.limits.as_ref(), STORAGE);
    let mains: Vec<Quantity> = spec.containers.iter().filter_map(limit).collect();
    let together = (!mains.is_empty()).then(|| mains.into_iter().sum());
    let most = spec.init_containers.iter().flatten().filter_map(limit).chain(together).max()?;
    let (bytes, _) = used.disk?;
    above(bytes, &most)
        .then(|| format!("Pod ephemeral local storage usage exceeds the total limit of containers {most}. "))
}

fn container(spec: &PodSpec, used: &PodUse) -> Option<String> {
    spec.containers.iter().chain(spec.init_containers.iter().flatten()).find_map(|container| {
        let limits = container.resources.as_ref()?.limits.as_ref();
        let limit = amount(limits, STORAGE)?;
        let above = above(used.containers.get(&container.name)?.disk, &limit);
        let name = &container.name;
        above.then(|| format!("Container {name} exceeded its local ephemeral storage limit \"{limit}\". "))
    })
}

fn above(bytes: u64, limit: &Quantity) -> bool {
    i128::from(bytes) > i128::from(limit.value())
}

#[cfg(test)]
mod tests {
    use super::{super::ContainerUse, *};
    use serde_json::{Value, json};
    use std::{collections::BTreeMap, sync::Arc};

    fn used(spec: Value, disk: u64, container: u64, volume: u64) -> PodUse {
        PodUse {
            pod: Arc::new(serde_json::from_value(json!({ "spec": spec })).expect("a pod")),
            memory: None,
            disk: Some((disk, 1)),
            processes: None,
            containers: [("a".to_owned(), ContainerUse { memory: 0, disk: container })].into(),
            volumes: BTreeMap::from([("v".to_owned(), volume)]),
        }
    }

    #[test]
    fn limits_hold_for_volumes_pods_and_containers() {
        let limit = |size: &str| json!({ "limits": { "ephemeral-storage": size } });
        let volume = json!([{ "name": "v", "emptyDir": { "sizeLimit": "1Ki" } }]);
        let two = json!([{ "name": "a", "resources": limit("1Ki") }, { "name": "b", "resources": limit("1Ki") }]);
        for (spec, disk, container, inside, expected) in [
            (json!({ "containers": [{ "name": "a" }] }), u64::MAX, u64::MAX, u64::MAX, None),
            (json!({ "containers": [], "volumes": volume }), 0, 0, 1024, None),
            (
                json!({ "containers": [], "volumes": volume }),
                0,
                0,
                1025,
                Some("Usage of EmptyDir volume \"v\" exceeds the limit \"1Ki\". "),
            ),
            (json!({ "containers": two }), 2048, 1024, 0, None),
            (
                json!({ "containers": two }),
                2049,
                0,
                0,
                Some("Pod ephemeral local storage usage exceeds the total limit of containers 2Ki. "),
            ),
            (
                json!({ "containers": two }),
                2000,
                1025,
                0,
                Some("Container a exceeded its local ephemeral storage limit \"1Ki\". "),
            ),
            (
                json!({ "containers": two, "initContainers": [{ "name": "i", "resources": limit("1Mi") }] }),
                1 << 20,
                0,
                0,
                None,
            ),
        ] {
            let found = exceeded(&used(spec.clone(), disk, container, inside));
            assert_eq!(found.as_ref().map(|e| e.message.as_str()), expected, "{spec}");
            assert!(found.is_none_or(|e| e.grace_seconds == IMMEDIATE_GRACE_SECONDS));
        }
    }
}
