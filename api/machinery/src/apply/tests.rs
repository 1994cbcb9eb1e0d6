//! Apply by table and by property: it is idempotent, and agrees with a simple model.

use super::*;
use podium_types::registry;
use proptest::prelude::*;
use serde_json::json;
use std::collections::BTreeMap;

fn deployment() -> &'static Type {
    registry::by_kind("apps/v1", "Deployment").expect("Deployment")
}

fn by(name: &str, operation: Operation) -> Manager<'_> {
    Manager { name, operation, api_version: "apps/v1", subresource: "", now: "2026-01-01T00:00:00Z" }
}

fn apply(live: &Value, config: &Value, name: &str, force: bool) -> Result<Value, ApiError> {
    applied(deployment(), live, config, &by(name, Operation::Apply), force)
}

fn update(old: &Value, mut new: Value, name: &str) -> Value {
    updated(deployment(), old, &mut new, &by(name, Operation::Update));
    new
}

/// The fields of one manager.
fn fields(object: &Value, name: &str) -> Value {
    let list = object["metadata"]["managedFields"].as_array().cloned().unwrap_or_default();
    list.into_iter().find(|e| e["manager"] == name).map_or(Value::Null, |e| e["fieldsV1"].clone())
}

fn containers(list: Value) -> Value {
    json!({"spec": {"template": {"spec": {"containers": list}}}})
}

#[test]
fn the_creator_owns_all_that_it_wrote() {
    let mut object = json!({"apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "a", "namespace": "b", "uid": "c", "labels": {"x": "1"}},
        "spec": {"replicas": 1, "selector": {"matchLabels": {"x": "1"}}, "template": {"spec": {"containers": [
            {"name": "c", "ports": [{"containerPort": 80}], "args": ["x"], "resources": {}}]}}}});
    created(deployment(), &mut object, &by("m", Operation::Update));
    let ports = json!({".": {}, "k:{\"containerPort\":80,\"protocol\":\"TCP\"}": {".": {}, "f:containerPort": {}}});
    assert_eq!(
        fields(&object, "m"),
        json!({"f:metadata": {"f:labels": {".": {}, "f:x": {}}},
            // A selector is owned as a whole, and so is a list that the schema says nothing of.
            "f:spec": {"f:replicas": {}, "f:selector": {}, "f:template": {"f:spec": {"f:containers": {
                "k:{\"name\":\"c\"}": {".": {}, "f:args": {}, "f:name": {}, "f:ports": ports, "f:resources": {}}}}}}})
    );
    let entry = &object["metadata"]["managedFields"][0];
    assert_eq!((&entry["operation"], &entry["fieldsType"]), (&json!("Update"), &json!("FieldsV1")));
}

#[test]
fn conflicts_are_told_in_kubernetes_words_and_force_takes_over() {
    let live = apply(&json!({}), &json!({"spec": {"replicas": 1, "paused": true}}), "x", false).expect("no conflict");
    let live = update(
        &live,
        {
            let mut v = live.clone();
            v["spec"]["replicas"] = json!(2);
            v
        },
        "y",
    );
    assert_eq!(fields(&live, "x"), json!({"f:spec": {"f:paused": {}}}));
    assert_eq!(fields(&live, "y"), json!({"f:spec": {"f:replicas": {}}}));
    let config = json!({"spec": {"replicas": 3}});
    let refused = apply(&live, &config, "z", false).expect_err("a conflict");
    assert_eq!(
        (refused.code, refused.message.as_str()),
        (409, "Apply failed with 1 conflict: conflict with \"y\" using apps/v1: .spec.replicas")
    );
    let cause = &refused.details.expect("details")["causes"][0];
    assert_eq!((&cause["reason"], &cause["field"]), (&json!("FieldManagerConflict"), &json!(".spec.replicas")));
    let both = apply(&live, &json!({"spec": {"replicas": 3, "paused": false}}), "z", false).expect_err("two");
    assert_eq!(
        both.message,
        "Apply failed with 2 conflicts: conflicts with \"x\":\n- .spec.paused\nconflicts with \"y\" using apps/v1:\n- .spec.replicas"
    );
    let forced = apply(&live, &config, "z", true).expect("forced");
    assert_eq!((&forced["spec"]["replicas"], fields(&forced, "y")), (&json!(3), Value::Null));
    assert_eq!(fields(&forced, "z"), json!({"f:spec": {"f:replicas": {}}}));
    // The same value is owned together, and outlives the one who gives it up.
    let shared = apply(&forced, &config, "w", false).expect("the same value");
    let given = apply(&shared, &json!({}), "z", false).expect("nothing more");
    assert_eq!((&given["spec"]["replicas"], fields(&given, "z")), (&json!(3), Value::Null));
    let gone = apply(&given, &json!({}), "w", false).expect("nothing more");
    assert_eq!(gone["spec"].get("replicas"), None);
}

#[test]
fn lists_merge_by_their_keys_and_lose_what_is_no_longer_applied() {
    let a = json!({"name": "a", "image": "1", "env": [{"name": "X", "value": "1"}, {"name": "Y", "value": "1"}]});
    let live = apply(&json!({}), &containers(json!([a, {"name": "b", "image": "1"}])), "x", false).expect("applies");
    let with = |list: Value| apply(&live, &containers(list), "y", false).expect("applies");
    let live2 = with(json!([{"name": "c", "image": "1"}, {"name": "a", "args": ["z"]}]));
    let names = |v: &Value| -> Vec<String> {
        let list = v["spec"]["template"]["spec"]["containers"].as_array().cloned().unwrap_or_default();
        list.iter().map(|c| c["name"].as_str().unwrap_or_default().to_owned()).collect()
    };
    assert_eq!(names(&live2), ["c", "a", "b"]);
    // x gives up a (of which y owns the arguments), b and its variables.
    let live3 = apply(&live2, &containers(json!([])), "x", false).expect("applies");
    assert_eq!(names(&live3), ["c", "a"]);
    assert_eq!(live3["spec"]["template"]["spec"]["containers"][1], json!({"name": "a", "args": ["z"]}));
    let live4 = apply(&live, &containers(json!([{"name": "a", "env": [{"name": "Y", "value": "1"}]}])), "x", false);
    let live4 = live4.expect("applies");
    assert_eq!(
        live4["spec"]["template"]["spec"]["containers"],
        json!([{"name": "a", "env": [{"name": "Y", "value": "1"}]}])
    );
}

#[test]
fn sets_keep_the_members_of_others() {
    let finalizers = |list: Value| json!({"metadata": {"finalizers": list}});
    let live = apply(&json!({}), &finalizers(json!(["a/a", "a/b"])), "x", false).expect("applies");
    let live = apply(&live, &finalizers(json!(["a/c", "a/a"])), "y", false).expect("applies");
    assert_eq!(live["metadata"]["finalizers"], json!(["a/c", "a/a", "a/b"]));
    let live = apply(&live, &finalizers(json!(["a/b"])), "x", false).expect("applies");
    assert_eq!(live["metadata"]["finalizers"], json!(["a/c", "a/a", "a/b"]));
    let live = apply(&live, &json!({}), "x", false).expect("applies");
    assert_eq!(live["metadata"]["finalizers"], json!(["a/c", "a/a"]));
}

#[test]
fn a_field_that_goes_leaves_its_owners() {
    let live = apply(&json!({}), &json!({"metadata": {"labels": {"a": "1", "b": "1"}}}), "x", false).expect("applies");
    let live = update(
        &live,
        {
            let mut v = live.clone();
            v["metadata"]["labels"] = json!({"b": "1"});
            v
        },
        "y",
    );
    assert_eq!(fields(&live, "x"), json!({"f:metadata": {"f:labels": {"f:b": {}}}}));
    assert_eq!(fields(&live, "y"), Value::Null);
}

#[test]
fn what_cannot_be_applied_is_told() {
    for (config, expected) in [
        (json!({"spec": {"odd": 1}}), ".spec.odd: field not declared in schema"),
        (
            containers(json!([{"name": "a"}, {"name": "a"}])),
            ".spec.template.spec.containers: duplicate entries for key [name=\"a\"]",
        ),
        (
            containers(json!([{"image": "a"}])),
            ".spec.template.spec.containers: element 0: associative list with keys has an element that omits key field \
             \"name\" (and doesn't have default value)",
        ),
        (
            containers(json!([{"name": "a", "odd": 1}])),
            ".spec.template.spec.containers[name=\"a\"].odd: field not declared in schema",
        ),
    ] {
        assert_eq!(check(deployment(), &config), Err(expected.to_owned()));
    }
    assert_eq!(check(deployment(), &containers(json!([{"name": "a"}]))), Ok(()));
}

#[test]
fn clients_may_choose_the_managed_fields() {
    let of = |list: Value| chosen(&json!({"metadata": {"managedFields": list}}));
    assert_eq!((of(json!([])), of(json!(null)), of(json!([{}]))), (None, None, Some(Value::Null)));
    assert_eq!(of(json!([{"operation": "Odd", "fieldsType": "FieldsV1", "fieldsV1": {}, "apiVersion": "v1"}])), None);
    let sound = json!([{"operation": "Apply", "fieldsType": "FieldsV1", "fieldsV1": {}, "apiVersion": "v1"}]);
    assert_eq!(of(sound.clone()), Some(sound));
}

#[test]
fn many_updaters_are_joined() {
    let mut live = json!({"metadata": {"labels": {}}});
    for i in 0..14 {
        let mut new = live.clone();
        new["metadata"]["labels"][format!("l{i}")] = json!("1");
        live = update(&live, new, &format!("m{i}"));
    }
    assert_eq!(live["metadata"]["managedFields"].as_array().map(Vec::len), Some(10));
    assert!(fields(&live, "ancient-changes")["f:metadata"]["f:labels"]["f:l0"].is_object());
}

/// Configurations: labels and containers of few names and values.
fn config() -> impl Strategy<Value = Value> {
    let map = || proptest::collection::btree_map("[a-d]", "[0-2]", 0..4);
    let names = Just(["a", "b", "c", "d"]).prop_shuffle();
    (map(), map(), names).prop_map(|(labels, images, order)| {
        let item = |n: &&str| Some(json!({"name": n, "image": images.get(*n)?}));
        let list: Vec<Value> = order.iter().filter_map(item).collect();
        let mut made = containers(Value::Array(list));
        made["metadata"] = json!({"labels": labels});
        made
    })
}

/// The model: leaves by path. A leaf has a value and owners.
type Model = BTreeMap<String, (String, Vec<usize>)>;

fn leaves(config: &Value) -> BTreeMap<String, String> {
    let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
    let labels = config["metadata"]["labels"].as_object().into_iter().flatten();
    let mut made: BTreeMap<String, String> = labels.map(|(k, v)| (format!("label {k}"), text(v))).collect();
    for container in config["spec"]["template"]["spec"]["containers"].as_array().into_iter().flatten() {
        // One that another manager still names stays, without the image that it lost.
        if let Some(image) = container["image"].as_str() {
            made.insert(format!("image {}", text(&container["name"])), image.to_owned());
        }
    }
    made
}

/// Whether every member of the set is there.
fn exists(node: Node, value: &mut Value, set: &Set) -> bool {
    set.iter().filter(|(key, _)| *key != set::SELF).all(|(key, below)| {
        let below = below.as_object().cloned().unwrap_or_default();
        node.child_mut(value, key).is_some_and(|(node, value)| exists(node, value, &below))
    })
}

fn model_apply(model: &mut Model, config: &Value, who: usize) {
    let wanted = leaves(config);
    for (_, owners) in model.values_mut() {
        owners.retain(|o| *o != who);
    }
    model.retain(|path, (_, owners)| !owners.is_empty() || wanted.contains_key(path));
    for (path, value) in wanted {
        let (have, owners) = model.entry(path).or_insert_with(|| (value.clone(), Vec::new()));
        if *have != value {
            owners.clear();
            *have = value;
        }
        owners.push(who);
    }
}

proptest! {
    /// Forced applies of several managers, in any order: values and owners are those of the model.
    #[test]
    fn apply_agrees_with_the_model(steps in proptest::collection::vec((0usize..3, config()), 1..8)) {
        let mut live = json!({});
        let mut model = Model::new();
        for (who, config) in steps {
            live = apply(&live, &config, &format!("m{who}"), true).expect("forced");
            model_apply(&mut model, &config, who);
            let values: BTreeMap<String, String> = model.iter().map(|(p, (v, _))| (p.clone(), v.clone())).collect();
            prop_assert_eq!(leaves(&live), values);
            for (path, (_, owners)) in &model {
                for other in 0..3 {
                    let set = fields(&live, &format!("m{other}"));
                    let owned = match path.split_once(' ') {
                        Some(("label", name)) => set["f:metadata"]["f:labels"][format!("f:{name}")].is_object(),
                        Some((_, name)) => set["f:spec"]["f:template"]["f:spec"]["f:containers"]
                            [format!("k:{{\"name\":\"{name}\"}}")]["f:image"].is_object(),
                        None => false,
                    };
                    prop_assert_eq!(owned, owners.contains(&other), "{} of m{}", path, other);
                }
            }
        }
    }
    /// Applying twice is applying once, whatever else was written before.
    #[test]
    fn apply_is_idempotent(first in config(), second in config(), third in config()) {
        let live = apply(&json!({}), &first, "x", true).expect("forced");
        let live = update(&live, merge::merge(Node::root(deployment()), &live, &second), "y");
        let once = apply(&live, &third, "z", true).expect("forced");
        prop_assert_eq!(apply(&once, &third, "z", false).expect("no conflict with itself"), once);
    }
    /// Whatever is written, nobody owns a field that is not there.
    #[test]
    fn owners_own_what_there_is(steps in proptest::collection::vec((0usize..3, any::<bool>(), config()), 1..8)) {
        let mut live = json!({});
        for (who, applies, config) in steps {
            let name = format!("m{who}");
            if applies {
                live = apply(&live, &config, &name, true).expect("forced");
            } else {
                let mut new = config;
                new["metadata"]["managedFields"] = live["metadata"]["managedFields"].clone();
                live = update(&live, new, &name);
            }
            for entry in Entries::take(&mut live.clone()).iter() {
                let mut object = live.clone();
                prop_assert!(exists(Node::root(deployment()), &mut object, &entry.fields), "{} in {}", name, live);
            }
        }
    }
    /// No one conflicts with values that are there already.
    #[test]
    fn equal_values_never_conflict(first in config(), order in Just([0usize, 1, 2, 3]).prop_shuffle()) {
        let live = apply(&json!({}), &first, "x", false).expect("nobody else");
        let mut same = first.clone();
        if let Some(list) = same["spec"]["template"]["spec"]["containers"].as_array_mut() {
            let old = std::mem::take(list);
            list.extend(order.iter().filter_map(|i| old.get(*i).cloned()));
        }
        prop_assert_eq!(leaves(&apply(&live, &same, "y", false).expect("the same values")), leaves(&live));
    }
}
