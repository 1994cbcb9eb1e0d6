//! Rules for security contexts.

use crate::{
    json::{items, text},
    rules::{self, Errors, child},
};
use podium_types::FieldError;
use serde_json::{Value, json};

/// Largest user or group id.
const MAX_ID: i64 = i32::MAX as i64;
/// Longest name of a kernel parameter.
const MAX_SYSCTL: usize = 253;

/// Rules for a pod's security context.
pub(super) fn pod(errors: &mut Errors, context: &Value, path: &str) {
    ids(errors, context, path);
    rules::within(errors, &context["fsGroup"], &child(path, "fsGroup"), 0..=MAX_ID);
    for (i, group) in items(&context["supplementalGroups"]).iter().enumerate() {
        rules::within(errors, group, &format!("{path}.supplementalGroups[{i}]"), 0..=MAX_ID);
    }
    let policies = &["Always", "OnRootMismatch"];
    rules::one_of(errors, &context["fsGroupChangePolicy"], &child(path, "fsGroupChangePolicy"), policies);
    for (i, sysctl) in items(&context["sysctls"]).iter().enumerate() {
        let path = format!("{path}.sysctls[{i}].name");
        let name = text(&sysctl["name"]);
        if name.is_empty() {
            errors.push(FieldError::required(path, ""));
        } else if name.len() > MAX_SYSCTL || !name.split(['.', '/']).all(is_sysctl_part) {
            let why = format!(
                "must have at most {MAX_SYSCTL} characters and match regex \
                 ^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$"
            );
            errors.push(FieldError::invalid(path, &json!(name), &why));
        }
    }
    profile(errors, &context["seccompProfile"], &child(path, "seccompProfile"));
}

/// Rules for a container's security context.
pub(super) fn container(errors: &mut Errors, context: &Value, path: &str) {
    ids(errors, context, path);
    profile(errors, &context["seccompProfile"], &child(path, "seccompProfile"));
    rules::one_of(errors, &context["procMount"], &child(path, "procMount"), &["Default", "Unmasked"]);
    if context["allowPrivilegeEscalation"] != json!(false) {
        return;
    }
    if context["privileged"] == json!(true) {
        let why = "cannot set `allowPrivilegeEscalation` to false and `privileged` to true";
        errors.push(FieldError::invalid(path, context, why));
    }
    if items(&context["capabilities"]["add"]).iter().any(|c| c == "CAP_SYS_ADMIN") {
        let why = "cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN";
        errors.push(FieldError::invalid(path, context, why));
    }
}

fn ids(errors: &mut Errors, context: &Value, path: &str) {
    for field in ["runAsUser", "runAsGroup"] {
        rules::within(errors, &context[field], &child(path, field), 0..=MAX_ID);
    }
}

fn profile(errors: &mut Errors, profile: &Value, path: &str) {
    if profile.is_null() {
        return;
    }
    let kinds = &["Localhost", "RuntimeDefault", "Unconfined"];
    rules::required_one_of(errors, &profile["type"], &child(path, "type"), kinds);
    let local = &profile["localhostProfile"];
    if profile["type"] == "Localhost" && local.is_null() {
        let why = "must be set when seccomp type is Localhost";
        errors.push(FieldError::required(child(path, "localhostProfile"), why));
    } else if profile["type"] != "Localhost" && !local.is_null() {
        let why = "can only be set when seccomp type is Localhost";
        errors.push(FieldError::invalid(child(path, "localhostProfile"), local, why));
    }
}

fn is_sysctl_part(part: &str) -> bool {
    let b = part.as_bytes();
    let alnum = |c: &u8| c.is_ascii_lowercase() || c.is_ascii_digit();
    b.first().is_some_and(alnum) && b.last().is_some_and(alnum) && b.iter().all(|c| alnum(c) || b"-_".contains(c))
}
