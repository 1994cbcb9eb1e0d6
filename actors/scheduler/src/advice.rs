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
    let options = (0..board.places.len()).map(|at| {
        let refusing: Vec<Filter> =
            FILTERS.iter().copied().filter(|f| filter::check(*f, board, class, at, None).is_some()).collect();
        (refusing.len(), lacking(class, board.places.get(at)), at, refusing)
    });
    let (count, _, at, refusing) = options.min()?;
    if count == 0 {
        return None;
    }
    let place = board.places.get(at)?;
    let changes: Vec<String> = refusing.into_iter().map(|filter| change(filter, board, class, place, pod)).collect();
    Some(format!("{}: {}", place.name(), changes.join("; and ")))
}

/// How much a node has too little of, in hundredths of what is asked, the worst resource counting.
fn lacking(class: &Class, place: Option<&Place<'_>>) -> i64 {
    let Some(place) = place else { return i64::MAX };
    let missing = shortages(class, place).into_iter().map(|(_, missing, wanted)| {
        let share = i128::from(missing) * 100 / i128::from(wanted.max(1));
        i64::try_from(share).unwrap_or(i64::MAX)
    });
    missing.max().unwrap_or(0)
}

/// Name, missing amount and wanted amount of each resource that a node has too little of.
fn shortages(class: &Class, place: &Place<'_>) -> Vec<(String, i64, i64)> {
    let mut found = Vec::new();
    let mut look = |name: &str, of: &dyn Fn(&Resources) -> i64| {
        let wanted = of(&class.ask.requests);
        let free = of(&place.offer).saturating_sub(of(&place.load.requested)).max(0);
        if wanted > free {
            found.push((name.to_owned(), wanted - free, wanted));
        }
    };
    look("pods", &|of| of.pods);
    look("cpu", &|of| of.cpu);
    look("memory", &|of| of.memory);
    look("ephemeral-storage", &|of| of.storage);
    for name in class.ask.requests.extended.keys() {
        look(name, &|of| of.extended.get(name).copied().unwrap_or(0));
    }
    found
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
            let parts = shortages(class, place).into_iter().map(|(name, missing, wanted)| {
                let (missing, most) = (amount(&name, missing), amount(&name, wanted - missing));
                if name == "pods" {
                    return "remove a pod".to_owned();
                }
                format!("free {missing} {name} or request at most {most}")
            });
            parts.collect::<Vec<_>>().join(" and ")
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
