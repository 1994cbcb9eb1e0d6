//! Rules for a container's environment.

use super::volume;
use crate::{
    json::{is_unset, items, text},
    names, resources,
    rules::{self, Errors, child},
};
use podium_types::FieldError;
use serde_json::{Value, json};

const SOURCES: &[&str] = &["fieldRef", "resourceFieldRef", "configMapKeyRef", "secretKeyRef", "fileKeyRef"];
/// Fields of a pod that a variable may hold.
const FIELDS: &[&str] = &[
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "spec.nodeName",
    "spec.serviceAccountName",
    "status.hostIP",
    "status.hostIPs",
    "status.podIP",
    "status.podIPs",
];
/// Units in which sizes may be given.
const SIZES: &[&str] = &["1", "1k", "1M", "1G", "1T", "1P", "1E", "1Ki", "1Mi", "1Gi", "1Ti", "1Pi", "1Ei"];
/// Fields of a pod that a file may hold.
pub(super) const FILE_FIELDS: &[&str] =
    &["metadata.annotations", "metadata.labels", "metadata.name", "metadata.namespace", "metadata.uid"];

pub(super) fn validate(errors: &mut Errors, container: &Value, path: &str) {
    for (i, env) in items(&container["env"]).iter().enumerate() {
        let path = format!("{path}.env[{i}]");
        rules::required_form(errors, names::env_name, &env["name"], &child(&path, "name"));
        if !env["valueFrom"].is_null() {
            source(errors, env, &child(&path, "valueFrom"));
        }
    }
    for (i, from) in items(&container["envFrom"]).iter().enumerate() {
        let path = format!("{path}.envFrom[{i}]");
        let prefix = text(&from["prefix"]);
        if !prefix.is_empty() {
            rules::form(errors, names::env_name(prefix), &child(&path, "prefix"), prefix);
        }
        let set: Vec<&str> = ["configMapRef", "secretRef"].into_iter().filter(|s| !from[*s].is_null()).collect();
        match set[..] {
            [] => {
                let why = "must specify one of: `configMapRef` or `secretRef`";
                errors.push(FieldError::invalid(&path, &json!(""), why));
            }
            [one] => {
                let path = child(&child(&path, one), "name");
                rules::required_form(errors, names::dns_subdomain, &from[one]["name"], &path);
            }
            _ => {
                let why = "may not have more than one field specified at a time";
                errors.push(FieldError::invalid(&path, &json!(""), why));
            }
        }
    }
}

fn source(errors: &mut Errors, env: &Value, path: &str) {
    let from = &env["valueFrom"];
    let set: Vec<&str> = SOURCES.iter().copied().filter(|s| !from[*s].is_null()).collect();
    let mut refuse = |why: &str| errors.push(FieldError::invalid(path, &json!(""), why));
    if set.is_empty() {
        refuse(
            "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`",
        );
    }
    if !is_unset(&env["value"]) && !set.is_empty() {
        refuse("may not be specified when `value` is not empty");
    } else if set.len() > 1 {
        refuse("may not have more than one field specified at a time");
    }
    for name in set {
        let (from, path) = (&from[name], child(path, name));
        match name {
            "fieldRef" => field(errors, from, &path, FIELDS),
            "resourceFieldRef" => resource(errors, from, &path),
            "configMapKeyRef" | "secretKeyRef" => {
                rules::required_form(errors, names::dns_subdomain, &from["name"], &child(&path, "name"));
                rules::required_form(errors, names::data_key, &from["key"], &child(&path, "key"));
            }
            _ => {
                rules::required_form(errors, names::env_name, &from["key"], &child(&path, "key"));
                rules::required_form(errors, |_| Ok(()), &from["volumeName"], &child(&path, "volumeName"));
                volume::file_path(errors, &from["path"], &child(&path, "path"));
            }
        }
    }
}

/// Rules for a reference to a field of the pod; `metadata.labels['x']` is always one.
pub(super) fn field(errors: &mut Errors, reference: &Value, path: &str, supported: &[&str]) {
    let name = text(&reference["fieldPath"]);
    if is_unset(&reference["apiVersion"]) {
        errors.push(FieldError::required(child(path, "apiVersion"), ""));
        return;
    }
    let path = child(path, "fieldPath");
    let subscript = name.strip_suffix("']").and_then(|n| n.split_once("['"));
    match (name, subscript) {
        ("", _) => errors.push(FieldError::required(path, "")),
        (_, Some(("metadata.labels" | "metadata.annotations", key))) => {
            rules::form(errors, names::qualified_name(key), &path, key);
        }
        _ if supported.contains(&name) => {}
        _ if FIELDS.contains(&name) || FILE_FIELDS.contains(&name) => {
            errors.push(FieldError::not_supported(path, &json!(name), supported));
        }
        _ => {
            let why = format!("error converting fieldPath: field label not supported: {name}");
            errors.push(FieldError::invalid(path, &json!(name), &why));
        }
    }
}

/// Rules for a reference to a container's own limit or request.
pub(super) fn resource(errors: &mut Errors, reference: &Value, path: &str) {
    const KNOWN: &[&str] = &[
        "limits.cpu",
        "limits.ephemeral-storage",
        "limits.memory",
        "requests.cpu",
        "requests.ephemeral-storage",
        "requests.memory",
    ];
    let name = text(&reference["resource"]);
    let huge = name.starts_with("limits.hugepages-") || name.starts_with("requests.hugepages-");
    if name.is_empty() {
        errors.push(FieldError::required(child(path, "resource"), ""));
    } else if !huge {
        rules::one_of(errors, &reference["resource"], &child(path, "resource"), KNOWN);
    }
    let divisor = &reference["divisor"];
    let Some(given) = resources::quantity(divisor).filter(|q| !q.is_zero()) else { return };
    let (supported, what) = match name {
        "limits.cpu" | "requests.cpu" => (&["1m", "1"][..], "cpu"),
        "limits.ephemeral-storage" | "requests.ephemeral-storage" => (SIZES, "local ephemeral storage"),
        _ if huge => (SIZES, "hugepages"),
        _ => (SIZES, "memory"),
    };
    if !supported.contains(&given.to_string().as_str()) {
        let list = match supported {
            ["1m", "1"] => "1m and 1".to_owned(),
            sizes => sizes.join(", "),
        };
        let why = format!("only divisor's values {list} are supported with the {what} resource");
        errors.push(FieldError::invalid(child(path, "divisor"), &reference["resource"], &why));
    }
}
