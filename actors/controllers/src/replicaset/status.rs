//! What the pods of a set add up to.

use super::Replicated;
use crate::{pods, view::Item};
use k8s_openapi::{api::core::v1::Pod, apimachinery::pkg::apis::meta::v1::Time};
use podium_types::Timestamp;
use std::sync::Arc;

/// Numbers of pods; none stays unwritten, as in Kubernetes.
pub struct Counts {
    /// Those that count.
    pub replicas: i32,
    /// Of these, those with all labels of the template.
    pub labelled: Option<i32>,
    /// Of these, the ready ones.
    pub ready: Option<i32>,
    /// Of these, those ready for `minReadySeconds`.
    pub available: Option<i32>,
    /// Those on their way out, which no longer count.
    pub terminating: Option<i32>,
}

/// The condition that says that pods could not be made or deleted.
pub const FAILURE: &str = "ReplicaFailure";

/// Why pods could not be made or deleted.
pub struct Failure {
    /// `FailedCreate` or `FailedDelete`.
    pub reason: String,
    /// What the server said.
    pub message: String,
    /// Since when.
    pub since: Option<Time>,
}

impl Failure {
    /// As a condition tells it.
    pub(super) fn told(reason: Option<String>, message: Option<String>, since: Option<Time>) -> Self {
        Self { reason: reason.unwrap_or_default(), message: message.unwrap_or_default(), since }
    }
}

/// Counts a set's pods: `owned` are all, `active` those that count.
pub fn of<T: Replicated>(
    set: &Item<T>,
    owned: &[&Arc<Item<Pod>>],
    active: &[&Arc<Item<Pod>>],
    now: Timestamp,
) -> Counts {
    let min_ready = set.min_ready_seconds();
    let labels = set.template_labels();
    let labelled = |pod: &Item<Pod>| labels.is_none_or(|l| crate::selector::contains(l, &pod.object.labels));
    let available = |pod: &Item<Pod>| pods::available_at(pod, min_ready).is_some_and(|at| at <= now);
    Counts {
        replicas: count(active, |_| true).unwrap_or(0),
        labelled: count(active, labelled),
        ready: count(active, |pod| pods::ready(pod)),
        available: count(active, available),
        terminating: count(owned, |pod| pod.deleting() && !pods::terminal(pod)).or(Some(0)),
    }
}

/// When the next ready pod has been ready for `minReadySeconds`.
pub fn next_available<T: Replicated>(set: &T, active: &[&Arc<Item<Pod>>], now: Timestamp) -> Option<Timestamp> {
    let times = active.iter().filter_map(|pod| pods::available_at(pod, set.min_ready_seconds()));
    times.filter(|at| *at > now).min()
}

fn count(list: &[&Arc<Item<Pod>>], which: impl Fn(&Item<Pod>) -> bool) -> Option<i32> {
    let number = list.iter().filter(|pod| which(pod)).count();
    i32::try_from(number).ok().filter(|number| *number > 0)
}
