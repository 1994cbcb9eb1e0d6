//! Server-side apply and managed fields over HTTP.

use super::{Cluster, MAPS, kubectl, message, with_server};
use serde_json::{Value, json};

const APPS: &str = "/apis/apps/v1/namespaces/default/deployments";
const APPLY: &[(&str, &str)] = &[("content-type", "application/apply-patch+yaml")];

impl Cluster {
    async fn apply(&self, path: &str, query: &str, config: &Value) -> (u16, Value) {
        self.ask("PATCH", &format!("{path}?{query}"), APPLY, config.to_string()).await
    }
}

fn deployment(replicas: Option<i64>, image: &str) -> Value {
    let mut made = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"},
        "spec": {"selector": {"matchLabels": {"a": "b"}}, "template": {"metadata": {"labels": {"a": "b"}},
            "spec": {"containers": [{"name": "c", "image": image}]}}}});
    if let Some(replicas) = replicas {
        made["spec"]["replicas"] = json!(replicas);
    }
    made
}

/// Manager, operation, subresource; sorted, since entries of one second have no order of their own.
fn managers(object: &Value) -> Vec<String> {
    let list = object["metadata"]["managedFields"].as_array().cloned().unwrap_or_default();
    let text = |e: &Value, name: &str| e[name].as_str().unwrap_or_default().to_owned();
    let title = |e: &Value| [text(e, "manager"), text(e, "operation"), text(e, "subresource")].join(" ");
    let mut made: Vec<String> = list.iter().map(title).collect();
    made.sort();
    made
}

#[test]
fn apply_creates_changes_and_rests() {
    with_server(|c| async move {
        let path = format!("{APPS}/d");
        let (code, made) = c.apply(&path, "fieldManager=x", &deployment(Some(2), "i:1")).await;
        assert_eq!((code, managers(&made)), (201, vec!["x Apply ".to_owned()]), "{made}");
        let fields = &made["metadata"]["managedFields"][0]["fieldsV1"];
        assert!(fields["f:spec"]["f:replicas"].is_object() && fields["f:spec"].get("f:strategy").is_none(), "{fields}");
        let revision = c.memory.snapshot_revision();
        let (code, same) = c.apply(&path, "fieldManager=x", &deployment(Some(2), "i:1")).await;
        assert_eq!((code, &same), (200, &made));
        assert_eq!(c.memory.snapshot_revision(), revision);
        let (_, dry) = c.apply(&path, "fieldManager=x&dryRun=All", &deployment(Some(5), "i:1")).await;
        assert_eq!((&dry["spec"]["replicas"], c.memory.snapshot_revision()), (&json!(5), revision));
        // Not applied any more: the default takes its place.
        let (_, default) = c.apply(&path, "fieldManager=x", &deployment(None, "i:2")).await;
        let container = &default["spec"]["template"]["spec"]["containers"][0];
        assert_eq!((&default["spec"]["replicas"], &container["image"]), (&json!(1), &json!("i:2")));
        assert_eq!(default["metadata"]["generation"], 2);
    });
}

#[test]
fn conflicts_scale_and_status() {
    with_server(|c| async move {
        let path = format!("{APPS}/d");
        c.apply(&path, "fieldManager=x", &deployment(Some(2), "i:1")).await;
        let merge = [("content-type", "application/merge-patch+json"), ("user-agent", "hpa/v1 (linux)")];
        let (code, scaled) = c.ask("PATCH", &format!("{path}/scale"), &merge, r#"{"spec":{"replicas":4}}"#).await;
        assert_eq!((code, &scaled["spec"]["replicas"]), (200, &json!(4)));
        let table = [("accept", "application/json;as=Table;v=v1;g=meta.k8s.io,application/json")];
        let (_, table) = c.ask("GET", &format!("{path}/scale"), &table, "").await;
        assert_eq!(table["columnDefinitions"][1]["name"], "Desired");
        assert_eq!(
            table["rows"][0]["cells"].as_array().map(|cells| &cells[..3]),
            Some(&[json!("d"), json!(4), json!(0)][..])
        );
        let (_, seen) = c.get(&path).await;
        assert_eq!(managers(&seen), ["hpa Update scale", "x Apply "]);
        let (code, refused) = c.apply(&path, "fieldManager=x", &deployment(Some(2), "i:1")).await;
        let told = "Apply failed with 1 conflict: conflict with \"hpa\" with subresource \"scale\" using apps/v1: .spec.replicas";
        assert_eq!((code, message(&refused)), (409, told));
        assert_eq!(refused["details"]["causes"][0]["reason"], "FieldManagerConflict");
        let (code, forced) = c.apply(&path, "fieldManager=x&force=true", &deployment(Some(2), "i:1")).await;
        assert_eq!(
            (code, managers(&forced), &forced["spec"]["replicas"]),
            (200, vec!["x Apply ".to_owned()], &json!(2))
        );
        let scale = json!({"apiVersion": "autoscaling/v1", "kind": "Scale", "spec": {"replicas": 3}});
        let (code, refused) = c.apply(&format!("{path}/scale"), "fieldManager=s", &scale).await;
        assert_eq!(
            (code, message(&refused)),
            (409, "Apply failed with 1 conflict: conflict with \"x\": .spec.replicas")
        );
        let status =
            json!({"apiVersion": "apps/v1", "kind": "Deployment", "spec": {"replicas": 9}, "status": {"replicas": 2}});
        let (code, done) = c.apply(&format!("{path}/status"), "fieldManager=k", &status).await;
        assert_eq!(
            (code, &done["status"]["replicas"], &done["spec"]["replicas"]),
            (200, &json!(2), &json!(2)),
            "{done}"
        );
        assert_eq!(managers(&done), ["k Apply status", "x Apply "]);
        let gone = c.apply(&format!("{APPS}/e/status"), "fieldManager=k", &status).await;
        assert_eq!(gone.0, 404);
    });
}

#[test]
fn senseless_applies_are_refused() {
    with_server(|c| async move {
        let path = format!("{MAPS}/a");
        let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"k": "v"}});
        let with = |pointer: &str, value: Value| {
            let mut made = map.clone();
            made[pointer] = value;
            made
        };
        let manager = "fieldManager=x";
        for (query, config, code, told) in [
            ("", map.clone(), 422, "fieldManager: Required value: is required for apply patch"),
            (manager, with("odd", json!(1)), 500, ".odd: field not declared in schema"),
            (manager, with("kind", json!("Secret")), 400, "cannot be handled as a ConfigMap"),
            (manager, with("kind", Value::Null), 400, "invalid object type"),
            (manager, with("data", json!({"k": 1})), 400, "cannot unmarshal number"),
            (manager, with("metadata", json!({"name": "b"})), 400, "does not match the name on the URL"),
            (manager, with("metadata", json!({"uid": "u"})), 409, "uid mismatch"),
            (manager, with("metadata", json!({"managedFields": [{}]})), 400, "metadata.managedFields must be nil"),
        ] {
            let (got, answer) = c.apply(&path, query, &config).await;
            assert!(got == code && message(&answer).contains(told), "{told}: {answer}");
        }
        let forced = format!("{path}?force=true");
        let (code, refused) = c.ask("PATCH", &forced, &[("content-type", "application/merge-patch+json")], "{}").await;
        assert_eq!((code, message(&refused).contains("may not be specified for non-apply patch")), (422, true));
        let yaml = "apiVersion: v1\nkind: ConfigMap\ndata: {k: v}\n";
        let (code, made) = c.ask("PATCH", &format!("{path}?{manager}"), APPLY, yaml).await;
        assert_eq!((code, &made["data"]["k"]), (201, &json!("v")));
        let twice = "apiVersion: v1\nkind: ConfigMap\ndata: {k: v}\ndata: {k: w}\n";
        let strict = format!("{path}?{manager}&fieldValidation=Strict");
        let (code, refused) = c.ask("PATCH", &strict, APPLY, twice).await;
        assert_eq!(
            (code, message(&refused).contains("line 4: key \"data\" already set in map")),
            (400, true),
            "{refused}"
        );
    });
}

#[test]
fn every_write_is_owned_and_a_no_op_is_none() {
    with_server(|c| async move {
        let agent = [("content-type", "application/json"), ("user-agent", "maker/1.0 (x)")];
        let map = json!({"metadata": {"name": "a", "labels": {"l": "1"}}, "data": {"k": "v"}});
        let (_, made) = c.ask("POST", MAPS, &agent, map.to_string()).await;
        assert_eq!(managers(&made), ["maker Update "]);
        let path = format!("{MAPS}/a");
        let merge = [("content-type", "application/merge-patch+json")];
        let change = r#"{"data":{"k":"w"}}"#;
        let (_, changed) = c.ask("PATCH", &format!("{path}?fieldManager=other"), &merge, change).await;
        assert_eq!(managers(&changed).len(), 2, "{changed}");
        let (_, same) = c.ask("PATCH", &format!("{path}?fieldManager=third"), &merge, change).await;
        assert_eq!(same, changed);
        // A client that sends none keeps them; an empty entry resets them.
        let (_, put) = c.ask("PUT", &path, &agent, map.to_string()).await;
        assert_eq!((&put["data"]["k"], managers(&put)), (&json!("v"), vec!["maker Update ".to_owned()]));
        let reset = r#"{"metadata":{"managedFields":[{}]}}"#;
        let (_, reset) = c.ask("PATCH", &path, &merge, reset).await;
        assert_eq!(managers(&reset), Vec::<String>::new());
    });
}

/// kubectl hands what `kubectl apply` owned over to `kubectl apply --server-side` by a JSON patch.
#[test]
fn ownership_can_be_handed_over() {
    with_server(|c| async move {
        let map =
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"k": "v", "l": "w"}});
        let created = format!("{MAPS}?fieldManager=kubectl-client-side-apply");
        let (_, made) = c.post(&created, &map).await;
        let mut fields = made["metadata"]["managedFields"].clone();
        fields[0]["manager"] = json!("kubectl");
        fields[0]["operation"] = json!("Apply");
        let path = format!("{MAPS}/a");
        let patch = json!([{"op": "replace", "path": "/metadata/managedFields", "value": fields},
            {"op": "replace", "path": "/metadata/resourceVersion", "value": made["metadata"]["resourceVersion"]}]);
        let json_patch = [("content-type", "application/json-patch+json")];
        let (code, given) = c.ask("PATCH", &path, &json_patch, patch.to_string()).await;
        assert_eq!((code, managers(&given)), (200, vec!["kubectl Apply ".to_owned()]), "{given}");
        let less = json!({"apiVersion": "v1", "kind": "ConfigMap", "data": {"k": "x"}});
        let (code, applied) = c.apply(&path, "fieldManager=kubectl", &less).await;
        assert_eq!((code, &applied["data"]), (200, &json!({"k": "x"})));
    });
}

#[test]
fn kubectl_applies_server_side() {
    with_server(|c| async move {
        if std::process::Command::new("kubectl").arg("version").arg("--client").output().is_err() {
            println!("skipped: no kubectl");
            return;
        }
        let run = async |args: &[&str], config: Value| kubectl(&c, args, &config.to_string()).await;
        let (fine, told) = run(&["apply", "--server-side", "-f", "-"], deployment(Some(1), "i:1")).await;
        assert!(fine && told.contains("serverside-applied"), "{told}");
        let (fine, told) =
            run(&["apply", "--server-side", "--field-manager=other", "-f", "-"], deployment(Some(2), "i:2")).await;
        assert!(!fine && told.contains("Apply failed with 2 conflicts"), "{told}");
        let (fine, told) = run(
            &["apply", "--server-side", "--field-manager=other", "--force-conflicts", "-f", "-"],
            deployment(Some(2), "i:2"),
        )
        .await;
        assert!(fine, "{told}");
        // The client's own way goes on working beside it.
        let (fine, told) = run(&["apply", "-f", "-"], deployment(Some(3), "i:3")).await;
        assert!(fine && told.contains("configured"), "{told}");
        let (_, seen) = c.get(&format!("{APPS}/d")).await;
        assert_eq!(seen["spec"]["replicas"], 3);
    });
}
