//! `status` of a StatefulSet, from its pods.

use super::{Draft, identity};
use crate::{pods, view::Item};
use k8s_openapi::api::{apps::v1::StatefulSetStatus, core::v1::Pod};
use std::sync::Arc;

impl Draft<'_> {
    /// The status that follows from all pods of the set.
    pub(super) fn status(&self, owned: &[&Arc<Item<Pod>>]) -> StatefulSetStatus {
        let count = |which: &dyn Fn(&Item<Pod>) -> bool| -> i32 {
            i32::try_from(owned.iter().filter(|pod| which(pod)).count()).unwrap_or(i32::MAX)
        };
        let of = |name: &str| count(&|pod| !pod.deleting() && identity::revision(pod).is_some_and(|r| r == name));
        let runs = |pod: &Item<Pod>| pods::phase(pod) == "Running" && pods::ready(pod);
        let (replicas, ready) = (count(&|_| true), count(&runs));
        let available =
            count(&|pod| runs(pod) && pods::available_at(pod, self.min_ready()).is_some_and(|at| at <= self.now));
        let update = &self.history.update;
        let (mut current, mut in_current, in_update) = (self.current.clone(), of(&self.current), of(update));
        let wanted = self.spec.replicas.unwrap_or(1);
        if self.rolls() && [in_update, ready, replicas].iter().all(|number| *number == wanted) {
            (current, in_current) = (update.clone(), in_update);
        }
        let some = |number: i32| Some(number).filter(|number| *number != 0);
        StatefulSetStatus {
            observed_generation: self.set.meta().generation,
            replicas,
            ready_replicas: some(ready),
            available_replicas: Some(available),
            current_replicas: some(in_current),
            updated_replicas: some(in_update),
            current_revision: Some(current),
            update_revision: Some(update.clone()),
            collision_count: self.history.collisions.or(Some(0)),
            conditions: self.set.status.as_ref().and_then(|status| status.conditions.clone()),
        }
    }
}
