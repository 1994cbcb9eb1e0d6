//! Ingresses, their classes, and NetworkPolicies.

use super::new_objects;
use serde_json::{Value, json};

#[test]
fn ingresses() {
    let path = "/spec/rules/0/http/paths/0";
    let at = |field: &str| format!("{path}/{field}");
    new_objects(
        "ingresses.networking.k8s.io",
        &[
            (
                "/spec/rules",
                Value::Null,
                &["spec: Invalid value: …: either `defaultBackend` or `rules` must be specified"],
            ),
            (
                "/spec/rules/0/host",
                json!("10.0.0.1"),
                &[r#"spec.rules[0].host: Invalid value: "10.0.0.1": must be a DNS name, not an IP address"#],
            ),
            (
                "/spec/rules/0/host",
                json!("A.example"),
                &[
                    r#"spec.rules[0].host: Invalid value: "A.example": a lowercase RFC 1123 subdomain must consist of …"#,
                ],
            ),
            (
                "/spec/rules/0/host",
                json!("a.*.example"),
                &[
                    r#"spec.rules[0].host: Invalid value: "a.*.example": a wildcard DNS-1123 subdomain must start with '*.', …"#,
                ],
            ),
            ("/spec/rules/0/http/paths", json!([]), &["spec.rules[0].http.paths: Required value"]),
            (
                &at("pathType"),
                Value::Null,
                &["spec.rules[0].http.paths[0].pathType: Required value: pathType must be specified"],
            ),
            (
                &at("path"),
                json!("a"),
                &[r#"spec.rules[0].http.paths[0].path: Invalid value: "a": must be an absolute path"#],
            ),
            (
                &at("backend"),
                json!({}),
                &[r#"spec.rules[0].http.paths[0].backend: Invalid value: "": resource or service backend is required"#],
            ),
            (
                &at("backend/service/port"),
                json!({}),
                &["spec.rules[0].http.paths[0].backend: Required value: port name or number is required"],
            ),
            (
                &at("backend/service/port/name"),
                json!("web"),
                &[r#"spec.rules[0].http.paths[0].backend: Invalid value: "": cannot set both port name & port number"#],
            ),
            (
                "/spec/tls",
                json!([{"secretName": "A"}]),
                &[r#"spec.tls[0].secretName: Invalid value: "A": a lowercase …"#],
            ),
        ],
    );
    new_objects(
        "ingressclasses.networking.k8s.io",
        &[
            ("/spec/controller", Value::Null, &["spec.controller: Required value"]),
            (
                "/spec/controller",
                json!("c"),
                &[r#"spec.controller: Invalid value: "c": must be a domain-prefixed path (such as "acme.io/foo")"#],
            ),
            (
                "/spec/parameters",
                json!({"kind": "K", "name": "n", "scope": "Namespace"}),
                &["spec.parameters.namespace: Required value: `parameters.scope` is set to 'Namespace'"],
            ),
        ],
    );
}

#[test]
fn policies() {
    let (port, from) = ("/spec/ingress/0/ports/0", "/spec/ingress/0/from/0");
    new_objects(
        "networkpolicies.networking.k8s.io",
        &[
            (
                port,
                json!({"port": 80, "protocol": "ICMP"}),
                &[
                    r#"spec.ingress[0].ports[0].protocol: Unsupported value: "ICMP": supported values: "TCP", "UDP", "SCTP""#,
                ],
            ),
            (
                port,
                json!({"port": 80, "endPort": 79}),
                &["spec.ingress[0].ports[0].endPort: Invalid value: 79: must be greater than or equal to `port`"],
            ),
            (
                port,
                json!({"endPort": 79}),
                &[
                    "spec.ingress[0].ports[0].endPort: Invalid value: 79: may not be specified when `port` is not specified",
                ],
            ),
            (from, json!({}), &["spec.ingress[0].from[0]: Required value: must specify a peer"]),
            (
                from,
                json!({"podSelector": {}, "ipBlock": {"cidr": "10.0.0.0/8"}}),
                &["spec.ingress[0].from[0]: Forbidden: may not specify both ipBlock and another peer"],
            ),
            (
                from,
                json!({"ipBlock": {"cidr": "10.0.0.0"}}),
                &[
                    r#"spec.ingress[0].from[0].ipBlock.cidr: Invalid value: "10.0.0.0": must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"#,
                ],
            ),
            (
                from,
                json!({"ipBlock": {"cidr": "10.0.0.0/8", "except": ["11.0.0.0/9"]}}),
                &[
                    r#"spec.ingress[0].from[0].ipBlock.except[0]: Invalid value: "11.0.0.0/9": must be a strict subset of `cidr`"#,
                ],
            ),
            (
                "/spec/policyTypes",
                json!(["Both"]),
                &[r#"spec.policyTypes[0]: Unsupported value: "Both": supported values: "Ingress", "Egress""#],
            ),
        ],
    );
}
