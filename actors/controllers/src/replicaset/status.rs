//! `status` of a ReplicaSet, from its pods.

use crate::{pods, view::Item};
use k8s_openapi::api::{
    apps::v1::{ReplicaSet, ReplicaSetStatus},
    core::v1::Pod,
};
use podium_types::Timestamp;
use std::sync::Arc;

/// The status that follows from the pods: `owned` are all, `active` those that count.
pub fn of(
    set: &Item<ReplicaSet>,
    owned: &[&Arc<Item<Pod>>],
    active: &[&Arc<Item<Pod>>],
    now: Timestamp,
) -> ReplicaSetStatus {
    let min_ready = min_ready_seconds(set);
    let template = set.spec.as_ref().and_then(|spec| spec.template.as_ref());
    let labels = template.and_then(|template| template.metadata.as_ref()).and_then(|meta| meta.labels.as_ref());
    let labelled = |pod: &Item<Pod>| labels.is_none_or(|l| crate::selector::contains(l, &pod.object.labels));
    let available = |pod: &Item<Pod>| pods::available_at(pod, min_ready).is_some_and(|at| at <= now);
    ReplicaSetStatus {
        replicas: count(active, |_| true).unwrap_or(0),
        fully_labeled_replicas: count(active, labelled),
        ready_replicas: count(active, |pod| pods::ready(pod)),
        available_replicas: count(active, available),
        terminating_replicas: count(owned, |pod| pod.deleting() && !pods::terminal(pod)).or(Some(0)),
        observed_generation: set.meta().generation,
        conditions: set.status.as_ref().and_then(|status| status.conditions.clone()),
    }
}

/// When the next ready pod has been ready for `minReadySeconds`.
pub fn next_available(set: &ReplicaSet, active: &[&Arc<Item<Pod>>], now: Timestamp) -> Option<Timestamp> {
    let times = active.iter().filter_map(|pod| pods::available_at(pod, min_ready_seconds(set)));
    times.filter(|at| *at > now).min()
}

fn min_ready_seconds(set: &ReplicaSet) -> i32 {
    set.spec.as_ref().and_then(|spec| spec.min_ready_seconds).unwrap_or(0)
}

/// How many; none stays unwritten, as in Kubernetes.
fn count(list: &[&Arc<Item<Pod>>], which: impl Fn(&Item<Pod>) -> bool) -> Option<i32> {
    let number = list.iter().filter(|pod| which(pod)).count();
    i32::try_from(number).ok().filter(|number| *number > 0)
}
