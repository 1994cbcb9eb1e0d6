//! Conditions of a Deployment: a list in which each type stands once.

use crate::time;
use k8s_openapi::api::apps::v1::DeploymentCondition;
use podium_types::Timestamp;

/// The condition of that type.
pub fn find<'a>(list: &'a [DeploymentCondition], kind: &str) -> Option<&'a DeploymentCondition> {
    list.iter().find(|condition| condition.type_ == kind)
}

/// A condition that changes at `now`.
pub fn make(kind: &str, status: &str, reason: &str, message: &str, now: Timestamp) -> DeploymentCondition {
    DeploymentCondition {
        type_: kind.to_owned(),
        status: status.to_owned(),
        reason: Some(reason.to_owned()),
        message: Some(message.to_owned()),
        last_transition_time: Some(time::stamp(now)),
        last_update_time: Some(time::stamp(now)),
    }
}

/// Puts a condition in; one with the same status and reason stays as it is.
pub fn set(list: &mut Vec<DeploymentCondition>, condition: DeploymentCondition) {
    let unchanged = find(list, &condition.type_)
        .is_some_and(|old| old.status == condition.status && old.reason == condition.reason);
    if !unchanged {
        replace(list, condition);
    }
}

/// Puts a condition in, whatever stood there; the time of transition stays while the status does.
pub fn replace(list: &mut Vec<DeploymentCondition>, mut condition: DeploymentCondition) {
    if let Some(old) = find(list, &condition.type_).filter(|old| old.status == condition.status) {
        condition.last_transition_time.clone_from(&old.last_transition_time);
    }
    list.retain(|old| old.type_ != condition.type_);
    list.push(condition);
}
