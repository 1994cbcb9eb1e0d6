//! LimitRanger: what a namespace's LimitRanges fill in, and what they do not let pass.

mod bounds;

use super::together;
use crate::verbs::Api;
use podium_kinds::Kind;
use podium_types::{ApiError, meta};
use serde_json::{Map, Value, json};

/// Where a pod says what was filled in.
const ANNOTATION: &str = "kubernetes.io/limit-ranger";
/// The lists of a pod's containers that are limited, and what a container of each is called.
const CONTAINERS: &[(&str, &str)] = &[("containers", "container"), ("initContainers", "init container")];

/// The LimitRanges of the object's namespace.
fn ranges(api: &Api, object: &Value) -> Vec<Value> {
    super::with_word(api, "limitranges", Some(meta::namespace(object)), "\"limits\"")
}

fn items(range: &Value) -> impl Iterator<Item = &Value> {
    range["spec"]["limits"].as_array().into_iter().flatten()
}

/// Gives the containers of a new pod the requests and limits that they do not name.
pub(super) fn fill_in(api: &Api, pod: &mut Value) {
    for range in ranges(api, pod) {
        let said = complete(pod, &range);
        if !said.is_empty() {
            let annotations = meta::metadata_mut(pod).entry("annotations").or_insert_with(|| json!({}));
            if !annotations.is_object() {
                *annotations = json!({});
            }
            annotations[ANNOTATION] = json!(format!("LimitRanger plugin set: {}", said.join("; ")));
        }
    }
}

/// Fills in what one LimitRange has, and says what it was.
fn complete(pod: &mut Value, range: &Value) -> Vec<String> {
    let (mut requests, mut limits) = (Map::new(), Map::new());
    for item in items(range).filter(|item| item["type"] == "Container") {
        requests.extend(item["defaultRequest"].as_object().cloned().unwrap_or_default());
        limits.extend(item["default"].as_object().cloned().unwrap_or_default());
    }
    let mut said = Vec::new();
    for (list, word) in CONTAINERS {
        for container in pod["spec"][*list].as_array_mut().into_iter().flatten().filter(|c| c.is_object()) {
            let name = container["name"].as_str().unwrap_or_default().to_owned();
            for (field, what, amounts) in [("requests", "request", &requests), ("limits", "limit", &limits)] {
                let set = add(meta::member_mut(container, "resources"), field, amounts);
                if !set.is_empty() {
                    said.push(format!("{} {what} for {word} {name}", set.join(", ")));
                }
            }
        }
    }
    said
}

/// Adds the amounts that are not there yet; which those were.
fn add(resources: &mut Map<String, Value>, field: &str, amounts: &Map<String, Value>) -> Vec<String> {
    let has = |name: &String| resources.get(field).is_some_and(|list| !list[name].is_null());
    let missing: Vec<String> = amounts.keys().filter(|name| !has(name)).cloned().collect();
    if !missing.is_empty() {
        let list = resources.entry(field).or_insert_with(|| json!({}));
        if !list.is_object() {
            *list = json!({});
        }
        for name in &missing {
            list[name] = amounts[name].clone();
        }
    }
    missing
}

/// 403 where a pod or claim is outside the bounds of a LimitRange.
pub(super) fn check(api: &Api, kind: &Kind, object: &Value) -> Result<(), ApiError> {
    if meta::is_deleting(object) {
        return Ok(());
    }
    for range in ranges(api, object) {
        let broken: Vec<String> = items(&range).flat_map(|item| bounds::broken(item, kind.resource, object)).collect();
        if !broken.is_empty() {
            return Err(ApiError::forbidden(kind.plural, kind.group, meta::name(object), &together(broken)));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_named_is_filled_in_and_said() {
        let range = json!({"spec": {"limits": [
            {"type": "Container", "default": {"cpu": "1", "memory": "1Gi"}, "defaultRequest": {"cpu": "100m"}},
            {"type": "Pod", "max": {"cpu": "9"}}]}});
        let mut pod = json!({"spec": {
            "containers": [{"name": "a"}, {"name": "b", "resources": {"limits": {"cpu": "2"}, "requests": {"cpu": "2"}}}],
            "initContainers": [{"name": "i", "resources": {"limits": {"cpu": "1", "memory": "1"}}}]}});
        let said = complete(&mut pod, &range);
        assert_eq!(
            said,
            [
                "cpu request for container a",
                "cpu, memory limit for container a",
                "memory limit for container b",
                "cpu request for init container i"
            ]
        );
        let resources = |list: &str, at: usize| pod["spec"][list][at]["resources"].clone();
        assert_eq!(
            resources("containers", 0),
            json!({"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "100m"}})
        );
        assert_eq!(
            resources("containers", 1),
            json!({"limits": {"cpu": "2", "memory": "1Gi"}, "requests": {"cpu": "2"}})
        );
        assert_eq!(
            resources("initContainers", 0),
            json!({"limits": {"cpu": "1", "memory": "1"}, "requests": {"cpu": "100m"}})
        );
        assert!(complete(&mut pod, &range).is_empty(), "once is enough");
    }
}
