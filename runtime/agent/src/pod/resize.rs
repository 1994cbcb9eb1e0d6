//! Gives running containers new limits.

use super::{Place, PodActor, place::container_id, prepare};
use crate::error::blocking;
use k8s_openapi::api::core::v1::Pod;
use podium_lifecycle::{Event, ResizeFailure, resources};
use podium_oci::Resources;
use podium_supervision::Ctx;
use std::sync::Arc;

/// No limit, as cgroups take it.
const UNLIMITED: i64 = -1;

impl PodActor {
    pub(super) fn resized(&mut self, outcome: Result<(), ResizeFailure>, ctx: &mut Ctx<'_, Self>) {
        match &outcome {
            Ok(()) => {}
            Err(ResizeFailure::Infeasible(message)) => self.record(None, true, "ResizeInfeasible", message.clone()),
            Err(ResizeFailure::Deferred(message)) => self.record(None, true, "ResizeDeferred", message.clone()),
            Err(ResizeFailure::Error(message)) => self.record(None, true, "ResizeError", message.clone()),
        }
        self.feed(Event::Resized(outcome), ctx);
    }
}

/// Sets the limits of the pod and of these containers (name and life), where the node has room.
pub(super) async fn run(place: &Place, containers: Vec<(String, u32)>) -> Result<(), ResizeFailure> {
    room(place)?;
    let here = place.clone();
    let work = blocking(move || apply(&here, &containers));
    work.await.map_err(|error| ResizeFailure::Error(error.to_string()))
}

fn room(place: &Place) -> Result<(), ResizeFailure> {
    let allocatable = &place.shared.machine.allocatable;
    resources::fits(&place.pod, &[], allocatable).map_err(|s| ResizeFailure::Infeasible(s.to_string()))?;
    let slots = place.shared.pods.list();
    let others: Vec<Arc<Pod>> =
        slots.iter().filter(|s| s.uid != place.uid && !s.ended()).map(|s| s.pod.load_full()).collect();
    let others: Vec<&Pod> = others.iter().map(Arc::as_ref).collect();
    resources::fits(&place.pod, &others, allocatable).map_err(|s| ResizeFailure::Deferred(s.to_string()))
}

/// A group's limits may not be above its parent's, so the pod has none for a moment.
fn apply(place: &Place, containers: &[(String, u32)]) -> crate::Result<()> {
    let (cgroups, pod) = (&place.shared.cgroups, place.cgroup());
    let mut wishes = Vec::new();
    for (name, attempt) in containers {
        let Some(container) = place.container(name) else { continue };
        let wish = whole(prepare::limits(&resources::container(container.resources.as_ref())));
        let group = format!("{pod}/{}", container_id(name, *attempt));
        let usage = cgroups.stats(&group)?.memory_usage_bytes;
        if let Some(limit) = wish.memory_limit_bytes.filter(|limit| u64::try_from(*limit).is_ok_and(|l| l < usage)) {
            let what = format!("memory limit of container {name} ({limit}) is below its usage ({usage})");
            return Err(crate::Error::Other(what));
        }
        wishes.push((group, wish));
    }
    let open =
        Resources { cpu_quota_micros: Some(UNLIMITED), memory_limit_bytes: Some(UNLIMITED), ..Resources::default() };
    cgroups.update(&pod, &open)?;
    let outcome = wishes.iter().try_for_each(|(group, wish)| cgroups.update(group, wish));
    let mut limits = whole(prepare::limits(&resources::pod(&place.pod)));
    // A container that is restarted for its new limit holds more until then; the kernel would refuse.
    let usage = i64::try_from(cgroups.stats(&pod)?.memory_usage_bytes).unwrap_or(i64::MAX);
    limits.memory_limit_bytes = limits.memory_limit_bytes.map(|limit| if limit > 0 { limit.max(usage) } else { limit });
    cgroups.update(&pod, &limits)?;
    Ok(outcome?)
}

/// A limit that is gone must be said to be gone.
fn whole(mut wish: Resources) -> Resources {
    wish.cpu_quota_micros.get_or_insert(UNLIMITED);
    wish.memory_limit_bytes.get_or_insert(UNLIMITED);
    wish
}
