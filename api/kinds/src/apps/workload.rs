//! What the kinds that keep replicas of a pod template have in common.

use crate::{
    cells,
    json::{at, at_mut, int, is_unset, set_default},
    pod,
    rules::{self, Errors, child},
};
use podium_types::{FieldError, meta};
use serde_json::{Value, json};

/// Of two counts the first may not be above the second: the words for it.
pub(crate) type Pair = (&'static str, &'static str, &'static str);
/// What a pair is told that is above all of them.
pub(crate) const ABOVE_ALL: &str = "cannot be greater than status.replicas";
/// What is said of more that are available than are ready.
pub(crate) const ABOVE_READY: &str = "cannot be greater than readyReplicas";

/// `apps` kinds with `spec.replicas`, `spec.selector` and `spec.template`.
pub(crate) fn defaults(object: &mut Value) {
    let Some(spec) = object.get_mut("spec") else { return };
    set_default(spec, "replicas", 1);
    template_defaults(spec);
}

/// Defaults of the pods in `spec.template`.
pub(crate) fn template_defaults(spec: &mut Value) {
    if let Some(pod) = at_mut(spec, "template.spec") {
        pod::default_spec(pod);
    }
}

/// Rules for replicas, selector and template; the words say whose they are in messages.
pub(crate) fn validate(object: &Value, selector_of: &str, template_of: &str) -> Errors {
    let spec = &object["spec"];
    let mut errors = Errors::new();
    rules::at_least(&mut errors, &spec["replicas"], "spec.replicas", 0);
    rules::at_least(&mut errors, &spec["minReadySeconds"], "spec.minReadySeconds", 0);
    let selector = &spec["selector"];
    if selector.is_null() {
        errors.push(FieldError::required("spec.selector", ""));
    } else {
        rules::label_selector(&mut errors, selector, "spec.selector");
        if is_unset(&selector["matchLabels"]) && is_unset(&selector["matchExpressions"]) {
            let why = format!("empty selector is invalid for {selector_of}");
            errors.push(FieldError::invalid("spec.selector", selector, &why));
        }
    }
    template(&mut errors, spec, template_of);
    errors
}

fn template(errors: &mut Errors, spec: &Value, template_of: &str) {
    let template = &spec["template"];
    let labels = at(template, "metadata.labels");
    if spec["selector"].is_null() || !rules::selects(&spec["selector"], labels) {
        let why = "`selector` does not match template `labels`";
        let labels = if labels.is_null() { &json!({}) } else { labels };
        errors.push(FieldError::invalid("spec.template.metadata.labels", labels, why));
    }
    pod::validate_template(errors, template, "spec.template");
    let path = "spec.template.spec";
    rules::one_of(errors, at(template, "spec.restartPolicy"), &child(path, "restartPolicy"), &["Always"]);
    if !at(template, "spec.activeDeadlineSeconds").is_null() {
        let why = format!("activeDeadlineSeconds in {template_of} is not Supported");
        errors.push(FieldError::forbidden(child(path, "activeDeadlineSeconds"), &why));
    }
}

/// The selector says which pods are the object's own: it stays.
pub(crate) fn validate_update(object: &Value, old: &Value) -> Errors {
    let mut errors = Errors::new();
    rules::immutable(&mut errors, at(object, "spec.selector"), at(old, "spec.selector"), "spec.selector");
    errors
}

/// Rules for the counts of a status: none is below 0, and of each pair the first is not above the second.
pub(crate) fn validate_status(object: &Value, old: &Value, counts: &[&str], pairs: &[Pair]) -> Errors {
    let (status, mut errors) = (&object["status"], Errors::new());
    rules::not_negative(&mut errors, status, "status", &["observedGeneration"]);
    rules::not_negative(&mut errors, status, "status", counts);
    for (few, many, why) in pairs {
        if int(&status[*few]) > int(&status[*many]) {
            errors.push(FieldError::invalid(child("status", few), &status[*few], why));
        }
    }
    let [collisions, before] = [object, old].map(|o| int(at(o, "status.collisionCount")));
    if collisions < before {
        errors.push(FieldError::invalid("status.collisionCount", &collisions.into(), "cannot be decremented"));
    }
    errors
}

/// Warnings for the template.
pub(crate) fn warnings(object: &Value) -> Vec<String> {
    pod::spec_warnings(at(object, "spec.template.spec"), "spec.template.spec")
}

/// Containers, images and selector: the cells that `-o wide` adds.
pub(crate) fn wide_cells(object: &Value) -> [Value; 3] {
    let [names, images] = cells::containers(at(object, "spec.template.spec"));
    [names, images, json!(cells::label_selector(at(object, "spec.selector")))]
}

/// Status of an object that its controller has not seen yet.
pub(crate) fn fresh_status(object: &mut Value, status: Value) {
    if let Value::Object(status) = status {
        *meta::member_mut(object, "status") = status;
    }
}
