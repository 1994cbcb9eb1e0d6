//! Topology spread constraints: a pod's own, or those that its profile gives to every pod.

use crate::{
    profile::Profile,
    selector::{Labels, Selector},
};
use k8s_openapi::api::core::v1::{Pod, TopologySpreadConstraint};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use podium_controllers::{View, resource, view::Item};
use podium_types::Key;

/// How evenly the pods of a selector are to lie over the values of a node label.
#[derive(Clone, Debug, PartialEq)]
pub struct Constraint {
    /// Label of nodes.
    pub topology: String,
    /// How many pods more than the emptiest place has are allowed.
    pub max_skew: i64,
    /// Below this number of places the emptiest counts as having none.
    pub min_domains: i64,
    /// Which pods of the pod's namespace count.
    pub selector: Selector,
    /// Whether nodes outside of the pod's node affinity are left out.
    pub honour_affinity: bool,
    /// Whether nodes with taints that the pod does not tolerate are left out.
    pub honour_taints: bool,
}

/// A pod's constraints.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Spread {
    /// `DoNotSchedule`.
    pub hard: Vec<Constraint>,
    /// `ScheduleAnyway`.
    pub soft: Vec<Constraint>,
    /// Whether a node needs every label to count for the soft ones; the system's own do not ask that.
    pub all_labels: bool,
}

impl Spread {
    /// The constraints of a pod under a profile.
    pub fn of(pod: &Item<Pod>, view: &View, profile: &Profile) -> Self {
        let own = pod.spec.as_ref().and_then(|spec| spec.topology_spread_constraints.as_deref()).unwrap_or_default();
        let labels = &pod.object.labels;
        if !own.is_empty() {
            let read = |constraint: &TopologySpreadConstraint| {
                read(constraint, labels, Selector::of(constraint.label_selector.as_ref()))
            };
            return Self::sorted(own, read, true);
        }
        if profile.default_spread.is_empty() {
            return Self::default();
        }
        let selector = siblings(pod, view);
        if selector.everything() {
            return Self::default();
        }
        let read = |constraint: &TopologySpreadConstraint| read(constraint, labels, selector.clone());
        Self::sorted(&profile.default_spread, read, !profile.system_spread)
    }

    fn sorted(
        list: &[TopologySpreadConstraint],
        read: impl Fn(&TopologySpreadConstraint) -> Constraint,
        all_labels: bool,
    ) -> Self {
        let (hard, soft): (Vec<_>, Vec<_>) = list.iter().partition(|c| c.when_unsatisfiable == "DoNotSchedule");
        Self { hard: hard.into_iter().map(&read).collect(), soft: soft.into_iter().map(&read).collect(), all_labels }
    }
}

fn read(constraint: &TopologySpreadConstraint, labels: &Labels, mut selector: Selector) -> Constraint {
    selector.follow(constraint.match_label_keys.as_deref(), labels, true);
    Constraint {
        topology: constraint.topology_key.clone(),
        max_skew: i64::from(constraint.max_skew),
        min_domains: i64::from(constraint.min_domains.unwrap_or(1)),
        selector,
        honour_affinity: constraint.node_affinity_policy.as_deref() != Some("Ignore"),
        honour_taints: constraint.node_taints_policy.as_deref() == Some("Honor"),
    }
}

/// Selects the pods that are the same to a user: those of its Services and of its controller.
fn siblings(pod: &Item<Pod>, view: &View) -> Selector {
    let labels = &pod.object.labels;
    let namespace = &pod.key().namespace;
    let mut selector = Selector::pairs([]);
    for service in view.services_about(namespace, labels) {
        let pairs = service.spec.as_ref().and_then(|spec| spec.selector.as_ref());
        if let Some(pairs) = pairs.filter(|pairs| !pairs.is_empty()) {
            let own = Selector::pairs(pairs);
            if own.matches(labels) {
                selector.and(own);
            }
        }
    }
    let owners = pod.meta().owner_references.iter().flatten();
    let Some(owner) = owners.into_iter().find(|owner| owner.controller == Some(true)) else { return selector };
    let key = Key::new(namespace, &owner.name);
    match (owner.kind.as_str(), owner.api_version.as_str()) {
        ("ReplicaSet", "apps/v1") => {
            if let Some(spec) = view.replica_sets.get(&key).and_then(|set| set.spec.as_ref()) {
                selector.and(Selector::of(Some(&spec.selector)));
            }
        }
        ("StatefulSet", "apps/v1") => selector.and(stored(view, resource::lookup("statefulsets.apps"), &key)),
        ("ReplicationController", "v1") => {
            selector.and(stored(view, resource::lookup("replicationcontrollers"), &key));
        }
        _ => {}
    }
    selector
}

/// The selector of a controller that has no shelf; an empty one where it is not there.
fn stored(view: &View, resource: Option<&'static str>, key: &Key) -> Selector {
    let empty = || Selector::pairs([]);
    let Some(header) = resource.and_then(|resource| view.header(resource, key)) else { return empty() };
    let value = header.object.value();
    let selector = &value["spec"]["selector"];
    if let Ok(pairs) = serde_json::from_value::<Labels>(selector.clone()) {
        return Selector::pairs(&pairs);
    }
    let parsed = serde_json::from_value::<LabelSelector>(selector.clone()).ok();
    parsed.map_or_else(empty, |selector| Selector::of(Some(&selector)))
}
