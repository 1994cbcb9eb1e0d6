//! Places pods one after the other; each sees those placed before it.

use crate::{
    ask::Ask,
    board::{Place, board},
    failure, filter,
    filter::Refusal,
    score,
};
use k8s_openapi::api::core::v1::Pod;
use podium_controllers::{Ids, View, view::Item};
use std::sync::Arc;

/// How many different asks that failed a batch remembers, so that the thousandth pod of a
/// kind that fits nowhere costs one comparison instead of a round of all nodes.
const MEMORY_LIMIT: usize = 64;

/// Where a pod goes.
#[derive(Clone, Debug, PartialEq)]
pub enum Placement {
    /// To the node of that name.
    Node(String),
    /// Nowhere, and why.
    Failure(String),
}

/// Decides about `pods` in their order, in O(nodes) each. Ties are broken by `ids`.
pub fn schedule_batch(view: &View, pods: &[&Arc<Item<Pod>>], ids: &mut Ids) -> Vec<Placement> {
    let mut board = board(view);
    let mut failed: Vec<(Ask, String)> = Vec::new();
    let mut placements = Vec::with_capacity(pods.len());
    for pod in pods {
        let ask = Ask::of(pod);
        // Nothing is given back within a batch: what failed once fails again.
        if let Some((_, why)) = failed.iter().find(|(known, _)| *known == ask) {
            placements.push(Placement::Failure(why.clone()));
            continue;
        }
        match place(&ask, &board, ids) {
            Ok(at) => {
                board[at].take(&ask);
                placements.push(Placement::Node(board[at].name().to_owned()));
            }
            Err(refusals) => {
                let why = failure::message(&refusals);
                placements.push(Placement::Failure(why.clone()));
                if failed.len() < MEMORY_LIMIT {
                    failed.push((ask, why));
                }
            }
        }
    }
    placements
}

/// Index of the best node, or why each is refused.
fn place(ask: &Ask, board: &[Place<'_>], ids: &mut Ids) -> Result<usize, Vec<Refusal>> {
    let mut fitting = Vec::new();
    let mut refusals = Vec::new();
    for (at, place) in board.iter().enumerate() {
        match filter::refusal(ask, place) {
            None => fitting.push(at),
            Some(refusal) => refusals.push(refusal),
        }
    }
    let candidates: Vec<&Place<'_>> = fitting.iter().map(|at| &board[*at]).collect();
    let scores = score::scores(ask, &candidates);
    let Some(best) = scores.iter().copied().max() else { return Err(refusals) };
    let top: Vec<usize> =
        fitting.into_iter().zip(scores).filter(|(_, score)| *score == best).map(|(at, _)| at).collect();
    let count = u64::try_from(top.len()).unwrap_or(1);
    let pick = usize::try_from(ids.next() % count).unwrap_or(0);
    Ok(top[pick])
}
