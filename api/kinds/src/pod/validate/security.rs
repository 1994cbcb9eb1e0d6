//! Rules for security contexts.

use crate::{
    json::{is_unset, items, text},
    rules::{self, Errors, child},
};
use podium_types::FieldError;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Largest user or group id.
const MAX_ID: i64 = i32::MAX as i64;
/// Longest path of a profile.
const MAX_PROFILE: usize = 4095;
/// Kernel parameters of namespaces that a pod may share with its host.
const HOST_SYSCTLS: &[(&str, &[&str])] =
    &[("hostNetwork", &["net."]), ("hostIPC", &["kernel.shm", "kernel.msg", "kernel.sem", "fs.mqueue."])];
/// Longest name of a kernel parameter.
const MAX_SYSCTL: usize = 253;

/// Rules for a pod's security context, and for the namespaces that it is about.
pub(super) fn pod(errors: &mut Errors, spec: &Value, path: &str) {
    let (context, path) = (&spec["securityContext"], child(path, "securityContext"));
    rules::within(errors, &context["fsGroup"], &child(&path, "fsGroup"), 0..=MAX_ID);
    ids(errors, context, &path);
    for (i, group) in items(&context["supplementalGroups"]).iter().enumerate() {
        rules::within(errors, group, &format!("{path}.supplementalGroups[{i}]"), 0..=MAX_ID);
    }
    if spec["shareProcessNamespace"] == json!(true) && spec["hostPID"] == json!(true) {
        let why = "ShareProcessNamespace and HostPID cannot both be enabled";
        errors.push(FieldError::invalid(child(&path, "shareProcessNamespace"), &json!(true), why));
    }
    sysctls(errors, spec, &child(&path, "sysctls"));
    for (field, supported) in [
        ("fsGroupChangePolicy", ["Always", "OnRootMismatch"]),
        ("supplementalGroupsPolicy", ["Merge", "Strict"]),
        ("seLinuxChangePolicy", ["MountOption", "Recursive"]),
    ] {
        rules::one_of(errors, &context[field], &child(&path, field), &supported);
    }
    profile(errors, &context["seccompProfile"], &child(&path, "seccompProfile"), "seccomp");
    profile(errors, &context["appArmorProfile"], &child(&path, "appArmorProfile"), "AppArmor");
}

fn sysctls(errors: &mut Errors, spec: &Value, path: &str) {
    let mut seen = BTreeSet::new();
    for (i, sysctl) in items(&spec["securityContext"]["sysctls"]).iter().enumerate() {
        let path = format!("{path}[{i}].name");
        let name = text(&sysctl["name"]);
        if name.is_empty() {
            errors.push(FieldError::required(&path, ""));
        } else if name.len() > MAX_SYSCTL || !name.split(['.', '/']).all(is_sysctl_part) {
            let why = format!(
                "must have at most {MAX_SYSCTL} characters and match regex \
                 ^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$"
            );
            errors.push(FieldError::invalid(&path, &json!(name), &why));
        } else {
            rules::unique(errors, &mut seen, name, &path);
        }
        for (field, prefixes) in HOST_SYSCTLS {
            if spec[*field] == json!(true) && prefixes.iter().any(|p| name.replace('/', ".").starts_with(p)) {
                let why = format!("may not be specified when '{field}' is true");
                errors.push(FieldError::invalid(&path, &json!(name), &why));
            }
        }
    }
}

/// Rules for a container's security context, in a pod that may have users of its own.
pub(super) fn container(errors: &mut Errors, context: &Value, path: &str, own_users: bool) {
    ids(errors, context, path);
    rules::one_of(errors, &context["procMount"], &child(path, "procMount"), &["Default", "Unmasked"]);
    if context["procMount"] == "Unmasked" && !own_users {
        let why = "`hostUsers` must be false to use `Unmasked`";
        errors.push(FieldError::invalid(child(path, "procMount"), &context["procMount"], why));
    }
    profile(errors, &context["seccompProfile"], &child(path, "seccompProfile"), "seccomp");
    if context["allowPrivilegeEscalation"] == json!(false) {
        if context["privileged"] == json!(true) {
            let why = "cannot set `allowPrivilegeEscalation` to false and `privileged` to true";
            errors.push(FieldError::invalid(path, context, why));
        }
        if items(&context["capabilities"]["add"]).iter().any(|c| c == "CAP_SYS_ADMIN") {
            let why = "cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN";
            errors.push(FieldError::invalid(path, context, why));
        }
    }
    profile(errors, &context["appArmorProfile"], &child(path, "appArmorProfile"), "AppArmor");
}

fn ids(errors: &mut Errors, context: &Value, path: &str) {
    for field in ["runAsUser", "runAsGroup"] {
        rules::within(errors, &context[field], &child(path, field), 0..=MAX_ID);
    }
}

/// A profile of the kernel's filters (`what`), which may be a file of the node.
fn profile(errors: &mut Errors, profile: &Value, path: &str, what: &str) {
    if profile.is_null() {
        return;
    }
    let kinds = &["Localhost", "RuntimeDefault", "Unconfined"];
    if is_unset(&profile["type"]) {
        let field = path.rsplit('.').next().unwrap_or(path);
        let why = format!("type is required when {field} is set");
        errors.push(FieldError::required(child(path, "type"), &why));
    } else {
        rules::one_of(errors, &profile["type"], &child(path, "type"), kinds);
    }
    let (local, path) = (&profile["localhostProfile"], child(path, "localhostProfile"));
    match (profile["type"] == "Localhost", text(local)) {
        (true, "") => errors.push(FieldError::required(path, &format!("must be set when {what} type is Localhost"))),
        (true, name) if what == "seccomp" => super::volume::relative_path(errors, name, &path),
        (true, name) if name.trim() != name => {
            errors.push(FieldError::invalid(path, local, "must not be padded with whitespace"));
        }
        (true, name) if name.len() > MAX_PROFILE => errors.push(FieldError::too_long(path, MAX_PROFILE)),
        (false, _) if !local.is_null() => {
            let why = format!("can only be set when {what} type is Localhost");
            errors.push(FieldError::invalid(path, local, &why));
        }
        _ => {}
    }
}

fn is_sysctl_part(part: &str) -> bool {
    let b = part.as_bytes();
    let alnum = |c: &u8| c.is_ascii_lowercase() || c.is_ascii_digit();
    b.first().is_some_and(alnum) && b.last().is_some_and(alnum) && b.iter().all(|c| alnum(c) || b"-_".contains(c))
}
