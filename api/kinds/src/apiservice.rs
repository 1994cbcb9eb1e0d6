//! APIService: which server answers for a group and version.

use crate::{
    Column, Context, Kind, Strategy, Subresource, cells,
    json::{int, is_unset, items, set, set_default_number, text},
    names,
    rules::{self, Errors},
};
use podium_types::{FieldError, Timestamp, meta};
use serde_json::{Value, json};

/// Limits of priorities, and the usual port.
const MAX_GROUP_PRIORITY: i64 = 20_000;
const MAX_VERSION_PRIORITY: i64 = 1000;
const HTTPS_PORT: i64 = 443;

/// apiregistration.k8s.io/v1 APIService.
pub static KIND: Kind = Kind {
    group: "apiregistration.k8s.io",
    kind: "APIService",
    list_kind: "APIServiceList",
    plural: "apiservices",
    singular: "apiservice",
    categories: &["api-extensions"],
    namespaced: false,
    resource: "apiservices.apiregistration.k8s.io",
    schema: "io.k8s.kube-aggregator.pkg.apis.apiregistration.v1.APIService",
    subresources: &[Subresource::part("status", "APIService")],
    columns: &[Column::NAME, Column::text("Service"), Column::text("Available"), Column::AGE],
    row,
    strategy: &Service,
    ..Kind::PLAIN
};

struct Service;

impl Strategy for Service {
    fn default(&self, object: &mut Value) {
        if let Some(service) = object.get_mut("spec").and_then(|s| s.get_mut("service")) {
            set_default_number(service, "port", HTTPS_PORT);
        }
    }
    fn prepare_create(&self, object: &mut Value, context: &Context<'_>) {
        let local = object["spec"]["service"].is_null();
        let available = json!({"type": "Available", "status": "True", "reason": "Local",
            "message": "Local APIServices are always available", "lastTransitionTime": context.now.to_string()});
        set(object, "status", if local { json!({"conditions": [available]}) } else { json!({}) });
    }
    fn validate_name(&self, _name: &str) -> Result<(), String> {
        // The core group's ends with a dot; `validate` knows what it must be.
        Ok(())
    }
    fn validate(&self, object: &Value) -> Vec<FieldError> {
        let mut errors = Errors::new();
        let spec = &object["spec"];
        let (group, version) = (text(&spec["group"]), text(&spec["version"]));
        let name = format!("{version}.{group}");
        if meta::name(object) != name {
            let why = format!("must be `spec.version+\".\"+spec.group`: {name:?}");
            errors.push(FieldError::invalid("metadata.name", &json!(meta::name(object)), &why));
        }
        if !group.is_empty() {
            rules::form(&mut errors, names::dns_subdomain(group), "spec.group", group);
        }
        rules::required_form(&mut errors, names::dns_1035_label, &spec["version"], "spec.version");
        for (field, most) in [("groupPriorityMinimum", MAX_GROUP_PRIORITY), ("versionPriority", MAX_VERSION_PRIORITY)] {
            if !(1..=most).contains(&int(&spec[field])) {
                let why = format!("must be positive and less than {most}");
                errors.push(FieldError::invalid(format!("spec.{field}"), &json!(int(&spec[field])), &why));
            }
        }
        reached(&mut errors, spec);
        errors
    }
}

fn reached(errors: &mut Errors, spec: &Value) {
    let (service, insecure) = (&spec["service"], spec["insecureSkipTLSVerify"] == json!(true));
    if service.is_null() {
        if !is_unset(&spec["caBundle"]) {
            let why = "local APIServices may not have a caBundle";
            errors.push(FieldError::invalid("spec.caBundle", &spec["caBundle"], why));
        }
        if insecure {
            let why = "local APIServices may not have insecureSkipTLSVerify";
            errors.push(FieldError::invalid("spec.insecureSkipTLSVerify", &json!(true), why));
        }
        return;
    }
    for field in ["namespace", "name"] {
        rules::required(errors, &service[field], &format!("spec.service.{field}"), "");
    }
    rules::port(errors, &service["port"], "spec.service.port");
    if insecure && !is_unset(&spec["caBundle"]) {
        let why = "may not be true if caBundle is present";
        errors.push(FieldError::invalid("spec.insecureSkipTLSVerify", &json!(true), why));
    }
}

fn row(object: &Value, now: Timestamp) -> Vec<Value> {
    let service = &object["spec"]["service"];
    let shown = match text(&service["name"]) {
        "" => "Local".to_owned(),
        name => format!("{}/{name}", text(&service["namespace"])),
    };
    let available = items(&object["status"]["conditions"]).iter().find(|c| text(&c["type"]) == "Available");
    let available = match available.map(|c| (text(&c["status"]), text(&c["reason"]))) {
        None => "Unknown".to_owned(),
        Some(("True", _)) => "True".to_owned(),
        Some((status, reason)) => format!("{status} ({reason})"),
    };
    vec![cells::name(object), json!(shown), json!(available), cells::age(object, now)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{CONTEXT, errors, shown};

    #[test]
    fn messages_and_cells() {
        let spec = json!({"group": "a.io", "version": "v1", "groupPriorityMinimum": 100, "versionPriority": 10});
        let mut object = json!({"metadata": {"name": "v1.a.io"}, "spec": spec});
        assert_eq!(errors(&KIND, &object), [""; 0]);
        KIND.strategy.prepare_create(&mut object, &CONTEXT);
        assert_eq!(shown(&KIND, &object), ["v1.a.io", "Local", "True", "<unknown>"]);
        object["metadata"]["name"] = json!("other");
        object["spec"]["service"] = json!({"name": "s"});
        object["spec"]["versionPriority"] = json!(0);
        assert_eq!(
            errors(&KIND, &object),
            [
                r#"metadata.name: Invalid value: "other": must be `spec.version+"."+spec.group`: "v1.a.io""#,
                "spec.versionPriority: Invalid value: 0: must be positive and less than 1000",
                "spec.service.namespace: Required value",
            ]
        );
    }
}
