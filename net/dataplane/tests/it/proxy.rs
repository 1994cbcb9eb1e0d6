//! Services lead to their endpoints, by cluster address and node port, and refuse where there are none.

use crate::{
    lab::{self, Lab, exchange, sh},
    objects::{service, slice, slice_on},
};
use podium_dataplane::{Attachment, Network, ServiceProxy};
use podium_rules::services::{Incremental, RuleSet, rule_set};
use podium_types::Key;
use serde_json::json;
use std::{collections::BTreeSet, path::Path};

/// Asks often enough to see every endpoint; returns the distinct answers.
async fn answers(lab: &Lab, from: Option<&Path>, to: &str) -> BTreeSet<String> {
    let mut seen = BTreeSet::new();
    for _ in 0..24 {
        seen.insert(lab.ask(from, to).await.unwrap());
    }
    seen
}

fn set(texts: &[&str]) -> BTreeSet<String> {
    texts.iter().map(ToString::to_string).collect()
}

async fn two_pods(lab: &Lab) -> (Network, Attachment, Attachment) {
    let network = Network::open(lab.network()).await.unwrap();
    let a = network.attach("uid-a", "a", &[]).await.unwrap();
    let b = network.attach("uid-b", "b", &[]).await.unwrap();
    lab.serve(&a.netns, 8080, "a");
    lab.serve(&b.netns, 8080, "b");
    (network, a, b)
}

#[test]
fn cluster_ips_are_balanced_and_reach_back() {
    lab::run(|lab| async move {
        let (network, a, _b) = two_pods(&lab).await;
        let proxy = ServiceProxy::open(lab.proxy()).await.unwrap();
        let web =
            service("web", json!({"clusterIP": "10.96.0.50", "clusterIPs": ["10.96.0.50"], "ports": [{"port": 80}]}));
        let none = service("none", json!({"clusterIP": "10.96.0.51", "ports": [{"port": 80}]}));
        let dns = service("dns", json!({"clusterIP": "10.96.0.10", "ports": [{"port": 53}]}));
        let both = slice("web", "TCP", 8080, &["10.244.1.2", "10.244.1.3"]);
        let rules = rule_set(&[web, none, dns], &[both], &lab.node());
        let stats = proxy.apply(rules.clone()).await.unwrap();
        assert!(stats.reloaded);

        let from_pod = answers(&lab, Some(&a.netns), "10.96.0.50:80").await;
        assert_eq!(from_pod.len(), 2, "both endpoints serve, hairpin too: {from_pod:?}");
        assert!(from_pod.contains("b 10.244.1.2"), "pods keep their address: {from_pod:?}");
        assert_eq!(answers(&lab, None, "10.96.0.50:80").await, set(&["a 192.0.2.1", "b 192.0.2.1"]));
        for (from, to) in [
            (Some(&*a.netns), "10.96.0.51:80"),
            (None, "10.96.0.51:80"),
            (Some(&*a.netns), "10.96.9.9:80"),
            (None, "10.96.9.9:80"),
        ] {
            let error = lab.ask(from, to).await.unwrap_err();
            assert_eq!(error.kind(), std::io::ErrorKind::ConnectionRefused, "{from:?} {to}: {error}");
        }
        assert_eq!(proxy.apply(rules).await.unwrap().changes, 0);
        proxy.apply(RuleSet::default()).await.unwrap();
        assert!(lab.ask(Some(&a.netns), "10.96.0.50:80").await.is_err());
        proxy.close().await.unwrap();
        network.close_all().await.unwrap();
        assert_eq!(sh("nft list tables").trim(), "");
    });
}

#[test]
fn single_changes_reach_the_kernel() {
    lab::run(|lab| async move {
        let (network, a, _b) = two_pods(&lab).await;
        let proxy = ServiceProxy::open(lab.proxy()).await.unwrap();
        let key = Key::new("default", "web");
        let web = service("web", json!({"clusterIP": "10.96.0.50", "ports": [{"port": 80}]}));
        let mut services = Incremental::new(lab.node());
        proxy.apply(services.rule_set().clone()).await.unwrap();
        let mut step = async |ips: &[&str]| {
            let changes = services.update(&key, Some(&web), &[slice("web", "TCP", 8080, ips)]);
            let stats = proxy.update(&changes).await.unwrap();
            assert!(!stats.reloaded, "{changes:?}");
            stats.changes
        };
        assert_eq!(step(&[]).await, 1);
        assert!(lab.ask(Some(&a.netns), "10.96.0.50:80").await.is_err());
        assert_eq!(step(&["10.244.1.3"]).await, 4, "refusal, number, slot, hairpin");
        assert_eq!(answers(&lab, Some(&a.netns), "10.96.0.50:80").await, set(&["b 10.244.1.2"]));
        assert_eq!(step(&["10.244.1.2", "10.244.1.3"]).await, 4);
        assert_eq!(answers(&lab, None, "10.96.0.50:80").await, set(&["a 192.0.2.1", "b 192.0.2.1"]));
        let many: Vec<String> = (2..32).map(|n| format!("10.244.1.{n}")).collect();
        step(&many.iter().map(String::as_str).collect::<Vec<_>>()).await;
        let listed =
            sh(&format!("nft get element ip podium_{}_svc vip_slot '{{ 10.96.0.50 . tcp . 80 . 29 }}'", lab.id));
        assert!(listed.contains("10.244.1.31 . 8080"), "{listed}");
        step(&["10.244.1.2"]).await;
        assert_eq!(answers(&lab, None, "10.96.0.50:80").await, set(&["a 192.0.2.1"]));
        let most: Vec<String> = (2..90).map(|n| format!("10.244.1.{n}")).collect();
        let most: Vec<&str> = most.iter().map(String::as_str).collect();
        let changes = services.update(&key, Some(&web), &[slice("web", "TCP", 8080, &most)]);
        assert!(proxy.update(&changes).await.unwrap().reloaded, "more endpoints than ever");
        let changes = services.update(&key, Some(&web), &[slice("web", "TCP", 8080, &["10.244.1.2"])]);
        assert!(!proxy.update(&changes).await.unwrap().reloaded);
        assert_eq!(answers(&lab, None, "10.96.0.50:80").await, set(&["a 192.0.2.1"]));

        sh(&format!("nft flush table ip podium_{0}_svc; nft delete table ip podium_{0}_svc", lab.id));
        let changes = services.update(&key, Some(&web), &[slice("web", "TCP", 8080, &["10.244.1.3"])]);
        assert!(proxy.update(&changes).await.unwrap().reloaded, "what somebody has removed is loaded anew");
        assert_eq!(answers(&lab, None, "10.96.0.50:80").await, set(&["b 192.0.2.1"]));
        network.close_all().await.unwrap();
    });
}

#[test]
fn node_ports_and_traffic_policies() {
    lab::run(|lab| async move {
        let (network, a, _b) = two_pods(&lab).await;
        let proxy = ServiceProxy::open(lab.proxy()).await.unwrap();
        let spec = |ip: &str, port: u16, policy: &str| {
            json!({"type": "NodePort", "clusterIP": ip, "externalTrafficPolicy": policy,
                "externalIPs": [format!("198.51.100.{}", port % 100)], "ports": [{"port": 80, "nodePort": port}]})
        };
        let services = [
            service("all", spec("10.96.0.60", 30_001, "Cluster")),
            service("here", spec("10.96.0.61", 30_002, "Local")),
            service("there", spec("10.96.0.62", 30_003, "Local")),
            service(
                "inner",
                json!({"clusterIP": "10.96.0.63", "internalTrafficPolicy": "Local", "ports": [{"port": 80}]}),
            ),
        ];
        let slices = [
            slice("all", "TCP", 8080, &["10.244.1.2", "10.244.1.3"]),
            slice("here", "TCP", 8080, &["10.244.1.2"]),
            slice_on("here", "TCP", 8080, &["10.244.1.3"], "other"),
            slice_on("there", "TCP", 8080, &["10.244.1.3"], "other"),
            slice("inner", "TCP", 8080, &["10.244.1.2"]),
            slice_on("inner", "TCP", 8080, &["10.244.1.3"], "other"),
        ];
        proxy.apply(rule_set(&services, &slices, &lab.node())).await.unwrap();
        let outside = Some(lab.client());
        assert_eq!(answers(&lab, outside, "192.0.2.1:30001").await.len(), 2);
        assert_eq!(answers(&lab, outside, "198.51.100.1:80").await.len(), 2, "an external address");
        assert_eq!(answers(&lab, Some(&a.netns), "192.0.2.1:30001").await.len(), 2);
        assert_eq!(answers(&lab, None, "127.0.0.1:30001").await.len(), 2, "localhost of the node");
        assert_eq!(answers(&lab, outside, "192.0.2.1:30002").await, set(&["a 192.0.2.2"]), "local, with its source");
        assert_eq!(answers(&lab, outside, "198.51.100.2:80").await, set(&["a 192.0.2.2"]));
        assert_eq!(answers(&lab, None, "192.0.2.1:30002").await.len(), 2, "the policy is for traffic from outside");
        let dropped = lab.ask(outside, "192.0.2.1:30003").await.unwrap_err();
        assert_eq!(dropped.kind(), std::io::ErrorKind::TimedOut, "no local endpoint");
        assert_eq!(answers(&lab, None, "10.96.0.62:80").await, set(&["b 192.0.2.1"]));
        assert_eq!(answers(&lab, Some(&a.netns), "10.96.0.63:80").await.len(), 1);
        proxy.close().await.unwrap();
        network.close_all().await.unwrap();
    });
}

#[test]
fn clients_with_affinity_stay_until_their_endpoint_goes() {
    lab::run(|lab| async move {
        let (network, _a, _b) = two_pods(&lab).await;
        let proxy = ServiceProxy::open(lab.proxy()).await.unwrap();
        let sticky = service(
            "sticky",
            json!({"type": "NodePort", "clusterIP": "10.96.0.70", "ports": [{"port": 80, "nodePort": 30_070}],
                "sessionAffinity": "ClientIP", "sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 60}}}),
        );
        let rules =
            |ips: &[&str]| rule_set(std::slice::from_ref(&sticky), &[slice("sticky", "TCP", 8080, ips)], &lab.node());
        proxy.apply(rules(&["10.244.1.2", "10.244.1.3"])).await.unwrap();
        let first = answers(&lab, None, "10.96.0.70:80").await;
        assert_eq!(first.len(), 1, "{first:?}");
        assert_eq!(answers(&lab, Some(lab.client()), "192.0.2.1:30070").await.len(), 1);

        // A new agent loads everything anew and keeps the clients.
        let proxy = ServiceProxy::open(lab.proxy()).await.unwrap();
        proxy.apply(rules(&["10.244.1.2", "10.244.1.3"])).await.unwrap();
        assert_eq!(answers(&lab, None, "10.96.0.70:80").await, first);

        let (stays, says) = if first.contains("a 192.0.2.1") { ("10.244.1.3", "b") } else { ("10.244.1.2", "a") };
        assert!(!proxy.apply(rules(&[stays])).await.unwrap().reloaded);
        assert_eq!(answers(&lab, None, "10.96.0.70:80").await, set(&[&format!("{says} 192.0.2.1")]));
        proxy.apply(rules(&["10.244.1.2", "10.244.1.3"])).await.unwrap();
        assert_eq!(answers(&lab, None, "10.96.0.70:80").await, set(&[&format!("{says} 192.0.2.1")]), "bound anew");
        network.close_all().await.unwrap();
    });
}

#[test]
fn udp_flows_move_when_their_endpoint_goes() {
    lab::run(|lab| async move {
        let (network, a, _b) = two_pods(&lab).await;
        let proxy = ServiceProxy::open(lab.proxy()).await.unwrap();
        let udp = service("udp", json!({"clusterIP": "10.96.0.80", "ports": [{"port": 53, "protocol": "UDP"}]}));
        let rules = |ips: &[&str]| rule_set(std::slice::from_ref(&udp), &[slice("udp", "UDP", 8080, ips)], &lab.node());
        proxy.apply(rules(&["10.244.1.3"])).await.unwrap();
        let socket = lab.udp(&a.netns);
        assert_eq!(exchange(&socket, "10.96.0.80:53").await.unwrap(), "b 10.244.1.2");
        let c = network.attach("uid-c", "c", &[]).await.unwrap();
        lab.serve(&c.netns, 8080, "c");
        let stats = proxy.apply(rules(&["10.244.1.4"])).await.unwrap();
        assert_eq!(stats.flows, 1);
        assert_eq!(exchange(&socket, "10.96.0.80:53").await.unwrap(), "c 10.244.1.2", "the same socket");
        network.close_all().await.unwrap();
    });
}
