//! A good object of each kind that the tables change.

use serde_json::{Value, json};

/// Where the objects of a kind begin.
pub(super) fn of(resource: &str) -> Value {
    let mut object = members(resource);
    object["metadata"] = json!({"name": "x", "namespace": "n", "uid": "u"});
    object
}

fn members(resource: &str) -> Value {
    match resource {
        "pods" => json!({"spec": pod()}),
        "podtemplates" => json!({"template": template()}),
        "replicationcontrollers" => json!({"spec": {"selector": {"app": "a"}, "template": template()}}),
        "deployments.apps" | "replicasets.apps" | "daemonsets.apps" => {
            json!({"spec": {"selector": {"matchLabels": {"app": "a"}}, "template": template()}})
        }
        "statefulsets.apps" => {
            json!({"spec": {"serviceName": "s", "selector": {"matchLabels": {"app": "a"}}, "template": template()}})
        }
        "jobs.batch" => json!({"spec": job()}),
        "cronjobs.batch" => json!({"spec": {"schedule": "@daily", "jobTemplate": {"spec": job()}}}),
        "services" => json!({"spec": {"clusterIP": "10.96.0.9", "selector": {"app": "a"}, "ports": [{"port": 80}]}}),
        "configmaps" => json!({"data": {"k": "v"}}),
        "secrets" => json!({"data": {"k": "dg=="}}),
        "nodes" => json!({"spec": {"podCIDR": "10.0.0.0/24"}}),
        "endpoints" => json!({"subsets": [{"addresses": [{"ip": "10.0.0.1"}], "ports": [{"port": 80}]}]}),
        "endpointslices.discovery.k8s.io" => json!({"addressType": "IPv4",
            "endpoints": [{"addresses": ["10.0.0.1"]}], "ports": [{"port": 80}]}),
        "persistentvolumes" => json!({"spec": {"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"],
            "hostPath": {"path": "/data"}}}),
        "persistentvolumeclaims" => json!({"spec": {"accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": "1Gi"}}}}),
        "limitranges" => json!({"spec": {"limits": [{"type": "Container", "max": {"cpu": "2"}}]}}),
        "resourcequotas" => json!({"spec": {"hard": {"pods": "5"}}}),
        "ingresses.networking.k8s.io" => json!({"spec": {"rules": [{"host": "a.example", "http": {"paths": [
            {"path": "/", "pathType": "Prefix", "backend": {"service": {"name": "s", "port": {"number": 80}}}}]}}]}}),
        "ingressclasses.networking.k8s.io" => json!({"spec": {"controller": "example.com/c"}}),
        "networkpolicies.networking.k8s.io" => json!({"spec": {"podSelector": {}, "ingress": [
            {"ports": [{"port": 80}], "from": [{"podSelector": {}}]}]}}),
        "poddisruptionbudgets.policy" => {
            json!({"spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": "a"}}}})
        }
        "horizontalpodautoscalers.autoscaling" => json!({"spec": {"maxReplicas": 3,
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "d"}}}),
        "roles.rbac.authorization.k8s.io" | "clusterroles.rbac.authorization.k8s.io" => {
            json!({"rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]})
        }
        "rolebindings.rbac.authorization.k8s.io" => json!({"roleRef": {"kind": "Role", "name": "r"},
            "subjects": [{"kind": "User", "name": "u"}]}),
        "storageclasses.storage.k8s.io" => json!({"provisioner": "example.com/p", "parameters": {"a": "b"}}),
        "priorityclasses.scheduling.k8s.io" => json!({"value": 10}),
        "runtimeclasses.node.k8s.io" => json!({"handler": "runc"}),
        "leases.coordination.k8s.io" => json!({"spec": {"holderIdentity": "a", "leaseDurationSeconds": 5}}),
        _ => json!({}),
    }
}

fn pod() -> Value {
    json!({"serviceAccountName": "default", "containers": [{"name": "c", "image": "c:1"}],
        "volumes": [{"name": "v", "emptyDir": {}}]})
}

fn template() -> Value {
    json!({"metadata": {"labels": {"app": "a"}}, "spec": pod()})
}

fn job() -> Value {
    let mut pod = pod();
    pod["restartPolicy"] = json!("Never");
    json!({"template": {"spec": pod}})
}
