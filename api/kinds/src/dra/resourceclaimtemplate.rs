//! ResourceClaimTemplate: a claim of its own for every pod.

use super::requests;
use crate::{
    Context, Kind, Strategy,
    json::at_mut,
    rules::{self, Errors},
};
use podium_types::FieldError;
use serde_json::Value;

/// resource.k8s.io/v1 ResourceClaimTemplate.
pub static KIND: Kind = Kind {
    group: "resource.k8s.io",
    kind: "ResourceClaimTemplate",
    list_kind: "ResourceClaimTemplateList",
    plural: "resourceclaimtemplates",
    singular: "resourceclaimtemplate",
    resource: "resourceclaimtemplates.resource.k8s.io",
    schema: "io.k8s.api.resource.v1.ResourceClaimTemplate",
    strategy: &Template,
    ..Kind::PLAIN
};

struct Template;

impl Strategy for Template {
    fn default(&self, object: &mut Value) {
        at_mut(object, "spec.spec").into_iter().for_each(requests::defaults);
    }
    fn validate(&self, object: &Value) -> Vec<FieldError> {
        let mut errors = Errors::new();
        rules::labels(&mut errors, &object["spec"]["metadata"]["labels"], "spec.metadata.labels");
        requests::validate(&mut errors, &object["spec"]["spec"], "spec.spec");
        errors
    }
    fn validate_update(&self, object: &Value, old: &Value, _context: &Context<'_>) -> Vec<FieldError> {
        let mut errors = Errors::new();
        rules::fixed(&mut errors, object, old, "", &["spec"]);
        errors
    }
}
