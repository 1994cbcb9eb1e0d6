//! Messages of Kubernetes, case by case.

use super::*;

/// Errors of a defaulted pod with this spec.
fn errors(spec: Value) -> Vec<String> {
    let mut object = json!({"spec": spec});
    super::super::defaults::pod(&mut object);
    [pod(&object), created(&object)].concat().iter().map(ToString::to_string).collect()
}

/// Errors of a pod whose one container has these members besides.
fn of_container(members: Value) -> Vec<String> {
    let mut container = json!({"name": "a", "image": "a:1"});
    for (name, value) in members.as_object().unwrap() {
        container[name] = value.clone();
    }
    errors(json!({"containers": [container], "volumes": [{"name": "v"}]}))
}

/// Errors of a pod with one good container and these members of the spec.
fn of_spec(members: Value) -> Vec<String> {
    let mut spec = json!({"containers": [{"name": "a", "image": "a:1"}]});
    for (name, value) in members.as_object().unwrap() {
        spec[name] = value.clone();
    }
    errors(spec)
}

#[test]
fn containers() {
    let cases: &[(Value, &[&str])] = &[
        (json!({}), &[]),
        (json!({"image": ""}), &["spec.containers[0].image: Required value"]),
        (json!({"name": ""}), &["spec.containers[0].name: Required value"]),
        (
            json!({"imagePullPolicy": "Sometimes"}),
            &[concat!(
                r#"spec.containers[0].imagePullPolicy: Unsupported value: "Sometimes": "#,
                r#"supported values: "Always", "IfNotPresent", "Never""#
            )],
        ),
        (json!({"ports": [{"name": "p"}]}), &["spec.containers[0].ports[0].containerPort: Required value"]),
        (
            json!({"ports": [{"containerPort": 70000}]}),
            &[
                "spec.containers[0].ports[0].containerPort: Invalid value: 70000: must be between 1 and 65535, inclusive",
            ],
        ),
        (
            json!({"ports": [{"name": "p", "containerPort": 1}, {"name": "p", "containerPort": 2}]}),
            &[r#"spec.containers[0].ports[1].name: Duplicate value: "p""#],
        ),
        (
            json!({"volumeMounts": [{"name": "w", "mountPath": "/w"}]}),
            &[r#"spec.containers[0].volumeMounts[0].name: Not found: "w""#],
        ),
        (
            json!({"volumeMounts": [{"name": "v", "mountPath": "/w"}, {"name": "v", "mountPath": "/w"}]}),
            &[r#"spec.containers[0].volumeMounts[1].mountPath: Invalid value: "/w": must be unique"#],
        ),
        (
            json!({"volumeMounts": [{"name": "v", "mountPath": "/w", "subPath": "../x"}]}),
            &[r#"spec.containers[0].volumeMounts.subPath: Invalid value: "../x": must not contain '..'"#],
        ),
        (json!({"env": [{"value": "x"}]}), &["spec.containers[0].env[0].name: Required value"]),
        (
            json!({"env": [{"name": "A", "value": "x", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}]}),
            &[
                r#"spec.containers[0].env[0].valueFrom: Invalid value: "": may not be specified when `value` is not empty"#,
            ],
        ),
        (json!({"env": [{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['a']"}}}]}), &[]),
        (
            json!({"env": [{"name": "A", "valueFrom": {"fileKeyRef": {"path": "../x", "key": "a=b"}}}]}),
            &[
                r#"spec.containers[0].env[0].valueFrom.fileKeyRef.key: Invalid value: "a=b": a valid environment variable name must consist only of printable ASCII characters other than '='"#,
                "spec.containers[0].env[0].valueFrom.fileKeyRef.volumeName: Required value",
                r#"spec.containers[0].env[0].valueFrom.fileKeyRef.path: Invalid value: "../x": must not contain '..'"#,
            ],
        ),
        (
            json!({"envFrom": [{"prefix": "X"}]}),
            &[
                r#"spec.containers[0].envFrom[0]: Invalid value: "": must specify one of: `configMapRef` or `secretRef`"#,
            ],
        ),
        (
            json!({"resources": {"requests": {"memory": "2Gi"}, "limits": {"memory": "1Gi"}}}),
            &[
                r#"spec.containers[0].resources.requests: Invalid value: "2Gi": must be less than or equal to memory limit of 1Gi"#,
            ],
        ),
        (
            json!({"livenessProbe": {}}),
            &["spec.containers[0].livenessProbe: Required value: must specify a handler type"],
        ),
        (
            json!({"livenessProbe": {"exec": {"command": ["a"]}, "successThreshold": 2}}),
            &["spec.containers[0].livenessProbe.successThreshold: Invalid value: 2: must be 1"],
        ),
        (
            json!({"readinessProbe": {"exec": {"command": ["a"]}, "periodSeconds": -1}}),
            &["spec.containers[0].readinessProbe.periodSeconds: Invalid value: -1: must be greater than or equal to 0"],
        ),
        (
            json!({"lifecycle": {"preStop": {"exec": {}}}}),
            &["spec.containers[0].lifecycle.preStop.exec.command: Required value"],
        ),
        (
            json!({"securityContext": {"runAsUser": -1}}),
            &[
                "spec.containers[0].securityContext.runAsUser: Invalid value: -1: must be between 0 and 2147483647, inclusive",
            ],
        ),
    ];
    for (members, expected) in cases {
        assert_eq!(of_container(members.clone()), *expected, "{members}");
    }
}

#[test]
fn specs() {
    let hosted = json!({"name": "b", "image": "b:1", "ports": [{"containerPort": 1, "hostPort": 80}]});
    let mut twin = hosted.clone();
    twin["name"] = json!("c");
    let cases: &[(Value, &[&str])] = &[
        (json!({"containers": []}), &["spec.containers: Required value"]),
        (
            json!({"containers": [{"name": "a", "image": "x"}, {"name": "a", "image": "y"}]}),
            &[r#"spec.containers[1].name: Duplicate value: "a""#],
        ),
        (
            json!({"initContainers": [{"name": "a", "image": "x"}]}),
            &[r#"spec.initContainers[0].name: Duplicate value: "a""#],
        ),
        (
            json!({"initContainers": [{"name": "i", "image": "x", "lifecycle": {}}]}),
            &[
                "spec.initContainers[0].lifecycle: Forbidden: may not be set for init containers without restartPolicy=Always",
            ],
        ),
        (
            json!({"restartPolicy": "Maybe"}),
            &[r#"spec.restartPolicy: Unsupported value: "Maybe": supported values: "Always", "OnFailure", "Never""#],
        ),
        (
            json!({"dnsPolicy": "None"}),
            &["spec.dnsConfig: Required value: must provide `dnsConfig` when `dnsPolicy` is None"],
        ),
        (
            json!({"activeDeadlineSeconds": 0}),
            &["spec.activeDeadlineSeconds: Invalid value: 0: must be between 1 and 2147483647, inclusive"],
        ),
        (
            json!({"containers": [hosted, twin]}),
            &[r#"spec.containers[1].ports[0].hostPort: Duplicate value: "TCP//80""#],
        ),
        (json!({"volumes": [{"name": "v"}, {"name": "v"}]}), &[r#"spec.volumes[1].name: Duplicate value: "v""#]),
        (
            json!({"volumes": [{"name": "v", "emptyDir": {}, "hostPath": {"path": "/"}}]}),
            &["spec.volumes[0].hostPath: Forbidden: may not specify more than 1 volume type"],
        ),
        (json!({"volumes": [{"name": "v", "secret": {}}]}), &["spec.volumes[0].secret.secretName: Required value"]),
        (
            json!({"volumes": [{"name": "v", "configMap": {"name": "c", "defaultMode": 512}}]}),
            &[
                "spec.volumes[0].configMap.defaultMode: Invalid value: 512: must be a number between 0 and 0777 (octal), both inclusive",
            ],
        ),
        (
            json!({"tolerations": [{"key": "k", "operator": "Exists", "value": "v"}]}),
            &[r#"spec.tolerations[0].operator: Invalid value: "v": value must be empty when `operator` is 'Exists'"#],
        ),
        (
            json!({"nodeName": "n", "schedulingGates": [{"name": "g"}]}),
            &["spec.nodeName: Forbidden: cannot be set until all schedulingGates have been cleared"],
        ),
        (
            json!({"affinity": {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [{}]}}}),
            &[
                "spec.affinity.podAffinity.requiredDuringSchedulingIgnoredDuringExecution[0].topologyKey: Required value: can not be empty",
                r#"spec.affinity.podAffinity.requiredDuringSchedulingIgnoredDuringExecution[0].topologyKey: Invalid value: "": name part must be non-empty"#,
            ],
        ),
        (
            json!({"topologySpreadConstraints": [{"maxSkew": 0, "topologyKey": "z", "whenUnsatisfiable": "DoNotSchedule"}]}),
            &["spec.topologySpreadConstraints[0].maxSkew: Invalid value: 0: must be greater than zero"],
        ),
    ];
    for (members, expected) in cases {
        assert_eq!(of_spec(members.clone()), *expected, "{members}");
    }
}

#[test]
fn a_malformed_sysctl_is_named() {
    let errors =
        of_spec(json!({"securityContext": {"sysctls": [{"name": "foo-", "value": "1"}, {"name": "kernel.a_b"}]}}));
    assert_eq!(errors.len(), 1);
    assert!(
        errors[0].starts_with(r#"spec.securityContext.sysctls[0].name: Invalid value: "foo-": must have at most 253"#)
    );
}

#[test]
fn templates_have_the_same_rules_below_their_path() {
    let mut template = json!({"metadata": {"labels": {"-": "x"}},
        "spec": {"containers": [{"name": "a"}], "ephemeralContainers": [{"name": "e", "image": "e:1"}]}});
    super::super::defaults::pod_spec(&mut template["spec"]);
    let mut errors = Errors::new();
    super::template(&mut errors, &template, "spec.template");
    let fields: Vec<&str> = errors.iter().map(|e| e.field.as_str()).collect();
    let expected =
        ["spec.template.labels", "spec.template.spec.containers[0].image", "spec.template.spec.ephemeralContainers"];
    assert_eq!(fields, expected);
}

#[test]
fn doubled_variables_and_ports_are_warned_of() {
    let spec = json!({"containers": [{"name": "a", "env": [{"name": "A", "value": "1"}, {"name": "A", "value": "2"},
        {"name": "A", "value": "$(A)3"}], "ports": [{"containerPort": 1}, {"containerPort": 1}]}]});
    assert_eq!(
        warnings(&spec, "spec"),
        [
            r#"spec.containers[0].env[1]: hides previous definition of "A", which may be dropped when using apply"#,
            "spec.containers[0].ports[1]: duplicate port definition with spec.containers[0].ports[0]",
        ]
    );
}
