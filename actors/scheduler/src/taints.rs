//! Which taints keep a pod off a node.

use k8s_openapi::api::core::v1::{Taint, Toleration};
pub use podium_machinery::selectors::taints::{HARD, tolerate_cordon, tolerates, untolerated};

/// How many soft taints (PreferNoSchedule) of a node a pod does not tolerate.
pub fn disliked(taints: &[Taint], tolerations: &[Toleration]) -> i64 {
    let tolerations: Vec<&Toleration> = tolerations
        .iter()
        .filter(|toleration| matches!(toleration.effect.as_deref(), None | Some("" | "PreferNoSchedule")))
        .collect();
    let soft = taints.iter().filter(|taint| taint.effect == "PreferNoSchedule");
    let count = soft.filter(|taint| !tolerations.iter().any(|t| tolerates(t, taint))).count();
    i64::try_from(count).unwrap_or(i64::MAX)
}
