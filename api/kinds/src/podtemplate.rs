//! PodTemplate: a pod's description, kept for others to use.

use crate::{
    Column, Kind, Strategy, cells,
    json::{at, at_mut},
    pod,
    rules::Errors,
};
use podium_types::{FieldError, Timestamp};
use serde_json::{Value, json};

/// core/v1 PodTemplate.
pub static KIND: Kind = Kind {
    kind: "PodTemplate",
    list_kind: "PodTemplateList",
    plural: "podtemplates",
    singular: "podtemplate",
    resource: "podtemplates",
    schema: "io.k8s.api.core.v1.PodTemplate",
    columns: &[Column::NAME, Column::text("Containers"), Column::text("Images"), Column::text("Pod Labels")],
    row,
    generation: true,
    strategy: &Template,
    ..Kind::PLAIN
};

struct Template;

impl Strategy for Template {
    fn default(&self, object: &mut Value) {
        if let Some(spec) = at_mut(object, "template.spec") {
            pod::default_spec(spec);
        }
    }
    fn validate(&self, object: &Value) -> Vec<FieldError> {
        let mut errors = Errors::new();
        pod::validate_template(&mut errors, &object["template"], "template");
        errors
    }
    fn warnings(&self, object: &Value) -> Vec<String> {
        pod::spec_warnings(at(object, "template.spec"), "template.spec")
    }
}

fn row(object: &Value, _now: Timestamp) -> Vec<Value> {
    let [names, images] = cells::containers(at(object, "template.spec"));
    vec![cells::name(object), names, images, json!(cells::labels(at(object, "template.metadata.labels")))]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{errors, shown};

    #[test]
    fn a_template_is_checked_like_a_pod() {
        let mut object = json!({"metadata": {"name": "t"}, "template": {"metadata": {"labels": {"a": "b"}},
            "spec": {"containers": [{"name": "a", "image": "a:1"}]}}});
        assert_eq!(errors(&KIND, &object), [""; 0]);
        assert_eq!(shown(&KIND, &object), ["t", "a", "a:1", "a=b"]);
        object["template"]["spec"]["containers"][0]["image"] = json!("");
        assert_eq!(errors(&KIND, &object), ["template.spec.containers[0].image: Required value"]);
    }
}
