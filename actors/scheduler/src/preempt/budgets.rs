//! How many pods PodDisruptionBudgets let go.

use crate::selector::Selector;
use k8s_openapi::api::{core::v1::Pod, policy::v1::PodDisruptionBudget};
use podium_controllers::{View, resource, view::Item};
use std::{collections::BTreeSet, sync::Arc};

struct Budget {
    namespace: String,
    selector: Selector,
    allowed: i32,
    disrupted: BTreeSet<String>,
}

/// Every budget of the cluster.
#[derive(Default)]
pub struct Budgets(Vec<Budget>);

/// Pods with their order kept.
type Pods<'a> = Vec<&'a Arc<Item<Pod>>>;

impl Budgets {
    /// Reads them; none where the kind is not served.
    pub fn of(view: &View) -> Self {
        let Some(kind) = resource::lookup("poddisruptionbudgets.policy") else { return Self::default() };
        let all = view.of_kind(kind).filter_map(|header| serde_json::from_slice(&header.object.json).ok());
        Self(all.map(|budget: PodDisruptionBudget| Budget::of(&budget)).collect())
    }

    /// Parts pods into those whose going would break a budget and the others, were they to go in order.
    pub fn split<'a>(&self, pods: &Pods<'a>) -> (Pods<'a>, Pods<'a>) {
        let mut allowed: Vec<i32> = self.0.iter().map(|budget| budget.allowed).collect();
        pods.iter().partition(|pod| {
            let mut broken = false;
            for (budget, allowed) in self.0.iter().zip(&mut allowed) {
                if budget.covers(pod) {
                    *allowed -= 1;
                    broken |= *allowed < 0;
                }
            }
            broken
        })
    }
}

impl Budget {
    fn of(budget: &PodDisruptionBudget) -> Self {
        let status = budget.status.as_ref();
        let disrupted = status.and_then(|status| status.disrupted_pods.as_ref());
        Self {
            namespace: budget.metadata.namespace.clone().unwrap_or_default(),
            selector: Selector::of(budget.spec.as_ref().and_then(|spec| spec.selector.as_ref())),
            allowed: status.and_then(|status| status.disruptions_allowed).unwrap_or(0),
            disrupted: disrupted.into_iter().flatten().map(|(name, _)| name.clone()).collect(),
        }
    }
    fn covers(&self, pod: &Item<Pod>) -> bool {
        let key = pod.key();
        self.namespace == key.namespace
            && !pod.object.labels.is_empty()
            && !self.selector.everything()
            && self.selector.matches(&pod.object.labels)
            && !self.disrupted.contains(&key.name)
    }
}
