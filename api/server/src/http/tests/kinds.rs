//! Every kind at its path, and kinds that are served under several versions.

use super::*;
use podium_kinds::{FACES, KINDS};
use podium_machinery::discovery;

fn base(group: &str, version: &str) -> String {
    if group.is_empty() { format!("/api/{version}") } else { format!("/apis/{group}/{version}") }
}

#[test]
fn every_kind_is_listed_at_its_path() {
    with_server(|c| async move {
        for (group, version) in discovery::group_versions(&[]) {
            for kind in discovery::kinds(group, version).filter(|k| !k.live) {
                let (code, list) = c.get(&format!("{}/{}", base(group, version), kind.plural)).await;
                let expected = (json!(kind.list_kind), json!(discovery::group_version(group, version)));
                assert_eq!(
                    (code, &list["kind"], &list["apiVersion"]),
                    (200, &expected.0, &expected.1),
                    "{}",
                    kind.kind
                );
            }
        }
        assert!(KINDS.len() > FACES.len());
    });
}

#[test]
fn an_older_version_is_another_view_of_the_same_object() {
    with_server(|c| async move {
        let (old, new) =
            ("/apis/batch/v1beta1/namespaces/default/cronjobs", "/apis/batch/v1/namespaces/default/cronjobs");
        let pod = json!({"restartPolicy": "Never", "containers": [{"name": "a", "image": "a:1"}]});
        let job = json!({"apiVersion": "batch/v1beta1", "kind": "CronJob", "metadata": {"name": "c"}, "spec": {
            "schedule": "@daily", "jobTemplate": {"spec": {"template": {"spec": pod}}}}});
        let (code, made) = c.post(old, &job).await;
        assert_eq!((code, &made["apiVersion"]), (201, &json!("batch/v1beta1")), "{made}");
        assert_eq!(c.get(&format!("{new}/c")).await.1["apiVersion"], "batch/v1");
        let (_, list) = c.get(old).await;
        assert_eq!(
            (&list["apiVersion"], &list["items"][0]["apiVersion"]),
            (&json!("batch/v1beta1"), &json!("batch/v1beta1"))
        );
        let headers = [("content-type", "application/merge-patch+json")];
        let patch = json!({"spec": {"suspend": true}}).to_string();
        let (code, patched) = c.ask("PATCH", &format!("{old}/c"), &headers, patch).await;
        assert_eq!(
            (code, &patched["apiVersion"], &patched["metadata"]["generation"]),
            (200, &json!("batch/v1beta1"), &json!(2))
        );
        assert_eq!(c.get(&format!("{new}/c")).await.1["spec"]["suspend"], true);

        let scaler = json!({"apiVersion": "autoscaling/v1", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "h"},
            "spec": {"maxReplicas": 3, "targetCPUUtilizationPercentage": 50, "scaleTargetRef": {"kind": "Deployment", "name": "d"}}});
        let path = |version: &str| format!("/apis/autoscaling/{version}/namespaces/default/horizontalpodautoscalers");
        let (code, made) = c.post(&path("v1"), &scaler).await;
        assert_eq!((code, &made["spec"]["targetCPUUtilizationPercentage"]), (201, &json!(50)), "{made}");
        let (_, stored) = c.get(&format!("{}/h", path("v2"))).await;
        assert_eq!(stored["spec"]["metrics"][0]["resource"]["target"]["averageUtilization"], 50);
    });
}

#[test]
fn events_have_two_groups() {
    with_server(|c| async move {
        let modern = "/apis/events.k8s.io/v1/namespaces/default/events";
        let event = json!({"apiVersion": "events.k8s.io/v1", "kind": "Event", "metadata": {"name": "e"}, "type": "Normal",
            "eventTime": "2026-01-01T00:00:00.000000Z", "reportingController": "a.io/c", "reportingInstance": "i",
            "action": "Act", "reason": "Because", "note": "done", "regarding": {"kind": "Pod", "name": "p", "namespace": "default"}});
        let path = format!("{modern}?watch=1&fieldSelector=regarding.name=p");
        let mut watch = c.raw("GET", &path, &[], "").await;
        let (code, made) = c.post(modern, &event).await;
        assert_eq!((code, &made["note"]), (201, &json!("done")), "{made}");
        let (_, core) = c.get("/api/v1/namespaces/default/events/e").await;
        assert_eq!((&core["message"], &core["involvedObject"]["name"]), (&json!("done"), &json!("p")));
        for (name, found) in [("p", 1), ("q", 0)] {
            let (_, list) = c.get(&format!("{modern}?fieldSelector=regarding.name={name}")).await;
            assert_eq!(list["items"].as_array().map(Vec::len), Some(found), "{name}");
        }
        let seen = frames(&mut watch, 1).await;
        assert_eq!((&seen[0]["type"], &seen[0]["object"]["note"]), (&json!("ADDED"), &json!("done")));
    });
}

#[test]
fn a_certificate_is_approved_by_the_subresource_alone() {
    use base64::{Engine, engine::general_purpose::STANDARD};
    with_server(|c| async move {
        let path = "/apis/certificates.k8s.io/v1/certificatesigningrequests";
        let pem = STANDARD.encode("-----BEGIN CERTIFICATE REQUEST-----\nAA==\n-----END CERTIFICATE REQUEST-----\n");
        let request = json!({"metadata": {"name": "r"}, "spec": {"request": pem, "usages": ["client auth"],
            "signerName": "kubernetes.io/kube-apiserver-client"}});
        let (code, mut made) = c.post(path, &request).await;
        assert_eq!(code, 201, "{made}");
        made["status"]["conditions"] = json!([{"type": "Approved", "status": "True"}]);
        let headers = [("content-type", "application/json")];
        let (code, refused) = c.ask("PUT", &format!("{path}/r/status"), &headers, made.to_string()).await;
        assert_eq!(code, 422, "{refused}");
        let (code, approved) = c.ask("PUT", &format!("{path}/r/approval"), &headers, made.to_string()).await;
        assert_eq!((code, &approved["status"]["conditions"][0]["type"]), (200, &json!("Approved")), "{approved}");
    });
}

#[test]
fn an_eviction_of_the_old_version_is_one() {
    with_server(|c| async move {
        let pods = "/api/v1/namespaces/default/pods";
        let pod = json!({"metadata": {"name": "p"}, "spec": {"containers": [{"name": "a", "image": "a:1"}]}});
        assert_eq!(c.post(pods, &pod).await.0, 201);
        let eviction = |version: &str| json!({"apiVersion": version, "kind": "Eviction", "metadata": {"name": "p"}});
        let path = format!("{pods}/p/eviction");
        assert_eq!(c.post(&path, &eviction("policy/v2")).await.0, 400);
        assert_eq!(c.post(&path, &eviction("policy/v1beta1")).await.0, 201);
        assert_eq!(c.get(&format!("{pods}/p")).await.0, 404);
    });
}
