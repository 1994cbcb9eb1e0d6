//! What the failure of a pod means: the rules of podFailurePolicy.

use crate::{pods, view::Item};
use k8s_openapi::api::{
    batch::v1::{JobSpec, PodFailurePolicyOnExitCodesRequirement, PodFailurePolicyRule},
    core::v1::Pod,
};

/// What a failed pod does to its Job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// It counts towards the limits.
    Count,
    /// It is made again and does not count.
    Ignore,
    /// Its index fails for good.
    FailIndex,
    /// The Job fails, for this reason.
    FailJob(String),
}

/// The effect of the first rule that a failed pod meets; without one it counts.
pub fn effect(spec: &JobSpec, pod: &Item<Pod>) -> Effect {
    let rules = spec.pod_failure_policy.iter().flat_map(|policy| &policy.rules);
    for (at, rule) in rules.enumerate() {
        let Some(why) = met(rule, pod) else { continue };
        return match rule.action.as_str() {
            "Ignore" => Effect::Ignore,
            "FailIndex" if spec.backoff_limit_per_index.is_some() => Effect::FailIndex,
            "FailJob" => Effect::FailJob(format!("{why} matching FailJob rule at index {at}")),
            "Count" => Effect::Count,
            _ => continue,
        };
    }
    Effect::Count
}

/// How a pod meets a rule.
fn met(rule: &PodFailurePolicyRule, pod: &Item<Pod>) -> Option<String> {
    if let Some(codes) = &rule.on_exit_codes {
        return exit_code(codes, pod);
    }
    let patterns = rule.on_pod_conditions.iter().flatten();
    let found = patterns.filter_map(|pattern| {
        let condition = pods::condition(pod, &pattern.type_)?;
        let wanted = pattern.status.as_deref().unwrap_or("True");
        (condition.status == wanted).then(|| format!("Pod {} has condition {}", pod.key(), pattern.type_))
    });
    found.take(1).next()
}

fn exit_code(codes: &PodFailurePolicyOnExitCodesRequirement, pod: &Item<Pod>) -> Option<String> {
    let status = pod.status.as_ref()?;
    let lists = [&status.container_statuses, &status.init_container_statuses];
    let mut containers = lists.into_iter().flatten().flatten();
    containers.find_map(|container| {
        let code = container.state.as_ref()?.terminated.as_ref()?.exit_code;
        let named = codes.container_name.as_ref().is_none_or(|name| *name == container.name);
        let listed = codes.values.contains(&code);
        let matching = if codes.operator == "In" { listed } else { !listed };
        let why = || format!("Container {} for pod {} failed with exit code {code}", container.name, pod.key());
        (code != 0 && named && matching).then(why)
    })
}
