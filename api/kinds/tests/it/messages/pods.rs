//! Pods: containers, volumes, security.

use super::new_objects;
use serde_json::{Value, json};

#[test]
fn containers() {
    new_objects(
        "pods",
        &[
            ("/spec/containers", json!([]), &["spec.containers: Required value"]),
            ("/spec/containers/0/image", json!(""), &["spec.containers[0].image: Required value"]),
            (
                "/spec/containers/0/image",
                json!(" c"),
                &[r#"spec.containers[0].image: Invalid value: " c": must not have leading or trailing whitespace"#],
            ),
            ("/spec/containers/0/name", Value::Null, &["spec.containers[0].name: Required value"]),
            (
                "/spec/containers/0/name",
                json!("A_b"),
                &[r#"spec.containers[0].name: Invalid value: "A_b": a lowercase RFC 1123 label must consist of …"#],
            ),
            (
                "/spec/containers/1",
                json!({"name": "c", "image": "d"}),
                &[r#"spec.containers[1].name: Duplicate value: "c""#],
            ),
            (
                "/spec/initContainers",
                json!([{"name": "c", "image": "d"}]),
                &[r#"spec.initContainers[0].name: Duplicate value: "c""#],
            ),
            (
                "/spec/initContainers",
                json!([{"name": "i", "image": "d", "readinessProbe": {"exec": {"command": ["a"]}}}]),
                &[
                    "spec.initContainers[0].readinessProbe: Forbidden: may not be set for init containers without restartPolicy=Always",
                ],
            ),
            (
                "/spec/ephemeralContainers",
                json!([{"name": "e", "image": "d", "targetContainerName": "z"}]),
                &[
                    r#"spec.ephemeralContainers[0].targetContainerName: Not found: "z""#,
                    "spec.ephemeralContainers: Forbidden: cannot be set on create",
                ],
            ),
            (
                "/spec/containers/0/imagePullPolicy",
                json!("Often"),
                &[
                    r#"spec.containers[0].imagePullPolicy: Unsupported value: "Often": supported values: "Always", "IfNotPresent", "Never""#,
                ],
            ),
            (
                "/spec/containers/0/terminationMessagePolicy",
                json!("Mail"),
                &[
                    r#"spec.containers[0].terminationMessagePolicy: Unsupported value: "Mail": supported values: "File", "FallbackToLogsOnError""#,
                ],
            ),
            (
                "/spec/containers/0/ports",
                json!([{"containerPort": 0}]),
                &["spec.containers[0].ports[0].containerPort: Required value"],
            ),
            (
                "/spec/containers/0/ports",
                json!([{"containerPort": 70000}]),
                &[
                    "spec.containers[0].ports[0].containerPort: Invalid value: 70000: must be between 1 and 65535, inclusive",
                ],
            ),
            (
                "/spec/containers/0/ports",
                json!([{"containerPort": 1, "protocol": "tcp"}]),
                &[
                    r#"spec.containers[0].ports[0].protocol: Unsupported value: "tcp": supported values: "SCTP", "TCP", "UDP""#,
                ],
            ),
            (
                "/spec/containers/0/ports",
                json!([{"containerPort": 1, "name": "a-very-long-name"}]),
                &[r#"spec.containers[0].ports[0].name: Invalid value: "a-very-long-name": must be no more than 15 …"#],
            ),
            (
                "/spec/containers/0/ports",
                json!([{"containerPort": 1, "hostPort": 9}, {"containerPort": 2, "hostPort": 9}]),
                &[r#"spec.containers[0].ports[1].hostPort: Duplicate value: "TCP//9""#],
            ),
            (
                "/spec/containers/0/resizePolicy",
                json!([{"resourceName": "disk", "restartPolicy": "NotRequired"}]),
                &[r#"spec.containers[0].resizePolicy: Unsupported value: "disk": supported values: "cpu", "memory""#],
            ),
        ],
    );
}

#[test]
fn environment_and_resources() {
    let env = |value: Value| json!([value]);
    new_objects(
        "pods",
        &[
            (
                "/spec/containers/0/env",
                env(json!({"name": "A=B"})),
                &[
                    r#"spec.containers[0].env[0].name: Invalid value: "A=B": a valid environment variable name must consist only of printable ASCII characters other than '='"#,
                ],
            ),
            (
                "/spec/containers/0/env",
                env(json!({"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "spec.hostname"}}})),
                &[
                    r#"spec.containers[0].env[0].valueFrom.fieldRef.fieldPath: Invalid value: "spec.hostname": error converting fieldPath: field label not supported: spec.hostname"#,
                ],
            ),
            (
                "/spec/containers/0/env",
                env(json!({"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels"}}})),
                &[
                    r#"spec.containers[0].env[0].valueFrom.fieldRef.fieldPath: Unsupported value: "metadata.labels": supported values: "metadata.name", …"#,
                ],
            ),
            (
                "/spec/containers/0/env",
                env(
                    json!({"name": "A", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu", "divisor": "3m"}}}),
                ),
                &[
                    r#"spec.containers[0].env[0].valueFrom.resourceFieldRef.divisor: Invalid value: "limits.cpu": only divisor's values 1m and 1 are supported with the cpu resource"#,
                ],
            ),
            (
                "/spec/containers/0/env",
                env(json!({"name": "A", "valueFrom": {"secretKeyRef": {"name": "s"}}})),
                &["spec.containers[0].env[0].valueFrom.secretKeyRef.key: Required value"],
            ),
            (
                "/spec/containers/0/envFrom",
                env(json!({"configMapRef": {"name": "a"}, "secretRef": {"name": "b"}})),
                &[
                    r#"spec.containers[0].envFrom[0]: Invalid value: "": may not have more than one field specified at a time"#,
                ],
            ),
            (
                "/spec/containers/0/resources",
                json!({"limits": {"cpu": "1"}, "requests": {"cpu": "2"}}),
                &[
                    r#"spec.containers[0].resources.requests: Invalid value: "2": must be less than or equal to cpu limit of 1"#,
                ],
            ),
            (
                "/spec/containers/0/resources",
                json!({"requests": {"memory": "-1"}}),
                &[
                    r#"spec.containers[0].resources.requests[memory]: Invalid value: "-1": must be greater than or equal to 0"#,
                ],
            ),
            (
                "/spec/containers/0/resources",
                json!({"limits": {"hugepages-2Mi": "2Mi"}}),
                &["spec.containers[0].resources: Forbidden: HugePages require cpu or memory"],
            ),
            (
                "/spec/containers/0/resources",
                json!({"limits": {"cpu": "1", "hugepages-2Mi": "3Mi"}}),
                &[
                    r#"spec.containers[0].resources.limits[hugepages-2Mi]: Invalid value: "3Mi": 3Mi is not positive integer multiple of hugepages-2Mi"#,
                    "…",
                ],
            ),
            (
                "/spec/containers/0/resources",
                json!({"claims": [{"name": "gpu"}]}),
                &[
                    r#"spec.containers[0].resources.claims[0]: Not found: "gpu": must be one of the names in pod.spec.resourceClaims which is empty"#,
                ],
            ),
            (
                "/spec/resourceClaims",
                json!([{"name": "gpu"}]),
                &[
                    r#"spec.resourceClaims[0]: Invalid value: {"name":"gpu"}: must specify one of: `resourceClaimName`, `resourceClaimTemplateName`"#,
                ],
            ),
            (
                "/spec/resources",
                json!({"limits": {"ephemeral-storage": "1Gi"}}),
                &[
                    r#"spec.resources.limits[ephemeral-storage]: Unsupported value: "ephemeral-storage": supported values: "cpu", "memory""#,
                    "…",
                ],
            ),
        ],
    );
}

#[test]
fn probes_and_hooks() {
    let probe = "/spec/containers/0/livenessProbe";
    new_objects(
        "pods",
        &[
            (probe, json!({}), &["spec.containers[0].livenessProbe: Required value: must specify a handler type"]),
            (
                probe,
                json!({"exec": {"command": ["a"]}, "tcpSocket": {"port": 1}}),
                &["spec.containers[0].livenessProbe.tcpSocket: Forbidden: may not specify more than 1 handler type"],
            ),
            (
                probe,
                json!({"httpGet": {"port": 0}}),
                &[
                    "spec.containers[0].livenessProbe.httpGet.port: Invalid value: 0: must be between 1 and 65535, inclusive",
                ],
            ),
            (
                probe,
                json!({"httpGet": {"port": 80, "scheme": "FTP"}}),
                &[
                    r#"spec.containers[0].livenessProbe.httpGet.scheme: Unsupported value: "FTP": supported values: "HTTP", "HTTPS""#,
                ],
            ),
            (
                probe,
                json!({"httpGet": {"port": 80, "httpHeaders": [{"name": "a b"}]}}),
                &[
                    r#"spec.containers[0].livenessProbe.httpGet.httpHeaders: Invalid value: "a b": a valid HTTP header must consist of …"#,
                ],
            ),
            (
                probe,
                json!({"exec": {"command": ["a"]}, "successThreshold": 2}),
                &["spec.containers[0].livenessProbe.successThreshold: Invalid value: 2: must be 1"],
            ),
            (
                probe,
                json!({"exec": {"command": ["a"]}, "terminationGracePeriodSeconds": 0}),
                &[
                    "spec.containers[0].livenessProbe.terminationGracePeriodSeconds: Invalid value: 0: must be greater than 0",
                ],
            ),
            (
                "/spec/containers/0/lifecycle",
                json!({"preStop": {"sleep": {"seconds": 31}}}),
                &[
                    "spec.containers[0].lifecycle.preStop.sleep: Invalid value: 31: must be non-negative and less than terminationGracePeriodSeconds (30)",
                ],
            ),
        ],
    );
}

#[test]
fn volumes() {
    let mount = "/spec/containers/0/volumeMounts";
    let volume = |source: Value| {
        let mut made = json!({"name": "w"});
        made.as_object_mut().unwrap().extend(source.as_object().unwrap().clone());
        json!([{"name": "v"}, made])
    };
    new_objects(
        "pods",
        &[
            (
                mount,
                json!([{"name": "z", "mountPath": "/a"}]),
                &[r#"spec.containers[0].volumeMounts[0].name: Not found: "z""#],
            ),
            (mount, json!([{"name": "v"}]), &["spec.containers[0].volumeMounts[0].mountPath: Required value"]),
            (
                mount,
                json!([{"name": "v", "mountPath": "/a", "mountPropagation": "Bidirectional"}]),
                &[
                    "spec.containers[0].volumeMounts.mountPropagation: Forbidden: Bidirectional mount propagation is available only to privileged containers",
                ],
            ),
            (
                mount,
                json!([{"name": "v", "mountPath": "/a", "recursiveReadOnly": "Enabled"}]),
                &[
                    "spec.containers[0].volumeMounts.recursiveReadOnly: Forbidden: may only be specified when readOnly is true",
                ],
            ),
            (
                "/spec/containers/0/volumeDevices",
                json!([{"name": "v", "devicePath": "/dev/a"}]),
                &[
                    r#"spec.containers[0].volumeDevices[0].name: Invalid value: "v": can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode"#,
                ],
            ),
            (
                "/spec/volumes/1",
                json!({"name": "v", "emptyDir": {}}),
                &[r#"spec.volumes[1].name: Duplicate value: "v""#],
            ),
            (
                "/spec/volumes",
                volume(json!({"emptyDir": {}, "hostPath": {"path": "/a"}})),
                &["spec.volumes[1].hostPath: Forbidden: may not specify more than 1 volume type"],
            ),
            ("/spec/volumes", volume(json!({"secret": {}})), &["spec.volumes[1].secret.secretName: Required value"]),
            ("/spec/volumes", volume(json!({"configMap": {}})), &["spec.volumes[1].configMap.name: Required value"]),
            (
                "/spec/volumes",
                volume(json!({"secret": {"secretName": "s", "defaultMode": 512}})),
                &[
                    "spec.volumes[1].secret.defaultMode: Invalid value: 512: must be a number between 0 and 0777 (octal), both inclusive",
                ],
            ),
            (
                "/spec/volumes",
                volume(json!({"hostPath": {"path": "/a/../b"}})),
                &[r#"spec.volumes[1].hostPath.path: Invalid value: "/a/../b": must not contain '..'"#],
            ),
            (
                "/spec/volumes",
                volume(json!({"nfs": {"server": "s", "path": "a"}})),
                &[r#"spec.volumes[1].nfs.path: Invalid value: "a": must be an absolute path"#],
            ),
            (
                "/spec/volumes",
                volume(json!({"persistentVolumeClaim": {}})),
                &["spec.volumes[1].persistentVolumeClaim.claimName: Required value"],
            ),
            (
                "/spec/volumes",
                volume(json!({"downwardAPI": {"items": [{"path": "a"}]}})),
                &["spec.volumes[1].downwardAPI: Required value: one of fieldRef and resourceFieldRef is required"],
            ),
            (
                "/spec/volumes",
                volume(
                    json!({"projected": {"sources": [{"serviceAccountToken": {"path": "t", "expirationSeconds": 60}}]}}),
                ),
                &[
                    "spec.volumes[1].projected.sources[0].serviceAccountToken.expirationSeconds: Invalid value: 60: may not specify a duration less than 10 minutes",
                ],
            ),
            (
                "/spec/volumes",
                volume(
                    json!({"projected": {"sources": [{"secret": {"name": "s", "items": [{"key": "k", "path": "p"}]}},
                    {"configMap": {"name": "c", "items": [{"key": "k", "path": "p"}]}}]}}),
                ),
                &[r#"spec.volumes[1].projected: Invalid value: "c": conflicting duplicate paths"#],
            ),
            (
                "/spec/volumes",
                volume(json!({"ephemeral": {}})),
                &["spec.volumes[1].ephemeral.volumeClaimTemplate: Required value"],
            ),
        ],
    );
}

#[test]
fn security() {
    new_objects(
        "pods",
        &[
            (
                "/spec/securityContext",
                json!({"runAsUser": -1}),
                &["spec.securityContext.runAsUser: Invalid value: -1: must be between 0 and 2147483647, inclusive"],
            ),
            (
                "/spec/securityContext",
                json!({"seccompProfile": {}}),
                &[
                    "spec.securityContext.seccompProfile.type: Required value: type is required when seccompProfile is set",
                ],
            ),
            (
                "/spec/securityContext",
                json!({"appArmorProfile": {"type": "Localhost"}}),
                &[
                    "spec.securityContext.appArmorProfile.localhostProfile: Required value: must be set when AppArmor type is Localhost",
                ],
            ),
            (
                "/spec/securityContext",
                json!({"supplementalGroupsPolicy": "Most"}),
                &[
                    r#"spec.securityContext.supplementalGroupsPolicy: Unsupported value: "Most": supported values: "Merge", "Strict""#,
                ],
            ),
            (
                "/spec/securityContext",
                json!({"sysctls": [{"name": "net.a", "value": "1"}, {"name": "net.a", "value": "2"}]}),
                &[r#"spec.securityContext.sysctls[1].name: Duplicate value: "net.a""#],
            ),
            (
                "/spec/containers/0/securityContext",
                json!({"privileged": true, "allowPrivilegeEscalation": false}),
                &[
                    "spec.containers[0].securityContext: Invalid value: …: cannot set `allowPrivilegeEscalation` to false and `privileged` to true",
                ],
            ),
            (
                "/spec/containers/0/securityContext",
                json!({"procMount": "Unmasked"}),
                &[
                    r#"spec.containers[0].securityContext.procMount: Invalid value: "Unmasked": `hostUsers` must be false to use `Unmasked`"#,
                ],
            ),
            ("/spec/os", json!({"name": ""}), &["spec.os.name: Required value: cannot be empty"]),
            (
                "/spec/os",
                json!({"name": "plan9"}),
                &[r#"spec.os: Unsupported value: "plan9": supported values: "linux", "windows""#],
            ),
        ],
    );
    let mut windows = super::bases::of("pods");
    windows["spec"]["os"] = json!({"name": "windows"});
    windows["spec"]["hostPID"] = json!(true);
    windows["spec"]["containers"][0]["securityContext"] = json!({"runAsUser": 1});
    let errors = super::kind("pods").strategy.validate(&super::made(super::kind("pods"), windows));
    let found: Vec<String> = errors.iter().map(ToString::to_string).collect();
    let why = "Forbidden: cannot be set for a windows pod";
    assert_eq!(found, [format!("spec.hostPID: {why}"), format!("spec.containers[0].securityContext.runAsUser: {why}")]);
    let mut shared = super::bases::of("pods");
    for (field, value) in [("hostPID", true), ("shareProcessNamespace", true), ("hostUsers", false)] {
        shared["spec"][field] = json!(value);
    }
    let errors = super::kind("pods").strategy.validate(&super::made(super::kind("pods"), shared));
    let found: Vec<String> = errors.iter().map(ToString::to_string).collect();
    assert_eq!(
        found,
        [
            "spec.securityContext.shareProcessNamespace: Invalid value: true: ShareProcessNamespace and HostPID cannot both be enabled",
            "spec.HostPID: Forbidden: when `pod.Spec.HostUsers` is false",
        ]
    );
}
