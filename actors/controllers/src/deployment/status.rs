//! `status` of a Deployment: counts, and whether it is available and progressing.

use super::{Draft, bounds::bounds, conditions};
use crate::{replicaset::FAILURE, time};
use k8s_openapi::api::apps::v1::{DeploymentCondition, DeploymentStatus, ReplicaSet};
use podium_types::Timestamp;

const PROGRESSING: &str = "Progressing";
/// Reason of a rollout that is done.
const DONE: &str = "NewReplicaSetAvailable";
/// Reason of a rollout that made no progress in time.
const TIMED_OUT: &str = "ProgressDeadlineExceeded";

impl Draft<'_> {
    /// The status that follows from the ReplicaSets as seen, and when to look at it again.
    pub(super) fn status(&self, now: Timestamp) -> (DeploymentStatus, Option<Timestamp>) {
        let mut status = self.counts();
        let mut list = self.deployment.status.as_ref().and_then(|s| s.conditions.clone()).unwrap_or_default();
        let wake_at = if self.deployment.deleting() { None } else { self.progress(&status, &mut list, now) };
        self.availability(&status, &mut list, now);
        self.failure(&mut list);
        status.conditions = Some(list).filter(|list| !list.is_empty());
        (status, wake_at)
    }

    /// Whether the rollout is done: every replica is new and available.
    pub(super) fn complete(&self) -> bool {
        self.done(&self.counts())
    }

    fn done(&self, status: &DeploymentStatus) -> bool {
        let replicas = self.replicas();
        status.updated_replicas.unwrap_or(0) == replicas
            && status.replicas.unwrap_or(0) == replicas
            && status.available_replicas.unwrap_or(0) == replicas
            && self.sets.new.is_some()
    }

    fn counts(&self) -> DeploymentStatus {
        let some = |number: i32| Some(number).filter(|number| *number != 0);
        let sum = |of: fn(&k8s_openapi::api::apps::v1::ReplicaSetStatus) -> Option<i32>| -> i32 {
            self.sets.all().filter_map(|member| of(member.set.status.as_ref()?)).sum()
        };
        let total: i32 = self.sets.all().map(|member| member.replicas).sum();
        let available = sum(|status| status.available_replicas);
        let collisions = self.deployment.status.as_ref().and_then(|status| status.collision_count);
        DeploymentStatus {
            observed_generation: self.deployment.meta().generation,
            replicas: some(sum(|status| Some(status.replicas))),
            updated_replicas: some(self.sets.new.as_ref().map_or(0, |new| new.actual())),
            ready_replicas: some(sum(|status| status.ready_replicas)),
            available_replicas: some(available),
            unavailable_replicas: some((total - available).max(0)),
            terminating_replicas: Some(sum(|status| status.terminating_replicas)),
            collision_count: if self.collided { Some(collisions.unwrap_or(0) + 1) } else { collisions },
            conditions: None,
        }
    }

    fn availability(&self, status: &DeploymentStatus, list: &mut Vec<DeploymentCondition>, now: Timestamp) {
        let least = self.replicas() - bounds_of(self).min(self.replicas());
        let condition = if status.available_replicas.unwrap_or(0) >= least {
            let message = "Deployment has minimum availability.";
            conditions::make("Available", "True", "MinimumReplicasAvailable", message, now)
        } else {
            let message = "Deployment does not have minimum availability.";
            conditions::make("Available", "False", "MinimumReplicasUnavailable", message, now)
        };
        conditions::set(list, condition);
    }

    /// Repeats what a ReplicaSet says about pods that could not be made or deleted, the new one first.
    fn failure(&self, list: &mut Vec<DeploymentCondition>) {
        let said = |set: &ReplicaSet| {
            let conditions = set.status.as_ref()?.conditions.as_ref()?;
            conditions.iter().find(|condition| condition.type_ == FAILURE).cloned()
        };
        let Some(said) = self.sets.new.iter().chain(&self.sets.old).find_map(|member| said(member.set)) else {
            return list.retain(|condition| condition.type_ != FAILURE);
        };
        let condition = DeploymentCondition {
            type_: said.type_,
            status: said.status,
            reason: said.reason,
            message: said.message,
            last_update_time: said.last_transition_time.clone(),
            last_transition_time: said.last_transition_time,
        };
        conditions::set(list, condition);
    }

    fn progress(
        &self,
        status: &DeploymentStatus,
        list: &mut Vec<DeploymentCondition>,
        now: Timestamp,
    ) -> Option<Timestamp> {
        let deadline = self.spec.progress_deadline_seconds.filter(|seconds| *seconds != i32::MAX);
        let Some(deadline) = deadline else {
            list.retain(|condition| condition.type_ != PROGRESSING);
            return None;
        };
        if self.pause(list, now) {
            return None;
        }
        if let Some((reason, message)) = &self.news {
            let fresh = conditions::find(list, PROGRESSING).is_none();
            if fresh || *reason == "NewReplicaSetCreated" {
                conditions::replace(list, conditions::make(PROGRESSING, "True", reason, message, now));
            }
        }
        let subject = match &self.sets.new {
            Some(new) => format!("ReplicaSet {:?}", new.set.key().name),
            None => format!("Deployment {:?}", self.deployment.key().name),
        };
        let current = conditions::find(list, PROGRESSING).cloned();
        let reason = current.as_ref().and_then(|condition| condition.reason.as_deref()).unwrap_or_default();
        let settled = status.replicas == status.updated_replicas && reason == DONE;
        if settled {
            return None;
        }
        if self.done(status) {
            let message = format!("{subject} has successfully progressed.");
            conditions::set(list, conditions::make(PROGRESSING, "True", DONE, &message, now));
            return None;
        }
        if self.moved(status) {
            let message = format!("{subject} is progressing.");
            conditions::replace(list, conditions::make(PROGRESSING, "True", "ReplicaSetUpdated", &message, now));
        } else if reason != DONE && reason != TIMED_OUT {
            let since = current.as_ref().and_then(|condition| condition.last_update_time.as_ref());
            let late = since.and_then(|since| time::after(since.0, i64::from(deadline)));
            if late.is_some_and(|late| late <= now) {
                let message = format!("{subject} has timed out progressing.");
                conditions::set(list, conditions::make(PROGRESSING, "False", TIMED_OUT, &message, now));
            }
        }
        let current = conditions::find(list, PROGRESSING)?;
        if matches!(current.reason.as_deref(), Some(DONE | TIMED_OUT)) {
            return None;
        }
        time::after(current.last_update_time.as_ref()?.0, i64::from(deadline))
    }

    /// Notes that the deployment was paused or goes on; whether it is paused.
    fn pause(&self, list: &mut Vec<DeploymentCondition>, now: Timestamp) -> bool {
        let paused = self.spec.paused == Some(true);
        let current = conditions::find(list, PROGRESSING).and_then(|condition| condition.reason.as_deref());
        let noted = current == Some("DeploymentPaused");
        if current == Some(TIMED_OUT) {
            return paused;
        }
        if paused && !noted {
            let message = "Deployment is paused";
            conditions::set(list, conditions::make(PROGRESSING, "Unknown", "DeploymentPaused", message, now));
        } else if !paused && noted {
            let message = "Deployment is resumed";
            conditions::set(list, conditions::make(PROGRESSING, "Unknown", "DeploymentResumed", message, now));
        }
        paused
    }

    /// Whether there are more new, fewer old, or more ready pods than the status says.
    fn moved(&self, status: &DeploymentStatus) -> bool {
        let none = DeploymentStatus::default();
        let before = self.deployment.status.as_ref().unwrap_or(&none);
        let more = |now: Option<i32>, then: Option<i32>| now.unwrap_or(0) > then.unwrap_or(0);
        let old = |s: &DeploymentStatus| s.replicas.unwrap_or(0) - s.updated_replicas.unwrap_or(0);
        more(status.updated_replicas, before.updated_replicas)
            || old(status) < old(before)
            || more(status.ready_replicas, before.ready_replicas)
            || more(status.available_replicas, before.available_replicas)
    }
}

fn bounds_of(draft: &Draft<'_>) -> i32 {
    bounds(draft.spec).unavailable
}
