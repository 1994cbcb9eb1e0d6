//! ReplicationController: what ReplicaSet was before it had label selectors.

use crate::{
    Column, Context, Kind, Strategy, Subresource,
    apps::{replicaset, workload},
    cells,
    cells::number,
    json::{at, is_unset, members, set},
    pod,
    rules::{self, Errors},
};
use podium_types::{FieldError, Timestamp, meta};
use serde_json::{Value, json};

/// core/v1 ReplicationController.
pub static KIND: Kind = Kind {
    kind: "ReplicationController",
    list_kind: "ReplicationControllerList",
    plural: "replicationcontrollers",
    singular: "replicationcontroller",
    short_names: &["rc"],
    categories: &["all"],
    resource: "replicationcontrollers",
    schema: "io.k8s.api.core.v1.ReplicationController",
    subresources: &[Subresource::scale(), Subresource::part("status", "ReplicationController")],
    columns: &[
        Column::NAME,
        Column::integer("Desired"),
        Column::integer("Current"),
        Column::integer("Ready"),
        Column::AGE,
        Column::text("Containers").wide(),
        Column::text("Images").wide(),
        Column::text("Selector").wide(),
    ],
    row,
    selectable: &["status.replicas"],
    select: Some(|object, field| number(object, field).to_string()),
    generation: true,
    strategy: &Controller,
    ..Kind::PLAIN
};

struct Controller;

impl Strategy for Controller {
    fn default(&self, object: &mut Value) {
        workload::defaults(object);
        let labels = at(object, "spec.template.metadata.labels").clone();
        if is_unset(&labels) {
            return;
        }
        if let Some(spec) = object.get_mut("spec").filter(|s| is_unset(&s["selector"])) {
            set(spec, "selector", labels.clone());
        }
        if is_unset(at(object, "metadata.labels")) {
            meta::metadata_mut(object).insert("labels".into(), labels);
        }
    }
    fn prepare_create(&self, object: &mut Value, _context: &Context<'_>) {
        set(object, "status", json!({"replicas": 0}));
    }
    fn validate(&self, object: &Value) -> Vec<FieldError> {
        let mut errors = Errors::new();
        let (spec, selector) = (&object["spec"], at(object, "spec.selector"));
        rules::not_negative(&mut errors, spec, "spec", &["minReadySeconds", "replicas"]);
        rules::required(&mut errors, selector, "spec.selector", "");
        rules::labels(&mut errors, selector, "spec.selector");
        if spec["template"].is_null() {
            errors.push(FieldError::required("spec.template", ""));
            return errors;
        }
        let labels = at(spec, "template.metadata.labels");
        if !members(selector).all(|(key, value)| labels.get(key) == Some(value)) {
            let why = "`selector` does not match template `labels`";
            let labels = if labels.is_null() { &json!({}) } else { labels };
            errors.push(FieldError::invalid("spec.template.metadata.labels", labels, why));
        }
        pod::validate_template(&mut errors, &spec["template"], "spec.template");
        let path = "spec.template.spec.restartPolicy";
        rules::one_of(&mut errors, at(spec, "template.spec.restartPolicy"), path, &["Always"]);
        if !at(spec, "template.spec.activeDeadlineSeconds").is_null() {
            let why = "activeDeadlineSeconds in ReplicationController is not Supported";
            errors.push(FieldError::forbidden("spec.template.spec.activeDeadlineSeconds", why));
        }
        errors
    }
    fn validate_update(&self, object: &Value, old: &Value, context: &Context<'_>) -> Vec<FieldError> {
        match context.subresource {
            "status" => workload::validate_status(object, old, replicaset::COUNTS, replicaset::PAIRS),
            _ => Errors::new(),
        }
    }
    fn warnings(&self, object: &Value) -> Vec<String> {
        workload::warnings(object)
    }
}

fn row(object: &Value, now: Timestamp) -> Vec<Value> {
    let [names, images] = cells::containers(at(object, "spec.template.spec"));
    vec![
        cells::name(object),
        number(object, "spec.replicas"),
        number(object, "status.replicas"),
        number(object, "status.readyReplicas"),
        cells::age(object, now),
        names,
        images,
        json!(cells::labels(at(object, "spec.selector"))),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{defaulted, errors, shown};

    #[test]
    fn the_selector_is_that_of_the_template() {
        let pod = json!({"containers": [{"name": "a", "image": "a:1"}]});
        let mut object =
            json!({"metadata": {"name": "r"}, "spec": {"template": {"metadata": {"labels": {"a": "b"}}, "spec": pod}}});
        assert_eq!(errors(&KIND, &object), [""; 0]);
        let full = defaulted(&KIND, &object);
        assert_eq!((&full["spec"]["selector"], &full["metadata"]["labels"]), (&json!({"a": "b"}), &json!({"a": "b"})));
        assert_eq!(shown(&KIND, &full), ["r", "1", "0", "0", "<unknown>", "a", "a:1", "a=b"]);
        object["spec"]["selector"] = json!({"a": "c"});
        object["spec"]["template"]["spec"]["restartPolicy"] = json!("Never");
        assert_eq!(
            errors(&KIND, &object),
            [
                r#"spec.template.metadata.labels: Invalid value: {"a":"b"}: `selector` does not match template `labels`"#,
                r#"spec.template.spec.restartPolicy: Unsupported value: "Never": supported values: "Always""#,
            ]
        );
        assert_eq!(
            errors(&KIND, &json!({"spec": {}})),
            ["spec.selector: Required value", "spec.template: Required value"]
        );
    }
}
