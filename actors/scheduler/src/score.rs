//! Which of the nodes that fit is best.

use crate::{
    board::{Board, Place},
    class::Class,
    profile::{Profile, Strategy},
};
use podium_controllers::Resources;

/// The best that one criterion can give.
pub const MAX: i64 = 100;
/// The label by which every node is a place of its own.
const HOSTNAME: &str = "kubernetes.io/hostname";

/// What one criterion says of each candidate.
pub struct Criterion {
    /// Kubernetes' name of the plugin.
    pub name: &'static str,
    /// What it weighs.
    pub weight: i64,
    /// 0..=100, in the order of the candidates.
    pub scores: Vec<i64>,
}

/// The weighted scores that a place alone decides.
pub fn own(class: &Class, place: &Place<'_>, at: usize, profile: &Profile) -> i64 {
    let weights = &profile.weights;
    let images = class.fixed.get(at).map_or(0, |fixed| fixed.images);
    let balance = if balances(class) { balanced(class, place) } else { 0 };
    weights.fit * fit(class, place, profile) + weights.balance * balance + weights.images * images
}

/// Weighted sums, in the order of the candidates: as the [`criteria`] make them, but for what
/// is the same for all, and with what the class knows of each place.
pub fn totals(board: &Board<'_>, class: &Class, candidates: &[usize], profile: &Profile) -> Vec<i64> {
    let mut sums: Vec<i64> = candidates.iter().map(|at| class.standing(*at).score).collect();
    for criterion in relative(board, class, candidates, profile) {
        for (sum, score) in sums.iter_mut().zip(criterion.scores) {
            *sum += score * criterion.weight;
        }
    }
    sums
}

/// Every criterion that can tell the candidates apart.
pub fn criteria(board: &Board<'_>, class: &Class, candidates: &[usize], profile: &Profile) -> Vec<Criterion> {
    let weights = &profile.weights;
    let each = |of: &dyn Fn(usize) -> i64| candidates.iter().map(|at| of(*at)).collect::<Vec<i64>>();
    let place = |of: &dyn Fn(&Place<'_>) -> i64| each(&|at| board.places.get(at).map_or(0, of));
    let known = |at: usize| class.fixed.get(at).copied().unwrap_or_default();
    let mut criteria = vec![
        Criterion { name: "NodeResourcesFit", weight: weights.fit, scores: place(&|place| fit(class, place, profile)) },
        Criterion { name: "ImageLocality", weight: weights.images, scores: each(&|at| known(at).images) },
    ];
    if balances(class) {
        let scores = place(&|place| balanced(class, place));
        criteria.push(Criterion { name: "NodeResourcesBalancedAllocation", weight: weights.balance, scores });
    }
    criteria.extend(relative(board, class, candidates, profile));
    if !class.tainted {
        let scores = vec![MAX; candidates.len()];
        criteria.push(Criterion { name: "TaintToleration", weight: weights.taints, scores });
    }
    criteria
}

/// Whether a pod asks for anything that could be balanced.
fn balances(class: &Class) -> bool {
    let asked = &class.ask.requests;
    asked.cpu != 0 || asked.memory != 0 || asked.storage != 0 || !asked.extended.is_empty()
}

/// The criteria that compare the candidates with each other.
fn relative(board: &Board<'_>, class: &Class, candidates: &[usize], profile: &Profile) -> Vec<Criterion> {
    let weights = &profile.weights;
    let each = |of: &dyn Fn(usize) -> i64| candidates.iter().map(|at| of(*at)).collect::<Vec<i64>>();
    let known = |at: usize| class.fixed.get(at).copied().unwrap_or_default();
    let mut criteria = Vec::new();
    if class.tainted {
        let scores = inverted(each(&|at| known(at).disliked));
        criteria.push(Criterion { name: "TaintToleration", weight: weights.taints, scores });
    }
    if !class.ask.preferred.is_empty() {
        let scores = proportional(each(&|at| known(at).liked));
        criteria.push(Criterion { name: "NodeAffinity", weight: weights.node_affinity, scores });
    }
    if !class.ask.spread.soft.is_empty() {
        let scores = spread(board, class, candidates);
        criteria.push(Criterion { name: "PodTopologySpread", weight: weights.spread, scores });
    }
    if !(class.liked.is_empty() && class.welcome.is_empty()) {
        let scores = stretched(each(&|at| friendly(board, class, at)));
        criteria.push(Criterion { name: "InterPodAffinity", weight: weights.pod_affinity, scores });
    }
    criteria
}

/// The most gets 100, 0 stays 0.
fn proportional(raw: Vec<i64>) -> Vec<i64> {
    let most = raw.iter().copied().max().unwrap_or(0);
    if most <= 0 { raw } else { raw.into_iter().map(|value| value.saturating_mul(MAX) / most).collect() }
}

/// 0 gets 100, the most gets 0.
fn inverted(raw: Vec<i64>) -> Vec<i64> {
    proportional(raw).into_iter().map(|value| MAX - value).collect()
}

/// The least gets 0, the most gets 100.
fn stretched(raw: Vec<i64>) -> Vec<i64> {
    let least = raw.iter().copied().min().unwrap_or(0);
    let range = raw.iter().copied().max().unwrap_or(0).saturating_sub(least);
    if range <= 0 {
        return vec![0; raw.len()];
    }
    raw.into_iter().map(|value| (value - least).saturating_mul(MAX) / range).collect()
}

fn of(resources: &Resources, name: &str) -> i64 {
    match name {
        "cpu" => resources.cpu,
        "memory" => resources.memory,
        "ephemeral-storage" => resources.storage,
        _ => resources.extended.get(name).copied().unwrap_or(0),
    }
}

/// What would be taken of a resource with the pod there; pods without requests weigh something.
fn taken(class: &Class, place: &Place<'_>, name: &str) -> i64 {
    match name {
        "cpu" => place.load.weight.0 + class.ask.weight.0,
        "memory" => place.load.weight.1 + class.ask.weight.1,
        _ => of(&place.load.requested, name).saturating_add(of(&class.ask.requests, name)),
    }
}

/// `NodeResourcesFit`: the weighted mean over the strategy's resources that the node offers.
fn fit(class: &Class, place: &Place<'_>, profile: &Profile) -> i64 {
    let (mut sum, mut weights) = (0_i64, 0_i64);
    for (name, weight) in &profile.resources {
        let offer = of(&place.offer, name);
        // A resource of one's own making matters only to pods that ask for it.
        let foreign = !matches!(name.as_str(), "cpu" | "memory" | "ephemeral-storage");
        if offer <= 0 || (foreign && of(&class.ask.requests, name) == 0) {
            continue;
        }
        let taken = taken(class, place, name);
        let score = match &profile.strategy {
            Strategy::LeastAllocated if taken > offer => 0,
            Strategy::LeastAllocated => share(offer - taken, offer),
            Strategy::MostAllocated => share(taken.min(offer), offer),
            Strategy::RequestedToCapacityRatio(curve) => curve_at(curve, share(taken.min(offer), offer)),
        };
        if matches!(profile.strategy, Strategy::RequestedToCapacityRatio(_)) && score == 0 {
            continue;
        }
        sum += score * weight;
        weights += weight;
    }
    match (&profile.strategy, weights) {
        (_, ..=0) => 0,
        // The ratio is rounded, the others are cut.
        (Strategy::RequestedToCapacityRatio(_), _) => (2 * sum + weights) / (2 * weights),
        _ => sum / weights,
    }
}

/// A part in hundredths of the whole.
fn share(part: i64, whole: i64) -> i64 {
    part.checked_mul(MAX).map_or_else(
        || i64::try_from(i128::from(part) * i128::from(MAX) / i128::from(whole.max(1))).unwrap_or(MAX),
        |part| part / whole.max(1),
    )
}

/// Linear between the points of a curve (utilisation, score of ten), flat outside.
fn curve_at(curve: &[(i64, i64)], at: i64) -> i64 {
    let scaled = |score: i64| score * 10;
    let mut before: Option<(i64, i64)> = None;
    for (utilisation, score) in curve {
        if at <= *utilisation {
            let Some((from, low)) = before else { return scaled(*score) };
            let (low, high) = (scaled(low), scaled(*score));
            return low + (high - low) * (at - from) / (utilisation - from).max(1);
        }
        before = Some((*utilisation, *score));
    }
    before.map_or(0, |(_, score)| scaled(score))
}

/// `NodeResourcesBalancedAllocation`: half for the state, half for whether the pod betters it.
fn balanced(class: &Class, place: &Place<'_>) -> i64 {
    let score = |with: bool| {
        let fractions = ["cpu", "memory"].into_iter().filter_map(|name| {
            let offer = of(&place.offer, name);
            let asked = if with { of(&class.ask.requests, name) } else { 0 };
            let taken = of(&place.load.requested, name).saturating_add(asked);
            (offer > 0).then(|| (taken as f64 / offer as f64).min(1.0))
        });
        let mut fractions = fractions;
        let deviation = match (fractions.next(), fractions.next()) {
            (Some(cpu), Some(memory)) => (cpu - memory).abs() / 2.0,
            _ => 0.0,
        };
        ((1.0 - deviation) * MAX as f64) as i64
    };
    MAX / 2 + (MAX / 2 + score(true) - score(false)) / 2
}

/// `PodTopologySpread`: fewer of the pod's like are better; topologies with more domains weigh more.
fn spread(board: &Board<'_>, class: &Class, candidates: &[usize]) -> Vec<i64> {
    let soft = &class.ask.spread.soft;
    let complete = |at: usize| {
        let mut labels = soft.iter().zip(&class.soft).map(|(_, count)| board.count(count.at, at));
        labels.all(|count| count.is_some())
    };
    let counts = |at: usize| !class.ask.spread.all_labels || complete(at);
    let counted: Vec<bool> = candidates.iter().map(|at| counts(*at)).collect();
    let weights: Vec<f64> = soft
        .iter()
        .zip(&class.soft)
        .map(|(constraint, count)| {
            let chosen = candidates.iter().zip(&counted).filter(|(_, counted)| **counted).map(|(at, _)| *at);
            let size = if constraint.topology == HOSTNAME { chosen.count() } else { domains(board, count.at, chosen) };
            ((size + 2) as f64).ln()
        })
        .collect();
    let raw: Vec<i64> = candidates
        .iter()
        .map(|at| {
            let parts = soft.iter().zip(&class.soft).zip(&weights).filter_map(|((constraint, count), weight)| {
                let number = board.count(count.at, *at)?;
                Some(number as f64 * weight + (constraint.max_skew - 1) as f64)
            });
            parts.sum::<f64>().round() as i64
        })
        .collect();
    let known = || raw.iter().zip(&counted).filter(|(_, counted)| **counted).map(|(value, _)| *value);
    let (least, most) = (known().min().unwrap_or(0), known().max().unwrap_or(0));
    let score = |(value, counted): (&i64, &bool)| match (counted, most) {
        (false, _) => 0,
        (true, 0) => MAX,
        (true, _) => MAX * (most + least - value) / most,
    };
    raw.iter().zip(&counted).map(score).collect()
}

/// How many domains these places lie in.
fn domains(board: &Board<'_>, tally: usize, places: impl Iterator<Item = usize>) -> usize {
    let Some(tally) = board.tallies.get(tally) else { return 0 };
    let mut seen = vec![false; tally.counts.len()];
    for domain in places.filter_map(|at| board.domain(tally.topology, at)) {
        if let Some(seen) = seen.get_mut(domain) {
            *seen = true;
        }
    }
    seen.into_iter().filter(|seen| *seen).count()
}

/// `InterPodAffinity`: what the pod and the others say about each other.
fn friendly(board: &Board<'_>, class: &Class, at: usize) -> i64 {
    let own = class.liked.iter().map(|(tally, weight)| board.count(*tally, at).unwrap_or(0) * weight);
    let others = class.welcome.iter().map(|(owned, weight)| board.owners(*owned, at) * weight);
    own.chain(others).sum()
}
