//! Which pods go first when there are too many.
//!
//! The order of `ActivePodsWithRanks`, with the pod deletion cost of KEP-2255 and the
//! logarithmic ages of KEP-2185, whose ties the uid breaks.

use crate::{
    View, owners, pods,
    view::{Item, Typed},
};
use k8s_openapi::api::core::v1::Pod;
use podium_types::Timestamp;
use std::{cmp::Reverse, collections::BTreeMap, sync::Arc};

const DELETION_COST: &str = "controller.kubernetes.io/pod-deletion-cost";

/// What decides, the most important first; the least goes first.
type Rank<'a> = (bool, u8, bool, i32, Reverse<usize>, i64, Reverse<i32>, i64, &'a str);

/// The active pods of a set, those to delete first in front.
pub fn first_to_go<'a, T: Typed>(
    view: &View,
    set: &Item<T>,
    active: &[&'a Arc<Item<Pod>>],
    now: Timestamp,
) -> Vec<&'a Arc<Item<Pod>>> {
    let crowd = crowd(view, set);
    let mut ranked: Vec<_> = active.iter().map(|pod| (rank(pod, &crowd, now), *pod)).collect();
    ranked.sort_by(|a, b| a.0.cmp(&b.0));
    ranked.into_iter().map(|(_, pod)| pod).collect()
}

fn rank<'a>(pod: &'a Item<Pod>, crowd: &BTreeMap<&str, usize>, now: Timestamp) -> Rank<'a> {
    let node = pods::node(pod);
    let phase = match pods::phase(pod) {
        "Pending" => 0,
        "Running" => 2,
        _ => 1,
    };
    let cost = pod.meta().annotations.as_ref().and_then(|a| a.get(DELETION_COST)?.parse().ok()).unwrap_or(0);
    let together = node.and_then(|node| crowd.get(node)).copied().unwrap_or(0);
    let created = pod.meta().creation_timestamp.as_ref().map(|time| time.0);
    (
        node.is_some(),
        phase,
        pods::ready(pod),
        cost,
        Reverse(together),
        magnitude(pods::ready_since(pod), now),
        Reverse(restarts(pod)),
        magnitude(created, now),
        pod.uid(),
    )
}

/// The order of magnitude of an age; no time at all counts as the youngest.
fn magnitude(since: Option<Timestamp>, now: Timestamp) -> i64 {
    let seconds = since.map_or(0, |since| now.duration_since(since).as_secs().max(0));
    i64::from(seconds.checked_ilog2().map_or(0, |log| log + 1))
}

fn restarts(pod: &Pod) -> i32 {
    let statuses = pod.status.as_ref().and_then(|status| status.container_statuses.as_ref());
    statuses.into_iter().flatten().map(|status| status.restart_count).max().unwrap_or(0)
}

/// How many active pods of this set and of its siblings each node has.
fn crowd<'a, T: Typed>(view: &'a View, set: &'a Item<T>) -> BTreeMap<&'a str, usize> {
    let parent = owners::controller(set.meta()).map(|owner| owner.uid.as_str());
    let siblings = parent.into_iter().flat_map(|uid| view.dependents.get(uid));
    let sets = siblings.filter_map(|(resource, key)| {
        view.replica_sets.get(key).filter(|_| *resource == crate::resource::REPLICA_SETS)
    });
    let uids: Vec<&str> = if parent.is_some() { sets.map(|s| s.uid()).collect() } else { vec![set.uid()] };
    let mut crowd = BTreeMap::new();
    for pod in uids.into_iter().flat_map(|uid| view.pods_of(uid)).filter(|pod| pods::active(pod)) {
        if let Some(node) = pods::node(pod) {
            *crowd.entry(node).or_default() += 1;
        }
    }
    crowd
}
