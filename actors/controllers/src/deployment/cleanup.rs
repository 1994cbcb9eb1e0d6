//! Drops old ReplicaSets beyond the revision history.

use super::{Draft, annotations};
use crate::{resource, write};

/// `revisionHistoryLimit` where the Deployment names none.
const DEFAULT_HISTORY: i32 = 10;

impl Draft<'_> {
    /// Deletes the oldest revisions beyond `revisionHistoryLimit` that have no pods.
    pub(super) fn clean_up(&mut self) {
        let limit = self.spec.revision_history_limit.unwrap_or(DEFAULT_HISTORY);
        if limit == i32::MAX {
            return;
        }
        let mut old: Vec<_> = self.sets.old.iter().filter(|member| !member.set.deleting()).collect();
        let excess = old.len().saturating_sub(usize::try_from(limit).unwrap_or(0));
        old.sort_by_key(|member| annotations::revision(member.set));
        let idle = old.into_iter().take(excess).filter(|member| {
            let seen = member.set.status.as_ref().and_then(|status| status.observed_generation).unwrap_or(0);
            let current = member.set.meta().generation.unwrap_or(0) <= seen;
            member.actual() == 0 && member.replicas == 0 && current
        });
        self.plan.writes.extend(idle.map(|member| write::delete(resource::REPLICA_SETS, member.set)));
    }
}
