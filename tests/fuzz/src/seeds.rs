//! Objects to begin with: every construct of the formats once, small.

use podium_machinery::protobuf;
use podium_types::registry::{self, Type};
use serde_json::{Value, json};

/// The schema of the seeds.
pub fn schema() -> &'static Type {
    registry::by_kind("apps/v1", "Deployment").unwrap()
}

/// A Deployment with maps, keyed lists, sets, quantities, times and both forms of IntOrString.
pub fn deployment() -> Value {
    json!({"apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "default", "labels": {"app": "web"}, "finalizers": ["a.b/c", "d.e/f"],
            "annotations": {"note": "ü \u{1f4a5}"}, "creationTimestamp": "2024-01-01T00:00:00Z"},
        "spec": {"replicas": 3, "selector": {"matchLabels": {"app": "web"}},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": 1}},
            "template": {"metadata": {"labels": {"app": "web"}}, "spec": {
                "tolerations": [{"key": "x", "operator": "Exists"}],
                "imagePullSecrets": [{"name": "one"}],
                "volumes": [{"name": "v", "emptyDir": {"sizeLimit": "1Gi"}}],
                "containers": [
                    {"name": "a", "image": "one:1", "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}],
                        "resources": {"limits": {"cpu": "100m", "memory": "1Gi"}},
                        "ports": [{"containerPort": 80, "protocol": "TCP"}], "command": ["run", "it"]},
                    {"name": "b", "image": "two:2"}]}}}})
}

/// As JSON.
pub fn json_text() -> Vec<u8> {
    deployment().to_string().into_bytes()
}

/// As YAML, with what only YAML has.
pub fn yaml_text() -> Vec<u8> {
    br#"# a comment
apiVersion: apps/v1
kind: Deployment
metadata:
  name: &name web
  labels: {app: *name, mode: "0644", "on": 'off'}
  annotations:
    note: |
      two
      lines
    folded: >-
      one
      line
spec:
  replicas: 0x3
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      volumes:
      - name: v
        configMap: {name: c, defaultMode: 0644}
      containers:
      - name: a
        image: one:1
        env: [{name: A, value: "1"}]
"#
    .to_vec()
}

/// As protobuf.
pub fn protobuf_bytes() -> Vec<u8> {
    protobuf::encode(&deployment()).unwrap()
}
