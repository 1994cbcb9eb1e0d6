//! The controllers' picture of the cluster, folded from events.

use podium_machinery::state::Event;

/// Typed, indexed objects of every kind that controllers look at.
#[derive(Default)]
pub struct View {}

impl View {
    /// Folds one event of a kind (storage name) into the view.
    pub fn apply(&mut self, _resource: &str, _event: &Event) {}
}
