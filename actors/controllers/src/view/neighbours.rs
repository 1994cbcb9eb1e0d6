//! What pods must have in common to say the same of other pods.

use super::item::Item;
use crate::pods;
use k8s_openapi::api::core::v1::Pod;

/// The group of a pod: its namespace, its labels, and what it says; `None` where it says nothing.
pub(super) fn group(pod: &Item<Pod>) -> Option<String> {
    let affinity = pod.spec.as_ref().and_then(|spec| spec.affinity.as_ref()).filter(|_| pods::neighbourly(pod))?;
    let said = (&pod.key().namespace, &pod.object.labels, &affinity.pod_affinity, &affinity.pod_anti_affinity);
    serde_json::to_string(&said).ok()
}
