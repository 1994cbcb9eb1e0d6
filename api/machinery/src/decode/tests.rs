//! Decoding against tables and properties: every built-in type, strict and lenient.

use super::*;
use podium_types::registry;
use proptest::prelude::*;

fn deployment() -> &'static Type {
    registry::by_kind("apps/v1", "Deployment").expect("Deployment")
}

const DOUBTFUL: &str = r#"{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"a","labels":null},
  "spec":{"unknown1":"v","unknownDupe":1,"unknownDupe":2,"paused":true,"paused":false,"replicas":null,
  "template":{"spec":{"containers":[{"name":"c","image":"i","unknownNested":1,
  "imagePullPolicy":"Always","imagePullPolicy":"Never","resources":{"limits":{"cpu":0.5,"memory":"1024Mi"}}}]}}}}"#;

#[test]
fn strict_decoding_tells_unknown_and_duplicate_fields_in_order() {
    let error = json(DOUBTFUL.as_bytes(), deployment(), FieldValidation::Strict).expect_err("strict");
    assert_eq!(error.code, 400);
    assert_eq!(
        error.message,
        "Deployment in version \"v1\" cannot be handled as a Deployment: strict decoding error: \
         unknown field \"spec.unknown1\", unknown field \"spec.unknownDupe\", duplicate field \"spec.paused\", \
         unknown field \"spec.template.spec.containers[0].unknownNested\", \
         duplicate field \"spec.template.spec.containers[0].imagePullPolicy\""
    );
}

#[test]
fn otherwise_unknown_fields_are_pruned() {
    let warned = json(DOUBTFUL.as_bytes(), deployment(), FieldValidation::Warn).expect("warn");
    assert_eq!(warned.warnings.len(), 5);
    let ignored = json(DOUBTFUL.as_bytes(), deployment(), FieldValidation::Ignore).expect("ignore");
    assert!(ignored.warnings.is_empty());
    assert_eq!(ignored.value, warned.value);
    assert_eq!(
        ignored.value,
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "a"}, "spec": {"paused": false,
            "template": {"spec": {"containers": [{"name": "c", "image": "i", "imagePullPolicy": "Never",
                "resources": {"limits": {"cpu": "500m", "memory": "1Gi"}}}]}}}})
    );
}

#[test]
fn wrong_types_are_refused_in_gos_words() {
    let table = [
        (
            r#"{"spec":{"replicas":"3"}}"#,
            "json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32",
        ),
        (
            r#"{"spec":{"replicas":1.5}}"#,
            "json: cannot unmarshal number 1.5 into Go struct field DeploymentSpec.spec.replicas of type int32",
        ),
        (
            r#"{"spec":{"template":{"spec":{"containers":[{"image":7}]}}}}"#,
            "json: cannot unmarshal number into Go struct field Container.spec.template.spec.containers.image of type string",
        ),
        (
            r#"{"spec":{"template":{"spec":{"containers":{}}}}}"#,
            "json: cannot unmarshal object into Go struct field PodSpec.spec.template.spec.containers of type []v1.Container",
        ),
        (
            r#"{"spec":{"template":{"spec":{"containers":[{"resources":{"limits":{"cpu":"much"}}}]}}}}"#,
            "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'",
        ),
        ("[]", "json: cannot unmarshal array into Go value of type Deployment"),
    ];
    for (text, expected) in table {
        let error = json(text.as_bytes(), deployment(), FieldValidation::Ignore).expect_err(text);
        let prefix = "Deployment in version \"v1\" cannot be handled as a Deployment: ";
        assert_eq!(error.message, format!("{prefix}{expected}"), "{text}");
    }
    let said = |body: &[u8]| json(body, deployment(), FieldValidation::Ignore).expect_err("no JSON").message;
    let cut = "the object provided is unrecognized (must be of type Deployment): couldn't get version/kind; \
        json parse error: unexpected end of JSON input";
    assert_eq!(said(b"{"), format!("{cut} ({{)"));
    assert_eq!(said(b""), format!("{cut} (<empty>)"));
    assert!(said(&[b'x'; 31]).ends_with(&format!("({} ...)", "78".repeat(30))));
    let deep = "[".repeat(100_000);
    assert_eq!(free_json(deep.as_bytes()).expect_err("too deep").code, 400);
}

#[test]
fn yaml_is_read_as_kubernetes_reads_it() {
    let text = "apiVersion: v1\nkind: Pod\nmetadata: {name: a, labels: {a: 'yes'}}\nspec:\n  hostNetwork: on\n  \
                volumes:\n  - name: s\n    secret: {defaultMode: 0644}\n";
    let pod = registry::by_kind("v1", "Pod").expect("Pod");
    let made = yaml(text.as_bytes(), pod, FieldValidation::Strict).expect("a pod").value;
    assert_eq!(made["spec"]["hostNetwork"], json!(true));
    assert_eq!(made["spec"]["volumes"][0]["secret"]["defaultMode"], json!(0o644));
    assert_eq!(made["metadata"]["labels"]["a"], json!("yes"));
    let twice = "apiVersion: v1\nkind: ConfigMap\ndata:\n  a: x\n  b: x\n  a: z\nodd: 1\n";
    let map = registry::by_kind("v1", "ConfigMap").expect("ConfigMap");
    let error = yaml(twice.as_bytes(), map, FieldValidation::Strict).expect_err("a duplicate");
    assert!(error.message.contains("line 6: key \"a\" already set in map, unknown field \"odd\""), "{error}");
    assert_eq!(yaml(twice.as_bytes(), map, FieldValidation::Ignore).expect("ignore").value["data"]["a"], json!("z"));
}

#[test]
fn patches_are_told_in_kubernetes_words() {
    let body =
        br#"{"spec":{"unknown":1,"paused":true,"paused":false,"template":{"spec":{"containers":[{"a":1,"a":2}]}}}}"#;
    let (value, issues) = patch_json(body).expect("JSON");
    let doubled = ["duplicate field \"spec.paused\"", "duplicate field \"spec.template.spec.containers[0].a\""];
    assert_eq!(issues, doubled);
    let error =
        patched(value.clone(), deployment(), FieldValidation::Strict, issues.clone(), body).expect_err("strict");
    assert_eq!((error.code, &error.details.expect("details")["causes"][0]["field"]), (422, &json!("patch")));
    assert!(error.message.starts_with(" \"\" is invalid: patch: Invalid value: \"{"), "{}", error.message);
    let told = "strict decoding error: duplicate field \"spec.paused\", duplicate field \
        \"spec.template.spec.containers[0].a\", unknown field \"spec.template.spec.containers[0].a\", \
        unknown field \"spec.unknown\"";
    assert!(error.message.ends_with(told), "{}", error.message);
    let warned = patched(value, deployment(), FieldValidation::Warn, issues, body).expect("warn");
    assert_eq!(warned.warnings.len(), 4);
    let operations = br#"[{"op":"test","path":"/a","path":"/b","foo":1}]"#;
    assert_eq!(
        patch_json(operations).expect("JSON").1,
        ["json patch unknown field \"[0].foo\"", "json patch duplicate field \"[0].path\""]
    );
    let (value, issues) = configuration(b"{\"kind\": \"a\",\n\"kind\": \"b\"}").expect("YAML");
    assert_eq!(value["kind"], "b");
    let told = "error converting YAML to JSON: yaml: unmarshal errors:\n  line 2: key \"kind\" already set in map";
    assert_eq!(issues, [told]);
}

#[test]
fn kinds_must_fit_the_path() {
    let mut body = json!({"metadata": {}});
    assert_eq!(expect_kind(&mut body, "v1", "Pod"), Ok(()));
    assert_eq!((&body["apiVersion"], &body["kind"]), (&json!("v1"), &json!("Pod")));
    assert_eq!(expect_kind(&mut body, "v1", "Node").expect_err("kind").code, 400);
    assert_eq!(expect_kind(&mut body, "v2", "Pod").expect_err("version").code, 400);
}

#[test]
fn times_are_normal_and_null_elements_are_zero() {
    let pod = registry::by_kind("v1", "Pod").expect("Pod");
    let text =
        r#"{"metadata":{"creationTimestamp":"2024-01-02T03:04:05.6+02:00","labels":{"a":null},"finalizers":[null]}}"#;
    let made = json(text.as_bytes(), pod, FieldValidation::Strict).expect("a pod").value;
    assert_eq!(
        made["metadata"],
        json!({"creationTimestamp": "2024-01-02T01:04:05Z", "labels": {"a": ""}, "finalizers": [""]})
    );
}

fn any_json() -> impl Strategy<Value = Value> {
    let name = prop_oneof!["(spec|metadata|containers|name|template|labels|replicas|x)"];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "[a-z0-9.]{0,4}".prop_map(Value::from)
    ];
    leaf.prop_recursive(6, 64, 6, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::btree_map(name, inner, 0..5).prop_map(|m| Value::Object(m.into_iter().collect())),
        ]
    })
}

proptest! {
    /// What was accepted once is accepted again, unchanged and without a complaint.
    #[test]
    fn decoding_is_idempotent(document in any_json()) {
        if let Ok(once) = value(document, deployment(), FieldValidation::Warn) {
            let again = value(once.value.clone(), deployment(), FieldValidation::Strict).expect("accepted before");
            prop_assert_eq!(again.value, once.value);
        }
    }
    /// What passes for read already is what reading makes of it.
    #[test]
    fn canonical_values_stay_as_they_are(document in any_json()) {
        let canonical = canonical::is_canonical(&document, deployment());
        let read = laid(Node::from(document.clone()), deployment(), FieldValidation::Strict, Vec::new());
        prop_assert_eq!(canonical, read.is_ok_and(|read| read.value == document));
    }
}

/// Every kind's populated object, strictly read from JSON and YAML, is the object that was written.
#[test]
fn populated_objects_are_read_as_they_are() {
    let folder = std::path::PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/kubernetes-v1.36/objects");
    for (group, version) in crate::discovery::group_versions(&[]) {
        for kind in crate::discovery::kinds(group, version).filter(|k| !k.live) {
            let group = if group.is_empty() { "core" } else { group };
            let file = |ending: &str| folder.join(format!("{group}.{version}.{}.{ending}", kind.kind));
            let (Ok(text), Ok(lines)) = (std::fs::read(file("json")), std::fs::read(file("yaml"))) else {
                println!("skipped: no populated {} is here", kind.kind);
                return;
            };
            let schema = registry::get(kind.schema).expect("a schema");
            let plain: serde_json::Value = serde_json::from_slice(&text).expect("JSON");
            let written = json(&text, schema, FieldValidation::Strict).expect("no unknown field").value;
            assert_eq!(written, plain, "{} as JSON", kind.kind);
            let written = yaml(&lines, schema, FieldValidation::Strict).expect("no unknown field").value;
            assert_eq!(written, plain, "{} as YAML", kind.kind);
            assert!(canonical::is_canonical(&plain, schema), "{} as it is", kind.kind);
        }
    }
}
