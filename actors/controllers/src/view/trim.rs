//! What of an object no decision looks at: not kept, since there may be a hundred thousand pods.
//!
//! A field that a controller comes to need is taken off these lists; the object as stored has them all.

use super::item::Typed;
use k8s_openapi::api::core::v1::{Container, Pod};
use std::any::Any;

/// Lets go of what no decision looks at.
pub(super) fn trim<T: Typed>(typed: &mut T) {
    // Ten times as large as the rest, once it is parsed.
    typed.metadata_mut().managed_fields = None;
    if let Some(pod) = (typed as &mut dyn Any).downcast_mut() {
        trim_pod(pod);
    }
}

fn trim_pod(pod: &mut Pod) {
    // The object has them, too.
    pod.metadata.labels = None;
    let Some(spec) = &mut pod.spec else { return };
    for list in [Some(&mut spec.containers), spec.init_containers.as_mut()].into_iter().flatten() {
        list.iter_mut().for_each(trim_container);
    }
    if let Some(volumes) = &mut spec.volumes {
        volumes.retain(|volume| volume.persistent_volume_claim.is_some() || volume.ephemeral.is_some());
    }
    // Lists grow in steps while they are read; a copy has no room to spare.
    *pod = pod.clone();
}

/// Keeps what a container asks of its node, and what its pod is told apart by.
fn trim_container(container: &mut Container) {
    let whole = std::mem::take(container);
    *container = Container {
        name: whole.name,
        image: whole.image,
        ports: whole.ports,
        resources: whole.resources,
        restart_policy: whole.restart_policy,
        ..Container::default()
    };
}
