//! DefaultStorageClass and DefaultIngressClass: who takes care of what names nobody.

use super::with_word;
use crate::verbs::Api;
use podium_types::{ApiError, meta};
use serde_json::{Value, json};

/// Annotations of the class for claims without one, new and old.
const OF_CLAIMS: &[&str] =
    &["storageclass.kubernetes.io/is-default-class", "storageclass.beta.kubernetes.io/is-default-class"];
/// Annotation of the class for ingresses without one.
const OF_INGRESSES: &[&str] = &["ingressclass.kubernetes.io/is-default-class"];
/// How claims and ingresses named their class when they had no field for it.
const OLD_CLAIM: &str = "volume.beta.kubernetes.io/storage-class";
const OLD_INGRESS: &str = "kubernetes.io/ingress.class";

/// Gives a claim that names no class the default one; `""` is a name.
pub(super) fn of_claim(api: &Api, claim: &mut Value) -> Result<(), ApiError> {
    if claim["metadata"]["annotations"][OLD_CLAIM].is_null() {
        give(claim, "storageClassName", || default(api, "storageclasses.storage.k8s.io", OF_CLAIMS));
    }
    Ok(())
}

/// Gives an ingress that names no class the default one.
pub(super) fn of_ingress(api: &Api, ingress: &mut Value) -> Result<(), ApiError> {
    if ingress["metadata"]["annotations"][OLD_INGRESS].is_null() {
        give(ingress, "ingressClassName", || default(api, "ingressclasses.networking.k8s.io", OF_INGRESSES));
    }
    Ok(())
}

fn give(object: &mut Value, field: &str, class: impl Fn() -> Option<String>) {
    if object["spec"].is_object()
        && object["spec"][field].is_null()
        && let Some(class) = class()
    {
        object["spec"][field] = json!(class);
    }
}

fn default(api: &Api, resource: &str, annotations: &[&str]) -> Option<String> {
    newest(&with_word(api, resource, None, "is-default-class"), annotations)
}

/// Of several defaults the newest counts, then the first by name.
fn newest(classes: &[Value], annotations: &[&str]) -> Option<String> {
    let mut chosen: Option<&Value> = None;
    for class in classes {
        let marks = &class["metadata"]["annotations"];
        let age = |class: &Value| meta::string(class, "creationTimestamp").to_owned();
        if annotations.iter().any(|a| marks[*a] == "true") && chosen.is_none_or(|best| age(class) > age(best)) {
            chosen = Some(class);
        }
    }
    chosen.map(|class| meta::name(class).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn class(name: &str, born: &str, annotation: &str, value: &str) -> Value {
        json!({"metadata": {"name": name, "creationTimestamp": born, "annotations": {annotation: value}}})
    }

    #[test]
    fn the_newest_default_counts() {
        let [new, old] = [OF_CLAIMS[0], OF_CLAIMS[1]];
        for (classes, expected) in [
            (vec![], None),
            (vec![class("a", "2026-01-01T00:00:00Z", new, "false")], None),
            (
                vec![class("a", "2026-01-01T00:00:00Z", new, "true"), class("b", "2026-01-02T00:00:00Z", old, "true")],
                Some("b"),
            ),
            (
                vec![class("a", "2026-01-01T00:00:00Z", new, "true"), class("b", "2026-01-01T00:00:00Z", new, "true")],
                Some("a"),
            ),
        ] {
            assert_eq!(newest(&classes, OF_CLAIMS).as_deref(), expected);
        }
    }

    #[test]
    fn a_name_is_kept_the_empty_one_too() {
        for (spec, expected) in [
            (json!({}), json!("fast")),
            (json!({"storageClassName": ""}), json!("")),
            (json!({"storageClassName": "slow"}), json!("slow")),
        ] {
            let mut claim = json!({"spec": spec});
            give(&mut claim, "storageClassName", || Some("fast".to_owned()));
            assert_eq!(claim["spec"]["storageClassName"], expected);
        }
    }
}
