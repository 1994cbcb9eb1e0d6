//! Services, volumes, nodes, quotas and the other kinds of the core group.

use super::new_objects;
use serde_json::{Value, json};

#[test]
fn services() {
    new_objects(
        "services",
        &[
            ("/spec/ports", Value::Null, &["spec.ports: Required value"]),
            (
                "/spec/type",
                json!("Odd"),
                &[
                    r#"spec.type: Unsupported value: "Odd": supported values: "ClusterIP", "ExternalName", "LoadBalancer", "NodePort""#,
                ],
            ),
            (
                "/spec/ports/0/port",
                json!(0),
                &["spec.ports[0].port: Invalid value: 0: …", "spec.ports[0].targetPort: …"],
            ),
            (
                "/spec/ports/0/targetPort",
                json!("Not_a_port"),
                &[
                    r#"spec.ports[0].targetPort: Invalid value: "Not_a_port": must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)"#,
                ],
            ),
            ("/spec/ports/1", json!({"port": 81, "name": "b"}), &["spec.ports[0].name: Required value"]),
            (
                "/spec/ports/0/nodePort",
                json!(30000),
                &["spec.ports[0].nodePort: Forbidden: may not be used when `type` is 'ClusterIP'"],
            ),
            (
                "/spec/ports/0/appProtocol",
                json!("a b"),
                &[r#"spec.ports[0].appProtocol: Invalid value: "a b": name part must consist of …"#],
            ),
            (
                "/spec/sessionAffinity",
                json!("Sticky"),
                &[r#"spec.sessionAffinity: Unsupported value: "Sticky": supported values: "ClientIP", "None""#],
            ),
            (
                "/spec/externalTrafficPolicy",
                json!("Local"),
                &[
                    r#"spec.externalTrafficPolicy: Invalid value: "Local": may only be set for externally-accessible services"#,
                ],
            ),
            (
                "/spec/externalIPs",
                json!(["127.0.0.1"]),
                &[
                    r#"spec.externalIPs[0]: Invalid value: "127.0.0.1": may not be in the loopback range (127.0.0.0/8, ::1/128)"#,
                ],
            ),
            (
                "/spec/loadBalancerClass",
                json!("a/b"),
                &["spec.loadBalancerClass: Forbidden: may only be used when `type` is 'LoadBalancer'"],
            ),
            (
                "/spec/loadBalancerSourceRanges",
                json!(["10.0.0.0/8"]),
                &["spec.LoadBalancerSourceRanges: Forbidden: may only be used when `type` is 'LoadBalancer'"],
            ),
            (
                "/spec/clusterIPs",
                json!(["10.96.0.8"]),
                &[r#"spec.clusterIPs: Invalid value: ["10.96.0.8"]: first value must match `clusterIP`"#],
            ),
            (
                "/spec/ipFamilies",
                json!(["IPv6"]),
                &[
                    r#"spec.clusterIPs[0]: Invalid value: "10.96.0.9": expected an IPv6 value as indicated by `ipFamilies[0]`"#,
                ],
            ),
            (
                "/spec/trafficDistribution",
                json!("Far"),
                &[r#"spec.trafficDistribution: Unsupported value: "Far": supported values: "PreferClose", …"#],
            ),
        ],
    );
}

#[test]
fn data() {
    new_objects(
        "configmaps",
        &[
            ("/data/a b", json!("x"), &[r#"data[a b]: Invalid value: "a b": a valid config key must consist of …"#]),
            (
                "/binaryData",
                json!({"k": "eA=="}),
                &[r#"data[k]: Invalid value: "k": duplicate of key present in binaryData"#],
            ),
        ],
    );
    new_objects(
        "secrets",
        &[
            ("/type", json!("kubernetes.io/tls"), &["data[tls.crt]: Required value", "data[tls.key]: Required value"]),
            (
                "/type",
                json!("kubernetes.io/basic-auth"),
                &["data[username]: Required value", "data[password]: Required value"],
            ),
            ("/type", json!("kubernetes.io/ssh-auth"), &["data[ssh-privatekey]: Required value"]),
            ("/type", json!("kubernetes.io/dockerconfigjson"), &["data[.dockerconfigjson]: Required value"]),
            (
                "/type",
                json!("kubernetes.io/service-account-token"),
                &["metadata.annotations[kubernetes.io/service-account.name]: Required value"],
            ),
        ],
    );
}

#[test]
fn storage() {
    new_objects(
        "persistentvolumes",
        &[
            ("/spec/accessModes", Value::Null, &["spec.accessModes: Required value"]),
            (
                "/spec/capacity",
                json!({"storage": "0"}),
                &[r#"spec.capacity[storage]: Invalid value: "0": must be greater than zero"#],
            ),
            ("/spec/hostPath", Value::Null, &["spec: Required value: must specify a volume type"]),
            (
                "/spec/local",
                json!({"path": "/x"}),
                &[
                    "spec.local: Forbidden: may not specify more than 1 volume type",
                    "spec.nodeAffinity: Required value: Local volume requires node affinity",
                ],
            ),
            (
                "/spec/persistentVolumeReclaimPolicy",
                json!("Burn"),
                &[
                    r#"spec.persistentVolumeReclaimPolicy: Unsupported value: "Burn": supported values: "Delete", "Recycle", "Retain""#,
                ],
            ),
            (
                "/spec/nodeAffinity",
                json!({"required": {}}),
                &[
                    "spec.nodeAffinity.required.nodeSelectorTerms: Required value: must have at least one node selector term",
                ],
            ),
        ],
    );
    new_objects(
        "persistentvolumeclaims",
        &[
            ("/spec/accessModes", json!([]), &["spec.accessModes: Required value: at least 1 access mode is required"]),
            ("/spec/resources", json!({}), &["spec.resources[storage]: Required value"]),
            (
                "/spec/storageClassName",
                json!("A"),
                &[r#"spec.storageClassName: Invalid value: "A": a lowercase RFC 1123 subdomain must consist of …"#],
            ),
            (
                "/spec/dataSource",
                json!({"kind": "Tape", "name": "t"}),
                &[
                    r#"spec.dataSource: Invalid value: "Tape": must be 'PersistentVolumeClaim' when referencing the default apiGroup"#,
                    r#"spec.dataSourceRef: Invalid value: "Tape": must be 'PersistentVolumeClaim' when referencing the default apiGroup"#,
                ],
            ),
        ],
    );
}

#[test]
fn nodes_and_endpoints() {
    new_objects(
        "nodes",
        &[
            ("/spec/taints", json!([{"key": "k"}]), &["metadata.taints[0].effect: Required value"]),
            (
                "/spec/taints",
                json!([{"key": "k", "effect": "NoSchedule"}, {"key": "k", "effect": "NoSchedule", "value": "v"}]),
                &["metadata.taints[1]: Duplicate value: …: taints must be unique by key and effect pair"],
            ),
            (
                "/spec/podCIDRs",
                json!(["10.0.0.0"]),
                &[
                    r#"spec.podCIDRs[0]: Invalid value: "10.0.0.0": must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"#,
                ],
            ),
        ],
    );
    new_objects(
        "endpoints",
        &[
            (
                "/subsets/0/addresses",
                json!([]),
                &["subsets[0]: Required value: must specify `addresses` or `notReadyAddresses`"],
            ),
            (
                "/subsets/0/addresses/0/ip",
                json!("169.254.1.2"),
                &[
                    r#"subsets[0].addresses[0].ip: Invalid value: "169.254.1.2": may not be in the link-local range (169.254.0.0/16, fe80::/10)"#,
                ],
            ),
        ],
    );
    new_objects(
        "endpointslices.discovery.k8s.io",
        &[
            ("/addressType", Value::Null, &["addressType: Required value"]),
            (
                "/endpoints/0/addresses",
                json!([]),
                &["endpoints[0].addresses: Required value: must contain at least 1 address"],
            ),
            (
                "/endpoints/0/addresses/0",
                json!("::1"),
                &[r#"endpoints[0].addresses[0]: Invalid value: "::1": must be a valid IPv4 address"#],
            ),
        ],
    );
}

#[test]
fn limits() {
    new_objects(
        "limitranges",
        &[
            (
                "/spec/limits/0/type",
                json!("Cup"),
                &[r#"spec.limits[0].type: Invalid value: "Cup": must be a standard limit type or fully qualified"#],
            ),
            (
                "/spec/limits/0/min",
                json!({"cpu": "3"}),
                &[
                    r#"spec.limits[0].min[cpu]: Invalid value: "3": min value 3 is greater than max value 2"#,
                    r#"spec.limits[0].defaultRequest[cpu]: Invalid value: "2": min value 3 is greater than default request value 2"#,
                    r#"spec.limits[0].default[cpu]: Invalid value: "3": min value 3 is greater than default value 2"#,
                ],
            ),
            (
                "/spec/limits/0/maxLimitRequestRatio",
                json!({"cpu": "500m"}),
                &[r#"spec.limits[0].maxLimitRequestRatio[cpu]: Invalid value: "500m": ratio 500m is less than 1"#],
            ),
            (
                "/spec/limits/1",
                json!({"type": "PersistentVolumeClaim"}),
                &[
                    "spec.limits[1].limits: Required value: either minimum or maximum storage value is required, but neither was provided",
                ],
            ),
            (
                "/spec/limits/1",
                json!({"type": "Pod", "default": {"cpu": "1"}}),
                &["spec.limits[1].default: Forbidden: may not be specified when `type` is 'Pod'"],
            ),
        ],
    );
    new_objects(
        "resourcequotas",
        &[
            (
                "/spec/hard",
                json!({"cups": "1"}),
                &[
                    r#"spec.hard[cups]: Invalid value: "cups": must be a standard resource type or fully qualified"#,
                    r#"spec.hard[cups]: Invalid value: "cups": must be a standard resource for quota"#,
                ],
            ),
            ("/spec/hard", json!({"count/a.b": "1", "limits.cpu": "1", "services.nodeports": "1"}), &[]),
            (
                "/spec/scopes",
                json!(["Terminating", "NotTerminating"]),
                &["spec.scopes: Invalid value: …: conflicting scopes"],
            ),
            (
                "/spec",
                json!({"hard": {"secrets": "1"}, "scopes": ["BestEffort"]}),
                &[r#"spec.scopes: Invalid value: ["BestEffort"]: unsupported scope applied to resource"#],
            ),
            (
                "/spec/scopeSelector",
                json!({"matchExpressions": [{"scopeName": "PriorityClass", "operator": "In"}]}),
                &[
                    "spec.scopeSelector.matchExpressions.values: Required value: must be at least one value when `operator` is 'In' or 'NotIn' for scope selector",
                ],
            ),
        ],
    );
}
