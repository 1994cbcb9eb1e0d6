//! Each score, with Kubernetes' known answers.

use super::{Cluster, asks, with};
use serde_json::{Value, json};

/// The score of one criterion for each node.
fn scores(cluster: &Cluster, criterion: &str) -> Vec<i64> {
    let nodes = cluster.explain("p").nodes;
    nodes.iter().map(|verdict| verdict.scores.get(criterion).copied().unwrap_or(-1)).collect()
}

fn both(cpu: &str, memory: &str) -> Value {
    json!({"containers": [{"name": "c", "image": "app", "resources": {"requests": {"cpu": cpu, "memory": memory}}}]})
}

fn configure(cluster: &mut Cluster, text: &str) {
    let metadata = json!({"name": "kube-scheduler", "namespace": "kube-system"});
    cluster.put("configmaps", json!({"metadata": metadata, "data": {"config.yaml": text}}));
}

#[test]
fn resources_by_strategy() {
    // 4 cores and 8Gi, empty; and with 2 cores and 2Gi taken. The pod asks for 1 core and 2Gi.
    let curve = r#"{"type": "RequestedToCapacityRatio", "resources": [{"name": "cpu", "weight": 3}, {"name": "memory"}],
        "requestedToCapacityRatio": {"shape": [{"utilization": 0, "score": 0}, {"utilization": 100, "score": 10}]}}"#;
    for (strategy, expected) in [
        // (75 + 75) / 2, (25 + 50) / 2
        (r#"{"type": "LeastAllocated"}"#, [75, 37]),
        (r#"{"type": "MostAllocated"}"#, [25, 62]),
        (
            r#"{"type": "MostAllocated", "resources": [{"name": "cpu", "weight": 3}, {"name": "memory", "weight": 1}]}"#,
            [25, 68],
        ),
        // (75 * 3 + 50) / 4 = 68.75, rounded
        (curve, [25, 69]),
    ] {
        let mut cluster = Cluster::default();
        cluster.node("a", "4", json!({}), json!({}));
        cluster.node("b", "4", json!({}), json!({}));
        let strategy: Value = serde_json::from_str(strategy).unwrap();
        let config = json!({"profiles": [{"schedulerName": "default-scheduler", "pluginConfig":
            [{"name": "NodeResourcesFit", "args": {"scoringStrategy": strategy}}]}]});
        configure(&mut cluster, &config.to_string());
        cluster.pod("bound", with(both("2", "2Gi"), "nodeName", json!("b")));
        cluster.pod("p", both("1", "2Gi"));
        assert_eq!(scores(&cluster, "NodeResourcesFit"), expected, "{strategy}");
    }
}

#[test]
fn profiles_go_by_scheduler_name() {
    let mut cluster = Cluster::default();
    cluster.node("empty", "4", json!({}), json!({}));
    cluster.node("used", "4", json!({}), json!({}));
    cluster.pod("bound", with(both("1", "1Gi"), "nodeName", json!("used")));
    configure(
        &mut cluster,
        "profiles:\n- schedulerName: default-scheduler\n- schedulerName: packer\n  plugins:\n    score:\n      disabled: \
         [{name: NodeResourcesBalancedAllocation}]\n  pluginConfig:\n  - name: NodeResourcesFit\n    args: \
         {scoringStrategy: {type: MostAllocated}}\n",
    );
    cluster.pod("spread", both("100m", "100Mi"));
    cluster.pod("packed", with(both("100m", "100Mi"), "schedulerName", json!("packer")));
    cluster.pod("foreign", with(both("100m", "100Mi"), "schedulerName", json!("other")));
    let bindings = cluster.bindings();
    assert_eq!(bindings["spread"], "empty");
    assert_eq!(bindings["packed"], "used");
    assert_eq!(bindings.get("foreign"), None);
}

#[test]
fn balance() {
    // Of 4 cores and 8Gi. Deviations with the pod (1 core, 6Gi): 0.25 on an empty node, 0 where
    // 2 cores are taken; without it: 0 and 0.25. 50 + (50 + with - without) / 2.
    let mut cluster = Cluster::default();
    cluster.node("a", "4", json!({}), json!({}));
    cluster.node("b", "4", json!({}), json!({}));
    cluster.pod("bound", with(both("2", "0"), "nodeName", json!("b")));
    cluster.pod("p", both("1", "6Gi"));
    assert_eq!(scores(&cluster, "NodeResourcesBalancedAllocation"), [62, 87]);
    cluster.pod("p", json!({"containers": [{"name": "c"}]}));
    assert_eq!(scores(&cluster, "NodeResourcesBalancedAllocation"), [-1, -1], "nothing asked, nothing balanced");
}

#[test]
fn images() {
    let mut cluster = Cluster::default();
    for (name, size) in [("a", 523_i64), ("b", 23), ("c", 3000)] {
        let images = json!([{"names": ["app:latest"], "sizeBytes": size * 1024 * 1024 * 3}]);
        let images = if name == "b" { json!([]) } else { images };
        let status = json!({"allocatable": {"cpu": "4", "memory": "8Gi", "pods": "9"}, "images": images});
        cluster.put("nodes", json!({"metadata": {"name": name}, "status": status}));
    }
    cluster.pod("p", both("1", "1Gi"));
    // 523 Mi * 3 on two of three nodes: 1046 Mi are more than the most that counts.
    assert_eq!(scores(&cluster, "ImageLocality"), [100, 0, 100]);
    let status = |size: i64| {
        json!({"allocatable": {"cpu": "4", "memory": "8Gi", "pods": "9"},
            "images": [{"names": ["app:latest"], "sizeBytes": size}]})
    };
    let mut cluster = Cluster::default();
    cluster.put("nodes", json!({"metadata": {"name": "a"}, "status": status(523 * 1024 * 1024 - 512 * 1024)}));
    cluster.pod("p", both("1", "1Gi"));
    // (522.5 - 23) / (1000 - 23)
    assert_eq!(scores(&cluster, "ImageLocality"), [51]);
}

#[test]
fn node_affinity_and_taints() {
    let mut cluster = Cluster::default();
    let soft = |count: usize| {
        let taints: Vec<Value> =
            (0..count).map(|at| json!({"key": format!("k{at}"), "effect": "PreferNoSchedule"})).collect();
        json!({"taints": taints})
    };
    for (name, taints) in [("a", 0), ("b", 1), ("c", 4)] {
        cluster.node(name, "4", soft(taints), json!({"name": name}));
    }
    let prefer = |name: &str, weight: i64| {
        let expression = json!({"key": "name", "operator": "In", "values": [name]});
        json!({"weight": weight, "preference": {"matchExpressions": [expression]}})
    };
    let affinity = json!({"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution":
        [prefer("a", 10), prefer("b", 15), prefer("b", 25)]}});
    cluster.pod("p", with(asks("1"), "affinity", affinity));
    assert_eq!(scores(&cluster, "NodeAffinity"), [25, 100, 0]);
    assert_eq!(scores(&cluster, "TaintToleration"), [100, 75, 0]);
}

#[test]
fn preferred_pods() {
    let mut cluster = Cluster::default();
    for (name, zone) in [("a", "1"), ("b", "1"), ("c", "2"), ("d", "3")] {
        cluster.node(name, "4", json!({}), json!({"zone": zone}));
    }
    let term = |app: &str, weight: i64| {
        let term = json!({"topologyKey": "zone", "labelSelector": {"matchLabels": {"app": app}}});
        json!({"weight": weight, "podAffinityTerm": term})
    };
    let prefers = |near: Value, far: Value| {
        json!({"podAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": near},
            "podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": far}})
    };
    cluster.labelled("db", json!({"app": "db"}), with(asks("1m"), "nodeName", json!("a")));
    cluster.labelled("noise", json!({"app": "noise"}), with(asks("1m"), "nodeName", json!("c")));
    let own = with(asks("1m"), "affinity", prefers(json!([term("db", 6)]), json!([term("noise", 4)])));
    cluster.labelled("p", json!({"app": "web"}), own);
    // 6, 6, -4, 0
    assert_eq!(scores(&cluster, "InterPodAffinity"), [100, 100, 0, 40]);
    // What those who run say counts as much: one that wanted web near counts 1.
    let hard = json!({"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution":
        [{"topologyKey": "zone", "labelSelector": {"matchLabels": {"app": "web"}}}]}});
    cluster.labelled("fan", json!({"app": "fan"}), with(with(asks("1m"), "affinity", hard), "nodeName", json!("d")));
    let shy = with(asks("1m"), "affinity", prefers(json!([]), json!([term("web", 3)])));
    cluster.labelled("shy", json!({"app": "shy"}), with(shy, "nodeName", json!("c")));
    cluster.labelled("p", json!({"app": "web"}), asks("1m"));
    // 0, 0, -3, 1
    assert_eq!(scores(&cluster, "InterPodAffinity"), [75, 75, 0, 100]);
}

#[test]
fn soft_spread() {
    let mut cluster = Cluster::default();
    for (name, zone) in [("a", "1"), ("b", "1"), ("c", "2"), ("d", "")] {
        let labels = if zone.is_empty() { json!({}) } else { json!({"zone": zone}) };
        cluster.node(name, "4", json!({}), labels);
    }
    for (at, node) in ["a", "a", "c"].iter().enumerate() {
        cluster.labelled(&format!("w{at}"), json!({"app": "web"}), with(asks("1m"), "nodeName", json!(node)));
    }
    let constraint = json!({"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "ScheduleAnyway",
        "labelSelector": {"matchLabels": {"app": "web"}}});
    cluster.labelled("p", json!({"app": "web"}), with(asks("1m"), "topologySpreadConstraints", json!([constraint])));
    // Raw: 2 ln 4 = 2.77, 2.77, 1.39, rounded 3, 3, 1; 100 (3 + 1 - raw) / 3; a node without the label gets nothing.
    assert_eq!(scores(&cluster, "PodTopologySpread"), [33, 33, 100, 0]);
}

#[test]
fn pods_of_one_service_spread_by_default() {
    let mut cluster = Cluster::default();
    for name in ["a", "b"] {
        cluster.node(name, "4", json!({}), json!({"kubernetes.io/hostname": name}));
    }
    cluster.labelled("w", json!({"app": "web"}), with(asks("1m"), "nodeName", json!("a")));
    cluster.labelled("p", json!({"app": "web"}), asks("1m"));
    assert_eq!(scores(&cluster, "PodTopologySpread"), [-1, -1]);
    cluster.put(
        "services",
        json!({"metadata": {"name": "s", "namespace": "default"}, "spec": {"selector": {"app": "web"}}}),
    );
    // One there: ln 4 + 2 = 3.39, none: 2; rounded 3 and 2.
    assert_eq!(scores(&cluster, "PodTopologySpread"), [66, 100]);
}
