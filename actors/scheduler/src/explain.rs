//! Why a pod is, or is not, placed: a verdict per node.

use crate::{
    ask::Ask,
    board::{Place, board},
    filter, score,
};
use k8s_openapi::api::core::v1::Pod;
use podium_controllers::View;

/// What the scheduler thinks of one node for one pod.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// Name of the node.
    pub node: String,
    /// Its score, or the reasons that refuse it.
    pub outcome: Result<i64, Vec<String>>,
}

/// A verdict for every node, in name order, on the cluster as it is.
pub fn explain(view: &View, pod: &Pod) -> Vec<Verdict> {
    let ask = Ask::of(pod);
    let board = board(view);
    let refusals: Vec<_> = board.iter().map(|place| filter::refusal(&ask, place)).collect();
    let fitting: Vec<&Place<'_>> =
        board.iter().zip(&refusals).filter(|(_, refusal)| refusal.is_none()).map(|(place, _)| place).collect();
    let mut scores = score::scores(&ask, &fitting).into_iter();
    let verdicts = board.iter().zip(refusals).map(|(place, refusal)| Verdict {
        node: place.name().to_owned(),
        outcome: match refusal {
            Some(refusal) => Err(refusal.reasons),
            None => Ok(scores.next().unwrap_or(0)),
        },
    });
    verdicts.collect()
}
