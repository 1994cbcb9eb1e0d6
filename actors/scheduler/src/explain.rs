//! Why a pod is, or is not, placed: what every filter says of every node, and what would help.

use crate::{
    advice,
    ask::Ask,
    batch::{Batch, Placement},
    board::Board,
    class::Class,
    filter::{self, FILTERS, Filter},
    profile::Profile,
    score, settings,
};
use k8s_openapi::api::core::v1::Pod;
use podium_controllers::{Ids, View, pods, view::Item};
use serde::Serialize;
use std::{collections::BTreeMap, sync::Arc};

/// What one filter says of one node.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Opinion {
    /// Kubernetes' name of the filter.
    pub filter: &'static str,
    /// Whether it lets the pod go there.
    pub passed: bool,
    /// Why not.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<String>,
}

/// What the scheduler thinks of one node for one pod.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Verdict {
    /// Name of the node.
    pub node: String,
    /// Whether every filter lets the pod go there.
    pub fits: bool,
    /// The weighted sum of its scores, where it fits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub score: Option<i64>,
    /// Each criterion's score before weighing, where it fits.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub scores: BTreeMap<&'static str, i64>,
    /// Every filter, in order.
    pub filters: Vec<Opinion>,
}

/// How a pod stands with the scheduler.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Standing {
    /// It has a node.
    Bound,
    /// Some node would take it.
    Schedulable,
    /// No node takes it.
    Unschedulable,
    /// Its gates hold it back.
    Gated,
    /// It is being deleted, and is given no node any more.
    Terminating,
    /// It has run to its end.
    Ended,
    /// Somebody else schedules it.
    Foreign,
}

/// Everything that there is to say about a pod's placement.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Explanation {
    /// In a word, how the pod stands.
    pub state: Standing,
    /// One line: where the pod is or goes, or why it waits, in Kubernetes' words.
    pub message: String,
    /// By node, in name order.
    pub nodes: Vec<Verdict>,
    /// The smallest change that would help a pod that waits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub advice: Option<String>,
}

/// Explains a pod on the cluster as it is; one that has a node, as if it had none yet.
pub fn explain(view: &View, pod: &Arc<Item<Pod>>) -> Explanation {
    let profiles = settings::profiles(view);
    let name = pods::scheduler(pod);
    let known = profiles.iter().enumerate().find(|(_, profile)| profile.name == name);
    let Some((number, profile)) = known else {
        let message = format!("the pod names the scheduler {name:?}, which is not one of ours");
        return Explanation { state: Standing::Foreign, message, nodes: Vec::new(), advice: None };
    };
    let over = |state, message| Explanation { state, message, nodes: Vec::new(), advice: None };
    if pods::terminal(pod) {
        let node = pods::node(pod).map_or_else(String::new, |node| format!(" on {node}"));
        return over(Standing::Ended, format!("the pod has ended{node} ({})", pods::phase(pod)));
    }
    if pod.deleting() {
        let place = pods::node(pod).map_or_else(|| "is given no node".to_owned(), |node| format!("leaves {node}"));
        return over(Standing::Terminating, format!("the pod is being deleted and {place}"));
    }
    let mut board = Board::new(view);
    let class = Class::of(Ask::of(pod, view, profile, number), pod, &mut board, profile);
    if let Some(at) = pods::node(pod).and_then(|node| board.at(node)) {
        let print = board.print(pod);
        board.shift(&print, at, -1);
    }
    let nodes = verdicts(&board, &class, profile);
    let gates: Vec<&str> = gates(pod);
    let (state, message, advice) = if let Some(node) = pods::node(pod) {
        (Standing::Bound, format!("bound to {node}"), None)
    } else if gates.is_empty() {
        let (state, message) = fate(view, &profiles, pod);
        (state, message, advice::smallest(&board, &class, pod))
    } else {
        let advice = format!("remove the scheduling gates {}", gates.join(", "));
        (Standing::Gated, crate::report::GATED_MESSAGE.to_owned(), Some(advice))
    };
    Explanation { state, message, nodes, advice }
}

fn gates(pod: &Pod) -> Vec<&str> {
    let gates = pod.spec.as_ref().and_then(|spec| spec.scheduling_gates.as_deref()).unwrap_or_default();
    gates.iter().map(|gate| gate.name.as_str()).collect()
}

/// What the scheduler would do with the pod now.
fn fate(view: &View, profiles: &[Profile], pod: &Arc<Item<Pod>>) -> (Standing, String) {
    // Any seed will do: only ties between nodes depend on it.
    match Batch::new(view, profiles).place(pod, &mut Ids::new(0)) {
        Some(Placement::Node(node)) => (Standing::Schedulable, format!("fits; {node} is best")),
        Some(Placement::Volumes(node, _)) => {
            (Standing::Schedulable, format!("fits on {node} once its volumes are there"))
        }
        Some(Placement::Failure(failure)) if failure.victims.is_empty() => (Standing::Unschedulable, failure.why),
        Some(Placement::Failure(failure)) => {
            let victims: Vec<String> = failure.victims.iter().map(|pod| pod.key().to_string()).collect();
            let node = failure.nominated.unwrap_or_default();
            let message = format!("{} preemption: room on {node} by evicting {}.", failure.why, victims.join(", "));
            (Standing::Unschedulable, message)
        }
        None => (Standing::Foreign, "no profile places it".to_owned()),
    }
}

fn verdicts(board: &Board<'_>, class: &Class, profile: &Profile) -> Vec<Verdict> {
    let mut verdicts: Vec<Verdict> = (0..board.places.len()).map(|at| verdict(board, class, at)).collect();
    let fitting: Vec<usize> = verdicts.iter().enumerate().filter(|(_, v)| v.fits).map(|(at, _)| at).collect();
    for criterion in score::criteria(board, class, &fitting, profile) {
        for (at, score) in fitting.iter().zip(criterion.scores) {
            if let Some(verdict) = verdicts.get_mut(*at) {
                verdict.scores.insert(criterion.name, score);
                verdict.score = Some(verdict.score.unwrap_or(0) + score * criterion.weight);
            }
        }
    }
    verdicts
}

fn verdict(board: &Board<'_>, class: &Class, at: usize) -> Verdict {
    let opinion = |filter: &Filter| {
        let refusal = filter::check(*filter, board, class, at, None);
        let reasons: Vec<String> = refusal.into_iter().flat_map(|refusal| refusal.reasons).map(Into::into).collect();
        Opinion { filter: filter.name(), passed: reasons.is_empty(), reasons }
    };
    let filters: Vec<Opinion> = FILTERS.iter().map(opinion).collect();
    let obstacle = class.ask.claims.obstacle.is_some();
    Verdict {
        node: board.places.get(at).map(|place| place.name().to_owned()).unwrap_or_default(),
        fits: !obstacle && filters.iter().all(|opinion| opinion.passed),
        score: None,
        scores: BTreeMap::new(),
        filters,
    }
}
