//! Counts every pod that has ended, once.

use super::{BURST_LIMIT, Draft, conditions, failure, failure::Effect, index, noted, tracked};
use crate::{pods, view::Item};
use k8s_openapi::api::{batch::v1::UncountedTerminatedPods, core::v1::Pod};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// Annotation of a pod: how often its index had failed before it was made.
pub const FAILURES: &str = "batch.kubernetes.io/job-index-failure-count";
/// And how often of that did not count.
pub const IGNORED: &str = "batch.kubernetes.io/job-index-ignored-failure-count";

impl<'a> Draft<'a> {
    /// Moves pods that have been let go into the counters, and notes those that have ended.
    /// With `all`, the Job has failed: every pod that is left counts as failed.
    pub(super) fn tally(&mut self, all: bool) {
        let mut uncounted = self.status.uncounted_terminated_pods.take().unwrap_or_default();
        if !all {
            self.settle(&mut uncounted);
            self.judge_indexes();
        }
        let mut succeeded = uncounted.succeeded.take().unwrap_or_default();
        let mut failed = uncounted.failed.take().unwrap_or_default();
        let kept = if all { BTreeSet::new() } else { self.kept() };
        self.fresh = 0;
        let known: BTreeSet<String> = succeeded.iter().chain(&failed).cloned().collect();
        for pod in self.pods.clone().into_iter().filter(|pod| tracked(pod)) {
            let ended = pods::phase(pod) == "Succeeded" || self.has_failed(pod);
            if !ended && !all {
                continue;
            }
            let counted = known.contains(pod.uid());
            let succeeds = pods::phase(pod) == "Succeeded" && !failed.iter().any(|uid| uid == pod.uid());
            let counts = || !matches!(failure::effect(self.spec, pod), Effect::Ignore);
            if succeeds {
                self.complete_index(pod);
            }
            if kept.contains(pod.uid()) {
                self.fresh += i32::from(!counted && counts());
                continue;
            }
            if succeeded.len() + failed.len() >= BURST_LIMIT {
                self.plan.wake_at = Some(self.now);
                continue;
            }
            if succeeds && !self.indexed() && !counted {
                succeeded.push(pod.uid().to_owned());
            } else if !succeeds && !counted && counts() && self.in_range(pod) {
                failed.push(pod.uid().to_owned());
            }
            self.let_go.insert(pod.key().clone(), pod);
        }
        uncounted.succeeded = Some(succeeded).filter(|list| !list.is_empty());
        uncounted.failed = Some(failed).filter(|list| !list.is_empty());
        self.status.uncounted_terminated_pods = Some(uncounted);
        if self.indexed() {
            self.status.succeeded = Some(self.completed.len()).filter(|count| *count != 0);
        }
    }

    /// Pods whose finalizer is gone are counted for good.
    fn settle(&mut self, uncounted: &mut UncountedTerminatedPods) {
        let held: BTreeSet<&str> = self.pods.iter().filter(|pod| tracked(pod)).map(|pod| pod.uid()).collect();
        let pairs =
            [(&mut uncounted.succeeded, &mut self.status.succeeded), (&mut uncounted.failed, &mut self.status.failed)];
        for (list, counter) in pairs {
            let Some(list) = list else { continue };
            let before = list.len();
            list.retain(|uid| held.contains(uid.as_str()));
            let gone = i32::try_from(before - list.len()).unwrap_or(i32::MAX);
            *counter = Some(counter.unwrap_or(0).saturating_add(gone)).filter(|count| *count != 0);
        }
    }

    fn in_range(&self, pod: &Item<Pod>) -> bool {
        !self.indexed() || index(pod).is_some_and(|index| index < self.spec.completions.unwrap_or(0))
    }

    fn complete_index(&mut self, pod: &Item<Pod>) {
        if let Some(index) = index(pod).filter(|_| self.indexed() && self.in_range(pod)) {
            self.completed.insert(index);
        }
    }

    /// The pod that tells how often each index has failed: the last one that did.
    pub(super) fn last_failures(&self) -> BTreeMap<i32, &'a Arc<Item<Pod>>> {
        let mut map: BTreeMap<i32, &'a Arc<Item<Pod>>> = BTreeMap::new();
        for pod in self.pods.iter().copied().filter(|pod| tracked(pod) && self.has_failed(pod)) {
            let Some(index) = index(pod) else { continue };
            let rank = |pod: &Item<Pod>| (noted(pod, FAILURES) + noted(pod, IGNORED), pod.key().clone());
            if map.get(&index).is_none_or(|other| rank(other) < rank(pod)) {
                map.insert(index, pod);
            }
        }
        map
    }

    /// Notes the indexes that have failed too often.
    fn judge_indexes(&mut self) {
        let Some(limit) = self.spec.backoff_limit_per_index else { return };
        for (index, pod) in self.last_failures() {
            let over = match failure::effect(self.spec, pod) {
                Effect::FailIndex => true,
                Effect::Ignore => false,
                Effect::Count | Effect::FailJob(_) => noted(pod, FAILURES) >= limit,
            };
            if over && !self.completed.contains(index) && self.in_range(pod) {
                self.failed.insert(index);
            }
        }
    }

    /// Pods that stay until another takes over what they know of their index.
    fn kept(&self) -> BTreeSet<String> {
        if self.spec.backoff_limit_per_index.is_none() {
            return BTreeSet::new();
        }
        let conditions = self.status.conditions.as_deref().unwrap_or_default();
        let over = [conditions::FAILURE_TARGET, conditions::CRITERIA_MET];
        if over.iter().any(|kind| conditions::find(conditions, kind).is_some()) {
            return BTreeSet::new();
        }
        let manned: BTreeSet<i32> = self.active().filter_map(|pod| index(pod)).collect();
        let open =
            |index: &i32| !manned.contains(index) && !self.completed.contains(*index) && !self.failed.contains(*index);
        let last = self.last_failures().into_iter().filter(|(index, pod)| open(index) && self.in_range(pod));
        last.map(|(_, pod)| pod.uid().to_owned()).collect()
    }
}
