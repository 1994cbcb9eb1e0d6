//! ControllerRevision: a state that a StatefulSet or DaemonSet can go back to.

use crate::{
    Column, Context, Kind, Strategy, cells,
    cells::number,
    json::{at, items, text},
    rules::{self, Errors},
};
use podium_types::{FieldError, Timestamp};
use serde_json::{Value, json};

/// apps/v1 ControllerRevision.
pub static KIND: Kind = Kind {
    group: "apps",
    kind: "ControllerRevision",
    list_kind: "ControllerRevisionList",
    plural: "controllerrevisions",
    singular: "controllerrevision",
    resource: "controllerrevisions.apps",
    schema: "io.k8s.api.apps.v1.ControllerRevision",
    columns: &[Column::NAME, Column::text("Controller"), Column::integer("Revision"), Column::AGE],
    row,
    strategy: &ControllerRevision,
    ..Kind::PLAIN
};

struct ControllerRevision;

impl Strategy for ControllerRevision {
    fn validate(&self, object: &Value) -> Vec<FieldError> {
        let mut errors = Errors::new();
        rules::required(&mut errors, &object["data"], "data", "data is mandatory");
        rules::at_least(&mut errors, &object["revision"], "revision", 0);
        errors
    }
    fn validate_update(&self, object: &Value, old: &Value, _context: &Context<'_>) -> Vec<FieldError> {
        let mut errors = Errors::new();
        rules::immutable(&mut errors, &object["data"], &old["data"], "data");
        errors
    }
}

/// `statefulset.apps/web`, as kubectl names an owner.
fn controller(object: &Value) -> String {
    let owners = items(at(object, "metadata.ownerReferences"));
    let Some(owner) = owners.iter().find(|o| o["controller"] == json!(true)) else { return cells::NONE.to_owned() };
    let group = text(&owner["apiVersion"]).split_once('/').map_or(String::new(), |(group, _)| format!(".{group}"));
    format!("{}{group}/{}", text(&owner["kind"]).to_lowercase(), text(&owner["name"]))
}

fn row(object: &Value, now: Timestamp) -> Vec<Value> {
    vec![cells::name(object), json!(controller(object)), number(object, "revision"), cells::age(object, now)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{changes, errors, shown};

    #[test]
    fn data_stays() {
        let revision = json!({"data": {"a": 1}, "revision": 1});
        assert_eq!(errors(&KIND, &revision), [""; 0]);
        assert_eq!(errors(&KIND, &json!({"revision": -1})).len(), 2);
        let other = json!({"data": {"a": 2}, "revision": 2});
        assert_eq!(changes(&KIND, &other, &revision), [r#"data: Invalid value: {"a":2}: field is immutable"#]);
    }

    #[test]
    fn the_controller_is_named() {
        let owner = json!([{"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "web", "controller": true}]);
        let object = json!({"metadata": {"name": "web-1", "ownerReferences": owner}, "revision": 3});
        assert_eq!(shown(&KIND, &object), ["web-1", "statefulset.apps/web", "3", "<unknown>"]);
    }
}
