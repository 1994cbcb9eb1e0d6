//! What a pod asks of its node.
//!
//! KEP-753 gives the rule for init containers: those that restart always count for good,
//! the others only while they run, one after the other.

use crate::quantity;
use k8s_openapi::api::core::v1::{Container, Pod};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use std::collections::BTreeMap;

/// Amounts of everything that a node offers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resources {
    /// Thousandths of a core.
    pub cpu: i64,
    /// Bytes.
    pub memory: i64,
    /// Bytes of local storage.
    pub storage: i64,
    /// Pods.
    pub pods: i64,
    /// Devices, huge pages and other extended resources, in whole units.
    pub extended: BTreeMap<String, i64>,
}

impl Resources {
    /// From a resource list such as `allocatable` or `requests`.
    pub fn of_list(list: &BTreeMap<String, Quantity>) -> Self {
        let mut sum = Self::default();
        for (name, Quantity(text)) in list {
            match name.as_str() {
                "cpu" => sum.cpu = quantity::milli(text),
                "memory" => sum.memory = quantity::whole(text),
                "ephemeral-storage" => sum.storage = quantity::whole(text),
                "pods" => sum.pods = quantity::whole(text),
                _ => {
                    sum.extended.insert(name.clone(), quantity::whole(text));
                }
            }
        }
        sum
    }

    /// The requests of a pod, overhead included; `pods` is 1.
    pub fn of_pod(pod: &Pod) -> Self {
        let mut total = Self::default();
        let Some(spec) = &pod.spec else { return total };
        for container in &spec.containers {
            total.add(&Self::of_container(container));
        }
        let mut sidecars = Self::default();
        let mut peak = Self::default();
        for container in spec.init_containers.iter().flatten() {
            let mut own = Self::of_container(container);
            if container.restart_policy.as_deref() == Some("Always") {
                sidecars.add(&own);
                peak.raise(&sidecars);
            } else {
                own.add(&sidecars);
                peak.raise(&own);
            }
        }
        total.add(&sidecars);
        total.raise(&peak);
        // Requests for the pod as a whole (KEP-2837) stand above the sum of its containers.
        if let Some(list) = spec.resources.as_ref().and_then(|resources| resources.requests.as_ref()) {
            let whole = Self::of_list(list);
            for (name, amount) in [("cpu", &mut total.cpu), ("memory", &mut total.memory)] {
                if list.contains_key(name) {
                    *amount = if name == "cpu" { whole.cpu } else { whole.memory };
                }
            }
        }
        if let Some(overhead) = &spec.overhead {
            total.add(&Self::of_list(overhead));
        }
        total.pods = 1;
        total
    }

    fn of_container(container: &Container) -> Self {
        let requests = container.resources.as_ref().and_then(|resources| resources.requests.as_ref());
        requests.map(Self::of_list).unwrap_or_default()
    }

    /// Adds amount by amount.
    pub fn add(&mut self, other: &Self) {
        self.each(other, i64::saturating_add);
    }
    /// Subtracts amount by amount.
    pub fn subtract(&mut self, other: &Self) {
        self.each(other, i64::saturating_sub);
        self.extended.retain(|_, amount| *amount != 0);
    }
    /// Takes the larger, amount by amount.
    pub fn raise(&mut self, other: &Self) {
        self.each(other, i64::max);
    }
    fn each(&mut self, other: &Self, with: fn(i64, i64) -> i64) {
        self.cpu = with(self.cpu, other.cpu);
        self.memory = with(self.memory, other.memory);
        self.storage = with(self.storage, other.storage);
        self.pods = with(self.pods, other.pods);
        for (name, amount) in &other.extended {
            let own = self.extended.entry(name.clone()).or_default();
            *own = with(*own, *amount);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn init_containers_count_by_their_peak_and_sidecars_for_good() {
        let ask = |cpu: &str| json!({"requests": {"cpu": cpu}});
        let pod: Pod = serde_json::from_value(json!({"spec": {
            "containers": [{"name": "a", "resources": ask("100m")}, {"name": "b", "resources": ask("200m")}],
            "initContainers": [
                {"name": "side", "restartPolicy": "Always", "resources": ask("50m")},
                {"name": "setup", "resources": ask("500m")}],
            "overhead": {"cpu": "10m"}}}))
        .unwrap();
        // max(100 + 200 + 50, 500 + 50) + 10
        assert_eq!(Resources::of_pod(&pod).cpu, 560);
        assert_eq!(Resources::of_pod(&pod).pods, 1);
    }
}
