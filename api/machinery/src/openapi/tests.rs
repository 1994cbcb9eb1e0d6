//! The documents hold what kubectl looks for, and every reference in them resolves.

use super::*;
use std::{collections::BTreeSet, fs, path::PathBuf};

/// A group of nothing but resources that are not stored.
static REVIEWS: &[Virtual] = &[Virtual {
    group: "authorization.k8s.io",
    version: "v1",
    plural: "localsubjectaccessreviews",
    singular: "localsubjectaccessreview",
    kind: "LocalSubjectAccessReview",
    namespaced: true,
    verbs: &["create"],
}];

/// Every reference of a document.
fn references(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(map) => {
            found.extend(map.get("$ref").and_then(Value::as_str).map(str::to_owned));
            map.values().for_each(|v| references(v, found));
        }
        Value::Array(items) => items.iter().for_each(|v| references(v, found)),
        _ => {}
    }
}

fn dangling(document: &Value) -> Vec<String> {
    let mut found = BTreeSet::new();
    references(document, &mut found);
    assert!(!found.is_empty());
    found.into_iter().filter(|r| document.pointer(r.trim_start_matches('#')).is_none()).collect()
}

#[test]
fn no_reference_leads_nowhere() {
    for (group, version) in discovery::group_versions(REVIEWS) {
        assert_eq!(dangling(&v3(group, version, REVIEWS).expect("served")), [""; 0], "{group}/{version}");
    }
    assert_eq!(dangling(&v2("v1.36.0", REVIEWS)), [""; 0]);
    assert_eq!(v3("nothing", "v1", REVIEWS), None);
}

#[test]
fn what_is_not_stored_is_documented_too() {
    let document = v3("authorization.k8s.io", "v1", REVIEWS).expect("served");
    let place = "/apis/authorization.k8s.io/v1/namespaces/{namespace}/localsubjectaccessreviews";
    let operation = &document["paths"][place]["post"];
    assert_eq!(operation["operationId"], "createAuthorizationV1NamespacedLocalSubjectAccessReview");
    assert!(document["components"]["schemas"]["io.k8s.api.authorization.v1.ResourceAttributes"].is_object());
    let core = v3("", "v1", REVIEWS).expect("served");
    assert!(core["paths"]["/api/v1/componentstatuses/{name}"]["get"].is_object());
}

#[test]
fn operation_ids_are_unique() {
    let document = v2("v1.36.0", REVIEWS);
    let mut seen = BTreeSet::new();
    for (path, item) in document["paths"].as_object().into_iter().flatten() {
        for operation in item.as_object().into_iter().flatten().map(|(_, o)| &o["operationId"]) {
            if let Some(id) = operation.as_str() {
                assert!(seen.insert(id.to_owned()), "{id} of {path}");
            }
        }
    }
}

/// What kubectl asks before it applies: does PATCH of the kind know `fieldValidation` and `dryRun`?
#[test]
fn patches_know_their_parameters() {
    let document = v3("apps", "v1", REVIEWS).expect("served");
    let patch = &document["paths"]["/apis/apps/v1/namespaces/{namespace}/deployments/{name}"]["patch"];
    assert_eq!(patch["x-kubernetes-group-version-kind"]["kind"], "Deployment");
    let names: Vec<&str> =
        patch["parameters"].as_array().into_iter().flatten().filter_map(|p| p["name"].as_str()).collect();
    assert_eq!(names, ["dryRun", "fieldManager", "fieldValidation", "force"]);
}

/// Strips what we leave out on purpose: prose and empty defaults.
fn bare(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let kept = map.iter().filter(|(k, v)| {
                !matches!(k.as_str(), "description" | "x-kubernetes-unions" | "enum" | "uniqueItems")
                    && !(k.as_str() == "default" && (**v == json!({}) || **v == json!("")))
            });
            let mut made: Map<String, Value> = kept.map(|(k, v)| (k.clone(), bare(v))).collect();
            // `allOf` of one reference says what the reference says.
            if made.len() == 1
                && let Some(Value::Array(all)) = made.get("allOf")
                && let [one] = all.as_slice()
            {
                return one.clone();
            }
            if let Some(Value::Array(gvks)) = made.get_mut("x-kubernetes-group-version-kind") {
                gvks.truncate(1);
            }
            if let Some(Value::Array(names)) = made.get_mut("required") {
                names.sort_by(|a, b| a.as_str().cmp(&b.as_str()));
            }
            Value::Object(made)
        }
        Value::Array(items) => Value::Array(items.iter().map(bare).collect()),
        scalar => scalar.clone(),
    }
}

#[test]
fn schemas_are_those_of_kubernetes() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/kubernetes-v1.36/openapi-v3");
    for (group, version) in discovery::group_versions(REVIEWS) {
        let file = if group.is_empty() { "api__v1".to_owned() } else { format!("apis__{group}__{version}") };
        let Ok(text) = fs::read(folder.join(format!("{file}_openapi.json"))) else {
            println!("skipped: no oracle for {group}/{version}");
            continue;
        };
        let theirs: Value = serde_json::from_slice(&text).expect("the oracle is JSON");
        let ours = v3(group, version, REVIEWS).expect("served");
        for (name, schema) in ours["components"]["schemas"].as_object().into_iter().flatten() {
            let same = &theirs["components"]["schemas"][name];
            if !same.is_null() {
                assert_eq!(bare(schema), bare(same), "{name}");
            }
        }
        for path in ours["paths"].as_object().into_iter().flatten().map(|(path, _)| path) {
            assert!(!theirs["paths"][path].is_null(), "{path}");
        }
    }
}
