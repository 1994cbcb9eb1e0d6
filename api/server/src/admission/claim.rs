//! PersistentVolumeClaimResize: a claim grows only where its class says that volumes can.

use crate::verbs::Api;
use podium_types::{ApiError, Quantity, meta};
use serde_json::Value;

pub(super) fn grows(api: &Api, new: &Value, old: &Value) -> Result<(), ApiError> {
    let class = |name: &str| super::find(api, "storageclasses.storage.k8s.io", "", name).map(|class| class.value());
    match refusal(new, old, class) {
        Some(why) => Err(ApiError::forbidden("persistentvolumeclaims", "", meta::name(new), why)),
        None => Ok(()),
    }
}

/// Why the claim may not become what it shall, if it grows at all.
fn refusal(new: &Value, old: &Value, class: impl Fn(&str) -> Option<Value>) -> Option<&'static str> {
    let size = |claim: &Value| {
        let asked = claim["spec"]["resources"]["requests"]["storage"].as_str();
        asked.and_then(|asked| Quantity::parse(asked).ok()).unwrap_or_default()
    };
    if size(new) <= size(old) {
        return None;
    }
    if old["status"]["phase"] != "Bound" {
        return Some("Only bound persistent volume claims can be expanded");
    }
    let name = old["spec"]["storageClassName"].as_str().filter(|name| !name.is_empty());
    let same = name.filter(|name| new["spec"]["storageClassName"] == *name);
    if same.and_then(class).is_some_and(|class| class["allowVolumeExpansion"] == true) {
        return None;
    }
    Some(
        "only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc must support resize",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_where_the_class_allows_it() {
        let claim = |size: &str, phase: &str, class: &str| {
            let resources = json!({"requests": {"storage": size}});
            json!({"spec": {"storageClassName": class, "resources": resources}, "status": {"phase": phase}})
        };
        let classes = |name: &str| match name {
            "grows" => Some(json!({"allowVolumeExpansion": true})),
            "fixed" => Some(json!({})),
            _ => None,
        };
        for (size, phase, class, allowed) in [
            ("2Gi", "Bound", "grows", true),
            ("1Gi", "Pending", "none", true),
            ("2Gi", "Pending", "grows", false),
            ("2Gi", "Bound", "fixed", false),
            ("2Gi", "Bound", "none", false),
            ("2Gi", "Bound", "", false),
        ] {
            let why = refusal(&claim(size, phase, class), &claim("1Gi", phase, class), classes);
            assert_eq!(why.is_none(), allowed, "{size} {phase} {class}: {why:?}");
        }
    }
}
