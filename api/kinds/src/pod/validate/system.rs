//! Rules for what a pod may say where it says which operating system it is for.

use crate::{
    json::{at, is_unset, items, text},
    rules::{Errors, child},
};
use podium_types::FieldError;
use serde_json::{Value, json};

const SYSTEMS: &[&str] = &["linux", "windows"];
/// What a pod for Windows cannot have.
const OF_LINUX: &[&str] = &[
    "securityContext.appArmorProfile",
    "securityContext.seLinuxOptions",
    "hostUsers",
    "hostPID",
    "hostIPC",
    "securityContext.seccompProfile",
    "securityContext.fsGroup",
    "securityContext.fsGroupChangePolicy",
    "securityContext.sysctls",
    "shareProcessNamespace",
    "securityContext.runAsUser",
    "securityContext.runAsGroup",
    "securityContext.supplementalGroups",
    "securityContext.supplementalGroupsPolicy",
    "securityContext.seLinuxChangePolicy",
];
/// What its containers cannot have, within `securityContext`.
const OF_LINUX_CONTAINERS: &[&str] = &[
    "appArmorProfile",
    "seLinuxOptions",
    "seccompProfile",
    "capabilities",
    "readOnlyRootFilesystem",
    "privileged",
    "allowPrivilegeEscalation",
    "procMount",
    "runAsUser",
    "runAsGroup",
];

/// Rules for `os` and for what depends on it.
pub(super) fn validate(errors: &mut Errors, spec: &Value, path: &str) {
    let os = &spec["os"];
    if os.is_null() {
        return;
    }
    match text(&os["name"]) {
        "" => errors.push(FieldError::required(child(path, "os.name"), "cannot be empty")),
        "linux" => refuse(errors, spec, path, &["securityContext.windowsOptions"], &["windowsOptions"]),
        "windows" => refuse(errors, spec, path, OF_LINUX, OF_LINUX_CONTAINERS),
        _ => errors.push(FieldError::not_supported(child(path, "os"), &os["name"], SYSTEMS)),
    }
}

fn refuse(errors: &mut Errors, spec: &Value, path: &str, of_pod: &[&str], of_containers: &[&str]) {
    let why = match text(at(spec, "os.name")) {
        "linux" => "windows options cannot be set for a linux pod",
        _ => "cannot be set for a windows pod",
    };
    // `false` is what such a field is where nobody set it.
    let is_set = |value: &Value| !is_unset(value) && value != &json!(false);
    for field in of_pod.iter().filter(|f| is_set(at(spec, f))) {
        errors.push(FieldError::forbidden(child(path, field), why));
    }
    for list in ["initContainers", "containers", "ephemeralContainers"] {
        for (i, container) in items(&spec[list]).iter().enumerate() {
            let context = &container["securityContext"];
            for field in of_containers.iter().filter(|f| !is_unset(&context[**f])) {
                errors.push(FieldError::forbidden(format!("{path}.{list}[{i}].securityContext.{field}"), why));
            }
        }
    }
}
