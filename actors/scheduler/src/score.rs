//! Which of the nodes that fit is best. Weights are those of Kubernetes' default profile.

use crate::{affinity, ask::Ask, board::Place, taints};

/// The best that one criterion can give.
const MAX: i64 = 100;
const LEAST_ALLOCATED_WEIGHT: i64 = 1;
const BALANCED_WEIGHT: i64 = 1;
const AFFINITY_WEIGHT: i64 = 2;
const TAINT_WEIGHT: i64 = 3;

/// Scores of the candidates, in their order.
pub fn scores(ask: &Ask, candidates: &[&Place<'_>]) -> Vec<i64> {
    // Both are normalised over the candidates, so the worst and best must be known first.
    let liked: Vec<i64> = candidates.iter().map(|place| preference(ask, place)).collect();
    let disliked: Vec<i64> =
        candidates.iter().map(|place| taints::disliked(place.taints(), &ask.tolerations)).collect();
    let most_liked = liked.iter().copied().max().unwrap_or(0);
    let most_disliked = disliked.iter().copied().max().unwrap_or(0);
    let of = |value: i64, most: i64| if most == 0 { 0 } else { value * MAX / most };
    let each = candidates.iter().zip(liked).zip(disliked);
    each.map(|((place, liked), disliked)| {
        let shares = shares(ask, place);
        LEAST_ALLOCATED_WEIGHT * least_allocated(&shares)
            + BALANCED_WEIGHT * balanced(&shares)
            + AFFINITY_WEIGHT * of(liked, most_liked)
            + TAINT_WEIGHT * (MAX - of(disliked, most_disliked))
    })
    .collect()
}

fn preference(ask: &Ask, place: &Place<'_>) -> i64 {
    let labels = &place.node.object.labels;
    let matching = ask.preferred.iter().filter(|term| affinity::term_matches(&term.preference, labels, place.name()));
    matching.map(|term| i64::from(term.weight)).sum()
}

/// Per mille of cpu and memory that would be taken, in that order; only what the node offers.
fn shares(ask: &Ask, place: &Place<'_>) -> Vec<i64> {
    let cpu = (place.load.weight.0 + ask.weight.0, place.offer.cpu);
    let memory = (place.load.weight.1 + ask.weight.1, place.offer.memory);
    let known = [cpu, memory].into_iter().filter(|(_, offer)| *offer > 0);
    known.map(|(taken, offer)| per_mille(taken, offer)).collect()
}

fn per_mille(taken: i64, offer: i64) -> i64 {
    let share = i128::from(taken) * 1000 / i128::from(offer);
    i64::try_from(share.clamp(0, 1000)).unwrap_or(1000)
}

fn least_allocated(shares: &[i64]) -> i64 {
    let count = i64::try_from(shares.len()).unwrap_or(1).max(1);
    let free: i64 = shares.iter().map(|share| (1000 - share) * MAX / 1000).sum();
    free / count
}

/// The smaller the deviation between the shares, the better (for two: half their distance).
fn balanced(shares: &[i64]) -> i64 {
    match shares {
        [cpu, memory] => MAX - (cpu - memory).abs() * MAX / 2000,
        _ => MAX,
    }
}
