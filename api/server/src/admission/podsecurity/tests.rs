//! Tables of what each level forbids, in Kubernetes' words, and of the labels.

use super::*;
use serde_json::json;

fn found(rules: &str, pod: &Value) -> String {
    let namespace = json!({"metadata": {"labels": {"pod-security.kubernetes.io/enforce": rules}}});
    let (policy, errors) = Policy::of(&namespace);
    assert!(errors.is_empty());
    told(&violations(policy.enforce, Subject { metadata: &pod["metadata"], spec: &pod["spec"] })).unwrap_or_default()
}

/// A pod whose container and whose own security context say so.
fn pod(container: Value, own: Value) -> Value {
    let mut container = container;
    container["name"] = json!("c");
    json!({"metadata": {}, "spec": {"containers": [container], "securityContext": own}})
}

fn hardened() -> Value {
    let context =
        json!({"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"], "add": ["NET_BIND_SERVICE"]}});
    pod(
        json!({"securityContext": context}),
        json!({"runAsNonRoot": true, "seccompProfile": {"type": "RuntimeDefault"}}),
    )
}

#[test]
fn a_plain_pod_is_baseline_and_not_restricted() {
    let plain = pod(json!({}), json!({}));
    assert_eq!(found("baseline", &plain), "");
    assert_eq!(
        found("restricted", &plain),
        "allowPrivilegeEscalation != false (container \"c\" must set securityContext.allowPrivilegeEscalation=false), \
         unrestricted capabilities (container \"c\" must set securityContext.capabilities.drop=[\"ALL\"]), \
         runAsNonRoot != true (pod or container \"c\" must set securityContext.runAsNonRoot=true), \
         seccompProfile (pod or container \"c\" must set securityContext.seccompProfile.type to \"RuntimeDefault\" or \"Localhost\")"
    );
    assert_eq!(found("restricted", &hardened()), "");
}

#[test]
fn the_baseline_in_words() {
    let context = |context: Value| pod(json!({"securityContext": context}), json!({}));
    let spec = |field: &str, value: Value| {
        let mut pod = pod(json!({}), json!({}));
        pod["spec"][field] = value;
        pod
    };
    let mut profile = pod(json!({}), json!({}));
    profile["metadata"]["annotations"] = json!({"container.apparmor.security.beta.kubernetes.io/c": "unconfined"});
    for (pod, expected) in [
        (
            context(json!({"privileged": true})),
            "privileged (container \"c\" must not set securityContext.privileged=true)",
        ),
        (
            context(json!({"capabilities": {"add": ["SYS_ADMIN", "CHOWN", "NET_RAW"]}})),
            "non-default capabilities (container \"c\" must not include \"NET_RAW\", \"SYS_ADMIN\" in securityContext.capabilities.add)",
        ),
        (spec("hostNetwork", json!(true)), "host namespaces (hostNetwork=true)"),
        (spec("volumes", json!([{"name": "v", "hostPath": {"path": "/"}}])), "hostPath volumes (volume \"v\")"),
        (
            pod(json!({"ports": [{"hostPort": 80}, {"hostPort": 0}, {"hostPort": 443}]}), json!({})),
            "hostPort (container \"c\" uses hostPorts 443, 80)",
        ),
        (
            pod(json!({"livenessProbe": {"httpGet": {"host": "h"}}}), json!({})),
            "probe or lifecycle host (container \"c\" uses probe or lifecycle host \"h\")",
        ),
        (
            context(json!({"procMount": "Unmasked"})),
            "procMount (container \"c\" must not set securityContext.procMount to \"Unmasked\")",
        ),
        (
            pod(
                json!({"securityContext": {"seLinuxOptions": {"type": "x", "role": "r"}}}),
                json!({"seLinuxOptions": {"user": "u"}}),
            ),
            "seLinuxOptions (pod and container \"c\" set forbidden securityContext.seLinuxOptions: type \"x\"; user may not be set; role may not be set)",
        ),
        (
            pod(json!({}), json!({"seccompProfile": {"type": "Unconfined"}})),
            "seccompProfile (pod must not set securityContext.seccompProfile.type to \"Unconfined\")",
        ),
        (
            pod(json!({}), json!({"sysctls": [{"name": "a"}, {"name": "net.ipv4.tcp_syncookies"}, {"name": "b"}]})),
            "forbidden sysctls (a, b)",
        ),
        (
            pod(json!({}), json!({"windowsOptions": {"hostProcess": true}})),
            "hostProcess (pod must not set securityContext.windowsOptions.hostProcess=true)",
        ),
        (
            context(json!({"appArmorProfile": {"type": "Unconfined"}})),
            "forbidden AppArmor profile (container \"c\" must not set AppArmor profile type to \"Unconfined\")",
        ),
        (profile, "forbidden AppArmor profile (container.apparmor.security.beta.kubernetes.io/c=\"unconfined\")"),
    ] {
        assert_eq!(found("baseline", &pod), expected);
        assert_eq!(found("privileged", &pod), "");
    }
}

#[test]
fn the_restricted_level_in_words() {
    let with = |at: &str, value: Value| {
        let mut pod = hardened();
        if let Some(slot) = pod.pointer_mut(at) {
            *slot = value;
        }
        pod
    };
    let own = "/spec/securityContext";
    let one = "/spec/containers/0/securityContext";
    let mut volumes = hardened();
    volumes["spec"]["volumes"] =
        json!([{"name": "b", "hostPath": {}}, {"name": "a", "nfs": {}}, {"name": "s", "secret": {}}]);
    let mut users = with(own, json!({"runAsUser": 0, "seccompProfile": {"type": "Localhost"}}));
    users["spec"]["hostUsers"] = json!(false);
    for (pod, expected) in [
        (volumes, "restricted volume types (volumes \"a\", \"b\" use restricted volume types \"hostPath\", \"nfs\")"),
        (users, ""),
        (
            with(own, json!({"runAsNonRoot": false, "seccompProfile": {"type": "Localhost"}})),
            "runAsNonRoot != true (pod must not set securityContext.runAsNonRoot=false)",
        ),
        (
            with(own, json!({"runAsNonRoot": true, "runAsUser": 0, "seccompProfile": {"type": "Localhost"}})),
            "runAsUser=0 (pod must not set runAsUser=0)",
        ),
        (
            with(own, json!({"runAsNonRoot": true, "seccompProfile": {"type": "Unconfined"}})),
            "seccompProfile (pod must not set securityContext.seccompProfile.type to \"Unconfined\")",
        ),
        (
            with(one, json!({"allowPrivilegeEscalation": false, "capabilities": {"add": ["CHOWN"]}})),
            "unrestricted capabilities (container \"c\" must set securityContext.capabilities.drop=[\"ALL\"]; container \"c\" \
             must not include \"CHOWN\" in securityContext.capabilities.add)",
        ),
    ] {
        assert_eq!(found("restricted", &pod), expected);
    }
}

#[test]
fn labels() {
    let of = |labels: Value| {
        let (policy, errors) = Policy::of(&json!({"metadata": {"labels": labels}}));
        let errors: Vec<String> = errors.iter().map(ToString::to_string).collect();
        (policy.enforce.to_string(), policy.warn.to_string(), errors.join("|"))
    };
    const E: &str = "pod-security.kubernetes.io/enforce";
    const V: &str = "pod-security.kubernetes.io/enforce-version";
    const W: &str = "pod-security.kubernetes.io/warn";
    for (labels, enforce, warn, errors) in [
        (json!({}), "privileged:latest", "privileged:latest", ""),
        (json!({E: "restricted"}), "restricted:latest", "restricted:latest", ""),
        (json!({E: "baseline", V: "v1.24", W: "restricted"}), "baseline:v1.24", "restricted:latest", ""),
        (json!({E: "baseline", W: "privileged"}), "baseline:latest", "privileged:latest", ""),
        (
            json!({E: "strict"}),
            "restricted:latest",
            "restricted:latest",
            "metadata.labels[pod-security.kubernetes.io/enforce]: Invalid value: \"strict\": must be one of privileged, baseline, restricted",
        ),
        (
            json!({V: "1.24"}),
            "privileged:latest",
            "privileged:latest",
            "metadata.labels[pod-security.kubernetes.io/enforce-version]: Invalid value: \"1.24\": must be \"latest\" or \"v1.x\"",
        ),
    ] {
        let expected = (enforce.to_owned(), warn.to_owned(), errors.to_owned());
        assert_eq!(of(labels.clone()), expected, "{labels}");
    }
}

#[test]
fn rules_are_those_of_their_version() {
    let pod = pod(
        json!({"readinessProbe": {"tcpSocket": {"host": "h"}}}),
        json!({"sysctls": [{"name": "net.ipv4.tcp_rmem"}]}),
    );
    for (minor, expected) in [(None, 1), (Some(33), 0), (Some(31), 1)] {
        let rules = Rules { level: Level::Baseline, minor };
        let broken = violations(rules, Subject { metadata: &pod["metadata"], spec: &pod["spec"] });
        assert_eq!(broken.len(), expected, "{rules}");
    }
}
