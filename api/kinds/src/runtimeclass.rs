//! RuntimeClass: how a node runs the containers of a pod.

use crate::{
    Column, Context, Kind, Strategy, cells,
    json::{at, at_mut, text},
    names, resources,
    rules::{self, Errors},
};
use podium_types::FieldError;
use serde_json::{Value, json};

/// node.k8s.io/v1 RuntimeClass.
pub static KIND: Kind = Kind {
    group: "node.k8s.io",
    kind: "RuntimeClass",
    list_kind: "RuntimeClassList",
    plural: "runtimeclasses",
    singular: "runtimeclass",
    namespaced: false,
    resource: "runtimeclasses.node.k8s.io",
    schema: "io.k8s.api.node.v1.RuntimeClass",
    columns: &[Column::NAME, Column::text("Handler"), Column::AGE],
    row: |object, now| vec![cells::name(object), json!(text(&object["handler"])), cells::age(object, now)],
    strategy: &Class,
    ..Kind::PLAIN
};

struct Class;

impl Strategy for Class {
    fn default(&self, object: &mut Value) {
        at_mut(object, "overhead.podFixed").into_iter().for_each(resources::canonical_list);
    }
    fn validate(&self, object: &Value) -> Vec<FieldError> {
        let mut errors = Errors::new();
        let handler = text(&object["handler"]);
        rules::form(&mut errors, names::dns_label(handler), "handler", handler);
        rules::labels(&mut errors, at(object, "scheduling.nodeSelector"), "scheduling.nodeSelector");
        errors
    }
    fn validate_update(&self, object: &Value, old: &Value, _context: &Context<'_>) -> Vec<FieldError> {
        let mut errors = Errors::new();
        rules::fixed(&mut errors, object, old, "", &["handler"]);
        errors
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{changes, errors, shown};

    #[test]
    fn the_handler_is_a_label_and_stays() {
        let class = json!({"metadata": {"name": "c"}, "handler": "runc"});
        assert_eq!(errors(&KIND, &class), [""; 0]);
        assert!(errors(&KIND, &json!({"handler": "A"}))[0].starts_with(r#"handler: Invalid value: "A": a lowercase"#));
        let why = r#"handler: Invalid value: "kata": field is immutable"#;
        assert_eq!(changes(&KIND, &json!({"handler": "kata"}), &class), [why]);
        assert_eq!(shown(&KIND, &class), ["c", "runc", "<unknown>"]);
    }
}
