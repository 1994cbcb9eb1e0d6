//! Which pods go: those beyond the size, and those of an old revision.

use super::{Draft, Slot, identity};
use crate::share::scaled;

impl<'a> Draft<'a> {
    /// Ends the pods beyond the size, the highest first; whether the rollout has to wait.
    pub(super) fn shrink(&mut self) -> bool {
        let ordered = self.ordered();
        // The lowest pod that is not well: the one to be ended first when all else waits.
        let unwell = |slot: &Slot<'a>| slot.pod.is_none_or(|pod| !Self::healthy(pod));
        let all = self.slots.iter().chain(self.condemned.iter().rev());
        let first_unwell = all.filter(|slot| unwell(slot)).map(|slot| slot.ordinal).min();
        for slot in self.condemned.clone() {
            let Some(pod) = slot.pod else { continue };
            if pod.deleting() {
                if ordered {
                    return true;
                }
                continue;
            }
            if ordered && !self.available(pod) && first_unwell != Some(slot.ordinal) {
                return true;
            }
            self.own_claims(slot.ordinal, pod, true);
            self.delete(pod);
            if ordered {
                return true;
            }
        }
        false
    }

    /// Ends pods of old revisions, the highest first, as many as may be missing.
    pub(super) fn roll(&mut self) {
        if !self.rolls() {
            return;
        }
        let missing = |slot: &&Slot<'a>| slot.pod.is_none_or(|pod| !self.available(pod));
        let unavailable = self.slots.iter().filter(missing).count();
        let room = self.max_unavailable().saturating_sub(unavailable);
        let partition = usize::try_from(self.partition()).unwrap_or(0);
        let old = self.slots.iter().skip(partition).rev().filter_map(|slot| slot.pod);
        let old = old.filter(|pod| !pod.deleting() && identity::revision(pod) != Some(&self.history.update));
        let old: Vec<_> = old.take(room).collect();
        old.into_iter().for_each(|pod| self.delete(pod));
    }

    /// Whether the strategy is RollingUpdate, as it is where none is named.
    pub(super) fn rolls(&self) -> bool {
        let strategy = self.spec.update_strategy.as_ref().and_then(|strategy| strategy.type_.as_deref());
        strategy != Some("OnDelete")
    }

    /// Whether a new pod of that ordinal is one of the revision that is being left.
    pub(super) fn keeps_current(&self, ordinal: i32) -> bool {
        let start = self.spec.ordinals.as_ref().and_then(|ordinals| ordinals.start).unwrap_or(0);
        self.rolls() && ordinal < start.saturating_add(self.partition())
    }

    fn partition(&self) -> i32 {
        let rolling = self.spec.update_strategy.as_ref().and_then(|strategy| strategy.rolling_update.as_ref());
        rolling.and_then(|rolling| rolling.partition).unwrap_or(0).max(0)
    }

    /// How many pods may be missing; at least one, or nothing would move.
    fn max_unavailable(&self) -> usize {
        let rolling = self.spec.update_strategy.as_ref().and_then(|strategy| strategy.rolling_update.as_ref());
        let replicas = self.spec.replicas.unwrap_or(1);
        let value = rolling.and_then(|rolling| rolling.max_unavailable.as_ref());
        let number = value.map_or(1, |value| scaled(value, replicas, false));
        usize::try_from(number).unwrap_or(1).max(1)
    }
}
