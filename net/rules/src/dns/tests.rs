//! Answers of the name server, by table.

use super::*;
use k8s_openapi::api::{core::v1::Service, discovery::v1::EndpointSlice};
use podium_types::Key;
use serde_json::{Value, json};
use std::sync::Arc;

fn service(namespace: &str, name: &str, spec: Value) -> Arc<Service> {
    Arc::new(serde_json::from_value(json!({"metadata": {"namespace": namespace, "name": name}, "spec": spec})).unwrap())
}

fn config() -> ZoneConfig {
    ZoneConfig {
        domain: "cluster.local".into(),
        dns_ip: "10.96.0.10".parse().unwrap(),
        reverse: vec!["10.96.0.0/16".parse().unwrap(), "10.244.0.0/16".parse().unwrap()],
    }
}

fn zone() -> Zone {
    let services = [
        service(
            "default",
            "web",
            json!({"clusterIP": "10.96.0.50", "clusterIPs": ["10.96.0.50", "fd00::50"],
            "ports": [{"name": "http", "port": 80}]}),
        ),
        service("default", "db", json!({"clusterIP": "None", "ports": [{"name": "pg", "port": 5432}]})),
        service("default", "idle", json!({"clusterIP": "None"})),
        service("other", "alias", json!({"type": "ExternalName", "externalName": "Web.default.svc.cluster.local."})),
        service("other", "out", json!({"type": "ExternalName", "externalName": "example.org"})),
        service("other", "ring-a", json!({"type": "ExternalName", "externalName": "ring-b.other.svc.cluster.local"})),
        service("other", "ring-b", json!({"type": "ExternalName", "externalName": "ring-a.other.svc.cluster.local"})),
    ];
    let slice: EndpointSlice = serde_json::from_value(json!({
        "metadata": {"namespace": "default", "name": "db-1", "labels": {"kubernetes.io/service-name": "db"}},
        "addressType": "IPv4", "ports": [{"name": "pg", "protocol": "TCP", "port": 5433}],
        "endpoints": [
            {"addresses": ["10.244.1.2"], "hostname": "db-0", "conditions": {"ready": true}},
            {"addresses": ["10.244.1.3"], "conditions": {}},
            {"addresses": ["10.244.1.4"], "hostname": "db-2", "conditions": {"ready": false}}],
    }))
    .unwrap();
    Zone::build(config(), &services, &[Arc::new(slice)])
}

/// Code, answers and whether there is an SOA, in brief.
fn ask(zone: &Zone, name: &str, kind: RecordType) -> String {
    let answer = answer(zone, name, kind);
    let records: Vec<String> = answer
        .records
        .iter()
        .map(|record| match &record.data {
            Data::A(ip) => ip.to_string(),
            Data::Aaaa(ip) => ip.to_string(),
            Data::Cname(name) => format!("-> {name}"),
            Data::Ptr(name) | Data::Txt(name) | Data::Ns(name) => name.clone(),
            Data::Srv { port, target, .. } => format!("{target}:{port}"),
            Data::Soa { .. } => "soa".into(),
            Data::None => "none".into(),
        })
        .collect();
    let code = match answer.code {
        Code::NoError if answer.authority.is_some() => "NODATA",
        Code::NoError => "OK",
        Code::NxDomain => "NXDOMAIN",
        Code::NotAuthoritative => "OTHERS",
    };
    assert_eq!(answer.authority.is_some(), matches!(code, "NODATA" | "NXDOMAIN"), "{name}");
    let chase = answer.chase.map(|name| format!(" chase {name}")).unwrap_or_default();
    format!("{code} {}{chase}", records.join(" ")).trim_end().to_owned()
}

#[test]
fn answers() {
    use RecordType::*;
    let zone = zone();
    for (name, kind, expected) in [
        ("web.default.svc.cluster.local.", A, "OK 10.96.0.50"),
        ("WEB.Default.svc.CLUSTER.local", A, "OK 10.96.0.50"),
        ("web.default.svc.cluster.local", Aaaa, "OK fd00::50"),
        ("web.default.svc.cluster.local", Other, "NODATA"),
        ("db.default.svc.cluster.local", Aaaa, "NODATA"),
        ("_http._tcp.web.default.svc.cluster.local", Srv, "OK web.default.svc.cluster.local:80"),
        ("_tcp.web.default.svc.cluster.local", Srv, "NODATA"),
        ("_smtp._tcp.web.default.svc.cluster.local", Srv, "NXDOMAIN"),
        ("db.default.svc.cluster.local", A, "OK 10.244.1.2 10.244.1.3"),
        ("db-0.db.default.svc.cluster.local", A, "OK 10.244.1.2"),
        ("10-244-1-3.db.default.svc.cluster.local", A, "OK 10.244.1.3"),
        ("db-2.db.default.svc.cluster.local", A, "NXDOMAIN"),
        (
            "_pg._tcp.db.default.svc.cluster.local",
            Srv,
            "OK db-0.db.default.svc.cluster.local:5433 10-244-1-3.db.default.svc.cluster.local:5433",
        ),
        ("idle.default.svc.cluster.local", A, "NODATA"),
        ("alias.other.svc.cluster.local", A, "OK -> web.default.svc.cluster.local 10.96.0.50"),
        ("alias.other.svc.cluster.local", Cname, "OK -> web.default.svc.cluster.local"),
        ("alias.other.svc.cluster.local", Srv, "OK -> web.default.svc.cluster.local web.default.svc.cluster.local:80"),
        ("out.other.svc.cluster.local", A, "OK -> example.org chase example.org"),
        ("nobody.default.svc.cluster.local", A, "NXDOMAIN"),
        ("web.nowhere.svc.cluster.local", A, "NXDOMAIN"),
        ("default.svc.cluster.local", A, "NODATA"),
        ("svc.cluster.local", A, "NODATA"),
        ("cluster.local", A, "NODATA"),
        ("cluster.local", Soa, "OK soa"),
        ("cluster.local", Ns, "OK ns.dns.cluster.local"),
        ("ns.dns.cluster.local", A, "OK 10.96.0.10"),
        ("dns-version.cluster.local", Txt, "OK 1.1.0"),
        ("10-244-1-9.default.pod.cluster.local", A, "OK 10.244.1.9"),
        ("10-244-1-9.default.pod.cluster.local", Aaaa, "NODATA"),
        ("10-244-1.default.pod.cluster.local", A, "NXDOMAIN"),
        ("pod.cluster.local", A, "NODATA"),
        ("50.0.96.10.in-addr.arpa", Ptr, "OK web.default.svc.cluster.local"),
        ("2.1.244.10.in-addr.arpa", Ptr, "OK db-0.db.default.svc.cluster.local"),
        ("99.0.96.10.in-addr.arpa", Ptr, "NXDOMAIN"),
        ("1.0.0.127.in-addr.arpa", Ptr, "OTHERS"),
        ("10.in-addr.arpa", Ptr, "OTHERS"),
        ("example.org", A, "OTHERS"),
        ("notcluster.local", A, "OTHERS"),
        ("", A, "OTHERS"),
    ] {
        assert_eq!(ask(&zone, name, kind), expected, "{name} {kind:?}");
    }
}

#[test]
fn circles_of_aliases_end() {
    let answer = answer(&zone(), "ring-a.other.svc.cluster.local", RecordType::A);
    assert!(answer.records.len() < 20, "{answer:?}");
    assert!(answer.chase.is_none());
}

#[test]
fn srv_answers_carry_addresses() {
    let answer = answer(&zone(), "_pg._tcp.db.default.svc.cluster.local", RecordType::Srv);
    let names: Vec<_> = answer.additional.iter().map(|record| record.name.as_str()).collect();
    assert_eq!(names, ["db-0.db.default.svc.cluster.local", "10-244-1-3.db.default.svc.cluster.local"]);
    assert!(answer.records.iter().all(|record| record.ttl == ENDPOINT_TTL));
}

#[test]
fn changes_leave_the_old_zone_and_the_other_names_alone() {
    let old = zone();
    let key = Key::new("default", "web");
    let gone = old.with(&key, None, &[]);
    assert_eq!(ask(&gone, "web.default.svc.cluster.local", RecordType::A), "NXDOMAIN");
    assert_eq!(ask(&gone, "50.0.96.10.in-addr.arpa", RecordType::Ptr), "NXDOMAIN");
    assert_eq!(ask(&gone, "_http._tcp.web.default.svc.cluster.local", RecordType::Srv), "NXDOMAIN");
    assert_eq!(ask(&gone, "db.default.svc.cluster.local", RecordType::A), "OK 10.244.1.2 10.244.1.3");
    assert_eq!(ask(&old, "web.default.svc.cluster.local", RecordType::A), "OK 10.96.0.50");
    let moved = service("default", "web", json!({"clusterIP": "10.96.0.51"}));
    let moved = old.with(&key, Some(&moved), &[]);
    assert_eq!(ask(&moved, "web.default.svc.cluster.local", RecordType::A), "OK 10.96.0.51");
    assert_eq!(ask(&moved, "50.0.96.10.in-addr.arpa", RecordType::Ptr), "NXDOMAIN");
}
