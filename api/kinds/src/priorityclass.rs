//! PriorityClass: a name for how important pods are.

use crate::{
    Column, Context, Kind, Strategy, cells,
    cells::number,
    json::{plain, set_default, text},
    rules::{self, Errors},
};
use podium_types::{FieldError, Timestamp, meta};
use serde_json::{Value, json};

/// Above this, priorities are the system's.
const MAX_VALUE: i64 = 1_000_000_000;
/// Prefix of the system's own classes, and those there are.
const SYSTEM: &str = "system-";
const SYSTEM_CLASSES: &[(&str, i64)] =
    &[("system-node-critical", 2_000_001_000), ("system-cluster-critical", 2_000_000_000)];

/// The priority of one of the system's own classes.
pub fn system_priority(name: &str) -> Option<i64> {
    SYSTEM_CLASSES.iter().find(|class| class.0 == name).map(|class| class.1)
}

/// scheduling.k8s.io/v1 PriorityClass.
pub static KIND: Kind = Kind {
    group: "scheduling.k8s.io",
    kind: "PriorityClass",
    list_kind: "PriorityClassList",
    plural: "priorityclasses",
    singular: "priorityclass",
    short_names: &["pc"],
    namespaced: false,
    resource: "priorityclasses.scheduling.k8s.io",
    schema: "io.k8s.api.scheduling.v1.PriorityClass",
    columns: &[
        Column::NAME,
        Column::integer("Value"),
        Column::text("Global-Default"),
        Column::AGE,
        Column::text("PreemptionPolicy"),
    ],
    row,
    generation: true,
    strategy: &PriorityClass,
    ..Kind::PLAIN
};

struct PriorityClass;

impl Strategy for PriorityClass {
    fn default(&self, object: &mut Value) {
        set_default(object, "preemptionPolicy", "PreemptLowerPriority");
        set_default(object, "value", 0);
    }

    fn validate(&self, object: &Value) -> Vec<FieldError> {
        let mut errors = Errors::new();
        let (name, value) = (meta::name(object), object["value"].as_i64().unwrap_or_default());
        if name.starts_with(SYSTEM) {
            if !SYSTEM_CLASSES.contains(&(name, value)) {
                let why = format!(
                    "priority class names with 'system-' prefix are reserved for system use only. error: {name} is \
                     not a known system priority class"
                );
                errors.push(FieldError::forbidden("metadata.name", &why));
            }
        } else if value > MAX_VALUE {
            let why = format!("maximum allowed value of a user defined priority is {MAX_VALUE}");
            errors.push(FieldError::forbidden("value", &why));
        }
        let policies = &["Never", "PreemptLowerPriority"];
        rules::one_of(&mut errors, &object["preemptionPolicy"], "preemptionPolicy", policies);
        errors
    }

    fn validate_update(&self, object: &Value, old: &Value, _context: &Context<'_>) -> Vec<FieldError> {
        let mut errors = Errors::new();
        if object["value"] != old["value"] {
            errors.push(FieldError::forbidden("value", "may not be changed in an update."));
        }
        rules::fixed(&mut errors, object, old, "", &["preemptionPolicy"]);
        errors
    }
}

fn row(object: &Value, now: Timestamp) -> Vec<Value> {
    vec![
        cells::name(object),
        number(object, "value"),
        json!(plain(&object["globalDefault"]) == "true"),
        cells::age(object, now),
        json!(text(&object["preemptionPolicy"])),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{changes, errors, shown};

    fn class(name: &str, value: i64) -> Value {
        json!({"metadata": {"name": name}, "value": value, "preemptionPolicy": "Never"})
    }

    #[test]
    fn messages() {
        assert_eq!(errors(&KIND, &class("high", 1000)), [""; 0]);
        assert_eq!(errors(&KIND, &class("system-node-critical", 2_000_001_000)), [""; 0]);
        let why = "value: Forbidden: maximum allowed value of a user defined priority is 1000000000";
        assert_eq!(errors(&KIND, &class("high", 1_000_000_001)), [why]);
        assert!(
            errors(&KIND, &class("system-mine", 1))[0].starts_with("metadata.name: Forbidden: priority class names")
        );
        let why = "value: Forbidden: may not be changed in an update.";
        assert_eq!(changes(&KIND, &class("a", 2), &class("a", 1)), [why]);
    }

    #[test]
    fn cells() {
        assert_eq!(shown(&KIND, &class("high", 7)), ["high", "7", "false", "<unknown>", "Never"]);
    }
}
