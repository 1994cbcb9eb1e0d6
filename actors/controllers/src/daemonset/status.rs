//! `status` of a DaemonSet, node by node.

use super::Draft;
use crate::pods;
use k8s_openapi::api::apps::v1::DaemonSetStatus;

impl Draft<'_> {
    /// The status that follows from nodes and pods.
    pub(super) fn status(&self) -> DaemonSetStatus {
        let (mut desired, mut current, mut stray, mut ready, mut available, mut updated) = (0, 0, 0, 0, 0, 0);
        for (node, suit) in &self.suits {
            let here = self.by_node.get(*node).map(Vec::as_slice).unwrap_or_default();
            if !suit.run {
                stray += i32::from(!here.is_empty());
                continue;
            }
            desired += 1;
            // Beside an old pod the new one may already be there: the newest that is ready counts.
            let best = here.iter().rev().find(|pod| pods::ready(pod)).or(here.last());
            let Some(pod) = best else { continue };
            current += 1;
            ready += i32::from(pods::ready(pod));
            available += i32::from(self.available(pod));
            updated += i32::from(here.iter().any(|pod| self.updated(pod)));
        }
        let some = |number: i32| Some(number).filter(|number| *number != 0);
        DaemonSetStatus {
            observed_generation: self.set.meta().generation,
            desired_number_scheduled: desired,
            current_number_scheduled: current,
            number_misscheduled: stray,
            number_ready: ready,
            number_available: some(available),
            number_unavailable: some(desired - available),
            updated_number_scheduled: some(updated),
            collision_count: self.history.collisions,
            conditions: self.set.status.as_ref().and_then(|status| status.conditions.clone()),
        }
    }
}
