//! What may not change of what is stored.

use super::{base, updates};
use serde_json::{Value, json};

const SEALED: &str = "Forbidden: field is immutable when `immutable` is set";

#[test]
fn pods() {
    const FIXED: &str = "spec: Forbidden: pod updates may not change fields other than `spec.containers[*].image`,\
        `spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing \
        tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)…";
    let mut pod = base("pods");
    pod["spec"]["tolerations"] = json!([{"key": "k", "operator": "Exists"}]);
    pod["spec"]["activeDeadlineSeconds"] = json!(10);
    updates(
        "pods",
        &pod,
        &[
            ("/metadata/labels/a", json!("b"), &[]),
            ("/spec/containers/0/image", json!("c:2"), &[]),
            ("/spec/containers/0/command", json!(["x"]), &[FIXED]),
            ("/spec/hostNetwork", json!(true), &[FIXED]),
            (
                "/spec/containers/1",
                json!({"name": "d"}),
                &["spec.containers: Forbidden: pod updates may not add or remove containers"],
            ),
            (
                "/spec/tolerations",
                json!([]),
                &["spec.tolerations: Forbidden: existing toleration can not be modified except its tolerationSeconds"],
            ),
            (
                "/spec/activeDeadlineSeconds",
                json!(11),
                &["spec.activeDeadlineSeconds: Invalid value: 11: must be less than or equal to previous value"],
            ),
            (
                "/spec/activeDeadlineSeconds",
                json!(null),
                &[
                    r#"spec.activeDeadlineSeconds: Invalid value: "null": must not update from a positive integer to nil value"#,
                ],
            ),
            (
                "/spec/schedulingGates",
                json!([{"name": "g"}]),
                &[
                    "spec.schedulingGates[0].name: Forbidden: only deletion is allowed, but found new scheduling gate 'g'",
                ],
            ),
        ],
    );
    let terms = |list: Value| json!({"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": list}}});
    let mut gated = base("pods");
    gated["spec"]["schedulingGates"] = json!([{"name": "g"}]);
    gated["spec"]["nodeSelector"] = json!({"a": "b"});
    let rule = |key: &str| json!({"key": key, "operator": "Exists"});
    gated["spec"]["affinity"] = terms(json!([{"matchExpressions": [rule("a")]}]));
    updates(
        "pods",
        &gated,
        &[
            ("/spec/nodeSelector", json!({"a": "b", "c": "d"}), &[]),
            (
                "/spec/nodeSelector",
                json!({"a": "c"}),
                &[
                    r#"spec.nodeSelector: Invalid value: {"a":"c"}: only additions to spec.nodeSelector are allowed (no mutations or deletions)"#,
                ],
            ),
            ("/spec/affinity", terms(json!([{"matchExpressions": [rule("a"), rule("b")]}])), &[]),
            (
                "/spec/affinity",
                terms(json!([{"matchExpressions": [rule("b")]}])),
                &[
                    "spec.affinity.….nodeSelectorTerms[0]: Invalid value: …: only additions are allowed (no mutations or deletions)",
                ],
            ),
            (
                "/spec/affinity",
                terms(json!([{"matchExpressions": [rule("a")]}, {"matchExpressions": [rule("a")]}])),
                &["…: no additions/deletions to non-empty NodeSelectorTerms list are allowed"],
            ),
        ],
    );
}

#[test]
fn workloads() {
    for resource in ["deployments.apps", "replicasets.apps", "daemonsets.apps"] {
        updates(
            resource,
            &base(resource),
            &[
                ("/spec/template/spec/containers/0/image", json!("c:2"), &[]),
                (
                    "/spec/selector",
                    json!({"matchLabels": {"app": "b"}}),
                    &[r#"spec.selector: Invalid value: {"matchLabels":{"app":"b"}}: field is immutable"#],
                ),
            ],
        );
    }
    const OTHER: &str = "spec: Forbidden: updates to statefulset spec for fields other than 'replicas', 'ordinals', \
        'template', 'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and \
        'minReadySeconds' are forbidden";
    updates(
        "statefulsets.apps",
        &base("statefulsets.apps"),
        &[
            ("/spec/replicas", json!(3), &[]),
            ("/spec/minReadySeconds", json!(3), &[]),
            ("/spec/serviceName", json!("t"), &[OTHER]),
            ("/spec/podManagementPolicy", json!("Parallel"), &[OTHER]),
        ],
    );
    let mut job = base("jobs.batch");
    job["spec"]["suspend"] = json!(false);
    updates(
        "jobs.batch",
        &job,
        &[
            ("/spec/parallelism", json!(2), &[]),
            ("/spec/completions", json!(2), &["spec.completions: Invalid value: 2: field is immutable"]),
            (
                "/spec/template/spec/containers/0/image",
                json!("d"),
                &["spec.template: Invalid value: …: field is immutable"],
            ),
            (
                "/spec/selector",
                json!({"matchLabels": {"a": "b"}}),
                &["spec.selector: Invalid value: …: field is immutable"],
            ),
            (
                "/spec/completionMode",
                json!("Indexed"),
                &[r#"spec.completionMode: Invalid value: "Indexed": field is immutable"#],
            ),
        ],
    );
}

#[test]
fn data_and_storage() {
    for (resource, fields) in [("configmaps", ["data", "binaryData"]), ("secrets", ["data", "data"])] {
        let mut sealed = base(resource);
        sealed["immutable"] = json!(true);
        for field in fields {
            let place = format!("/{field}/z");
            updates(resource, &sealed, &[(&place, json!("eA=="), &[&format!("{field}: {SEALED}")])]);
        }
        updates(resource, &sealed, &[("/immutable", json!(false), &[&format!("immutable: {SEALED}")])]);
    }
    updates(
        "secrets",
        &base("secrets"),
        &[("/type", json!("a/b"), &[r#"type: Invalid value: "a/b": field is immutable"#])],
    );
    updates(
        "persistentvolumes",
        &base("persistentvolumes"),
        &[(
            "/spec/hostPath/path",
            json!("/b"),
            &["spec.persistentvolumesource: Forbidden: spec.persistentvolumesource is immutable after creation…"],
        )],
    );
    let mut claim = base("persistentvolumeclaims");
    claim["spec"]["volumeName"] = json!("v");
    claim["spec"]["volumeAttributesClassName"] = json!("fast");
    claim["status"] = json!({"phase": "Bound", "capacity": {"storage": "1Gi"}});
    const FIXED: &str = "spec: Forbidden: spec is immutable after creation except resources.requests and \
        volumeAttributesClassName for bound claims…";
    updates(
        "persistentvolumeclaims",
        &claim,
        &[
            ("/spec/resources/requests/storage", json!("2Gi"), &[]),
            (
                "/spec/resources/requests/storage",
                json!("1Mi"),
                &["spec.resources.requests.storage: Forbidden: field can not be less than status.capacity"],
            ),
            ("/spec/accessModes", json!(["ReadOnlyMany"]), &[FIXED]),
            ("/spec/volumeName", json!("w"), &[FIXED]),
            (
                "/spec/volumeAttributesClassName",
                json!(""),
                &[
                    "spec.volumeAttributesClassName: Forbidden: update from non-nil value to an empty string is forbidden",
                ],
            ),
        ],
    );
    let class = base("storageclasses.storage.k8s.io");
    updates(
        "storageclasses.storage.k8s.io",
        &class,
        &[
            ("/parameters", json!({"a": "c"}), &["parameters: Forbidden: updates to parameters are forbidden."]),
            (
                "/provisioner",
                json!("example.com/q"),
                &["provisioner: Forbidden: updates to provisioner are forbidden."],
            ),
            ("/reclaimPolicy", json!("Retain"), &["reclaimPolicy: Forbidden: updates to reclaimPolicy are forbidden."]),
            (
                "/volumeBindingMode",
                json!("WaitForFirstConsumer"),
                &[r#"volumeBindingMode: Invalid value: "WaitForFirstConsumer": field is immutable"#],
            ),
            ("/allowVolumeExpansion", json!(true), &[]),
        ],
    );
}

#[test]
fn services() {
    updates(
        "services",
        &base("services"),
        &[
            ("/spec/type", json!("NodePort"), &[]),
            ("/spec/clusterIP", Value::Null, &[]),
            (
                "/spec",
                json!({"clusterIP": "10.96.0.10", "clusterIPs": ["10.96.0.10"], "ports": [{"port": 80}]}),
                &[r#"spec.clusterIPs[0]: Invalid value: ["10.96.0.10"]: may not change once set"#],
            ),
        ],
    );
    let mut balanced = base("services");
    balanced["spec"]["type"] = json!("LoadBalancer");
    balanced["spec"]["externalTrafficPolicy"] = json!("Local");
    balanced["spec"]["healthCheckNodePort"] = json!(30000);
    updates(
        "services",
        &balanced,
        &[
            (
                "/spec/loadBalancerClass",
                json!("a/b"),
                &[r#"spec.loadBalancerClass: Invalid value: "a/b": may not change once set"#],
            ),
            ("/spec/healthCheckNodePort", json!(30001), &["spec.healthCheckNodePort: Forbidden: field is immutable"]),
        ],
    );
}

#[test]
fn references_and_names() {
    updates(
        "rolebindings.rbac.authorization.k8s.io",
        &base("rolebindings.rbac.authorization.k8s.io"),
        &[
            ("/roleRef/name", json!("s"), &["roleRef: Invalid value: …: cannot change roleRef"]),
            ("/subjects", json!([]), &[]),
        ],
    );
    updates(
        "ingressclasses.networking.k8s.io",
        &base("ingressclasses.networking.k8s.io"),
        &[("/spec/controller", json!("a.b/d"), &[r#"spec.controller: Invalid value: "a.b/d": field is immutable"#])],
    );
    updates(
        "priorityclasses.scheduling.k8s.io",
        &base("priorityclasses.scheduling.k8s.io"),
        &[("/value", json!(11), &["value: Forbidden: may not be changed in an update."])],
    );
    updates(
        "runtimeclasses.node.k8s.io",
        &base("runtimeclasses.node.k8s.io"),
        &[("/handler", json!("kata"), &[r#"handler: Invalid value: "kata": field is immutable"#])],
    );
    updates(
        "resourcequotas",
        &base("resourcequotas"),
        &[(
            "/spec/scopes",
            json!(["BestEffort"]),
            &[r#"spec.scopes: Invalid value: ["BestEffort"]: field is immutable"#],
        )],
    );
    updates(
        "nodes",
        &base("nodes"),
        &[(
            "/spec/podCIDRs",
            json!(["10.0.1.0/24"]),
            &[r#"spec.podCIDRs: Forbidden: node updates may not change podCIDR except from "" to valid"#],
        )],
    );
    updates(
        "endpointslices.discovery.k8s.io",
        &base("endpointslices.discovery.k8s.io"),
        &[("/addressType", json!("IPv6"), &[r#"addressType: Invalid value: "IPv6": field is immutable"#])],
    );
}
