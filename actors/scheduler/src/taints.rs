//! Which taints keep a pod off a node.

use k8s_openapi::api::core::v1::{Taint, Toleration};

/// The effects that keep pods away.
pub const HARD: &[&str] = &["NoSchedule", "NoExecute"];
/// The taint that a cordoned node counts as having.
pub const CORDON: &str = "node.kubernetes.io/unschedulable";

/// The first taint with one of these effects that nothing tolerates.
pub fn untolerated<'a>(taints: &'a [Taint], tolerations: &[Toleration], effects: &[&str]) -> Option<&'a Taint> {
    let mut relevant = taints.iter().filter(|taint| effects.contains(&taint.effect.as_str()));
    relevant
        .find(|taint| !tolerations.iter().any(|toleration| podium_controllers::taints::tolerates(toleration, taint)))
}

/// How many soft taints (PreferNoSchedule) of a node a pod does not tolerate.
pub fn disliked(taints: &[Taint], tolerations: &[Toleration]) -> i64 {
    let tolerations: Vec<&Toleration> = tolerations
        .iter()
        .filter(|toleration| matches!(toleration.effect.as_deref(), None | Some("" | "PreferNoSchedule")))
        .collect();
    let soft = taints.iter().filter(|taint| taint.effect == "PreferNoSchedule");
    let count =
        soft.filter(|taint| !tolerations.iter().any(|t| podium_controllers::taints::tolerates(t, taint))).count();
    i64::try_from(count).unwrap_or(i64::MAX)
}
