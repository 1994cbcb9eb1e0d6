//! Why a pod could not be placed, in one line as Kubernetes writes it.

use crate::filter::Refusal;
use std::{borrow::Cow, collections::BTreeMap};

/// What a node says that no eviction makes fit.
const NOT_HELPFUL: &str = "Preemption is not helpful for scheduling";

/// `0/5 nodes are available: 2 Insufficient cpu, 3 node(s) were unschedulable.`
pub fn message(refusals: &[(usize, Refusal)]) -> String {
    let nodes = refusals.len();
    if nodes == 0 {
        return "no nodes available to schedule pods".to_owned();
    }
    let reasons = refusals.iter().flat_map(|(_, refusal)| refusal.reasons.iter()).map(|reason| (&**reason, 1));
    format!("0/{nodes} nodes are available: {}.", histogram(reasons))
}

/// The same where no node was even asked.
pub fn obstacle(nodes: usize, why: &str) -> String {
    let hopeless = no_room(nodes, &[], nodes);
    format!("0/{nodes} nodes are available: {why}. preemption: {hopeless}")
}

/// Why making room does not help: what the nodes with lesser pods said, and how many are past help.
pub fn no_room(nodes: usize, failures: &[Cow<'static, str>], hopeless: usize) -> String {
    let own = failures.iter().map(|reason| (&**reason, 1)).chain((hopeless > 0).then_some((NOT_HELPFUL, hopeless)));
    format!("0/{nodes} nodes are available: {}.", histogram(own))
}

fn histogram<'a>(reasons: impl Iterator<Item = (&'a str, usize)>) -> String {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for (reason, count) in reasons {
        *counts.entry(reason).or_default() += count;
    }
    // Sorted as text, count first, as Kubernetes does.
    let mut lines: Vec<String> = counts.into_iter().map(|(reason, count)| format!("{count} {reason}")).collect();
    lines.sort();
    lines.join(", ")
}
