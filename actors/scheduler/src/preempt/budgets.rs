//! How many pods PodDisruptionBudgets let go.

use k8s_openapi::api::{core::v1::Pod, policy::v1::PodDisruptionBudget};
use podium_controllers::{View, selector, view::Item};
use podium_types::Key;
use std::{collections::BTreeMap, sync::Arc};

/// Pods with their order kept.
type Pods<'a> = Vec<&'a Arc<Item<Pod>>>;

/// Parts pods into those whose going would break a budget and the others, were they to go in order.
pub fn split<'a>(view: &View, pods: &Pods<'a>) -> (Pods<'a>, Pods<'a>) {
    let mut left: BTreeMap<&Key, i32> = BTreeMap::new();
    pods.iter().partition(|pod| {
        let mut broken = false;
        let budgets = view.budgets_about(&pod.key().namespace, &pod.object.labels);
        for budget in budgets.filter(|budget| covers(budget, pod)) {
            let left = left.entry(budget.key()).or_insert_with(|| allowed(budget));
            *left = left.saturating_sub(1);
            broken |= *left < 0;
        }
        broken
    })
}

fn allowed(budget: &PodDisruptionBudget) -> i32 {
    budget.status.as_ref().and_then(|status| status.disruptions_allowed).unwrap_or(0)
}

/// Whether the pod counts for a budget; one that is on its way out already does not.
fn covers(budget: &PodDisruptionBudget, pod: &Item<Pod>) -> bool {
    let selector = budget.spec.as_ref().and_then(|spec| spec.selector.as_ref());
    let disrupted = budget.status.as_ref().and_then(|status| status.disrupted_pods.as_ref());
    !pod.object.labels.is_empty()
        && selector.is_some_and(|selector| selector::matches(selector, &pod.object.labels))
        && !disrupted.is_some_and(|pods| pods.contains_key(&pod.key().name))
}
