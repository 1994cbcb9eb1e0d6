//! Whether a pod may go to a node; the reasons in Kubernetes' words.

use crate::{affinity, ask::Ask, board::Place, taints};
use k8s_openapi::api::core::v1::Taint;
use podium_controllers::selector;

/// Why a node is out of the question.
#[derive(Clone, Debug, PartialEq)]
pub struct Refusal {
    /// Reasons; more than one only for resources.
    pub reasons: Vec<String>,
    /// Whether fewer pods on the node could change that.
    pub resolvable: bool,
}

impl Refusal {
    fn for_good(reason: impl Into<String>) -> Self {
        Self { reasons: vec![reason.into()], resolvable: false }
    }
}

/// The first filter that refuses, in Kubernetes' order.
pub fn refusal(ask: &Ask, place: &Place<'_>) -> Option<Refusal> {
    if place.unschedulable() && !tolerates_cordon(ask) {
        return Some(Refusal::for_good("node(s) were unschedulable"));
    }
    if let Some(taint) = taints::untolerated(place.taints(), &ask.tolerations, &["NoSchedule", "NoExecute"]) {
        let value = taint.value.as_deref().unwrap_or_default();
        return Some(Refusal::for_good(format!("node(s) had untolerated taint {{{}: {value}}}", taint.key)));
    }
    let labels = &place.node.object.labels;
    let required = ask.required.as_ref();
    let in_affinity =
        required.is_none_or(|terms| terms.iter().any(|term| affinity::term_matches(term, labels, place.name())));
    if !in_affinity || !selector::contains(&ask.selector, labels) {
        return Some(Refusal::for_good("node(s) didn't match Pod's node affinity/selector"));
    }
    let clash = ask.ports.iter().any(|port| place.load.ports.keys().any(|taken| taken.clashes(port)));
    if clash {
        let reasons = vec!["node(s) didn't have free ports for the requested pod ports".to_owned()];
        return Some(Refusal { reasons, resolvable: true });
    }
    shortage(ask, place)
}

/// The resources that a node has too little of.
fn shortage(ask: &Ask, place: &Place<'_>) -> Option<Refusal> {
    let (offer, taken, wanted) = (&place.offer, &place.load.requested, &ask.requests);
    let mut reasons = Vec::new();
    let mut resolvable = true;
    let mut check = |name: &str, wanted: i64, offer: i64, taken: i64| {
        if wanted > 0 && wanted > offer.saturating_sub(taken) {
            // What the whole node has too little of, no eviction can give.
            resolvable &= wanted <= offer;
            let few = name == "pods";
            reasons.push(if few { "Too many pods".to_owned() } else { format!("Insufficient {name}") });
        }
    };
    check("pods", wanted.pods, offer.pods, taken.pods);
    check("cpu", wanted.cpu, offer.cpu, taken.cpu);
    check("memory", wanted.memory, offer.memory, taken.memory);
    check("ephemeral-storage", wanted.storage, offer.storage, taken.storage);
    for (name, amount) in &wanted.extended {
        let of = |r: &podium_controllers::Resources| r.extended.get(name).copied().unwrap_or(0);
        check(name, *amount, of(offer), of(taken));
    }
    (!reasons.is_empty()).then_some(Refusal { reasons, resolvable })
}

/// A cordoned node counts as tainted, so that what tolerates the taint may still go there.
fn tolerates_cordon(ask: &Ask) -> bool {
    let taint = Taint {
        key: "node.kubernetes.io/unschedulable".to_owned(),
        effect: "NoSchedule".to_owned(),
        ..Taint::default()
    };
    taints::untolerated(&[taint], &ask.tolerations, &["NoSchedule"]).is_none()
}
