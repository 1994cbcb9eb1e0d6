//! Placements on small clusters.

mod board;
mod filters;
mod preemption;
mod properties;
mod scores;
mod stale;
mod waking;

use crate::{Explanation, Scheduler, explain, queue};
use podium_controllers::{Controller, Ids, Plan, PlannedWrite, View};
use podium_machinery::state::{Body, Change, Event, Object};
use podium_types::{Key, Timestamp, meta};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::{collections::BTreeMap, sync::Arc};

#[derive(Default)]
struct Cluster {
    view: View,
    revision: u64,
}

impl Cluster {
    fn put(&mut self, resource: &str, mut object: Value) {
        self.revision += 1;
        let name = meta::name(&object).to_owned();
        object["metadata"]["uid"] = json!(name);
        let body = Body::of(&object);
        let object = Object::new(meta::key(&object), name, self.revision, body.labels, &body.text);
        self.view.apply(resource, &Event::new(Change::Modified, self.revision, Arc::new(object), None));
    }

    fn node(&mut self, name: &str, cpu: &str, spec: Value, labels: Value) {
        self.put(
            "nodes",
            json!({"metadata": {"name": name, "labels": labels}, "spec": spec,
            "status": {"allocatable": {"cpu": cpu, "memory": "8Gi", "pods": "110"}}}),
        );
    }

    fn pod(&mut self, name: &str, spec: Value) {
        self.put("pods", json!({"metadata": {"name": name, "namespace": "default"}, "spec": spec}));
    }

    fn labelled(&mut self, name: &str, labels: Value, spec: Value) {
        let metadata = json!({"name": name, "namespace": "default", "labels": labels});
        self.put("pods", json!({"metadata": metadata, "spec": spec}));
    }

    fn decide(&self) -> Plan {
        Scheduler.decide(&self.view, &queue(), Timestamp::UNIX_EPOCH, &mut Ids::new(1))
    }

    /// Node by pod, as the plan binds them.
    fn bindings(&self) -> BTreeMap<String, String> {
        let bound = self.decide().writes.into_iter().filter_map(|write| match write {
            PlannedWrite::Patch { subresource: "binding", key, patch, .. } => {
                Some((key.name, patch["target"]["name"].as_str()?.to_owned()))
            }
            _ => None,
        });
        bound.collect()
    }

    fn explain(&self, name: &str) -> Explanation {
        explain(&self.view, self.view.pods.get(&Key::new("default", name)).unwrap())
    }

    fn failure(&self) -> String {
        self.decide().events.first().filter(|event| event.reason == "FailedScheduling").unwrap().message.clone()
    }
}

/// A view of nodes with these labels.
pub fn nodes(nodes: &[(&str, Value)]) -> View {
    let mut cluster = Cluster::default();
    for (name, labels) in nodes {
        cluster.node(name, "4", json!({}), labels.clone());
    }
    cluster.view
}

fn asks(cpu: &str) -> Value {
    json!({"containers": [{"name": "c", "resources": {"requests": {"cpu": cpu}}}]})
}

fn with(mut spec: Value, field: &str, value: Value) -> Value {
    spec[field] = value;
    spec
}

#[test]
fn pods_of_one_batch_see_each_other() {
    let mut cluster = Cluster::default();
    cluster.node("a", "2", json!({}), json!({}));
    cluster.node("b", "2", json!({}), json!({}));
    for name in ["p1", "p2", "p3"] {
        cluster.pod(name, asks("1500m"));
    }
    let bindings = cluster.bindings();
    assert_eq!(bindings.len(), 2);
    assert_ne!(bindings["p1"], bindings["p2"]);
    let expected = "0/2 nodes are available: 2 Insufficient cpu. preemption: 0/2 nodes are available: \
        2 No preemption victims found for incoming pod.";
    let events = cluster.decide().events;
    assert!(events.iter().any(|event| event.message == expected), "{events:?}");
}

#[test]
fn each_filter_refuses_in_kubernetes_words() {
    let tainted = json!({"taints": [{"key": "k", "value": "v", "effect": "NoSchedule"}]});
    let port = json!({"containers": [{"name": "c", "ports": [{"containerPort": 80, "hostPort": 80}]}]});
    let affinity = json!({"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms":
        [{"matchExpressions": [{"key": "disk", "operator": "In", "values": ["ssd"]}]}]}}});
    for (node, spec, reason, helpful) in [
        (json!({"unschedulable": true}), asks("1"), "1 node(s) were unschedulable", false),
        (tainted, asks("1"), "1 node(s) had untolerated taint(s)", false),
        (
            json!({}),
            with(asks("1"), "nodeSelector", json!({"disk": "ssd"})),
            "1 node(s) didn't match Pod's node affinity/selector",
            false,
        ),
        (
            json!({}),
            with(asks("1"), "affinity", affinity),
            "1 node(s) didn't match Pod's node affinity/selector",
            false,
        ),
        (json!({}), port.clone(), "1 node(s) didn't have free ports for the requested pod ports", true),
        (json!({}), asks("9"), "1 Insufficient cpu", false),
    ] {
        let mut cluster = Cluster::default();
        cluster.node("a", "4", node, json!({}));
        cluster.pod("bound", with(port.clone(), "nodeName", json!("a")));
        cluster.pod("p", spec);
        let help = if helpful {
            "No preemption victims found for incoming pod"
        } else {
            "Preemption is not helpful for scheduling"
        };
        let expected = format!("0/1 nodes are available: {reason}. preemption: 0/1 nodes are available: 1 {help}.");
        assert_eq!(cluster.failure(), expected);
    }
}

#[test]
fn tolerations_preferences_and_free_room_choose() {
    let mut cluster = Cluster::default();
    cluster.node("soft", "4", json!({"taints": [{"key": "k", "effect": "PreferNoSchedule"}]}), json!({}));
    cluster.node("full", "4", json!({}), json!({}));
    cluster.node("ssd", "4", json!({}), json!({"disk": "ssd"}));
    cluster.pod("bound", with(asks("3"), "nodeName", json!("full")));
    cluster.pod("plain", asks("500m"));
    assert_eq!(cluster.bindings()["plain"], "ssd", "free and without a taint");
    let preferred = json!({"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 1,
        "preference": {"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["full"]}]}}]}});
    cluster.pod("plain", with(asks("500m"), "affinity", preferred));
    assert_eq!(cluster.bindings()["plain"], "full");
    let explanation = cluster.explain("plain");
    let best = explanation.nodes.iter().max_by_key(|verdict| verdict.score).unwrap();
    assert_eq!(best.node, "full");
    assert_eq!(explanation.message, "fits; full is best");
}

#[test]
fn gates_and_other_schedulers_are_respected() {
    let mut cluster = Cluster::default();
    cluster.node("a", "4", json!({}), json!({}));
    cluster.pod("gated", with(asks("1"), "schedulingGates", json!([{"name": "g"}])));
    cluster.pod("foreign", with(asks("1"), "schedulerName", json!("other")));
    let plan = cluster.decide();
    let [PlannedWrite::Patch { subresource: "status", key, patch, .. }] = plan.writes.as_slice() else {
        panic!("not one status in {plan:?}")
    };
    assert_eq!(key.name, "gated");
    assert_eq!(patch["status"]["conditions"][0]["reason"], "SchedulingGated");
    let mut pod = json!({"metadata": {"name": "gated", "namespace": "default"}});
    (pod["spec"], pod["status"]) =
        (with(asks("1"), "schedulingGates", json!([{"name": "g"}])), patch["status"].clone());
    cluster.put("pods", pod);
    assert_eq!(cluster.decide(), Plan::default(), "said once");
}

#[test]
fn an_unchanged_failure_is_told_once() {
    let mut cluster = Cluster::default();
    cluster.pod("p", asks("1"));
    let plan = cluster.decide();
    assert_eq!(plan.events[0].message, "no nodes available to schedule pods");
    let Some(PlannedWrite::Patch { subresource: "status", patch, .. }) = plan.writes.first() else {
        panic!("no status in {plan:?}")
    };
    let mut pod = json!({"metadata": {"name": "p", "namespace": "default"}, "spec": asks("1")});
    pod["status"] = patch["status"].clone();
    cluster.put("pods", pod);
    let again = cluster.decide();
    assert_eq!((again.writes, again.events), (Vec::new(), Vec::new()));
    assert!(again.wake_at.is_some());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    #[test]
    fn no_node_is_ever_overcommitted(
        nodes in prop::collection::vec(1_i64..8, 1..6), pods in prop::collection::vec(100_i64..3000, 0..40),
    ) {
        let mut cluster = Cluster::default();
        for (at, cores) in nodes.iter().enumerate() {
            cluster.node(&format!("n{at}"), &cores.to_string(), json!({}), json!({}));
        }
        for (at, milli) in pods.iter().enumerate() {
            cluster.pod(&format!("p{at}"), asks(&format!("{milli}m")));
        }
        let bindings = cluster.bindings();
        for (pod, node) in &bindings {
            let milli = pods[pod[1..].parse::<usize>().unwrap()];
            cluster.pod(pod, with(asks(&format!("{milli}m")), "nodeName", json!(node)));
        }
        for (at, cores) in nodes.iter().enumerate() {
            let taken = cluster.view.load(&format!("n{at}")).map_or(0, |load| load.requested.cpu);
            prop_assert!(taken <= cores * 1000);
            // What waits, fits nowhere.
            for (number, milli) in pods.iter().enumerate() {
                let bound = bindings.contains_key(&format!("p{number}"));
                prop_assert!(bound || taken + milli > cores * 1000);
            }
        }
    }
}
