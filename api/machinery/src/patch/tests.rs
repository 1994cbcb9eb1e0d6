//! Patches by table and by property: merging what was diffed gives the new object.

use super::*;
use podium_types::registry::{self, Type};
use proptest::prelude::*;
use serde_json::json;

fn pod() -> &'static Type {
    registry::by_kind("v1", "Pod").expect("Pod")
}

fn apply(original: &Value, patch: &Value) -> Value {
    strategic(pod(), original, patch).expect("a patch that applies")
}

fn containers(list: &Value) -> Value {
    json!({"spec": {"containers": list}})
}

#[test]
fn lists_merge_by_key() {
    let old = containers(
        &json!([{"name": "a", "image": "1", "ports": [{"containerPort": 80}]}, {"name": "b", "image": "1"}]),
    );
    let new = apply(&old, &containers(&json!([{"name": "b", "image": "2"}, {"name": "c", "image": "1"}])));
    assert_eq!(
        new,
        containers(&json!([{"name": "a", "image": "1", "ports": [{"containerPort": 80}]},
        {"name": "b", "image": "2"}, {"name": "c", "image": "1"}]))
    );
    let new = apply(&old, &containers(&json!([{"name": "a", "$patch": "delete"}])));
    assert_eq!(new, containers(&json!([{"name": "b", "image": "1"}])));
    let new = apply(&old, &containers(&json!([{"name": "z"}, {"$patch": "replace"}])));
    assert_eq!(new, containers(&json!([{"name": "z"}])));
    let new = apply(&old, &containers(&json!([{"name": "a", "$patch": "replace", "image": "9"}])));
    assert_eq!(new["spec"]["containers"][0], json!({"name": "a", "image": "9"}));
}

#[test]
fn lists_without_a_key_are_replaced_or_joined() {
    let old = json!({"metadata": {"finalizers": ["a", "b"]}, "spec": {"tolerations": [{"key": "x"}]}});
    let new = apply(&old, &json!({"metadata": {"finalizers": ["b", "c"]}, "spec": {"tolerations": [{"key": "y"}]}}));
    assert_eq!(new, json!({"metadata": {"finalizers": ["a", "b", "c"]}, "spec": {"tolerations": [{"key": "y"}]}}));
    let new = apply(&old, &json!({"metadata": {"$deleteFromPrimitiveList/finalizers": ["a"]}}));
    assert_eq!(new["metadata"]["finalizers"], json!(["b"]));
    let order = json!({"metadata": {"$setElementOrder/finalizers": ["c", "b", "a"], "finalizers": ["c"]}});
    assert_eq!(apply(&old, &order)["metadata"]["finalizers"], json!(["c", "b", "a"]));
}

#[test]
fn maps_merge_and_directives_rule() {
    let old = json!({"metadata": {"labels": {"a": "1", "b": "2"}}, "spec": {"securityContext": {"runAsUser": 1}}});
    let new = apply(&old, &json!({"metadata": {"labels": {"a": null, "c": "3"}}}));
    assert_eq!(new["metadata"]["labels"], json!({"b": "2", "c": "3"}));
    let new = apply(&old, &json!({"spec": {"securityContext": {"$patch": "replace", "runAsGroup": 2}}}));
    assert_eq!(new["spec"], json!({"securityContext": {"runAsGroup": 2}}));
    let new = apply(&old, &json!({"spec": {"securityContext": {"$patch": "delete"}}}));
    assert_eq!(new["spec"], json!({}));
    let deployment = registry::by_kind("apps/v1", "Deployment").expect("Deployment");
    let old = json!({"spec": {"strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}}}});
    let patch = json!({"spec": {"strategy": {"$retainKeys": ["type"], "type": "Recreate"}}});
    let new = strategic(deployment, &old, &patch).expect("retain keys");
    assert_eq!(new, json!({"spec": {"strategy": {"type": "Recreate"}}}));
}

#[test]
fn senseless_patches_are_refused() {
    for patch in [
        json!([]),
        json!({"$patch": "odd"}),
        containers(&json!([{"image": "x"}])),
        containers(&json!(["x"])),
        json!({"metadata": {"$deleteFromPrimitiveList/finalizers": "a"}}),
        json!({"spec": {"$retainKeys": ["a"], "b": 1}}),
    ] {
        assert_eq!(strategic(pod(), &json!({}), &patch).expect_err("refused").code, 400, "{patch}");
    }
}

#[test]
fn json_patches_apply_whole_or_not_at_all() {
    let old = json!({"a": {"b": [1, 2]}});
    let patch = json!([{"op": "test", "path": "/a/b/0", "value": 1}, {"op": "add", "path": "/a/b/-", "value": 3},
        {"op": "remove", "path": "/a/b/0"}]);
    assert_eq!(json(&old, &patch).expect("applies"), json!({"a": {"b": [2, 3]}}));
    let code = |patch: Value| json(&old, &patch).map_err(|e| e.code);
    assert_eq!(code(json!([{"op": "test", "path": "/a", "value": 1}])), Err(422));
    assert_eq!(code(json!([{"op": "remove", "path": "/x"}])), Err(422));
    assert_eq!(code(json!([{"op": "dance", "path": "/x"}])), Err(400));
    let many = Value::Array(vec![json!({"op": "test", "path": "/a/b/0", "value": 1}); MAX_OPERATIONS + 1]);
    assert_eq!(code(many), Err(413));
}

/// Lists of containers with unique names.
fn any_containers() -> impl Strategy<Value = Value> {
    proptest::collection::btree_map("[a-e]", "[0-9]", 0..5)
        .prop_map(|map| map.into_iter().map(|(name, image)| json!({"name": name, "image": image})).collect())
}

proptest! {
    /// Patching twice is patching once, and a patch that repeats the object changes nothing.
    #[test]
    fn strategic_patches_are_idempotent(old in any_containers(), change in any_containers()) {
        let (old, patch) = (containers(&old), containers(&change));
        let once = apply(&old, &patch);
        prop_assert_eq!(apply(&once, &patch), once.clone());
        prop_assert_eq!(apply(&once, &once), once);
    }
    /// Every element that the order names comes out in that order, and none is lost.
    #[test]
    fn an_order_sorts_and_loses_nothing(
        old in proptest::collection::btree_set("[a-f]", 0..6),
        order in Just(["a", "b", "c", "d"]).prop_shuffle(),
    ) {
        let object = json!({"metadata": {"finalizers": old.iter().rev().collect::<Vec<_>>()}});
        let new = apply(&object, &json!({"metadata": {"$setElementOrder/finalizers": order}}));
        let got: Vec<&str> = new["metadata"]["finalizers"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let wanted: Vec<&str> = order.into_iter().filter(|o| old.contains(*o)).collect();
        prop_assert_eq!(got.iter().copied().filter(|g| order.contains(g)).collect::<Vec<_>>(), wanted);
        prop_assert_eq!(got.len(), old.len());
    }
    /// RFC 7386: what a merge patch says is there afterwards.
    #[test]
    fn merge_patches_are_idempotent(a in "[a-c]", b in "[a-c]", x in any::<u8>()) {
        let mut target = json!({&a: {"x": 1, &b: 2}});
        let patch = json!({&a: {"x": null, "y": x}});
        merge(&mut target, &patch);
        prop_assert_eq!(&target[&a]["y"], &json!(x));
        let once = target.clone();
        merge(&mut target, &patch);
        prop_assert_eq!(target, once);
    }
}
