//! Room that is being made for pods: what is kept free of pods of no higher priority.

use crate::{
    ask::{nominated, priority},
    board::Board,
};
use k8s_openapi::api::core::v1::Pod;
use podium_controllers::{
    View,
    view::{Item, Load},
};
use podium_types::Key;
use std::{collections::BTreeMap, sync::Arc};

/// Pods with a node that they wait for, by place.
#[derive(Default)]
pub struct Nominations<'a> {
    by_place: BTreeMap<usize, Vec<&'a Arc<Item<Pod>>>>,
}

impl<'a> Nominations<'a> {
    /// Those of every pod that waits, whoever places it.
    pub fn of(view: &'a View, board: &Board<'_>) -> Self {
        let mut own = Self::default();
        for pod in view.pending.keys().flat_map(|name| view.pending.get(name)).filter_map(|key| view.pods.get(key)) {
            if let Some(at) = nominated(pod).and_then(|node| board.at(node)) {
                own.add(pod, at);
            }
        }
        own
    }
    /// A pod waits for a place from now on.
    pub fn add(&mut self, pod: &'a Arc<Item<Pod>>, at: usize) {
        self.drop(pod.key());
        self.by_place.entry(at).or_default().push(pod);
    }
    /// A pod waits no longer.
    pub fn drop(&mut self, pod: &Key) {
        self.by_place.retain(|_, pods| {
            pods.retain(|own| own.key() != pod);
            !pods.is_empty()
        });
    }
    /// What a pod must leave free at a place.
    pub fn reserved(&self, pod: &Item<Pod>, at: usize) -> Option<Load> {
        let others = self.by_place.get(&at)?.iter();
        let before = others.filter(|own| own.key() != pod.key() && priority(own) >= priority(pod));
        let mut load = Load::default();
        before.for_each(|own| load.add(own));
        (load != Load::default()).then_some(load)
    }
    /// Pods of lower priority that wait for the place.
    pub fn below(&self, pod: &Item<Pod>, at: usize) -> Vec<&'a Arc<Item<Pod>>> {
        let others = self.by_place.get(&at).into_iter().flatten();
        others.filter(|own| priority(own) < priority(pod)).copied().collect()
    }
}
