//! Which events wake the queue, and what pods that wait are told.

use super::{Cluster, asks, with};
use crate::{Scheduler, Standing, Waiting, queue, waiting};
use podium_controllers::{Controller, Ids, Plan, PlannedWrite};
use podium_machinery::state::{Body, Change, Event, Object};
use podium_types::{Key, Timestamp, meta};
use serde_json::{Value, json};
use std::sync::Arc;

/// Folds a change of an object; whether it wakes the queue.
fn wakes(cluster: &mut Cluster, resource: &str, change: Change, old: Option<&Value>, new: &Value) -> bool {
    cluster.revision += 1;
    let object = |value: &Value| {
        let body = Body::of(value);
        let uid = meta::name(value).to_owned();
        Arc::new(Object::new(meta::key(value), uid, cluster.revision, body.labels, &body.text))
    };
    let event = Event::new(change, cluster.revision, object(new), old.map(object));
    cluster.view.apply(resource, &event);
    Scheduler.keys(&cluster.view, resource, &event) == [queue()]
}

fn node(cpu: &str, ready: &str) -> Value {
    json!({"metadata": {"name": "a"}, "status": {"allocatable": {"cpu": cpu, "memory": "8Gi", "pods": "110"},
        "conditions": [{"type": "Ready", "status": ready}]}})
}

fn pod(name: &str, node: Option<&str>) -> Value {
    json!({"metadata": {"name": name, "namespace": "default"}, "spec": with(asks("1"), "nodeName", json!(node))})
}

/// Writes what the plan says about the pod's status.
fn told(cluster: &mut Cluster, mut object: Value) -> Value {
    let plan = cluster.decide();
    let status = plan.writes.iter().find_map(|write| match write {
        PlannedWrite::Patch { subresource: "status", patch, .. } => Some(patch["status"].clone()),
        _ => None,
    });
    object["status"] = status.unwrap();
    cluster.put("pods", object.clone());
    object
}

#[test]
fn what_could_help_wakes() {
    let mut cluster = Cluster::default();
    let nobody = node("1", "True");
    assert!(!wakes(&mut cluster, "nodes", Change::Added, None, &nobody), "no one waits");
    let big = json!({"metadata": {"name": "big", "namespace": "default"}, "spec": asks("2")});
    assert!(wakes(&mut cluster, "pods", Change::Added, None, &big), "a new pod");
    let said = told(&mut cluster, big.clone());
    assert!(!wakes(&mut cluster, "pods", Change::Modified, Some(&big), &said), "its own report");
    assert!(!wakes(&mut cluster, "nodes", Change::Modified, Some(&node("1", "False")), &nobody), "a heartbeat");
    assert!(wakes(&mut cluster, "nodes", Change::Modified, Some(&nobody), &node("4", "True")), "more room");
    let other = pod("other", Some("a"));
    let unbound = pod("other", None);
    assert!(!wakes(&mut cluster, "pods", Change::Modified, Some(&unbound), &other), "a pod that came takes room");
    assert!(wakes(&mut cluster, "pods", Change::Deleted, Some(&other), &other), "a pod that went gives room");
}

#[test]
fn company_wakes_those_who_want_it_and_room_does_not() {
    let mut cluster = Cluster::default();
    cluster.node("a", "4", json!({}), json!({"zone": "z"}));
    let term = json!({"topologyKey": "zone", "labelSelector": {"matchLabels": {"app": "db"}}});
    let affinity = json!({"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}});
    let mut fan = json!({"metadata": {"name": "fan", "namespace": "default"}, "spec": asks("1")});
    fan["spec"]["affinity"] = affinity;
    cluster.put("pods", fan.clone());
    told(&mut cluster, fan);
    let (unbound, bound) = (pod("db", None), pod("db", Some("a")));
    assert!(wakes(&mut cluster, "pods", Change::Modified, Some(&unbound), &bound), "a pod that came");
    assert!(!wakes(&mut cluster, "pods", Change::Deleted, Some(&bound), &bound), "room is not what it waits for");
}

#[test]
fn explanations_name_every_filter_and_the_smallest_change() {
    for (node, spec, expected) in [
        (json!({}), asks("3500m"), "a: free 500m cpu or request at most 3000m"),
        (json!({"unschedulable": true}), asks("1"), "a: kubectl uncordon a"),
        (
            json!({"taints": [{"key": "k", "value": "v", "effect": "NoSchedule"}]}),
            asks("1"),
            "a: tolerate the taint k=v:NoSchedule or remove it",
        ),
        (json!({}), with(asks("1"), "nodeSelector", json!({"disk": "ssd"})), "a: label the node disk=ssd"),
        (
            json!({"unschedulable": true}),
            asks("4"),
            "a: kubectl uncordon a; and free 1000m cpu or request at most 3000m",
        ),
    ] {
        let mut cluster = Cluster::default();
        cluster.node("a", "4", node, json!({}));
        cluster.node(
            "small",
            "1",
            json!({"unschedulable": true, "taints": [{"key": "x", "effect": "NoExecute"}]}),
            json!({}),
        );
        cluster.pod("bound", with(asks("1"), "nodeName", json!("a")));
        cluster.pod("p", spec);
        let explanation = cluster.explain("p");
        assert_eq!(explanation.advice.as_deref(), Some(expected));
        assert_eq!(explanation.message, cluster.failure());
        for verdict in explanation.nodes {
            assert_eq!(verdict.filters.len(), 10);
            assert_eq!(verdict.fits, verdict.filters.iter().all(|opinion| opinion.passed));
        }
    }
}

#[test]
fn nobody_is_told_to_free_what_a_node_does_not_have() {
    let gpu = json!({"containers": [{"name": "c", "resources": {"requests": {"example.com/gpu": "1"}}}]});
    for (nodes, taken, spec, expected) in [
        // The node, its cores, and what of them is taken; then the pod.
        (
            vec![("a", "2")],
            vec![("a", "1900m")],
            asks("100"),
            "a: no node is large enough (a, the largest, has 2000m cpu, 100000m needed), request at most 100m",
        ),
        (
            vec![("a", "2")],
            vec![("a", "2")],
            asks("3"),
            "a: no node is large enough (a, the largest, has 2000m cpu, 3000m needed)",
        ),
        (
            vec![("a", "2"), ("b", "3")],
            vec![],
            asks("6"),
            "b: no node is large enough (b, the largest, has 3000m cpu, 6000m needed), request at most 3000m",
        ),
        // Little is missing on the small one, but what is missing on the large one can be had.
        (
            vec![("large", "8"), ("small", "4")],
            vec![("large", "7")],
            asks("5"),
            "large: free 4000m cpu or request at most 1000m",
        ),
        (vec![("a", "2")], vec![("a", "2")], asks("2"), "a: free 2000m cpu"),
        (vec![("a", "2")], vec![], gpu, "a: no node offers example.com/gpu, 1 needed"),
    ] {
        let mut cluster = Cluster::default();
        for (name, cpu) in nodes {
            cluster.node(name, cpu, json!({}), json!({}));
        }
        for (node, cpu) in taken {
            cluster.pod(&format!("on-{node}"), with(asks(cpu), "nodeName", json!(node)));
        }
        cluster.pod("p", spec);
        assert_eq!(cluster.explain("p").advice.as_deref(), Some(expected));
    }
    // The large node is out of the question for another reason: that is what is said of the small one.
    let mut cluster = Cluster::default();
    cluster.node("large", "8", json!({"unschedulable": true}), json!({"disk": "hdd"}));
    cluster.node("small", "4", json!({}), json!({"disk": "ssd"}));
    cluster.pod("p", with(asks("5"), "nodeSelector", json!({"disk": "ssd"})));
    let expected = "small: the node is too small (it has 4000m cpu, 5000m needed), request at most 4000m";
    assert_eq!(cluster.explain("p").advice.as_deref(), Some(expected));
}

#[test]
fn a_pod_that_fits_needs_no_advice() {
    let mut cluster = Cluster::default();
    cluster.node("a", "4", json!({}), json!({}));
    cluster.pod("p", asks("3"));
    assert_eq!((cluster.explain("p").message.as_str(), cluster.explain("p").advice), ("fits; a is best", None));
    // One that has a node is judged as if it had none yet.
    cluster.pod("p", with(asks("3"), "nodeName", json!("a")));
    let explanation = cluster.explain("p");
    assert_eq!((explanation.message.as_str(), explanation.nodes[0].fits), ("bound to a", true));
}

#[test]
fn a_pod_that_no_longer_waits_is_told_as_such() {
    let mut cluster = Cluster::default();
    cluster.node("a", "4", json!({}), json!({}));
    let gated = with(asks("1"), "schedulingGates", json!([{"name": "example.com/quota"}]));
    let foreign = with(asks("1"), "schedulerName", json!("other"));
    let bound = with(asks("1"), "nodeName", json!("a"));
    for (spec, metadata, phase, state, words) in [
        (asks("1"), json!({}), "Pending", Standing::Schedulable, "fits; a is best"),
        (asks("9"), json!({}), "Pending", Standing::Unschedulable, "Insufficient cpu"),
        (gated, json!({}), "Pending", Standing::Gated, "non-empty scheduling gates"),
        (foreign, json!({}), "Pending", Standing::Foreign, "\"other\", which is not one of ours"),
        (bound.clone(), json!({}), "Running", Standing::Bound, "bound to a"),
        (bound.clone(), json!({}), "Succeeded", Standing::Ended, "has ended on a (Succeeded)"),
        (
            asks("1"),
            json!({"deletionTimestamp": "2026-01-01T00:00:00Z"}),
            "Pending",
            Standing::Terminating,
            "is being deleted and is given no node",
        ),
    ] {
        let metadata = with(with(metadata, "name", json!("p")), "namespace", json!("default"));
        cluster.put("pods", json!({"metadata": metadata, "spec": spec, "status": {"phase": phase}}));
        let told = cluster.explain("p");
        assert_eq!(told.state, state, "{told:?}");
        assert!(told.message.contains(words), "{told:?}");
        assert_eq!(told.advice.is_some(), matches!(state, Standing::Unschedulable | Standing::Gated), "{told:?}");
    }
}

#[test]
fn pods_that_wait_are_counted_by_what_for() {
    let mut cluster = Cluster::default();
    cluster.node("a", "4", json!({}), json!({}));
    cluster.pod("new", asks("1"));
    cluster.pod("gated", with(asks("1"), "schedulingGates", json!([{"name": "g"}])));
    cluster.pod("bound", with(asks("1"), "nodeName", json!("a")));
    let big = json!({"metadata": {"name": "big", "namespace": "other"}, "spec": asks("9")});
    cluster.put("pods", big.clone());
    let mut attempts = cluster.decide().attempts;
    assert_eq!(attempts.remove(&("default-scheduler".to_owned(), "scheduled")), Some(1));
    assert_eq!(attempts.remove(&("default-scheduler".to_owned(), "unschedulable")), Some(1));
    let before = waiting(&cluster.view, Timestamp::UNIX_EPOCH);
    assert_eq!(before, Waiting { active: 2, backoff: 0, unschedulable: 0, gated: 1 });
    let refused = json!([{"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}]);
    cluster.put("pods", with(big, "status", json!({ "conditions": refused })));
    assert_eq!(
        waiting(&cluster.view, Timestamp::UNIX_EPOCH),
        Waiting { active: 1, backoff: 0, unschedulable: 1, gated: 1 }
    );
}

/// Looks at the queue after so many seconds, and notes what was tried in vain.
fn look(cluster: &mut Cluster, seconds: i64) -> (Plan, usize) {
    let now = Timestamp::from_second(seconds).unwrap();
    let plan = Scheduler.decide(&cluster.view, &queue(), now, &mut Ids::new(1));
    cluster.view.tried(&plan.tried, now);
    let tried = plan.tried.len();
    (plan, tried)
}

fn seconds(plan: &Plan) -> Option<i64> {
    plan.wake_at.map(|at| at.as_second())
}

#[test]
fn what_was_in_vain_is_tried_again_later_and_later_once_something_has_changed() {
    let mut cluster = Cluster::default();
    cluster.node("a", "1", json!({}), json!({}));
    let big = json!({"metadata": {"name": "big", "namespace": "default"}, "spec": asks("8")});
    cluster.put("pods", big.clone());
    let said = told(&mut cluster, big);
    assert_eq!(seconds(&look(&mut cluster, 0).0), Some(300));
    // A new pod is no reason to try the other one again.
    cluster.pod("small", asks("100m"));
    let (plan, tried) = look(&mut cluster, 0);
    assert_eq!((plan.writes.len(), tried, seconds(&plan)), (1, 0, Some(300)));
    cluster.pod("small", with(asks("100m"), "nodeName", json!("a")));
    let mut now = 0;
    for (turn, pause) in [1, 2, 4, 8, 10, 10].into_iter().enumerate() {
        assert_eq!(look(&mut cluster, now).1, 0, "nothing has changed");
        cluster.node("a", &format!("{}m", 1100 + turn), json!({}), json!({}));
        let (plan, tried) = look(&mut cluster, now);
        assert_eq!((tried, seconds(&plan)), (0, Some(now + pause)));
        let standing = waiting(&cluster.view, Timestamp::from_second(now).unwrap());
        assert_eq!(standing, Waiting { active: 0, backoff: 1, unschedulable: 0, gated: 0 });
        now += pause;
        assert_eq!(look(&mut cluster, now).1, 1);
        assert_eq!(waiting(&cluster.view, Timestamp::from_second(now).unwrap()).unschedulable, 1);
    }
    assert_eq!(look(&mut cluster, now + 299).1, 0);
    assert_eq!(look(&mut cluster, now + 300).1, 1, "in any case");
    // What it waits for comes: it has to wait its turn and is forgotten then.
    cluster.node("a", "16", json!({}), json!({}));
    assert_eq!(look(&mut cluster, now + 310).0.writes.len(), 1);
    assert!(cluster.view.attempt("big").is_some());
    cluster.put("pods", with(said, "spec", with(asks("8"), "nodeName", json!("a"))));
    assert_eq!(cluster.view.attempt("big"), None);
}

#[test]
fn who_was_promised_room_takes_it_as_soon_as_it_is_free() {
    let mut cluster = Cluster::default();
    cluster.node("a", "4", json!({}), json!({}));
    cluster.pod("victim", with(asks("4"), "nodeName", json!("a")));
    let mut pod = json!({"metadata": {"name": "vip", "namespace": "default"}, "spec": asks("4")});
    cluster.put("pods", pod.clone());
    pod = told(&mut cluster, pod);
    pod["status"]["nominatedNodeName"] = json!("a");
    cluster.put("pods", pod);
    assert_eq!(look(&mut cluster, 0).1, 1);
    assert_eq!(look(&mut cluster, 0).1, 0);
    let gone = cluster.view.pods.get(&Key::new("default", "victim")).unwrap().object.value();
    assert!(wakes(&mut cluster, "pods", Change::Deleted, None, &gone));
    assert_eq!(look(&mut cluster, 0).0.writes.len(), 1, "no back-off for it");
}
