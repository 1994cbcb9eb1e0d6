//! Conditions of a Job: a list in which each type stands once.

use crate::time;
use k8s_openapi::api::batch::v1::{Job, JobCondition};
use podium_types::Timestamp;

/// The Job is done.
pub const COMPLETE: &str = "Complete";
/// The Job has failed.
pub const FAILED: &str = "Failed";
/// The Job will be done once its pods are gone.
pub const CRITERIA_MET: &str = "SuccessCriteriaMet";
/// The Job will have failed once its pods are gone.
pub const FAILURE_TARGET: &str = "FailureTarget";
/// The Job rests.
pub const SUSPENDED: &str = "Suspended";

/// How a Job has ended: [`COMPLETE`] or [`FAILED`]; `None` while it goes on.
pub fn end(job: &Job) -> Option<&'static str> {
    let conditions = job.status.as_ref()?.conditions.as_ref()?;
    [COMPLETE, FAILED].into_iter().find(|kind| find(conditions, kind).is_some_and(|c| c.status == "True"))
}

/// The condition of that type.
pub fn find<'a>(list: &'a [JobCondition], kind: &str) -> Option<&'a JobCondition> {
    list.iter().find(|condition| condition.type_ == kind)
}

/// Puts a condition in; whether that changes its status. One with the same status stays as it is.
pub fn set(
    list: &mut Vec<JobCondition>,
    (kind, status): (&str, &str),
    reason: &str,
    message: &str,
    now: Timestamp,
) -> bool {
    if find(list, kind).is_some_and(|condition| condition.status == status) {
        return false;
    }
    list.retain(|condition| condition.type_ != kind);
    list.push(JobCondition {
        type_: kind.to_owned(),
        status: status.to_owned(),
        reason: Some(reason.to_owned()),
        message: Some(message.to_owned()),
        last_probe_time: Some(time::stamp(now)),
        last_transition_time: Some(time::stamp(now)),
    });
    true
}
