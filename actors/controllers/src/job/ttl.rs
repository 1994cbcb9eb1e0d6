//! Removes a finished Job once its time is over.

use super::conditions::{self, end};
use crate::{Plan, PlannedWrite, resource, time, view::Item, write};
use k8s_openapi::api::batch::v1::{Job, JobSpec};
use podium_types::Timestamp;

/// Plans that a Job goes `ttlSecondsAfterFinished` after its end, or to look again then.
pub fn apply(job: &Item<Job>, spec: &JobSpec, now: Timestamp, plan: &mut Plan) {
    let Some(ttl) = spec.ttl_seconds_after_finished.filter(|_| !job.deleting()) else { return };
    let conditions = job.status.as_ref().and_then(|status| status.conditions.as_deref()).unwrap_or_default();
    let ended = end(job).and_then(|kind| conditions::find(conditions, kind)?.last_transition_time.as_ref());
    match ended.and_then(|ended| time::after(ended.0, i64::from(ttl))) {
        Some(due) if due > now => plan.wake_at = time::earliest(plan.wake_at, Some(due)),
        Some(_) => {
            let mut delete = write::delete(resource::JOBS, job);
            if let PlannedWrite::Delete { propagation, revision, .. } = &mut delete {
                // The TTL may have been raised meanwhile.
                (*propagation, *revision) = ("Foreground", Some(job.object.revision));
            }
            plan.writes.push(delete);
            plan.note = format!("{ttl} s after its end the job goes");
        }
        None => {}
    }
}
