//! One step of a rolling update: old pods go, or new ones come beside them.

use super::Draft;
use crate::{share::scaled, view::Item};
use k8s_openapi::{
    api::{apps::v1::DaemonSetSpec, core::v1::Pod},
    apimachinery::pkg::util::intstr::IntOrString,
};
use std::sync::Arc;

/// How many nodes may have two pods, and how many none that is available.
#[derive(Clone, Copy)]
pub struct Limits {
    /// Nodes with an old and a new pod.
    pub surge: usize,
    /// Nodes without an available pod.
    pub unavailable: usize,
}

/// `maxSurge` and `maxUnavailable`; shares are of the nodes that suit and round up. Both 0
/// would never move, so that unavailable is then 1.
pub fn limits(spec: &DaemonSetSpec, nodes: usize) -> Limits {
    let total = i32::try_from(nodes).unwrap_or(i32::MAX);
    let rolling = spec.update_strategy.as_ref().and_then(|strategy| strategy.rolling_update.as_ref());
    let number = |value: Option<&IntOrString>, default: i32| {
        let number = value.map_or(default, |value| scaled(value, total, true));
        usize::try_from(number).unwrap_or(0)
    };
    let surge = number(rolling.and_then(|rolling| rolling.max_surge.as_ref()), 0);
    let unavailable = number(rolling.and_then(|rolling| rolling.max_unavailable.as_ref()), 1);
    Limits { surge, unavailable: if surge == 0 { unavailable.max(1) } else { unavailable } }
}

impl<'a> Draft<'a> {
    /// Notes which pods of old templates go, and which nodes get a new pod beside an old one.
    pub(super) fn roll(&self, create: &mut Vec<String>, delete: &mut Vec<&'a Arc<Item<Pod>>>) {
        let strategy = self.spec.update_strategy.as_ref().and_then(|strategy| strategy.type_.as_deref());
        if strategy == Some("OnDelete") {
            return;
        }
        let (limits, suits) = (self.limits, &self.suits);
        let places = self.by_node.iter().filter(|(node, _)| suits.get(node.as_str()).is_some_and(|suit| suit.run));
        if limits.surge > 0 {
            self.surge(limits, places, create);
        } else {
            let missing = suits.iter().filter(|(node, suit)| suit.run && !self.by_node.contains_key(**node)).count();
            self.replace(limits, missing, places, delete);
        }
    }

    fn replace<'b>(
        &self,
        limits: Limits,
        missing: usize,
        places: impl Iterator<Item = (&'b String, &'b Vec<&'a Arc<Item<Pod>>>)>,
        delete: &mut Vec<&'a Arc<Item<Pod>>>,
    ) where
        'a: 'b,
    {
        let mut unavailable = missing;
        let mut candidates = Vec::new();
        for (_, list) in places {
            let Some(pod) = list.iter().copied().find(|pod| !pod.deleting()) else {
                unavailable += 1;
                continue;
            };
            match (self.updated(pod), self.available(pod)) {
                (true, true) => {}
                (true, false) => unavailable += 1,
                // What does not serve costs nothing when it goes.
                (false, false) => {
                    unavailable += 1;
                    delete.push(pod);
                }
                (false, true) => candidates.push(pod),
            }
        }
        delete.extend(candidates.into_iter().take(limits.unavailable.saturating_sub(unavailable)));
    }

    fn surge<'b>(
        &self,
        limits: Limits,
        places: impl Iterator<Item = (&'b String, &'b Vec<&'a Arc<Item<Pod>>>)>,
        create: &mut Vec<String>,
    ) where
        'a: 'b,
    {
        let (mut surged, mut urgent, mut candidates) = (0, Vec::new(), Vec::new());
        for (node, list) in places {
            let here: Vec<_> = list.iter().filter(|pod| !pod.deleting()).collect();
            if here.iter().any(|pod| self.updated(pod)) {
                surged += usize::from(here.len() > 1);
            } else if here.iter().any(|pod| self.available(pod)) {
                candidates.push(node.clone());
            } else if !here.is_empty() {
                urgent.push(node.clone());
            }
        }
        let room = limits.surge.saturating_sub(surged + urgent.len());
        create.extend(urgent);
        create.extend(candidates.into_iter().take(room));
    }
}
