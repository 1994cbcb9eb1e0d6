//! How many pods wait for a node, and for what.

use crate::{
    backoff::{self, Turn},
    hint,
    scheduler::gated,
    settings,
};
use podium_controllers::View;
use podium_types::Timestamp;

/// Pods without a node that name one of our profiles.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Waiting {
    /// Not looked at yet.
    pub active: usize,
    /// Looked at in vain; something could help them now, but they have to wait a while.
    pub backoff: usize,
    /// Looked at: they fit nowhere, and nothing has changed that could help them.
    pub unschedulable: usize,
    /// Held back by their gates.
    pub gated: usize,
}

/// Counts them; costs as much as there are.
pub fn waiting(view: &View, now: Timestamp) -> Waiting {
    let profiles = settings::profiles(view);
    let keys = profiles.iter().flat_map(|profile| view.pending.get(&profile.name));
    let mut waiting = Waiting::default();
    for pod in keys.filter_map(|key| view.pods.get(key)) {
        let count = match () {
            () if gated(pod) => &mut waiting.gated,
            () if hint::fresh(pod) => &mut waiting.active,
            () => match backoff::turn(view, pod, now) {
                Turn::Backoff(_) => &mut waiting.backoff,
                Turn::Due | Turn::Idle(_) => &mut waiting.unschedulable,
            },
        };
        *count += 1;
    }
    waiting
}
