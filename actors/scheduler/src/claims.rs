//! What a pod's volumes ask of a node.
//!
//! Which volume a claim gets is decided elsewhere ([`podium_controllers::storage`]); here it only
//! matters where it can be had.

use crate::{affinity, board::Place};
use k8s_openapi::api::{
    core::v1::{NodeSelectorTerm, PersistentVolume, PersistentVolumeClaim, Pod, TopologySelectorTerm},
    storage::v1::CSINode,
};
use podium_controllers::{
    View, pods,
    storage::{NO_PROVISIONER, SELECTED_NODE, matching},
    view::Item,
};
use podium_types::Key;
use serde::de::DeserializeOwned;
use std::collections::{BTreeMap, BTreeSet};

/// Labels of volumes that name zones; several values are parted by `__`.
const ZONE_LABELS: &[&str] = &[
    "topology.kubernetes.io/zone",
    "topology.kubernetes.io/region",
    "failure-domain.beta.kubernetes.io/zone",
    "failure-domain.beta.kubernetes.io/region",
];

/// A volume that a claim of the pod has, or may get.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Volume {
    /// Its name.
    pub name: String,
    affinity: Option<Vec<NodeSelectorTerm>>,
    zones: Vec<(String, BTreeSet<String>)>,
    /// CSI driver and handle.
    pub csi: Option<(String, String)>,
}

/// A claim whose volume is found once the pod has a node.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Waiting {
    /// The claim.
    pub key: Key,
    /// The node that its volume is already being made for.
    pub selected: Option<String>,
    candidates: Vec<Volume>,
    provisioned: bool,
    allowed: Vec<TopologySelectorTerm>,
}

/// A pod's claims.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Claims {
    /// Why no node will do.
    pub obstacle: Option<String>,
    /// Volumes that are bound.
    pub bound: Vec<Volume>,
    /// Claims that wait for the first pod that uses them.
    pub waiting: Vec<Waiting>,
    /// Claims that one pod alone may use.
    pub exclusive: Vec<Key>,
    /// Whether another pod uses one of those now.
    pub in_use: bool,
}

fn read<T: DeserializeOwned>(view: &View, resource: &str, key: &Key) -> Option<T> {
    serde_json::from_slice(&view.header(resource, key)?.object.json).ok()
}

impl Claims {
    /// Reads a pod's claims.
    pub fn of(pod: &Item<Pod>, view: &View) -> Self {
        let mut own = Self::default();
        for name in pods::claims(pod) {
            let key = Key::new(&pod.key().namespace, &name);
            let Some(claim) = view.claims.get(&key) else {
                own.obstacle = Some(format!("persistentvolumeclaim {name:?} not found"));
                return own;
            };
            if claim.deleting() {
                own.obstacle = Some(format!("persistentvolumeclaim {name:?} is being deleted"));
                return own;
            }
            if let Err(why) = own.add(&key, claim, view) {
                own.obstacle = Some(why);
                return own;
            }
        }
        own.in_use = own.exclusive.iter().any(|key| {
            let mut others = view.pods.of(&key.namespace).filter(|other| other.key() != pod.key());
            let uses = |other: &Item<Pod>| pods::claims(other).any(|name| name == key.name);
            others.any(|other| pods::node(other).is_some() && !pods::terminal(other) && uses(other))
        });
        own
    }

    fn add(&mut self, key: &Key, claim: &PersistentVolumeClaim, view: &View) -> Result<(), String> {
        let spec = claim.spec.clone().unwrap_or_default();
        if spec.access_modes.iter().flatten().any(|mode| mode == "ReadWriteOncePod") {
            self.exclusive.push(key.clone());
        }
        if let Some(volume) = spec.volume_name.as_ref().filter(|name| !name.is_empty()) {
            let found = view.volumes.get(&Key::new("", volume.as_str())).ok_or_else(|| {
                format!("persistentvolumeclaim {:?} bound to non-existent persistentvolume {volume:?}", key.name)
            })?;
            self.bound.push(Volume::of(found));
            return Ok(());
        }
        let class = matching::class(claim).and_then(|name| view.storage_classes.get(&Key::new("", name)));
        let Some(class) = class.filter(|class| class.volume_binding_mode.as_deref() == Some("WaitForFirstConsumer"))
        else {
            return Err("pod has unbound immediate PersistentVolumeClaims".to_owned());
        };
        let annotations = claim.metadata.annotations.as_ref();
        self.waiting.push(Waiting {
            key: key.clone(),
            selected: annotations.and_then(|all| all.get(SELECTED_NODE)).cloned(),
            candidates: candidates(key, claim, view),
            provisioned: class.provisioner != NO_PROVISIONER,
            allowed: class.allowed_topologies.clone().unwrap_or_default(),
        });
        Ok(())
    }

    /// Why these volumes cannot be had on a node, as far as the node alone decides it.
    pub fn refusal(&self, place: &Place<'_>) -> Option<&'static str> {
        if self.bound.iter().any(|volume| !volume.reaches(place)) {
            return Some("node(s) didn't match PersistentVolume's node affinity");
        }
        if self.waiting.iter().any(|claim| !claim.possible(place)) {
            return Some("node(s) didn't find available persistent volumes to bind");
        }
        if self.bound.iter().any(|volume| !volume.in_zone(place)) {
            return Some("node(s) had no available volume zone");
        }
        None
    }
}

/// Free volumes that a claim could have.
fn candidates(key: &Key, claim: &PersistentVolumeClaim, view: &View) -> Vec<Volume> {
    let volumes = view.volumes.all().filter(|volume| matching::suits(volume, key, claim));
    volumes.map(|volume| Volume::of(volume)).collect()
}

impl Volume {
    fn of(volume: &PersistentVolume) -> Self {
        let labels = volume.metadata.labels.iter().flatten();
        let zones = labels.filter(|(key, _)| ZONE_LABELS.contains(&key.as_str()));
        let spec = volume.spec.as_ref();
        let required = spec.and_then(|spec| spec.node_affinity.as_ref()?.required.as_ref());
        let csi = spec.and_then(|spec| spec.csi.as_ref());
        Self {
            name: volume.metadata.name.clone().unwrap_or_default(),
            affinity: required.map(|required| required.node_selector_terms.clone()),
            zones: zones.map(|(key, value)| (key.clone(), value.split("__").map(str::to_owned).collect())).collect(),
            csi: csi.map(|csi| (csi.driver.clone(), csi.volume_handle.clone())),
        }
    }
    fn reaches(&self, place: &Place<'_>) -> bool {
        affinity::required(self.affinity.as_deref(), place)
    }
    /// Nodes without any zone label take every volume.
    fn in_zone(&self, place: &Place<'_>) -> bool {
        let labels = &place.node.object.labels;
        let zoned = ZONE_LABELS.iter().any(|key| labels.contains_key(*key));
        !zoned || self.zones.iter().all(|(key, zones)| labels.get(key).is_some_and(|zone| zones.contains(zone)))
    }
}

impl Waiting {
    fn possible(&self, place: &Place<'_>) -> bool {
        if let Some(node) = &self.selected {
            return node == place.name();
        }
        let labels = &place.node.object.labels;
        let allowed = self.allowed.is_empty()
            || self.allowed.iter().any(|term| {
                let mut wanted = term.match_label_expressions.iter().flatten();
                wanted.all(|wanted| labels.get(&wanted.key).is_some_and(|value| wanted.values.contains(value)))
            });
        self.candidates.iter().any(|volume| volume.reaches(place)) || (self.provisioned && allowed)
    }
}

/// How many volumes of each CSI driver a node takes.
pub fn limits(view: &View, node: &str) -> BTreeMap<String, usize> {
    let Some(node) = read::<CSINode>(view, "csinodes.storage.k8s.io", &Key::new("", node)) else {
        return BTreeMap::new();
    };
    let limit = |count: i32| usize::try_from(count).unwrap_or(0);
    let drivers = node.spec.drivers.into_iter();
    drivers.filter_map(|driver| Some((driver.name, limit(driver.allocatable?.count?)))).collect()
}

/// CSI volumes, as driver and handle, that the pods of a node use.
pub fn attached(view: &View, node: &str) -> BTreeSet<(String, String)> {
    let pods = view.pods_on(node).filter(|pod| !pods::terminal(pod));
    pods.flat_map(|pod| Claims::of(pod, view).bound).filter_map(|volume| volume.csi).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    #[test]
    fn volumes_keep_pods_to_their_nodes_and_zones() {
        let volume = |labels: Value, affinity: Value| {
            let spec = json!({"nodeAffinity": affinity});
            Volume::of(
                &serde_json::from_value(json!({"metadata": {"name": "v", "labels": labels}, "spec": spec})).unwrap(),
            )
        };
        let here = json!({"required": {"nodeSelectorTerms": [{"matchFields":
            [{"key": "metadata.name", "operator": "In", "values": ["a"]}]}]}});
        let zone = "topology.kubernetes.io/zone";
        let view = crate::tests::nodes(&[("a", json!({zone: "z1"})), ("b", json!({zone: "z3"})), ("c", json!({}))]);
        let board = crate::board::Board::new(&view);
        let refusals = |claims: &Claims| board.places.iter().map(|place| claims.refusal(place)).collect::<Vec<_>>();
        let far = Some("node(s) didn't match PersistentVolume's node affinity");
        let zoned = Some("node(s) had no available volume zone");
        let none = Some("node(s) didn't find available persistent volumes to bind");
        let bound = |volume: Volume| Claims { bound: vec![volume], ..Claims::default() };
        assert_eq!(refusals(&bound(volume(json!({}), here.clone()))), [None, far, far]);
        // A node without any zone takes every volume.
        assert_eq!(refusals(&bound(volume(json!({zone: "z1__z2"}), json!({})))), [None, zoned, None]);
        let waiting = |waiting: Waiting| Claims { waiting: vec![waiting], ..Claims::default() };
        let candidates = vec![volume(json!({}), here)];
        assert_eq!(refusals(&waiting(Waiting { candidates, ..Waiting::default() })), [None, none, none]);
        let selected = Some("b".to_owned());
        assert_eq!(refusals(&waiting(Waiting { selected, ..Waiting::default() })), [none, None, none]);
        assert_eq!(refusals(&waiting(Waiting { provisioned: true, ..Waiting::default() })), [None, None, None]);
    }
}
