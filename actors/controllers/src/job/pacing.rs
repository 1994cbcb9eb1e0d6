//! How long a Job waits before it makes another pod after some have failed.

use super::{Draft, noted, tally};
use crate::{pods, time, view::Item};
use k8s_openapi::api::core::v1::Pod;
use podium_types::Timestamp;

/// Seconds after the first failure; doubles with each that follows.
pub const PAUSE_SECONDS: i64 = 10;
/// The longest pause, in seconds.
pub const PAUSE_LIMIT_SECONDS: i64 = 600;

/// When a pod ended, as well as it can be told.
fn ended_at(pod: &Item<Pod>) -> Option<Timestamp> {
    let status = pod.status.as_ref();
    let lists = status.into_iter().flat_map(|s| [&s.container_statuses, &s.init_container_statuses]);
    let states = lists.flatten().flatten().filter_map(|container| container.state.as_ref()?.terminated.as_ref());
    let finished = states.filter_map(|terminated| terminated.finished_at.as_ref()).map(|time| time.0).max();
    let unready = || pods::condition(pod, "Ready").and_then(|condition| condition.last_transition_time.as_ref());
    let meta = pod.meta();
    let other = || meta.deletion_timestamp.as_ref().or_else(unready).or(meta.creation_timestamp.as_ref());
    finished.or_else(|| other().map(|time| time.0))
}

/// The end of the pause after that many failures, the last of them at `last`.
fn until(failures: usize, last: Timestamp) -> Option<Timestamp> {
    let doublings = u32::try_from(failures.saturating_sub(1)).unwrap_or(u32::MAX);
    let factor = 1_i64.checked_shl(doublings.min(16)).unwrap_or(i64::MAX);
    time::after(last, PAUSE_SECONDS.saturating_mul(factor).min(PAUSE_LIMIT_SECONDS))
}

impl Draft<'_> {
    /// Until when no pod is made: as many failures as there were since the last success count.
    pub(super) fn pause_of_all(&self) -> Option<Timestamp> {
        let ended = |pod: &&std::sync::Arc<Item<Pod>>| ended_at(pod);
        let success = self.pods.iter().filter(|pod| pods::phase(pod) == "Succeeded").filter_map(ended).max();
        let failed = self.pods.iter().filter(|pod| self.has_failed(pod)).filter_map(ended);
        let failed: Vec<Timestamp> = failed.filter(|at| success.is_none_or(|success| *at > success)).collect();
        until(failed.len(), failed.iter().copied().max()?)
    }

    /// Until when no pod is made for the index of a failed pod.
    pub(super) fn pause_of_index(&self, pod: &Item<Pod>) -> Option<Timestamp> {
        let before = noted(pod, tally::FAILURES) + noted(pod, tally::IGNORED);
        until(usize::try_from(before).unwrap_or(0) + 1, ended_at(pod)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pause_doubles_up_to_a_limit() {
        let last = Timestamp::from_second(1000).unwrap();
        for (failures, seconds) in [(1, 10), (2, 20), (3, 40), (6, 320), (7, 600), (1000, 600)] {
            assert_eq!(until(failures, last), time::after(last, seconds), "{failures}");
        }
    }
}
