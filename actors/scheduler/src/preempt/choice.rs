//! Of several ways to make room, the one that hurts least.

use crate::ask::priority;
use k8s_openapi::api::core::v1::Pod;
use podium_controllers::view::Item;
use podium_types::Timestamp;
use std::{cmp::Reverse, sync::Arc};

/// What each victim counts for beside its priority, so that more victims are always worse.
const VICTIM: i64 = 1 << 31;

/// A node where room can be made.
#[derive(Debug)]
pub struct Candidate<'a> {
    /// The place.
    pub at: usize,
    /// Who must go, the most important first.
    pub victims: Vec<&'a Arc<Item<Pod>>>,
    /// How many of them a PodDisruptionBudget would keep.
    pub violations: usize,
}

/// Orders pods, the most important first: by priority, then by age.
pub fn importance(pod: &Item<Pod>) -> (Reverse<i32>, Timestamp) {
    (Reverse(priority(pod)), started(pod))
}

fn started(pod: &Item<Pod>) -> Timestamp {
    let start = pod.status.as_ref().and_then(|status| status.start_time.as_ref());
    start.map_or(Timestamp::MAX, |time| time.0)
}

/// The fewest broken budgets; then the lowest of the highest priorities; then the lowest sum;
/// then the fewest victims; then the youngest of the most important; then the first.
pub fn best(candidates: Vec<Candidate<'_>>) -> Option<Candidate<'_>> {
    candidates.into_iter().min_by_key(|candidate| {
        let highest = candidate.victims.first().map_or(i32::MIN, |pod| priority(pod));
        let sum: i64 = candidate.victims.iter().map(|pod| i64::from(priority(pod)).saturating_add(VICTIM)).sum();
        let top = candidate.victims.iter().filter(|pod| priority(pod) == highest);
        let earliest = top.map(|pod| started(pod)).min().unwrap_or(Timestamp::MAX);
        (candidate.violations, highest, sum, candidate.victims.len(), Reverse(earliest))
    })
}
