//! The smallest change that would let a pod go somewhere.

use crate::{
    affinity,
    board::{Board, Place},
    class::Class,
    filter::{self, FILTERS, Filter},
    taints,
};
use k8s_openapi::api::core::v1::Pod;
use podium_controllers::{Resources, view::Item};

/// What would help, on the node where least stands in the way; `None` where the pod fits already.
pub fn smallest(board: &Board<'_>, class: &Class, pod: &Item<Pod>) -> Option<String> {
    if let Some(obstacle) = &class.ask.claims.obstacle {
        return Some(format!("resolve: {obstacle}"));
    }
    if board.places.is_empty() {
        return Some("add a node".to_owned());
    }
    let options = board.places.iter().enumerate().map(|(at, place)| {
        let refusing: Vec<Filter> =
            FILTERS.iter().copied().filter(|f| filter::check(*f, board, class, at, None).is_some()).collect();
        let shortages = shortages(class, place);
        // A node that is too small stays so, whoever leaves it; then only smaller requests help.
        let small = shortages.iter().any(Shortage::hopeless);
        let useless = shortages.iter().any(|shortage| shortage.hopeless() && shortage.less().is_none());
        let share = shortages.iter().map(Shortage::share).max().unwrap_or(0);
        (useless, refusing.len(), small, share, at, refusing)
    });
    let (_, count, _, _, at, refusing) = options.min()?;
    if count == 0 {
        return None;
    }
    let place = board.places.get(at)?;
    let changes: Vec<String> = refusing.into_iter().map(|filter| change(filter, board, class, place, pod)).collect();
    Some(format!("{}: {}", place.name(), changes.join("; and ")))
}

/// What a node has too little of.
struct Shortage {
    name: String,
    wanted: i64,
    /// What the node has in all.
    offer: i64,
    /// What nobody has asked for yet.
    free: i64,
}

impl Shortage {
    /// Whether even the empty node would have too little.
    fn hopeless(&self) -> bool {
        self.wanted > self.offer
    }
    /// How much is missing, in hundredths of what is asked.
    fn share(&self) -> i64 {
        let share = i128::from(self.wanted - self.free) * 100 / i128::from(self.wanted.max(1));
        i64::try_from(share).unwrap_or(i64::MAX)
    }
    /// The request that would fit now, where there is one.
    fn less(&self) -> Option<String> {
        let fits = self.free > 0 && self.name != "pods";
        fits.then(|| format!("request at most {}", amount(&self.name, self.free)))
    }
    /// What would help.
    fn change(&self, board: &Board<'_>) -> String {
        let (name, less) = (self.name.as_str(), self.less());
        if !self.hopeless() {
            let missing = amount(name, self.wanted - self.free);
            let free = if name == "pods" { "remove a pod".to_owned() } else { format!("free {missing} {name}") };
            return [Some(free), less].into_iter().flatten().collect::<Vec<_>>().join(" or ");
        }
        let needed = amount(name, self.wanted);
        let sizes = board.places.iter().rev().map(|place| (offered(&place.offer, name), place.name()));
        let (size, node) = sizes.max_by_key(|(size, _)| *size).unwrap_or_default();
        let has = |size| format!("{} {name}, {needed} needed", amount(name, size));
        let why = if size <= 0 {
            format!("no node offers {name}, {needed} needed")
        } else if size < self.wanted {
            format!("no node is large enough ({node}, the largest, has {})", has(size))
        } else {
            format!("the node is too small (it has {})", has(self.offer))
        };
        [Some(why), less].into_iter().flatten().collect::<Vec<_>>().join(", ")
    }
}

/// How much there is of a resource.
fn offered(resources: &Resources, name: &str) -> i64 {
    match name {
        "pods" => resources.pods,
        "cpu" => resources.cpu,
        "memory" => resources.memory,
        "ephemeral-storage" => resources.storage,
        _ => resources.extended.get(name).copied().unwrap_or(0),
    }
}

/// Everything that a node has too little of.
fn shortages(class: &Class, place: &Place<'_>) -> Vec<Shortage> {
    let own = class.ask.requests.extended.keys().map(String::as_str);
    let names = ["pods", "cpu", "memory", "ephemeral-storage"].into_iter().chain(own);
    let shortage = |name: &str| {
        let (wanted, offer) = (offered(&class.ask.requests, name), offered(&place.offer, name));
        let free = offer.saturating_sub(offered(&place.load.requested, name)).max(0);
        Shortage { name: name.to_owned(), wanted, offer, free }
    };
    names.map(shortage).filter(|shortage| shortage.wanted > shortage.free).collect()
}

/// An amount as people write it.
fn amount(name: &str, value: i64) -> String {
    const MEBI: i64 = 1 << 20;
    match name {
        "cpu" => format!("{value}m"),
        "memory" | "ephemeral-storage" if value >= MEBI => format!("{}Mi", (value + MEBI - 1) / MEBI),
        _ => value.to_string(),
    }
}

/// What would satisfy one filter on one node.
fn change(filter: Filter, board: &Board<'_>, class: &Class, place: &Place<'_>, pod: &Item<Pod>) -> String {
    let ask = &class.ask;
    let labels = &place.node.object.labels;
    match filter {
        Filter::NodeUnschedulable => format!("kubectl uncordon {}", place.name()),
        Filter::TaintToleration => {
            let taint = taints::untolerated(place.taints(), &ask.tolerations, taints::HARD);
            taint.map_or_else(String::new, |taint| {
                let value = taint.value.as_deref().filter(|value| !value.is_empty());
                let value = value.map(|value| format!("={value}")).unwrap_or_default();
                format!("tolerate the taint {}{value}:{} or remove it", taint.key, taint.effect)
            })
        }
        Filter::NodeAffinity => {
            let missing = ask.selector.iter().filter(|(key, value)| labels.get(*key) != Some(value));
            let missing: Vec<String> = missing.map(|(key, value)| format!("{key}={value}")).collect();
            let mut parts = Vec::new();
            if !missing.is_empty() {
                parts.push(format!("label the node {}", missing.join(",")));
            }
            if !affinity::required(ask.required.as_deref(), place) {
                parts.push("give the node the labels that the pod's required node affinity names".to_owned());
            }
            parts.join(" and ")
        }
        Filter::NodePorts => {
            let clashing = ask.ports.iter().filter(|port| place.load.ports.keys().any(|taken| taken.clashes(port)));
            let ports: Vec<String> = clashing.map(|port| format!("{}/{}", port.port, port.protocol)).collect();
            format!("free the host port {}", ports.join(", "))
        }
        Filter::NodeResourcesFit => {
            let parts = shortages(class, place).iter().map(|shortage| shortage.change(board)).collect::<Vec<_>>();
            parts.join(" and ")
        }
        Filter::VolumeRestrictions => "end the pod that uses the ReadWriteOncePod claim".to_owned(),
        Filter::NodeVolumeLimits => "end a pod that has a volume of the same driver there".to_owned(),
        Filter::VolumeBinding => "make a volume that the node can reach".to_owned(),
        Filter::PodTopologySpread => {
            let spread = ask.spread.hard.iter().zip(&class.hard);
            let at = board.at(place.name()).unwrap_or(usize::MAX);
            let parts = spread.filter_map(|(constraint, count)| {
                let Some(number) = board.count(count.at, at) else {
                    return Some(format!("label the node with {}", constraint.topology));
                };
                let skew = number + count.own - board.tallies.get(count.at)?.least(constraint.min_domains);
                (skew > constraint.max_skew).then(|| format!("raise maxSkew of {} to {skew}", constraint.topology))
            });
            parts.collect::<Vec<_>>().join(" and ")
        }
        Filter::InterPodAffinity => {
            let key = pod.key();
            format!("change the pods near {}, or the affinity between them and {key}", place.name())
        }
    }
}
