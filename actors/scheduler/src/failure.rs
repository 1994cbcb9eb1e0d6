//! Why a pod could not be placed, in one line as Kubernetes writes it.

use crate::filter::Refusal;
use std::collections::BTreeMap;

/// `0/5 nodes are available: 2 Insufficient cpu, 3 … . preemption: 0/5 nodes are available: …`
pub fn message(refusals: &[Refusal]) -> String {
    let nodes = refusals.len();
    if nodes == 0 {
        return "no nodes available to schedule pods".to_owned();
    }
    let reasons = histogram(refusals.iter().flat_map(|refusal| refusal.reasons.iter().map(String::as_str)));
    let help = histogram(refusals.iter().map(|refusal| {
        if refusal.resolvable {
            "No preemption victims found for incoming pod"
        } else {
            "Preemption is not helpful for scheduling"
        }
    }));
    format!("0/{nodes} nodes are available: {reasons}. preemption: 0/{nodes} nodes are available: {help}.")
}

fn histogram<'a>(reasons: impl Iterator<Item = &'a str>) -> String {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for reason in reasons {
        *counts.entry(reason).or_default() += 1;
    }
    // Sorted as text, count first, as Kubernetes does.
    let mut lines: Vec<String> = counts.into_iter().map(|(reason, count)| format!("{count} {reason}")).collect();
    lines.sort();
    lines.join(", ")
}
