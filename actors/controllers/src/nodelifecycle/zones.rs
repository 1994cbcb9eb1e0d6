//! How fast nodes are given up: pods leave one node at a time, and none where too much is silent.
//!
//! Many nodes that fall silent at once rather tell of a network that is cut than of nodes that
//! died. The rates are Kubernetes' own; who is next and when the last one went is read off the
//! nodes, so that their actors agree without speaking to each other.

use super::{health, taints};
use crate::{View, time, view::Item};
use k8s_openapi::api::core::v1::Node;
use podium_types::Timestamp;

/// Seconds between nodes of one zone (node-eviction-rate 0.1).
pub const SECONDS: i64 = 10;
/// The same in a large cluster's zone that is mostly silent (secondary-node-eviction-rate 0.01).
pub const SECONDARY_SECONDS: i64 = 100;
/// The share of silent nodes from which on a zone counts as mostly silent (unhealthy-zone-threshold).
pub const UNHEALTHY_PERCENT: usize = 55;
/// Silent nodes that a zone may have in any case.
pub const FEW: usize = 2;
/// Up to so many nodes, a mostly silent zone gives up none (large-cluster-size-threshold).
pub const LARGE_CLUSTER: usize = 50;

/// When a node that is not ready may be given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leave {
    /// Its pods may be sent away, or were already.
    Now,
    /// Not before then.
    At(Timestamp),
    /// Not while the zone is as it is.
    Held,
    /// No node answers: rather the control plane is cut off, and nobody is sent away.
    Blind,
}

/// When the pods of a node that is not ready may be sent away.
pub fn leave(view: &View, node: &Item<Node>, now: Timestamp) -> Leave {
    if !view.nodes.all().any(|other| health::ready(other)) {
        return Leave::Blind;
    }
    if taints::given_up(node).is_some() {
        return Leave::Now;
    }
    let here = zone(node);
    let zone: Vec<_> = view.nodes.all().filter(|other| self::zone(other) == here).collect();
    let silent = zone.iter().filter(|other| !health::ready(other)).count();
    let Some(seconds) = pace(zone.len() - silent, silent) else { return Leave::Held };
    let last = zone.iter().filter_map(|other| taints::given_up(other)?.time_added.as_ref()).map(|time| time.0).max();
    let free = last.and_then(|last| time::after(last, seconds)).map_or(now, |free| free.max(now));
    let rank = |node: &Item<Node>| (health::since(node), node.key().clone());
    let mine = rank(node);
    let before = |other: &Item<Node>| {
        !health::ready(other) && !other.deleting() && taints::given_up(other).is_none() && rank(other) < mine
    };
    let ahead = zone.iter().filter(|other| before(other)).count();
    let wait = i64::try_from(ahead).unwrap_or(i64::MAX).saturating_mul(seconds);
    match time::after(free, wait) {
        Some(at) if at > now => Leave::At(at),
        Some(_) => Leave::Now,
        None => Leave::Held,
    }
}

/// Seconds between nodes of a zone with so many ready and silent ones; `None`: none is given up.
fn pace(ready: usize, silent: usize) -> Option<i64> {
    let total = ready + silent;
    if ready == 0 || silent <= FEW || silent * 100 < total * UNHEALTHY_PERCENT {
        return Some(SECONDS);
    }
    (total > LARGE_CLUSTER).then_some(SECONDARY_SECONDS)
}

/// Region and zone of a node.
fn zone(node: &Item<Node>) -> [&str; 2] {
    ["topology.kubernetes.io/region", "topology.kubernetes.io/zone"]
        .map(|label| node.object.labels.get(label).map_or("", |value| &**value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pace_depends_on_how_much_of_a_zone_is_silent() {
        for (ready, silent, expected) in [
            (1, 0, Some(SECONDS)),
            (1, 2, Some(SECONDS)),
            (3, 3, Some(SECONDS)),
            (2, 3, None),
            (0, 3, Some(SECONDS)),
            (22, 28, None),
            (22, 29, Some(SECONDARY_SECONDS)),
            (60, 60, Some(SECONDS)),
        ] {
            assert_eq!(pace(ready, silent), expected, "{ready} ready, {silent} silent");
        }
    }
}
