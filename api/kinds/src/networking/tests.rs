//! Messages and cells of the group's kinds.

use super::*;
use crate::{
    Kind,
    testing::{changes, defaulted, errors, shown},
};
use serde_json::{Value, json};

#[test]
fn messages() {
    let entry = |entry: Value| json!({"spec": {"rules": [{"host": "a.b", "http": {"paths": [entry]}}]}});
    let good =
        json!({"path": "/", "pathType": "Prefix", "backend": {"service": {"name": "s", "port": {"number": 80}}}});
    let peer = |peer: Value| json!({"spec": {"podSelector": {}, "ingress": [{"from": [peer]}]}});
    let port = |port: Value| json!({"spec": {"podSelector": {}, "egress": [{"ports": [port]}]}});
    let cases: &[(&Kind, Value, &[&str])] = &[
        (&ingress::KIND, entry(good), &[]),
        (
            &ingress::KIND,
            json!({"spec": {}}),
            &["spec: Invalid value: null: either `defaultBackend` or `rules` must be specified"],
        ),
        (
            &ingress::KIND,
            entry(json!({"path": "a", "backend": {}})),
            &[
                "spec.rules[0].http.paths[0].pathType: Required value: pathType must be specified",
                "spec.rules[0].http.paths[0].backend: Invalid value: \"\": resource or service backend is required",
            ],
        ),
        (
            &ingress::KIND,
            entry(json!({"path": "a//b", "pathType": "Exact", "backend": {"service": {"name": "s"}}})),
            &[
                r#"spec.rules[0].http.paths[0].path: Invalid value: "a//b": must be an absolute path"#,
                r#"spec.rules[0].http.paths[0].path: Invalid value: "a//b": must not contain '//'"#,
                "spec.rules[0].http.paths[0].backend: Required value: port name or number is required",
            ],
        ),
        (&ingressclass::KIND, json!({"spec": {"controller": "a.io/x"}}), &[]),
        (
            &ingressclass::KIND,
            json!({"spec": {"controller": "a.io/x", "parameters": {"kind": "K", "name": "n", "scope": "Namespace"}}}),
            &["spec.parameters.namespace: Required value: `parameters.scope` is set to 'Namespace'"],
        ),
        (&networkpolicy::KIND, peer(json!({"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.1.0.0/16"]}})), &[]),
        (&networkpolicy::KIND, peer(json!({})), &["spec.ingress[0].from[0]: Required value: must specify a peer"]),
        (
            &networkpolicy::KIND,
            peer(json!({"ipBlock": {"cidr": "10.0.0.0/8", "except": ["11.0.0.0/16"]}, "podSelector": {}})),
            &[
                "spec.ingress[0].from[0]: Forbidden: may not specify both ipBlock and another peer",
                r#"spec.ingress[0].from[0].ipBlock.except[0]: Invalid value: "11.0.0.0/16": must be a strict subset of `cidr`"#,
            ],
        ),
        (
            &networkpolicy::KIND,
            port(json!({"port": 80, "endPort": 79})),
            &["spec.egress[0].ports[0].endPort: Invalid value: 79: must be greater than or equal to `port`"],
        ),
        (
            &ipaddress::KIND,
            json!({"spec": {"parentRef": {"resource": "services"}}}),
            &["spec.parentRef.name: Required value"],
        ),
        (&servicecidr::KIND, json!({"spec": {"cidrs": ["10.0.0.0/16", "fd00::/108"]}}), &[]),
        (
            &servicecidr::KIND,
            json!({"spec": {"cidrs": ["10.0.0.1"]}}),
            &[
                r#"spec.cidrs[0]: Invalid value: "10.0.0.1": must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"#,
            ],
        ),
    ];
    for (kind, object, expected) in cases {
        assert_eq!(errors(kind, object), *expected, "{} {object}", kind.kind);
    }
    assert!(ipaddress::KIND.strategy.validate_name("10.0.0.1").is_ok());
    assert!(ipaddress::KIND.strategy.validate_name("FD00::1").is_err());
}

#[test]
fn what_stays() {
    let cases: &[(&Kind, &str)] =
        &[(&ingressclass::KIND, "controller"), (&ipaddress::KIND, "parentRef"), (&servicecidr::KIND, "cidrs")];
    for (kind, field) in cases {
        let old = json!({"spec": {*field: ["a"]}});
        let new = json!({"spec": {*field: ["b"]}});
        assert_eq!(changes(kind, &new, &old), [format!("spec.{field}: Invalid value: [\"b\"]: field is immutable")]);
    }
}

#[test]
fn policies_say_which_directions_they_rule() {
    let types = |spec: Value| defaulted(&networkpolicy::KIND, &json!({"spec": spec}))["spec"]["policyTypes"].clone();
    assert_eq!(types(json!({})), json!(["Ingress"]));
    assert_eq!(types(json!({"egress": [{}]})), json!(["Ingress", "Egress"]));
    assert_eq!(types(json!({"policyTypes": ["Egress"]})), json!(["Egress"]));
}

#[test]
fn cells() {
    let hosts: Vec<Value> = ["a", "b", "c", "d"].iter().map(|h| json!({"host": h})).collect();
    let object = json!({"metadata": {"name": "i"}, "spec": {"rules": hosts, "tls": [{}]},
        "status": {"loadBalancer": {"ingress": [{"ip": "1.2.3.4"}]}}});
    assert_eq!(shown(&ingress::KIND, &object), ["i", "<none>", "a,b,c + 1 more...", "1.2.3.4", "80, 443", "<unknown>"]);
    let parent = json!({"resource": "services", "namespace": "n", "name": "s"});
    let object = json!({"metadata": {"name": "10.0.0.1"}, "spec": {"parentRef": parent}});
    assert_eq!(shown(&ipaddress::KIND, &object), ["10.0.0.1", "services/n/s"]);
    let parameters = json!({"kind": "K", "name": "p", "apiGroup": "g"});
    let object = json!({"metadata": {"name": "c"}, "spec": {"controller": "a.io/x", "parameters": parameters}});
    assert_eq!(shown(&ingressclass::KIND, &object), ["c", "a.io/x", "K.g/p", "<unknown>"]);
}
