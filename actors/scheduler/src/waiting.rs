//! How many pods wait for a node, and for what.

use crate::{hint, scheduler::gated, settings};
use podium_controllers::View;

/// Pods without a node that name one of our profiles.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Waiting {
    /// Not looked at yet.
    pub active: usize,
    /// Looked at: they fit nowhere.
    pub unschedulable: usize,
    /// Held back by their gates.
    pub gated: usize,
}

/// Counts them; costs as much as there are.
pub fn waiting(view: &View) -> Waiting {
    let profiles = settings::profiles(view);
    let keys = profiles.iter().flat_map(|profile| view.pending.get(&profile.name));
    let mut waiting = Waiting::default();
    for pod in keys.filter_map(|key| view.pods.get(key)) {
        let count = match () {
            () if gated(pod) => &mut waiting.gated,
            () if hint::fresh(pod) => &mut waiting.active,
            () => &mut waiting.unschedulable,
        };
        *count += 1;
    }
    waiting
}
