//! Each filter, with Kubernetes' known answers.

use super::{Cluster, asks, with};
use serde_json::{Value, json};

/// A zone of two nodes and one of one.
fn zones() -> Cluster {
    let mut cluster = Cluster::default();
    for (name, zone) in [("a1", "a"), ("a2", "a"), ("b1", "b")] {
        cluster.node(name, "4", json!({}), json!({"zone": zone, "kubernetes.io/hostname": name}));
    }
    cluster
}

fn labelled(cluster: &mut Cluster, name: &str, node: &str, app: &str) {
    cluster.labelled(name, json!({"app": app}), with(asks("1m"), "nodeName", json!(node)));
}

fn term(app: &str, topology: &str) -> Value {
    json!({"topologyKey": topology, "labelSelector": {"matchLabels": {"app": app}}})
}

fn required(kind: &str, terms: Value) -> Value {
    with(asks("1m"), "affinity", json!({kind: {"requiredDuringSchedulingIgnoredDuringExecution": terms}}))
}

fn spread(more: Value) -> Value {
    let mut constraint = json!({"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule",
        "labelSelector": {"matchLabels": {"app": "web"}}});
    for (name, value) in more.as_object().unwrap() {
        constraint[name] = value.clone();
    }
    with(asks("1m"), "topologySpreadConstraints", json!([constraint]))
}

/// Nodes that let the pod come, in name order.
fn fitting(cluster: &mut Cluster, labels: Value, spec: Value) -> Vec<String> {
    cluster.labelled("p", labels, spec);
    let nodes = cluster.explain("p").nodes;
    nodes.into_iter().filter(|verdict| verdict.fits).map(|verdict| verdict.node).collect()
}

#[test]
fn affinity_between_pods() {
    let web = json!({"app": "web"});
    let all: &[&str] = &["a1", "a2", "b1"];
    let other = |selector: Value| {
        let mut term = term("db", "zone");
        term["namespaceSelector"] = selector;
        json!([term])
    };
    for (what, spec, expected) in [
        ("near in the zone", required("podAffinity", json!([term("db", "zone")])), &["a1", "a2"][..]),
        ("near on the host", required("podAffinity", json!([term("db", "kubernetes.io/hostname")])), &["a1"]),
        ("near both at once", required("podAffinity", json!([term("db", "zone"), term("cache", "zone")])), &[]),
        ("near nobody", required("podAffinity", json!([term("none", "zone")])), &[]),
        ("near its like, as the first", required("podAffinity", json!([term("web", "zone")])), all),
        ("near by a label that no node has", required("podAffinity", json!([term("web", "rack")])), &[]),
        ("far in the zone", required("podAntiAffinity", json!([term("db", "zone")])), &["b1"]),
        ("far on the host", required("podAntiAffinity", json!([term("db", "kubernetes.io/hostname")])), &["a2", "b1"]),
        ("far by a label that no node has", required("podAntiAffinity", json!([term("db", "rack")])), all),
        ("near in every namespace", required("podAffinity", other(json!({}))), &["a1", "a2", "b1"]),
        ("near in chosen ones", required("podAffinity", other(json!({"matchLabels": {"team": "x"}}))), &["b1"]),
        ("near in none", required("podAffinity", other(json!({"matchLabels": {"team": "y"}}))), &[]),
    ] {
        let mut cluster = zones();
        cluster.put("namespaces", json!({"metadata": {"name": "default"}}));
        cluster.put("namespaces", json!({"metadata": {"name": "other", "labels": {"team": "x"}}}));
        labelled(&mut cluster, "db", "a1", "db");
        labelled(&mut cluster, "cache", "b1", "cache");
        let metadata = json!({"name": "db", "namespace": "other", "labels": {"app": "db"}});
        cluster.put("pods", json!({"metadata": metadata, "spec": with(asks("1m"), "nodeName", json!("b1"))}));
        assert_eq!(fitting(&mut cluster, web.clone(), spec), expected, "{what}");
    }
}

#[test]
fn those_who_run_keep_others_away() {
    let mut cluster = zones();
    let lonely = required("podAntiAffinity", json!([term("web", "zone")]));
    cluster.labelled("lonely", json!({"app": "db"}), with(lonely, "nodeName", json!("a2")));
    assert_eq!(fitting(&mut cluster, json!({"app": "web"}), asks("1m")), ["b1"]);
    assert_eq!(fitting(&mut cluster, json!({"app": "db"}), asks("1m")), ["a1", "a2", "b1"]);
    cluster.labelled("p", json!({"app": "web"}), asks("9"));
    let why = cluster.failure();
    let own = "3 Insufficient cpu";
    assert!(why.starts_with(&format!("0/3 nodes are available: {own}.")), "the first filter that refuses: {why}");
}

#[test]
fn reasons_of_pods_near_each_other() {
    let anti = "3 node(s) didn't match pod anti-affinity rules";
    let victims = "3 No preemption victims found for incoming pod";
    let helpless = "3 Preemption is not helpful for scheduling";
    let everywhere = json!([term("db", "all")]);
    let mut cluster = Cluster::default();
    for name in ["a", "b", "c"] {
        cluster.node(name, "4", json!({}), json!({"all": "one"}));
    }
    labelled(&mut cluster, "db", "a", "db");
    for (spec, reason, help) in [
        (required("podAntiAffinity", everywhere), anti, victims),
        (required("podAffinity", json!([term("none", "all")])), "3 node(s) didn't match pod affinity rules", helpless),
    ] {
        cluster.labelled("p", json!({"app": "web"}), spec);
        let why = cluster.failure();
        // The pod that is in the way matters as much as the new one, so no one is a victim.
        assert_eq!(why, format!("0/3 nodes are available: {reason}. preemption: 0/3 nodes are available: {help}."));
    }
}

#[test]
fn match_label_keys_tell_revisions_apart() {
    let mut cluster = zones();
    cluster.labelled("old", json!({"app": "web", "rev": "1"}), with(asks("1m"), "nodeName", json!("a1")));
    let mut term = term("web", "zone");
    term["matchLabelKeys"] = json!(["rev"]);
    let far = required("podAntiAffinity", json!([term.clone()]));
    assert_eq!(fitting(&mut cluster, json!({"app": "web", "rev": "1"}), far.clone()), ["b1"]);
    assert_eq!(fitting(&mut cluster, json!({"app": "web", "rev": "2"}), far), ["a1", "a2", "b1"]);
    term["mismatchLabelKeys"] = term["matchLabelKeys"].take();
    let far = required("podAntiAffinity", json!([term]));
    assert_eq!(fitting(&mut cluster, json!({"app": "web", "rev": "2"}), far), ["b1"]);
}

#[test]
fn hard_spread() {
    let web = json!({"app": "web"});
    for (what, running, more, expected) in [
        ("nothing runs", &[][..], json!({}), &["a1", "a2", "b1"][..]),
        ("one more in a", &["a1"], json!({}), &["b1"]),
        ("even", &["a1", "b1"], json!({}), &["a1", "a2", "b1"]),
        ("skew of two", &["a1"], json!({"maxSkew": 2}), &["a1", "a2", "b1"]),
        ("by host", &["a1"], json!({"topologyKey": "kubernetes.io/hostname"}), &["a2", "b1"]),
        ("three zones wanted, two there", &["a1", "b1"], json!({"minDomains": 3}), &[]),
        ("a label that no node has", &[], json!({"topologyKey": "rack"}), &[]),
        ("another revision", &["a1"], json!({"matchLabelKeys": ["app"]}), &["b1"]),
        ("selects others", &["a1"], json!({"labelSelector": {"matchLabels": {"app": "x"}}}), &["a1", "a2", "b1"]),
    ] {
        let mut cluster = zones();
        for (number, node) in running.iter().enumerate() {
            labelled(&mut cluster, &format!("w{number}"), node, "web");
        }
        assert_eq!(fitting(&mut cluster, web.clone(), spread(more)), expected, "{what}");
    }
}

#[test]
fn spread_counts_the_nodes_that_its_policies_name() {
    let web = json!({"app": "web"});
    let mut cluster = zones();
    let tainted = json!({"taints": [{"key": "k", "effect": "NoSchedule"}]});
    cluster.node("c1", "4", tainted, json!({"zone": "c", "kubernetes.io/hostname": "c1"}));
    labelled(&mut cluster, "w0", "a1", "web");
    labelled(&mut cluster, "w1", "b1", "web");
    // Zone c is empty: it counts unless taints are honoured.
    assert_eq!(fitting(&mut cluster, web.clone(), spread(json!({}))), Vec::<String>::new());
    assert_eq!(fitting(&mut cluster, web.clone(), spread(json!({"nodeTaintsPolicy": "Honor"}))), ["a1", "a2", "b1"]);
    // A selector for zones a and b leaves c out, unless affinity is ignored.
    let only = json!({"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms":
        [{"matchExpressions": [{"key": "zone", "operator": "In", "values": ["a", "b"]}]}]}}});
    let spec = with(spread(json!({})), "affinity", only.clone());
    assert_eq!(fitting(&mut cluster, web.clone(), spec), ["a1", "a2", "b1"]);
    let spec = with(spread(json!({"nodeAffinityPolicy": "Ignore"})), "affinity", only);
    assert_eq!(fitting(&mut cluster, web, spec), Vec::<String>::new());
}

#[test]
fn pods_that_leave_do_not_count_for_spread() {
    let mut cluster = zones();
    let metadata = json!({"name": "w", "namespace": "default", "labels": {"app": "web"},
        "deletionTimestamp": "2026-01-01T00:00:00Z"});
    cluster.put("pods", json!({"metadata": metadata, "spec": with(asks("1m"), "nodeName", json!("a1"))}));
    assert_eq!(fitting(&mut cluster, json!({"app": "web"}), spread(json!({}))), ["a1", "a2", "b1"]);
}

#[test]
fn host_ports() {
    let port = |ip: &str, protocol: &str| {
        let port = json!({"containerPort": 80, "hostPort": 80, "hostIP": ip, "protocol": protocol});
        json!({"containers": [{"name": "c", "ports": [port]}]})
    };
    for (taken, wanted, fits) in [
        (port("127.0.0.1", "TCP"), port("127.0.0.1", "TCP"), false),
        (port("127.0.0.1", "TCP"), port("127.0.0.1", "UDP"), true),
        (port("127.0.0.1", "TCP"), port("127.0.0.2", "TCP"), true),
        (port("127.0.0.1", "TCP"), port("0.0.0.0", "TCP"), false),
        (port("", "TCP"), port("127.0.0.2", "TCP"), false),
    ] {
        let mut cluster = Cluster::default();
        cluster.node("a", "4", json!({}), json!({}));
        cluster.pod("bound", with(taken.clone(), "nodeName", json!("a")));
        let found = fitting(&mut cluster, json!({}), wanted.clone());
        assert_eq!(!found.is_empty(), fits, "{taken} {wanted}");
    }
}

#[test]
fn several_reasons_are_counted_and_sorted_as_kubernetes_does() {
    let mut cluster = Cluster::default();
    cluster.node("a", "1", json!({}), json!({}));
    let tainted = json!({"taints": [{"key": "k", "effect": "NoExecute"}]});
    cluster.node("b", "9", tainted.clone(), json!({}));
    cluster.node("c", "9", tainted, json!({}));
    cluster.pod("p", asks("2"));
    assert_eq!(
        cluster.failure(),
        "0/3 nodes are available: 1 Insufficient cpu, 2 node(s) had untolerated taint(s). \
         preemption: 0/3 nodes are available: 3 Preemption is not helpful for scheduling."
    );
}

#[test]
fn a_cordon_is_tolerated_as_a_taint() {
    let mut cluster = Cluster::default();
    cluster.node("a", "4", json!({"unschedulable": true}), json!({}));
    let tolerant = json!([{"key": "node.kubernetes.io/unschedulable", "operator": "Exists", "effect": "NoSchedule"}]);
    assert!(fitting(&mut cluster, json!({}), asks("1")).is_empty());
    assert_eq!(fitting(&mut cluster, json!({}), with(asks("1"), "tolerations", tolerant)), ["a"]);
}
