//! Node selector terms: which nodes a pod, a volume or a class of devices may be near.

use k8s_openapi::api::core::v1::{NodeSelectorRequirement, NodeSelectorTerm};
use std::collections::BTreeMap;

/// Whether a term selects a node; a term without any requirement selects none.
pub fn term_matches(term: &NodeSelectorTerm, labels: &BTreeMap<String, String>, name: &str) -> bool {
    let expressions = term.match_expressions.as_deref().unwrap_or_default();
    let fields = term.match_fields.as_deref().unwrap_or_default();
    if expressions.is_empty() && fields.is_empty() {
        return false;
    }
    let field = |key: &str| (key == "metadata.name").then_some(name);
    expressions.iter().all(|r| requirement_matches(r, labels.get(&r.key).map(String::as_str)))
        && fields.iter().all(|r| requirement_matches(r, field(&r.key)))
}

fn requirement_matches(requirement: &NodeSelectorRequirement, value: Option<&str>) -> bool {
    let values = requirement.values.as_deref().unwrap_or_default();
    let among = |value: &str| values.iter().any(|candidate| candidate == value);
    match (requirement.operator.as_str(), value) {
        ("In", Some(value)) => among(value),
        ("NotIn", Some(value)) => !among(value),
        ("NotIn" | "DoesNotExist", None) | ("Exists", Some(_)) => true,
        ("Gt", Some(value)) => compare(value, values).is_some_and(|(own, bound)| own > bound),
        ("Lt", Some(value)) => compare(value, values).is_some_and(|(own, bound)| own < bound),
        _ => false,
    }
}

/// Both sides of Gt and Lt as integers; anything else never matches.
fn compare(value: &str, values: &[String]) -> Option<(i64, i64)> {
    let [bound] = values else { return None };
    Some((value.parse().ok()?, bound.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn requirements_select_nodes() {
        let labels = [("cores".to_owned(), "8".to_owned()), ("disk".to_owned(), "ssd".to_owned())].into();
        let expression = |key: &str, operator: &str, values: &[&str]| {
            let expression = json!({"key": key, "operator": operator, "values": values});
            json!({"matchExpressions": [expression]})
        };
        for (term, expected) in [
            (json!({}), false),
            (expression("disk", "In", &["ssd", "hdd"]), true),
            (expression("disk", "NotIn", &["ssd"]), false),
            (expression("gpu", "NotIn", &["a"]), true),
            (expression("disk", "Exists", &[]), true),
            (expression("gpu", "Exists", &[]), false),
            (expression("gpu", "DoesNotExist", &[]), true),
            (expression("cores", "Gt", &["4"]), true),
            (expression("cores", "Gt", &["8"]), false),
            (expression("cores", "Lt", &["16"]), true),
            (expression("disk", "Lt", &["16"]), false),
            (json!({"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["n1"]}]}), true),
            (json!({"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["n2"]}]}), false),
        ] {
            let parsed = serde_json::from_value(term.clone()).unwrap();
            assert_eq!(term_matches(&parsed, &labels, "n1"), expected, "{term}");
        }
    }
}
