//! Whether a pod may go to a node; the reasons in Kubernetes' words and order.

use crate::{
    affinity,
    ask::Ask,
    board::{Board, Place},
    claims,
    class::Class,
    taints,
};
use podium_controllers::{Resources, selector, view::Load};
use std::{borrow::Cow, collections::BTreeSet};

/// The rules, in the order in which they are asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Filter {
    /// The node is not cordoned.
    NodeUnschedulable,
    /// Its taints are tolerated.
    TaintToleration,
    /// The pod's node selector and affinity name it.
    NodeAffinity,
    /// The pod's host ports are free.
    NodePorts,
    /// There is room.
    NodeResourcesFit,
    /// No one else has a claim that is for one pod.
    VolumeRestrictions,
    /// The driver takes more volumes.
    NodeVolumeLimits,
    /// The pod's volumes can be had there.
    VolumeBinding,
    /// The pod's like lie evenly.
    PodTopologySpread,
    /// Required affinity and anti-affinity hold, the pod's and that of others.
    InterPodAffinity,
}

/// Every rule, in order.
pub const FILTERS: &[Filter] = &[
    Filter::NodeUnschedulable,
    Filter::TaintToleration,
    Filter::NodeAffinity,
    Filter::NodePorts,
    Filter::NodeResourcesFit,
    Filter::VolumeRestrictions,
    Filter::NodeVolumeLimits,
    Filter::VolumeBinding,
    Filter::PodTopologySpread,
    Filter::InterPodAffinity,
];

impl Filter {
    /// Kubernetes' name of the plugin.
    pub fn name(self) -> &'static str {
        match self {
            Self::NodeUnschedulable => "NodeUnschedulable",
            Self::TaintToleration => "TaintToleration",
            Self::NodeAffinity => "NodeAffinity",
            Self::NodePorts => "NodePorts",
            Self::NodeResourcesFit => "NodeResourcesFit",
            Self::VolumeRestrictions => "VolumeRestrictions",
            Self::NodeVolumeLimits => "NodeVolumeLimits",
            Self::VolumeBinding => "VolumeBinding",
            Self::PodTopologySpread => "PodTopologySpread",
            Self::InterPodAffinity => "InterPodAffinity",
        }
    }
    /// Whether only the node and the pod decide it, not what else lies where.
    pub fn fixed(self) -> bool {
        matches!(self, Self::NodeUnschedulable | Self::TaintToleration | Self::NodeAffinity | Self::VolumeBinding)
    }
}

/// Why a node is out of the question.
#[derive(Clone, Debug, PartialEq)]
pub struct Refusal {
    /// The rule that refuses.
    pub filter: Filter,
    /// Reasons; more than one only for resources.
    pub reasons: Vec<Cow<'static, str>>,
    /// Whether fewer pods on the node could change that.
    pub resolvable: bool,
}

impl Refusal {
    fn new(filter: Filter, reason: &'static str, resolvable: bool) -> Self {
        Self { filter, reasons: vec![Cow::Borrowed(reason)], resolvable }
    }
}

/// Whether a pod may go to a place: the same as no [`refusal`], but found from what the class
/// knows of the place, which must be up to date.
pub fn fits(board: &Board<'_>, class: &Class, at: usize, extra: Option<&Load>) -> bool {
    const LATER: [Filter; 4] =
        [Filter::VolumeRestrictions, Filter::NodeVolumeLimits, Filter::PodTopologySpread, Filter::InterPodAffinity];
    class.standing(at).room
        && LATER.iter().all(|filter| check(*filter, board, class, at, None).is_none())
        && extra.is_none_or(|_| refusal(board, class, at, extra).is_none())
}

/// Whether nothing that the place alone decides, ports and resources included, speaks against it.
pub fn room(ask: &Ask, place: &Place<'_>) -> bool {
    let taken = |port| place.load.ports.keys().any(|taken| taken.clashes(port));
    !ask.ports.iter().any(taken) && shortage(ask, place, None).is_none()
}

/// The first rule that refuses. `extra` is what is kept free there for others.
pub fn refusal(board: &Board<'_>, class: &Class, at: usize, extra: Option<&Load>) -> Option<Refusal> {
    // What is fixed was found out once for all pods of the class, but has its place in the order.
    let fixed = class.refused(at);
    for filter in FILTERS {
        if filter.fixed() {
            if let Some((own, reason)) = fixed
                && own == *filter
            {
                return Some(Refusal::new(own, reason, false));
            }
        } else if let Some(refusal) = check(*filter, board, class, at, extra) {
            return Some(refusal);
        }
    }
    None
}

/// What one rule says.
pub fn check(filter: Filter, board: &Board<'_>, class: &Class, at: usize, extra: Option<&Load>) -> Option<Refusal> {
    let place = board.places.get(at)?;
    let ask = &class.ask;
    match filter {
        Filter::NodePorts => {
            let taken = place.load.ports.keys().chain(extra.iter().flat_map(|extra| extra.ports.keys()));
            let mut taken = taken.filter(|taken| ask.ports.iter().any(|port| taken.clashes(port)));
            let reason = "node(s) didn't have free ports for the requested pod ports";
            (!ask.ports.is_empty() && taken.next().is_some()).then(|| Refusal::new(filter, reason, true))
        }
        Filter::NodeResourcesFit => shortage(ask, place, extra),
        Filter::VolumeRestrictions => claimed(board, ask).then(|| {
            let reason = "node has pod using PersistentVolumeClaim with the same name and ReadWriteOncePod access mode";
            Refusal::new(filter, reason, false)
        }),
        Filter::NodeVolumeLimits => {
            volumes_full(board, ask, place).then(|| Refusal::new(filter, "node(s) exceed max volume count", true))
        }
        Filter::PodTopologySpread => uneven(board, class, at),
        Filter::InterPodAffinity => unfriendly(board, class, at),
        _ => fixed(filter, ask, place).map(|reason| Refusal::new(filter, reason, false)),
    }
}

/// What a rule says that looks at the pod and the node alone.
pub fn fixed(filter: Filter, ask: &Ask, place: &Place<'_>) -> Option<&'static str> {
    match filter {
        Filter::NodeUnschedulable => (place.unschedulable() && !taints::tolerate_cordon(&ask.tolerations))
            .then_some("node(s) were unschedulable"),
        Filter::TaintToleration => taints::untolerated(place.taints(), &ask.tolerations, taints::HARD)
            .map(|_| "node(s) had untolerated taint(s)"),
        Filter::NodeAffinity => {
            let named = affinity::required(ask.required.as_deref(), place)
                && selector::contains(&ask.selector, &place.node.object.labels);
            (!named).then_some("node(s) didn't match Pod's node affinity/selector")
        }
        Filter::VolumeBinding => ask.claims.refusal(place),
        _ => None,
    }
}

/// The resources that a node has too little of.
fn shortage(ask: &Ask, place: &Place<'_>, extra: Option<&Load>) -> Option<Refusal> {
    let (offer, load, wanted) = (&place.offer, &place.load.requested, &ask.requests);
    let mut reasons = Vec::new();
    let mut resolvable = true;
    let mut check = |reason: &'static str, name: &str, of: &dyn Fn(&Resources) -> i64| {
        let taken = of(load).saturating_add(extra.map_or(0, |extra| of(&extra.requested)));
        let (wanted, offer) = (of(wanted), of(offer));
        if wanted > 0 && wanted > offer.saturating_sub(taken) {
            // What the whole node has too little of, no eviction can give.
            resolvable &= wanted <= offer;
            reasons.push(if reason.is_empty() { format!("Insufficient {name}").into() } else { Cow::Borrowed(reason) });
        }
    };
    check("Too many pods", "", &|of| of.pods);
    check("Insufficient cpu", "", &|of| of.cpu);
    check("Insufficient memory", "", &|of| of.memory);
    check("Insufficient ephemeral-storage", "", &|of| of.storage);
    for name in wanted.extended.keys() {
        check("", name, &|of| of.extended.get(name).copied().unwrap_or(0));
    }
    (!reasons.is_empty()).then_some(Refusal { filter: Filter::NodeResourcesFit, reasons, resolvable })
}

/// Whether another pod has a claim that only one may have.
fn claimed(board: &Board<'_>, ask: &Ask) -> bool {
    ask.claims.in_use || ask.claims.exclusive.iter().any(|claim| board.claimed(claim))
}

/// Whether a driver of the pod's volumes takes no more of them on the node.
fn volumes_full(board: &Board<'_>, ask: &Ask, place: &Place<'_>) -> bool {
    let wanted: BTreeSet<(String, String)> = ask.claims.bound.iter().filter_map(|volume| volume.csi.clone()).collect();
    if wanted.is_empty() {
        return false;
    }
    let limits = claims::limits(board.view, place.name());
    if limits.is_empty() {
        return false;
    }
    let mut all = claims::attached(board.view, place.name());
    let before = all.len();
    all.extend(board.volumes(place.name()));
    all.extend(wanted);
    let count = |driver: &str| all.iter().filter(|(own, _)| own == driver).count();
    all.len() > before && limits.iter().any(|(driver, limit)| count(driver) > *limit)
}

/// Hard topology spread constraints.
fn uneven(board: &Board<'_>, class: &Class, at: usize) -> Option<Refusal> {
    const REASON: &str = "node(s) didn't match pod topology spread constraints";
    const LABEL: &str = "node(s) didn't match pod topology spread constraints (missing required label)";
    let filter = Filter::PodTopologySpread;
    for (constraint, tally) in class.ask.spread.hard.iter().zip(&class.hard) {
        let Some(count) = board.count(tally.at, at) else { return Some(Refusal::new(filter, LABEL, false)) };
        let skew = count + tally.own - board.tallies.get(tally.at)?.least(constraint.min_domains);
        if skew > constraint.max_skew {
            return Some(Refusal::new(filter, REASON, true));
        }
    }
    None
}

/// Required affinity and anti-affinity between pods.
fn unfriendly(board: &Board<'_>, class: &Class, at: usize) -> Option<Refusal> {
    let filter = Filter::InterPodAffinity;
    if !class.affinity.is_empty() {
        let counts: Vec<Option<i64>> = class.affinity.iter().map(|tally| board.count(*tally, at)).collect();
        let near = counts.iter().all(|count| count.is_some_and(|count| count > 0));
        // The first of a group that wants to be together may go anywhere that has the labels.
        let first = || {
            class.first
                && counts.iter().all(Option::is_some)
                && class.affinity.iter().all(|tally| board.tallies.get(*tally).is_some_and(|tally| tally.total == 0))
        };
        if !near && !first() {
            return Some(Refusal::new(filter, "node(s) didn't match pod affinity rules", false));
        }
    }
    if class.anti.iter().any(|tally| board.count(*tally, at).is_some_and(|count| count > 0)) {
        return Some(Refusal::new(filter, "node(s) didn't match pod anti-affinity rules", true));
    }
    let forbidden = class.forbidden.iter().any(|owned| board.owners(*owned, at) > 0);
    forbidden.then(|| Refusal::new(filter, "node(s) didn't satisfy existing pods anti-affinity rules", true))
}
