//! PodDisruptionBudget: how many pods may be taken away at a time.

use crate::{
    Column, Context, Kind, Strategy, Subresource, cells,
    cells::number,
    json::{plain, set},
    rules::{self, Errors},
};
use podium_types::{FieldError, Timestamp};
use serde_json::{Value, json};

/// policy/v1 PodDisruptionBudget.
pub static KIND: Kind = Kind {
    group: "policy",
    kind: "PodDisruptionBudget",
    list_kind: "PodDisruptionBudgetList",
    plural: "poddisruptionbudgets",
    singular: "poddisruptionbudget",
    short_names: &["pdb"],
    resource: "poddisruptionbudgets.policy",
    schema: "io.k8s.api.policy.v1.PodDisruptionBudget",
    subresources: &[Subresource::part("status", "PodDisruptionBudget")],
    columns: &[
        Column::NAME,
        Column::text("Min Available"),
        Column::text("Max Unavailable"),
        Column::integer("Allowed Disruptions"),
        Column::AGE,
    ],
    row,
    generation: true,
    strategy: &Budget,
    ..Kind::PLAIN
};

struct Budget;

impl Strategy for Budget {
    fn prepare_create(&self, object: &mut Value, _context: &Context<'_>) {
        let zero = json!({"currentHealthy": 0, "desiredHealthy": 0, "disruptionsAllowed": 0, "expectedPods": 0});
        set(object, "status", zero);
    }

    fn validate(&self, object: &Value) -> Vec<FieldError> {
        let mut errors = Errors::new();
        let spec = &object["spec"];
        if !spec["minAvailable"].is_null() && !spec["maxUnavailable"].is_null() {
            let why = "minAvailable and maxUnavailable cannot be both set";
            errors.push(FieldError::invalid("spec", spec, why));
        }
        for field in ["minAvailable", "maxUnavailable"] {
            let path = format!("spec.{field}");
            rules::count_or_percent(&mut errors, &spec[field], &path);
            rules::at_most_all(&mut errors, &spec[field], &path);
        }
        rules::label_selector(&mut errors, &spec["selector"], "spec.selector");
        let policies = &["AlwaysAllow", "IfHealthyBudget"];
        let path = "spec.unhealthyPodEvictionPolicy";
        rules::one_of(&mut errors, &spec["unhealthyPodEvictionPolicy"], path, policies);
        errors
    }
}

fn row(object: &Value, now: Timestamp) -> Vec<Value> {
    let bound = |field: &str| match plain(&object["spec"][field]) {
        none if none.is_empty() => json!("N/A"),
        bound => json!(bound),
    };
    vec![
        cells::name(object),
        bound("minAvailable"),
        bound("maxUnavailable"),
        number(object, "status.disruptionsAllowed"),
        cells::age(object, now),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{errors, shown};

    #[test]
    fn messages() {
        let cases: &[(Value, &[&str])] = &[
            (json!({"minAvailable": "50%"}), &[]),
            (
                json!({"minAvailable": 1, "maxUnavailable": 1}),
                &[
                    r#"spec: Invalid value: {"maxUnavailable":1,"minAvailable":1}: minAvailable and maxUnavailable cannot be both set"#,
                ],
            ),
            (
                json!({"minAvailable": "101%"}),
                &[r#"spec.minAvailable: Invalid value: "101%": must not be greater than 100%"#],
            ),
            (
                json!({"maxUnavailable": -1}),
                &["spec.maxUnavailable: Invalid value: -1: must be greater than or equal to 0"],
            ),
            (
                json!({"unhealthyPodEvictionPolicy": "Never"}),
                &[
                    r#"spec.unhealthyPodEvictionPolicy: Unsupported value: "Never": supported values: "AlwaysAllow", "IfHealthyBudget""#,
                ],
            ),
        ];
        for (spec, expected) in cases {
            assert_eq!(errors(&KIND, &json!({"spec": spec})), *expected, "{spec}");
        }
    }

    #[test]
    fn cells() {
        let object =
            json!({"metadata": {"name": "p"}, "spec": {"minAvailable": 2}, "status": {"disruptionsAllowed": 1}});
        assert_eq!(shown(&KIND, &object), ["p", "2", "N/A", "1", "<unknown>"]);
    }
}
