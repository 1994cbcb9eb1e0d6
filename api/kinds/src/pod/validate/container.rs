//! Rules for containers: ordinary, init and ephemeral ones.

use super::{RESTART_POLICIES, env, handler, security, volume::Volumes};
use crate::{
    json::{int, is_unset, items, text},
    names, resources,
    rules::{self, Errors, child},
};
use podium_types::FieldError;
use serde_json::{Value, json};
use std::collections::BTreeSet;

const PULL_POLICIES: &[&str] = &["Always", "IfNotPresent", "Never"];
const MESSAGE_POLICIES: &[&str] = &["FallbackToLogsOnError", "File"];
const PROBES: &[&str] = &["livenessProbe", "readinessProbe", "startupProbe"];

/// Rules for all containers of a pod spec.
pub(super) fn validate(errors: &mut Errors, spec: &Value, path: &str, volumes: &Volumes) {
    if items(&spec["containers"]).is_empty() {
        errors.push(FieldError::required(child(path, "containers"), ""));
    }
    let mut seen = BTreeSet::new();
    for list in ["containers", "initContainers", "ephemeralContainers"] {
        for (i, container) in items(&spec[list]).iter().enumerate() {
            let path = format!("{path}.{list}[{i}]");
            let name = child(&path, "name");
            rules::required_form(errors, names::dns_label, &container["name"], &name);
            if !is_unset(&container["name"]) {
                rules::unique(errors, &mut seen, text(&container["name"]), &name);
            }
            one(errors, container, &path, volumes);
            match list {
                "initContainers" => init(errors, container, &path),
                "ephemeralContainers" => ephemeral(errors, container, &path, spec),
                _ => handler::lifecycle(errors, &container["lifecycle"], &child(&path, "lifecycle")),
            }
        }
    }
}

fn one(errors: &mut Errors, container: &Value, path: &str, volumes: &Volumes) {
    let image = text(&container["image"]);
    if image.is_empty() {
        errors.push(FieldError::required(child(path, "image"), ""));
    } else if image.trim() != image {
        let why = "must not have leading or trailing whitespace";
        errors.push(FieldError::invalid(child(path, "image"), &container["image"], why));
    }
    let policy = &container["terminationMessagePolicy"];
    rules::required_one_of(errors, policy, &child(path, "terminationMessagePolicy"), MESSAGE_POLICIES);
    rules::required_one_of(errors, &container["imagePullPolicy"], &child(path, "imagePullPolicy"), PULL_POLICIES);
    rules::one_of(errors, &container["restartPolicy"], &child(path, "restartPolicy"), RESTART_POLICIES);
    ports(errors, &container["ports"], &child(path, "ports"));
    env::validate(errors, container, path);
    mounts(errors, container, path, volumes);
    for probe in PROBES {
        handler::probe(errors, &container[*probe], probe, &child(path, probe));
    }
    resources::validate(errors, &container["resources"], &child(path, "resources"));
    security::container(errors, &container["securityContext"], &child(path, "securityContext"));
}

/// Init containers run to their end; only sidecars live long enough for probes and hooks.
fn init(errors: &mut Errors, container: &Value, path: &str) {
    if container["restartPolicy"] == "Always" {
        handler::lifecycle(errors, &container["lifecycle"], &child(path, "lifecycle"));
        return;
    }
    for field in PROBES.iter().chain(&["lifecycle"]).filter(|f| !container[**f].is_null()) {
        let why = "may not be set for init containers without restartPolicy=Always";
        errors.push(FieldError::forbidden(child(path, field), why));
    }
}

/// Ephemeral containers come later, to look at a pod: they have no part in its life.
fn ephemeral(errors: &mut Errors, container: &Value, path: &str, spec: &Value) {
    for field in PROBES.iter().chain(&["lifecycle", "ports"]).filter(|f| !is_unset(&container[**f])) {
        errors.push(FieldError::forbidden(child(path, field), "cannot be set for an Ephemeral Container"));
    }
    if !is_unset(&container["resources"]) {
        let why = "cannot be set for an Ephemeral Container";
        errors.push(FieldError::forbidden(child(path, "resources"), why));
    }
    let target = &container["targetContainerName"];
    let known = ["containers", "initContainers"].iter().flat_map(|l| items(&spec[*l])).any(|c| &c["name"] == target);
    if !is_unset(target) && !known {
        errors.push(FieldError::not_found(child(path, "targetContainerName"), target));
    }
}

fn ports(errors: &mut Errors, ports: &Value, path: &str) {
    let mut seen = BTreeSet::new();
    for (i, port) in items(ports).iter().enumerate() {
        let path = format!("{path}[{i}]");
        let name = text(&port["name"]);
        if !name.is_empty() {
            let path = child(&path, "name");
            rules::form(errors, names::port_name(name), &path, name);
            rules::unique(errors, &mut seen, name, &path);
        }
        if int(&port["containerPort"]) == 0 {
            errors.push(FieldError::required(child(&path, "containerPort"), ""));
        } else {
            rules::port(errors, &port["containerPort"], &child(&path, "containerPort"));
        }
        if int(&port["hostPort"]) != 0 {
            rules::port(errors, &port["hostPort"], &child(&path, "hostPort"));
        }
        rules::required_one_of(errors, &port["protocol"], &child(&path, "protocol"), rules::PROTOCOLS);
    }
}

fn mounts(errors: &mut Errors, container: &Value, path: &str, volumes: &Volumes) {
    let mut seen = BTreeSet::new();
    for (i, mount) in items(&container["volumeMounts"]).iter().enumerate() {
        let path = format!("{path}.volumeMounts[{i}]");
        match text(&mount["name"]) {
            "" => errors.push(FieldError::required(child(&path, "name"), "")),
            name if !volumes.contains(name) => {
                errors.push(FieldError::not_found(child(&path, "name"), &json!(name)));
            }
            _ => {}
        }
        let at = text(&mount["mountPath"]);
        if at.is_empty() {
            errors.push(FieldError::required(child(&path, "mountPath"), ""));
        } else if !seen.insert(at) {
            errors.push(FieldError::invalid(child(&path, "mountPath"), &json!(at), "must be unique"));
        }
        let (plain, expanded) = (&mount["subPath"], &mount["subPathExpr"]);
        super::volume::relative_path(errors, text(plain), &child(&path, "subPath"));
        super::volume::relative_path(errors, text(expanded), &child(&path, "subPathExpr"));
        if !is_unset(plain) && !is_unset(expanded) {
            let why = "subPathExpr and subPath are mutually exclusive";
            errors.push(FieldError::invalid(child(&path, "subPathExpr"), expanded, why));
        }
        let modes = &["Bidirectional", "HostToContainer", "None"];
        rules::one_of(errors, &mount["mountPropagation"], &child(&path, "mountPropagation"), modes);
    }
}
