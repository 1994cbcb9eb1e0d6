//! Name, hostname and labels that the pod of an ordinal keeps for life.

use crate::{history::HASH_LABEL, template::mark, view::Item};
use k8s_openapi::api::{apps::v1::StatefulSetSpec, core::v1::Pod};
use serde_json::{Map, Value, json};

const NAME_LABEL: &str = "statefulset.kubernetes.io/pod-name";
const INDEX_LABEL: &str = "apps.kubernetes.io/pod-index";

/// The name of a pod.
pub fn name(set: &str, ordinal: i32) -> String {
    format!("{set}-{ordinal}")
}

/// The name of the claim of a pod for one claim template.
pub fn claim(template: &str, set: &str, ordinal: i32) -> String {
    format!("{template}-{set}-{ordinal}")
}

/// The set and ordinal that a pod's name speaks of.
pub fn parent(pod: &str) -> Option<(&str, i32)> {
    let (set, digits) = pod.rsplit_once('-')?;
    let ordinal: i32 = digits.parse().ok()?;
    // `web-01` and `web-+1` are no names of ours.
    (ordinal.to_string() == digits && !set.is_empty()).then_some((set, ordinal))
}

/// The ordinal of a pod, where its name is one of that set's.
pub fn ordinal(set: &str, pod: &str) -> Option<i32> {
    parent(pod).filter(|(parent, _)| *parent == set).map(|(_, ordinal)| ordinal)
}

/// The revision that a pod was made from.
pub fn revision(pod: &Item<Pod>) -> Option<&String> {
    pod.object.labels.get(HASH_LABEL)
}

/// Gives a new pod its identity and its volumes.
pub fn stamp(pod: &mut Value, spec: &StatefulSetSpec, set: &str, ordinal: i32, revision: &str) {
    let name = name(set, ordinal);
    mark(pod, "labels", HASH_LABEL, revision);
    mark(pod, "labels", NAME_LABEL, name.as_str());
    mark(pod, "labels", INDEX_LABEL, ordinal.to_string());
    pod["spec"]["hostname"] = json!(name);
    if let Some(service) = spec.service_name.as_deref().filter(|service| !service.is_empty()) {
        pod["spec"]["subdomain"] = json!(service);
    }
    let templates = spec.volume_claim_templates.iter().flatten().filter_map(|claim| claim.metadata.name.as_deref());
    let own: Vec<&str> = templates.collect();
    if own.is_empty() {
        return;
    }
    let mut volumes: Vec<Value> = own
        .iter()
        .map(|template| {
            let claim = claim(template, set, ordinal);
            json!({"name": template, "persistentVolumeClaim": {"claimName": claim, "readOnly": false}})
        })
        .collect();
    // A claim template takes the place of a volume of its name.
    let others = pod["spec"]["volumes"].as_array().cloned().unwrap_or_default();
    volumes.extend(others.into_iter().filter(|volume| !own.iter().any(|name| volume["name"] == *name)));
    pod["spec"]["volumes"] = json!(volumes);
}

/// The patch that gives a pod back the labels that it lost.
pub fn missing(pod: &Item<Pod>, ordinal: i32) -> Option<Value> {
    let wanted = [(NAME_LABEL, pod.key().name.clone()), (INDEX_LABEL, ordinal.to_string())];
    let lost = wanted.into_iter().filter(|(label, value)| pod.object.labels.get(*label) != Some(value));
    let lost: Map<String, Value> = lost.map(|(label, value)| (label.to_owned(), json!(value))).collect();
    (!lost.is_empty()).then(|| json!({"metadata": {"labels": lost}}))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_speak_of_one_set_and_ordinal() {
        for (pod, expected) in [
            ("web-0", Some(("web", 0))),
            ("my-web-12", Some(("my-web", 12))),
            ("web-01", None),
            ("web-+1", None),
            ("web", None),
            ("-1", None),
            ("web-99999999999", None),
        ] {
            assert_eq!(parent(pod), expected, "{pod}");
        }
        assert_eq!(ordinal("web", "my-web-1"), None);
    }
}
