//! Pods: names, places, resolution of names.

use super::new_objects;
use serde_json::{Value, json};

#[test]
fn places() {
    let spread = |constraint| json!([constraint]);
    new_objects(
        "pods",
        &[
            (
                "/spec/nodeSelector",
                json!({"a": "b c"}),
                &[r#"spec.nodeSelector: Invalid value: "b c": a valid label must be …"#],
            ),
            (
                "/spec/tolerations",
                json!([{"operator": "Equal"}]),
                &[
                    r#"spec.tolerations[0].operator: Invalid value: "Equal": operator must be Exists when `key` is empty, which means "match all values and all keys""#,
                ],
            ),
            (
                "/spec/tolerations",
                json!([{"key": "k", "operator": "Exists", "tolerationSeconds": 1}]),
                &[
                    r#"spec.tolerations[0].effect: Invalid value: "": effect must be 'NoExecute' when `tolerationSeconds` is set"#,
                ],
            ),
            (
                "/spec/tolerations",
                json!([{"key": "k", "operator": "Exists", "effect": "Never"}]),
                &[
                    r#"spec.tolerations[0].effect: Unsupported value: "Never": supported values: "NoSchedule", "PreferNoSchedule", "NoExecute""#,
                ],
            ),
            (
                "/spec/affinity",
                json!({"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": []}}}),
                &[
                    "spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms: Required value: must have at least one node selector term",
                ],
            ),
            (
                "/spec/affinity",
                json!({"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [
                    {"matchExpressions": [{"key": "k", "operator": "In"}]}]}}}),
                &["…matchExpressions[0].values: Required value: must be specified when `operator` is 'In' or 'NotIn'"],
            ),
            (
                "/spec/affinity",
                json!({"podAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [
                    {"weight": 101, "podAffinityTerm": {"topologyKey": "z"}}]}}),
                &["…[0].weight: Invalid value: 101: must be in the range 1-100"],
            ),
            (
                "/spec/affinity",
                json!({"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [{}]}}),
                &[
                    "…[0].topologyKey: Required value: can not be empty",
                    r#"…[0].topologyKey: Invalid value: "": name part must be non-empty"#,
                ],
            ),
            (
                "/spec/topologySpreadConstraints",
                spread(json!({"maxSkew": 0, "topologyKey": "z", "whenUnsatisfiable": "DoNotSchedule"})),
                &["spec.topologySpreadConstraints[0].maxSkew: Invalid value: 0: must be greater than zero"],
            ),
            (
                "/spec/topologySpreadConstraints",
                spread(json!({"maxSkew": 1, "topologyKey": "z", "whenUnsatisfiable": "Perhaps"})),
                &[
                    r#"spec.topologySpreadConstraints[0].whenUnsatisfiable: Unsupported value: "Perhaps": supported values: "DoNotSchedule", "ScheduleAnyway""#,
                ],
            ),
            (
                "/spec/topologySpreadConstraints",
                spread(
                    json!({"maxSkew": 1, "topologyKey": "z", "whenUnsatisfiable": "ScheduleAnyway", "minDomains": 2}),
                ),
                &[
                    "spec.topologySpreadConstraints[0].minDomains: Invalid value: 2: can only use minDomains if whenUnsatisfiable=DoNotSchedule, not ScheduleAnyway",
                ],
            ),
            (
                "/spec/topologySpreadConstraints",
                spread(json!({"maxSkew": 1, "topologyKey": "z", "whenUnsatisfiable": "DoNotSchedule",
                    "matchLabelKeys": ["a"]})),
                &[
                    "spec.topologySpreadConstraints[0].matchLabelKeys: Forbidden: must not be specified when labelSelector is not set",
                ],
            ),
            (
                "/spec/schedulingGates",
                json!([{"name": "g"}, {"name": "g"}]),
                &[r#"spec.schedulingGates[1]: Duplicate value: "g""#],
            ),
        ],
    );
}

/// What Go holds as it is prints its zero, and not that it is absent.
#[test]
fn absent_values() {
    let affinity = |term: Value| {
        let kind = "preferredDuringSchedulingIgnoredDuringExecution";
        json!({"nodeAffinity": {kind: [term]}})
    };
    new_objects(
        "pods",
        &[
            (
                "/spec/affinity",
                affinity(json!({"preference": {"matchFields": [{}]}})),
                &[
                    "spec.affinity.…[0].weight: Invalid value: 0: must be in the range 1-100",
                    r#"…matchFields[0].operator: Invalid value: "": not a valid selector operator"#,
                    r#"…matchFields[0].key: Invalid value: "": not a valid field selector key"#,
                ],
            ),
            (
                "/spec/affinity",
                affinity(json!({"weight": 1, "preference": {"matchExpressions": [{"key": "a"}]}})),
                &[r#"…matchExpressions[0].operator: Invalid value: "": not a valid selector operator"#],
            ),
        ],
    );
}

#[test]
fn names_and_policies() {
    new_objects(
        "pods",
        &[
            (
                "/spec/restartPolicy",
                json!("Perhaps"),
                &[
                    r#"spec.restartPolicy: Unsupported value: "Perhaps": supported values: "Always", "OnFailure", "Never""#,
                ],
            ),
            (
                "/spec/dnsPolicy",
                json!("Local"),
                &[
                    r#"spec.dnsPolicy: Unsupported value: "Local": supported values: "ClusterFirstWithHostNet", "ClusterFirst", "Default", "None""#,
                ],
            ),
            (
                "/spec/dnsPolicy",
                json!("None"),
                &["spec.dnsConfig: Required value: must provide `dnsConfig` when `dnsPolicy` is None"],
            ),
            (
                "/spec/dnsConfig",
                json!({"nameservers": ["1.1.1.1", "1.1.1.2", "1.1.1.3", "1.1.1.4"]}),
                &["spec.dnsConfig.nameservers: Invalid value: …: must not have more than 3 nameservers"],
            ),
            (
                "/spec/dnsConfig",
                json!({"searches": ["A.b"]}),
                &[r#"spec.dnsConfig.searches[0]: Invalid value: "A.b": a lowercase RFC 1123 subdomain must …"#],
            ),
            ("/spec/dnsConfig", json!({"searches": ["_tcp.a_b.", "."]}), &[]),
            (
                "/spec/activeDeadlineSeconds",
                json!(0),
                &["spec.activeDeadlineSeconds: Invalid value: 0: must be between 1 and 2147483647, inclusive"],
            ),
            (
                "/spec/hostname",
                json!("A"),
                &[r#"spec.hostname: Invalid value: "A": a lowercase RFC 1123 label must consist of …"#],
            ),
            (
                "/spec/serviceAccountName",
                json!("A"),
                &[r#"spec.serviceAccountName: Invalid value: "A": a lowercase RFC 1123 subdomain must consist of …"#],
            ),
            (
                "/spec/hostAliases",
                json!([{"ip": "nowhere"}]),
                &[
                    r#"spec.hostAliases[0].ip: Invalid value: "nowhere": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"#,
                ],
            ),
            (
                "/spec/preemptionPolicy",
                json!("Ask"),
                &[
                    r#"spec.preemptionPolicy: Unsupported value: "Ask": supported values: "PreemptLowerPriority", "Never""#,
                ],
            ),
            (
                "/spec/readinessGates",
                json!([{"conditionType": "a b"}]),
                &[r#"spec.readinessGates[0].conditionType: Invalid value: "a b": name part must consist of …"#],
            ),
        ],
    );
}
