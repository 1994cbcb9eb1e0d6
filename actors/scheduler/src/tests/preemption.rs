//! Who must go for whom.

use super::{Cluster, asks, with};
use podium_controllers::PlannedWrite;
use proptest::prelude::*;
use serde_json::{Value, json};

fn important(cpu: &str, priority: i32) -> Value {
    with(asks(cpu), "priority", json!(priority))
}

/// A running pod with a start time.
fn running(cluster: &mut Cluster, name: &str, node: &str, cpu: &str, priority: i32, start: u32) {
    let metadata = json!({"name": name, "namespace": "default", "labels": {"app": name}});
    let spec = with(important(cpu, priority), "nodeName", json!(node));
    let status = json!({"phase": "Running", "startTime": format!("2026-01-01T00:00:{start:02}Z")});
    cluster.put("pods", json!({"metadata": metadata, "spec": spec, "status": status}));
}

/// Names of the pods that a plan deletes, and the node that the plan nominates.
fn outcome(cluster: &Cluster) -> (Vec<String>, Option<String>) {
    let mut victims = Vec::new();
    let mut nominated = None;
    for write in cluster.decide().writes {
        match write {
            PlannedWrite::Delete { key, .. } => victims.push(key.name),
            PlannedWrite::Patch { patch, .. } => {
                let node = patch.pointer("/status/nominatedNodeName").and_then(Value::as_str);
                nominated = node.map(str::to_owned).or(nominated);
            }
            PlannedWrite::Create { .. } | PlannedWrite::Sign { .. } | PlannedWrite::Issue { .. } => {}
        }
    }
    victims.sort();
    (victims, nominated)
}

#[test]
fn the_choice_hurts_least() {
    type Pods = &'static [(&'static str, &'static str, &'static str, i32, u32)];
    let table: &[(&str, Pods, &[&str], Option<&str>)] = &[
        ("nobody is less important", &[("x", "a", "4", 10, 0), ("y", "b", "4", 11, 0)], &[], None),
        ("the least important", &[("x", "a", "4", 5, 0), ("y", "b", "4", 3, 0)], &["y"], Some("b")),
        (
            "only what is needed",
            &[("x", "a", "2", 1, 0), ("y", "a", "2", 2, 0), ("z", "b", "4", 9, 0)],
            &["x"],
            Some("a"),
        ),
        (
            "the lower sum, that is fewer",
            &[("x", "a", "2", 1, 0), ("y", "a", "2", 1, 0), ("z", "b", "3", 1, 0), ("u", "b", "1", 12, 0)],
            &["z"],
            Some("b"),
        ),
        ("the younger", &[("x", "a", "4", 1, 1), ("y", "b", "4", 1, 9)], &["y"], Some("b")),
        ("the first", &[("x", "a", "4", 1, 1), ("y", "b", "4", 1, 1)], &["x"], Some("a")),
    ];
    for (what, pods, victims, node) in table {
        let mut cluster = Cluster::default();
        cluster.node("a", "4", json!({}), json!({}));
        cluster.node("b", "4", json!({}), json!({}));
        for (name, node, cpu, priority, start) in *pods {
            running(&mut cluster, name, node, cpu, *priority, *start);
        }
        // The sum's case wants three cores, the others two.
        let cpu = if pods.len() == 4 { "3" } else { "2" };
        cluster.pod("p", important(cpu, 10));
        let expected = (victims.iter().map(|name| (*name).to_owned()).collect(), node.map(str::to_owned));
        assert_eq!(outcome(&cluster), expected, "{what}");
    }
}

#[test]
fn everyone_is_told() {
    let mut cluster = Cluster::default();
    cluster.node("a", "4", json!({}), json!({}));
    running(&mut cluster, "victim", "a", "4", 1, 0);
    cluster.pod("p", important("2", 10));
    let plan = cluster.decide();
    let messages: Vec<&str> = plan.events.iter().map(|event| event.message.as_str()).collect();
    assert_eq!(messages, ["0/1 nodes are available: 1 Insufficient cpu.", "Preempted by pod p on node a"]);
    let patches: Vec<&Value> = plan
        .writes
        .iter()
        .filter_map(|write| match write {
            PlannedWrite::Patch { patch, .. } => Some(&patch["status"]),
            _ => None,
        })
        .collect();
    assert_eq!(patches[0]["nominatedNodeName"], "a");
    let disrupted = &patches[1]["conditions"][0];
    assert_eq!(disrupted["reason"], "PreemptionByScheduler");
    assert_eq!(disrupted["message"], "default-scheduler: preempting to accommodate a higher priority pod");
}

#[test]
fn a_pod_that_may_not_or_must_wait_evicts_no_one() {
    let mut cluster = Cluster::default();
    cluster.node("a", "4", json!({}), json!({}));
    running(&mut cluster, "x", "a", "4", 1, 0);
    cluster.pod("p", with(important("2", 10), "preemptionPolicy", json!("Never")));
    assert_eq!(outcome(&cluster).0, Vec::<String>::new());
    assert_eq!(
        cluster.failure(),
        "0/1 nodes are available: 1 Insufficient cpu. preemption: not eligible due to preemptionPolicy=Never."
    );
    // Room is being made already.
    let leaving = json!({"metadata": {"name": "x", "namespace": "default", "deletionTimestamp": "2026-01-01T00:00:00Z"},
        "spec": with(important("4", 1), "nodeName", json!("a")),
        "status": {"conditions": [{"type": "DisruptionTarget", "status": "True", "reason": "PreemptionByScheduler"}]}});
    cluster.put("pods", leaving);
    let waiting = json!({"metadata": {"name": "p", "namespace": "default"}, "spec": important("2", 10),
        "status": {"nominatedNodeName": "a"}});
    cluster.put("pods", waiting);
    assert_eq!(outcome(&cluster).0, Vec::<String>::new());
    assert!(cluster.failure().ends_with("preemption: not eligible due to terminating pod on the nominated node."));
}

#[test]
fn those_who_leave_anyway_are_waited_for() {
    let mut cluster = Cluster::default();
    cluster.node("a", "4", json!({}), json!({}));
    let metadata = json!({"name": "x", "namespace": "default", "deletionTimestamp": "2026-01-01T00:00:00Z"});
    cluster.put("pods", json!({"metadata": metadata, "spec": with(important("4", 1), "nodeName", json!("a"))}));
    let mut waiting = json!({"metadata": {"name": "p", "namespace": "default"}, "spec": important("2", 10)});
    cluster.put("pods", waiting.clone());
    assert_eq!(outcome(&cluster), (Vec::new(), Some("a".to_owned())));
    let PlannedWrite::Patch { patch, .. } = cluster.decide().writes.remove(0) else { panic!("no status") };
    waiting["status"] = patch["status"].clone();
    cluster.put("pods", waiting);
    assert_eq!(cluster.decide().writes, Vec::new(), "said once");
}

#[test]
fn room_that_was_made_is_kept_for_those_it_was_made_for() {
    let mut cluster = Cluster::default();
    cluster.node("a", "4", json!({}), json!({}));
    let nominated = json!({"metadata": {"name": "p", "namespace": "default"}, "spec": important("3", 10),
        "status": {"nominatedNodeName": "a"}});
    cluster.put("pods", nominated);
    cluster.pod("small", important("2", 5));
    cluster.pod("equal", important("1", 10));
    let bindings = cluster.bindings();
    assert_eq!(bindings.get("p").map(String::as_str), Some("a"));
    assert_eq!(bindings.get("small"), None, "it would have fitted first");
    assert_eq!(bindings.get("equal").map(String::as_str), Some("a"));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn victims_matter_less_are_enough_and_none_is_too_many(
        running_pods in prop::collection::vec((0_usize..4, 1_i64..4, 0_i32..10), 0..16),
        wanted in 1_i64..5, priority in 0_i32..10,
    ) {
        let mut cluster = Cluster::default();
        for node in 0..4 {
            cluster.node(&format!("n{node}"), "4", json!({}), json!({}));
        }
        let mut taken = [0_i64; 4];
        let mut placed = Vec::new();
        for (number, (node, cpu, own)) in running_pods.into_iter().enumerate() {
            if taken[node] + cpu <= 4 {
                taken[node] += cpu;
                placed.push((node, cpu, own));
                running(&mut cluster, &format!("r{number}"), &format!("n{node}"), &cpu.to_string(), own, 0);
            } else {
                placed.push((node, 0, own));
            }
        }
        cluster.pod("p", important(&wanted.to_string(), priority));
        let (victims, nominated) = outcome(&cluster);
        let fits = taken.iter().any(|taken| taken + wanted <= 4);
        let of = |name: &String| placed[name[1..].parse::<usize>().unwrap()];
        prop_assert!(victims.is_empty() || !fits, "no one goes where there is room");
        prop_assert_eq!(nominated.is_some(), !victims.is_empty());
        if let Some(node) = nominated {
            let node = node[1..].parse::<usize>().unwrap();
            let given: i64 = victims.iter().map(|name| of(name).1).sum();
            prop_assert!(taken[node] - given + wanted <= 4, "enough");
            for victim in &victims {
                let (at, cpu, own) = of(victim);
                prop_assert_eq!(at, node);
                prop_assert!(own < priority);
                prop_assert!(taken[node] - given + cpu + wanted > 4, "each was needed");
            }
        } else if !fits {
            for (node, taken) in taken.iter().enumerate() {
                let lesser: i64 =
                    placed.iter().filter(|(at, _, own)| *at == node && *own < priority).map(|(_, cpu, _)| cpu).sum();
                prop_assert!(taken - lesser + wanted > 4, "all of them would not have been enough");
            }
        }
    }
}
