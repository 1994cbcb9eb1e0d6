//! What a pod has when its writer did not say; pods and pod templates share [`pod_spec`].

use crate::{
    json::{at_mut, int, is_unset, items, items_mut, pair, set, set_default, set_default_number, text},
    resources,
};
use serde_json::{Value, json};

/// Seconds that a pod stays on a node that is not ready or not reachable (admission DefaultTolerationSeconds).
const TOLERATION_SECONDS: i64 = 300;
/// Mode of files in volumes made from API data: 0644.
const FILE_MODE: i64 = 0o644;
/// Seconds that a projected token is valid.
const TOKEN_SECONDS: i64 = 3600;

/// Defaults of a pod: those of its spec, and those that a template leaves open.
pub(super) fn pod(object: &mut Value) {
    if let Some(status) = object.get_mut("status") {
        pair(status, "podIP", "podIPs", Some("ip"));
    }
    let Some(spec) = object.get_mut("spec").filter(|s| s.is_object()) else { return };
    pod_spec(spec);
    set_default(spec, "enableServiceLinks", true);
    for list in ["containers", "initContainers"] {
        for container in items_mut(spec, list) {
            if let Some(resources) = container.get_mut("resources") {
                resources::default_requests(resources);
            }
        }
    }
    if spec["hostNetwork"] == json!(true) {
        host_ports(spec);
    }
    if let Some(resources) = spec.get_mut("resources") {
        resources::default_requests(resources);
    }
    tolerations(spec);
}

/// Defaults of a PodSpec, alone or in a template.
pub(crate) fn pod_spec(spec: &mut Value) {
    set_default(spec, "dnsPolicy", "ClusterFirst");
    set_default(spec, "restartPolicy", "Always");
    set_default(spec, "securityContext", json!({}));
    set_default(spec, "terminationGracePeriodSeconds", super::DEFAULT_GRACE_SECONDS);
    set_default(spec, "schedulerName", "default-scheduler");
    // The old name of the same field is kept equal.
    let account = [&spec["serviceAccountName"], &spec["serviceAccount"]].into_iter().find(|a| !is_unset(a)).cloned();
    if let Some(account) = account {
        set(spec, "serviceAccountName", account.clone());
        set(spec, "serviceAccount", account);
    }
    for list in ["containers", "initContainers", "ephemeralContainers"] {
        items_mut(spec, list).for_each(container);
    }
    items_mut(spec, "volumes").for_each(volume);
    for list in ["overhead", "resources.limits", "resources.requests"] {
        at_mut(spec, list).into_iter().for_each(resources::canonical_list);
    }
}

fn container(container: &mut Value) {
    let policy = pull_policy(text(&container["image"]));
    set_default(container, "imagePullPolicy", policy);
    set_default(container, "terminationMessagePath", "/dev/termination-log");
    set_default(container, "terminationMessagePolicy", "File");
    set_default(container, "resources", json!({}));
    for list in ["resources.limits", "resources.requests"] {
        at_mut(container, list).into_iter().for_each(resources::canonical_list);
    }
    for port in items_mut(container, "ports") {
        set_default(port, "protocol", "TCP");
    }
    for env in items_mut(container, "env") {
        field_ref(at_mut(env, "valueFrom.fieldRef"));
    }
    for name in ["livenessProbe", "readinessProbe", "startupProbe"] {
        if let Some(probe) = container.get_mut(name).filter(|p| p.is_object()) {
            for (field, value) in
                [("timeoutSeconds", 1), ("periodSeconds", 10), ("successThreshold", 1), ("failureThreshold", 3)]
            {
                set_default_number(probe, field, value);
            }
            handler(probe);
        }
    }
    for name in ["lifecycle.postStart", "lifecycle.preStop"] {
        at_mut(container, name).into_iter().for_each(handler);
    }
}

fn handler(handler: &mut Value) {
    if let Some(get) = handler.get_mut("httpGet") {
        set_default(get, "path", "/");
        set_default(get, "scheme", "HTTP");
    }
    if let Some(grpc) = handler.get_mut("grpc").filter(|g| g["service"].is_null()) {
        set(grpc, "service", "");
    }
}

/// `Always` for images that may change under their name, else `IfNotPresent`.
fn pull_policy(image: &str) -> &'static str {
    let (name, digest) = image.split_once('@').map_or((image, false), |(name, _)| (name, true));
    let last = name.rsplit('/').next().unwrap_or_default();
    match last.split_once(':').map(|(_, tag)| tag) {
        Some("latest") => "Always",
        None if !digest => "Always",
        _ => "IfNotPresent",
    }
}

fn field_ref(reference: Option<&mut Value>) {
    if let Some(reference) = reference {
        set_default(reference, "apiVersion", "v1");
    }
}

fn volume(volume: &mut Value) {
    let has_source = volume.as_object().is_some_and(|v| v.iter().any(|(name, s)| name != "name" && !s.is_null()));
    if !has_source {
        set(volume, "emptyDir", json!({}));
    }
    for name in ["secret", "configMap", "downwardAPI", "projected"] {
        if let Some(source) = volume.get_mut(name) {
            set_default(source, "defaultMode", FILE_MODE);
        }
    }
    for item in items_mut(volume, "downwardAPI.items") {
        field_ref(at_mut(item, "fieldRef"));
    }
    for source in items_mut(volume, "projected.sources") {
        for item in items_mut(source, "downwardAPI.items") {
            field_ref(at_mut(item, "fieldRef"));
        }
        if let Some(token) = source.get_mut("serviceAccountToken") {
            set_default(token, "expirationSeconds", TOKEN_SECONDS);
        }
    }
    if let Some(path) = volume.get_mut("hostPath").filter(|p| p["type"].is_null()) {
        set(path, "type", "");
    }
    if let Some(image) = volume.get_mut("image") {
        let policy = pull_policy(text(&image["reference"]));
        set_default(image, "pullPolicy", policy);
    }
    if let Some(claim) = at_mut(volume, "ephemeral.volumeClaimTemplate.spec") {
        set_default(claim, "volumeMode", "Filesystem");
    }
    at_mut(volume, "emptyDir.sizeLimit").into_iter().for_each(resources::canonical);
}

/// On the host's network a container's port is the host's.
fn host_ports(spec: &mut Value) {
    for list in ["containers", "initContainers"] {
        for container in items_mut(spec, list) {
            for port in items_mut(container, "ports") {
                let same = int(&port["containerPort"]);
                set_default_number(port, "hostPort", same);
            }
        }
    }
}

fn tolerations(spec: &mut Value) {
    for key in ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"] {
        let tolerated = items(&spec["tolerations"]).iter().any(|t| {
            matches!(text(&t["key"]), k if k == key || k.is_empty()) && matches!(text(&t["effect"]), "NoExecute" | "")
        });
        if tolerated {
            continue;
        }
        set_default(spec, "tolerations", json!([]));
        if let Some(list) = spec.get_mut("tolerations").and_then(Value::as_array_mut) {
            list.push(json!({"key": key, "operator": "Exists", "effect": "NoExecute",
                "tolerationSeconds": TOLERATION_SECONDS}));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pull_policy_follows_the_tag() {
        let cases = [
            ("a", "Always"),
            ("a:latest", "Always"),
            ("r:5000/a", "Always"),
            ("r:5000/a:1", "IfNotPresent"),
            ("a:1", "IfNotPresent"),
            ("a@sha256:00", "IfNotPresent"),
            ("a:latest@sha256:00", "Always"),
        ];
        for (image, policy) in cases {
            assert_eq!(pull_policy(image), policy, "{image}");
        }
    }

    #[test]
    fn a_small_pod() {
        let mut object = json!({"spec": {"containers": [{"name": "a", "image": "a:1"}]}});
        pod(&mut object);
        let again = object.clone();
        assert_eq!(
            object["spec"],
            json!({"containers": [{"name": "a", "image": "a:1", "imagePullPolicy": "IfNotPresent", "resources": {},
                    "terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File"}],
                "dnsPolicy": "ClusterFirst", "restartPolicy": "Always", "securityContext": {},
                "terminationGracePeriodSeconds": 30, "schedulerName": "default-scheduler", "enableServiceLinks": true,
                "tolerations": [
                    {"key": "node.kubernetes.io/not-ready", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300},
                    {"key": "node.kubernetes.io/unreachable", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300}]})
        );
        pod(&mut object);
        assert_eq!(object, again);
    }

    #[test]
    fn details() {
        let mut object = json!({"spec": {"hostNetwork": true, "tolerations": [{"operator": "Exists"}],
            "volumes": [{"name": "e"}, {"name": "h", "hostPath": {"path": "/"}},
                {"name": "p", "projected": {"sources": [{"serviceAccountToken": {"path": "t"}}]}}],
            "containers": [{"name": "a", "image": "a", "ports": [{"containerPort": 80}],
                "resources": {"limits": {"cpu": 0.5}}, "env": [{"name": "N", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}],
                "livenessProbe": {"httpGet": {"port": 80}, "periodSeconds": 3}}]}});
        pod(&mut object);
        let spec = &object["spec"];
        let container = &spec["containers"][0];
        assert_eq!(container["ports"][0], json!({"containerPort": 80, "hostPort": 80, "protocol": "TCP"}));
        assert_eq!(container["resources"], json!({"limits": {"cpu": "500m"}, "requests": {"cpu": "500m"}}));
        assert_eq!(container["env"][0]["valueFrom"]["fieldRef"]["apiVersion"], "v1");
        assert_eq!(
            container["livenessProbe"],
            json!({"httpGet": {"port": 80, "path": "/", "scheme": "HTTP"}, "periodSeconds": 3, "timeoutSeconds": 1,
                "successThreshold": 1, "failureThreshold": 3})
        );
        assert_eq!(spec["tolerations"], json!([{"operator": "Exists"}]));
        assert_eq!(
            spec["volumes"],
            json!([{"name": "e", "emptyDir": {}}, {"name": "h", "hostPath": {"path": "/", "type": ""}},
                {"name": "p", "projected": {"defaultMode": 420,
                    "sources": [{"serviceAccountToken": {"path": "t", "expirationSeconds": 3600}}]}}])
        );
    }
}
