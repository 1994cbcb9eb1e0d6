//! Rules of Services, by table: who answers, who is refused, what changes when an endpoint does.

use super::*;
use k8s_openapi::api::{core::v1::Service, discovery::v1::EndpointSlice};
use podium_types::Key;
use proptest::prelude::*;
use serde_json::{Value as Json, json};
use std::{net::IpAddr, sync::Arc};

fn node() -> NodeInfo {
    NodeInfo {
        name: "here".into(),
        ips: vec!["192.0.2.1".parse().unwrap()],
        pod_cidr: Some("10.244.1.0/24".parse().unwrap()),
        cluster_cidr: "10.244.0.0/16".parse().unwrap(),
        dns_ip: Some(IpAddr::from([10, 96, 0, 10])),
    }
}

fn service(name: &str, spec: Json) -> Arc<Service> {
    Arc::new(serde_json::from_value(json!({"metadata": {"namespace": "n", "name": name}, "spec": spec})).unwrap())
}

fn slice(name: &str, endpoints: Json) -> Arc<EndpointSlice> {
    let object = json!({
        "metadata": {"namespace": "n", "labels": {"kubernetes.io/service-name": name}},
        "addressType": "IPv4", "ports": [{"name": "", "protocol": "TCP", "port": 8080}], "endpoints": endpoints});
    Arc::new(serde_json::from_value(object).unwrap())
}

/// Where a frontend leads, in brief.
fn leads(rules: &RuleSet, scope: Scope, front: Front) -> String {
    let to: Vec<_> = rules.endpoints(scope, front).map(|(ip, port)| format!("{ip}:{port}")).collect();
    let refusal = rules.rules.get(&Rule::Refuse(scope, front));
    let balance = rules.rules.get(&Rule::Balance(scope, front));
    match (balance, refusal) {
        (Some(Value::Balance { slots, affinity }), None) => {
            assert_eq!(*slots as usize, to.len());
            let affinity = affinity.map(|s| format!(" for {s}s")).unwrap_or_default();
            format!("{}{affinity}", to.join(" "))
        }
        (None, Some(Value::Refuse(refusal))) => format!("{refusal:?}"),
        (None, None) => "-".into(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn frontends() {
    let on = |ip: &str, node: &str| json!({"addresses": [ip], "nodeName": node, "conditions": {"ready": true}});
    let two = json!([on("10.244.1.2", "here"), on("10.244.2.2", "there")]);
    let away = json!([on("10.244.2.2", "there")]);
    let leaving =
        json!({"addresses": ["10.244.1.3"], "conditions": {"ready": false, "serving": true, "terminating": true}});
    let unready = json!({"addresses": ["10.244.1.4"], "conditions": {"ready": false}});
    let both = "10.244.1.2:8080 10.244.2.2:8080";
    let with = |more: Json| {
        let mut spec = json!({"clusterIP": "10.96.0.1", "ports": [{"port": 80, "nodePort": 30000}]});
        spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        spec
    };
    // spec, endpoints, cluster IP, node port, node port from outside
    for (spec, endpoints, vip, node_port, outside) in [
        (with(json!({})), two.clone(), both, both, "-"),
        (with(json!({})), json!([]), "Reject", "Reject", "-"),
        (with(json!({})), json!([unready]), "Reject", "Reject", "-"),
        (with(json!({})), json!([leaving, unready]), "10.244.1.3:8080", "10.244.1.3:8080", "-"),
        (with(json!({})), json!([leaving, on("10.244.2.2", "there")]), "10.244.2.2:8080", "10.244.2.2:8080", "-"),
        (with(json!({"externalTrafficPolicy": "Local"})), two.clone(), both, both, "10.244.1.2:8080"),
        (with(json!({"externalTrafficPolicy": "Local"})), away.clone(), "10.244.2.2:8080", "10.244.2.2:8080", "Drop"),
        (with(json!({"externalTrafficPolicy": "Local"})), json!([]), "Reject", "Reject", "-"),
        (with(json!({"internalTrafficPolicy": "Local"})), two.clone(), "10.244.1.2:8080", both, "-"),
        (with(json!({"internalTrafficPolicy": "Local"})), away, "Drop", "10.244.2.2:8080", "-"),
        (with(json!({"type": "ExternalName"})), two.clone(), "-", "-", "-"),
        (with(json!({"clusterIP": "None"})), two.clone(), "-", both, "-"),
        (with(json!({"clusterIP": "10.96.0.10"})), json!([]), "-", "Reject", "-"),
        (
            with(json!({"sessionAffinity": "ClientIP"})),
            two,
            "10.244.1.2:8080 10.244.2.2:8080 for 10800s",
            "10.244.1.2:8080 10.244.2.2:8080 for 10800s",
            "-",
        ),
    ] {
        let rules = rule_set(&[service("s", spec.clone())], &[slice("s", endpoints.clone())], &node());
        let front = Front::Vip { ip: [10, 96, 0, 1].into(), protocol: Protocol::Tcp, port: 80 };
        let port = Front::NodePort { protocol: Protocol::Tcp, port: 30000 };
        let dns = Front::Vip { ip: [10, 96, 0, 10].into(), protocol: Protocol::Tcp, port: 80 };
        let got =
            [leads(&rules, Scope::Any, front), leads(&rules, Scope::Any, port), leads(&rules, Scope::External, port)];
        assert_eq!(got, [vip, node_port, outside], "{spec} {endpoints}");
        assert_eq!(leads(&rules, Scope::Any, dns), "-", "the node itself answers there");
    }
}

#[test]
fn only_local_pods_are_hairpins() {
    let endpoints = json!([
        {"addresses": ["10.244.1.2"], "nodeName": "here"}, {"addresses": ["10.244.2.2"], "nodeName": "there"},
        {"addresses": ["192.0.2.1"], "nodeName": "here"}, {"addresses": ["10.244.1.9"]}]);
    let spec = json!({"clusterIP": "10.96.0.1", "ports": [{"port": 80}]});
    let rules = rule_set(&[service("s", spec)], &[slice("s", endpoints)], &node());
    let hairpins: Vec<_> = rules.rules.keys().filter(|rule| matches!(rule, Rule::Hairpin(_))).collect();
    assert_eq!(hairpins, [&Rule::Hairpin([10, 244, 1, 2].into()), &Rule::Hairpin([10, 244, 1, 9].into())]);
}

/// A few Services that share endpoints and external addresses.
fn any_service() -> impl Strategy<Value = (usize, Option<(u8, bool, bool)>, Vec<u8>)> {
    (0..4usize, prop::option::of((0u8..2, any::<bool>(), any::<bool>())), prop::collection::vec(0u8..5, 0..4))
}

proptest! {
    #[test]
    fn single_updates_and_differences_agree_with_the_whole(steps in prop::collection::vec(any_service(), 1..25)) {
        let mut incremental = Incremental::new(node());
        let mut followed = RuleSet::default();
        let mut all_changes = Vec::new();
        let mut services: [Option<(Arc<Service>, Arc<EndpointSlice>)>; 4] = Default::default();
        for (index, shape, endpoints) in steps {
            let name = format!("s{index}");
            let endpoints: Vec<_> = endpoints.iter()
                .map(|n| json!({"addresses": [format!("10.244.1.{n}")], "nodeName": if n % 2 == 0 { "here" } else { "there" }}))
                .collect();
            services[index] = shape.map(|(external, affinity, local)| {
                let spec = json!({"clusterIP": format!("10.96.1.{index}"), "ports": [{"port": 80}],
                    "externalIPs": [format!("198.51.100.{external}")],
                    "sessionAffinity": if affinity { "ClientIP" } else { "None" },
                    "externalTrafficPolicy": if local { "Local" } else { "Cluster" }});
                (service(&name, spec), slice(&name, json!(endpoints)))
            });
            let before = incremental.rule_set().clone();
            let now = services[index].clone();
            let slices: Vec<_> = now.iter().map(|(_, slice)| slice.clone()).collect();
            let changes = incremental.update(&Key::new("n", &name), now.as_ref().map(|(s, _)| &**s), &slices);
            prop_assert_eq!(&changes, &diff(&before, incremental.rule_set()));
            followed.apply(&changes);
            all_changes.extend(changes);
            prop_assert_eq!(RuleSet::default().effective(&all_changes), diff(&RuleSet::default(), &followed));
            let (all, slices): (Vec<_>, Vec<_>) = services.iter().flatten().cloned().unzip();
            prop_assert_eq!(&followed, incremental.rule_set());
            prop_assert_eq!(&followed, &rule_set(&all, &slices, &node()));
        }
    }
}
