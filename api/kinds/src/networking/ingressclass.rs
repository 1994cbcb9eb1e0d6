//! IngressClass: who takes care of an Ingress.

use crate::{
    Column, Context, Kind, Strategy, cells,
    json::{is_unset, set_default, text},
    names,
    rules::{self, Errors},
};
use podium_types::{FieldError, Timestamp};
use serde_json::{Value, json};

/// networking.k8s.io/v1 IngressClass.
pub static KIND: Kind = Kind {
    group: "networking.k8s.io",
    kind: "IngressClass",
    list_kind: "IngressClassList",
    plural: "ingressclasses",
    singular: "ingressclass",
    namespaced: false,
    resource: "ingressclasses.networking.k8s.io",
    schema: "io.k8s.api.networking.v1.IngressClass",
    columns: &[Column::NAME, Column::text("Controller"), Column::text("Parameters"), Column::AGE],
    row,
    generation: true,
    strategy: &Class,
    ..Kind::PLAIN
};

struct Class;

impl Strategy for Class {
    fn default(&self, object: &mut Value) {
        if let Some(parameters) = object.get_mut("spec").and_then(|s| s.get_mut("parameters")) {
            set_default(parameters, "scope", "Cluster");
        }
    }
    fn validate(&self, object: &Value) -> Vec<FieldError> {
        let mut errors = Errors::new();
        let (controller, parameters) = (&object["spec"]["controller"], &object["spec"]["parameters"]);
        rules::required(&mut errors, controller, "spec.controller", "");
        if !is_unset(controller) {
            rules::form(&mut errors, names::domain_path(text(controller)), "spec.controller", text(controller));
        }
        if parameters.is_null() {
            return errors;
        }
        for field in ["kind", "name"] {
            rules::required(&mut errors, &parameters[field], &format!("spec.parameters.{field}"), field_is(field));
        }
        let scopes = &["Cluster", "Namespace"];
        rules::required_one_of(&mut errors, &parameters["scope"], "spec.parameters.scope", scopes);
        let (scope, namespace) = (text(&parameters["scope"]), text(&parameters["namespace"]));
        if scope == "Namespace" && namespace.is_empty() {
            let why = "`parameters.scope` is set to 'Namespace'";
            errors.push(FieldError::required("spec.parameters.namespace", why));
        }
        if scope == "Cluster" && !namespace.is_empty() {
            let why = "`parameters.scope` is set to 'Cluster'";
            errors.push(FieldError::forbidden("spec.parameters.namespace", why));
        }
        errors
    }
    fn validate_update(&self, object: &Value, old: &Value, _context: &Context<'_>) -> Vec<FieldError> {
        let mut errors = Errors::new();
        rules::fixed(&mut errors, &object["spec"], &old["spec"], "spec", &["controller"]);
        errors
    }
}

fn field_is(field: &str) -> &'static str {
    if field == "kind" { "kind is required" } else { "name is required" }
}

fn row(object: &Value, now: Timestamp) -> Vec<Value> {
    let parameters = &object["spec"]["parameters"];
    let shown = match (text(&parameters["kind"]), text(&parameters["apiGroup"])) {
        ("", _) => cells::NONE.to_owned(),
        (kind, "") => format!("{kind}/{}", text(&parameters["name"])),
        (kind, group) => format!("{kind}.{group}/{}", text(&parameters["name"])),
    };
    vec![cells::name(object), json!(text(&object["spec"]["controller"])), json!(shown), cells::age(object, now)]
}
