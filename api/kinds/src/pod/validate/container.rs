//! Rules for containers: ordinary, init and ephemeral ones.

use super::{RESTART_POLICIES, env, handler, mounts, security, volume::Volumes};
use crate::{
    json::{at, int, is_unset, items, text},
    names, resources,
    rules::{self, Errors, child},
};
use podium_types::FieldError;
use serde_json::{Value, json};
use std::collections::BTreeSet;

const PULL_POLICIES: &[&str] = &["Always", "IfNotPresent", "Never"];
const MESSAGE_POLICIES: &[&str] = &["File", "FallbackToLogsOnError"];
const PROBES: &[&str] = &["livenessProbe", "readinessProbe", "startupProbe"];
const EPHEMERAL: &str = "cannot be set for an Ephemeral Container";

/// What a container stands in.
pub(super) struct Around<'a> {
    /// The spec of its pod.
    pub spec: &'a Value,
    /// The volumes of its pod.
    pub volumes: &'a Volumes,
    /// Whether that is a pod; a template may be a little less exact.
    pub of_pod: bool,
}

impl Around<'_> {
    /// How long the pod may take to end.
    fn grace(&self) -> Option<i64> {
        self.spec["terminationGracePeriodSeconds"].as_i64()
    }
}

/// Rules for all containers of a pod spec.
pub(super) fn validate(errors: &mut Errors, path: &str, around: &Around<'_>) {
    let spec = around.spec;
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
            one(errors, container, &path, around);
            match list {
                "initContainers" => init(errors, container, &path, around.grace()),
                "ephemeralContainers" => ephemeral(errors, container, &path, spec),
                _ => alive(errors, container, &path, around.grace()),
            }
        }
    }
}

fn one(errors: &mut Errors, container: &Value, path: &str, around: &Around<'_>) {
    let image = text(&container["image"]);
    if image.is_empty() {
        errors.push(FieldError::required(child(path, "image"), ""));
    } else if image.trim() != image && around.of_pod {
        let why = "must not have leading or trailing whitespace";
        errors.push(FieldError::invalid(child(path, "image"), &container["image"], why));
    }
    let policy = &container["terminationMessagePolicy"];
    rules::required_one_of(errors, policy, &child(path, "terminationMessagePolicy"), MESSAGE_POLICIES);
    ports(errors, &container["ports"], &child(path, "ports"));
    env::validate(errors, container, path);
    mounts::validate(errors, container, path, around.volumes);
    rules::required_one_of(errors, &container["imagePullPolicy"], &child(path, "imagePullPolicy"), PULL_POLICIES);
    resources::validate(errors, &container["resources"], &child(path, "resources"));
    resources::claims(errors, &container["resources"], &child(path, "resources"), &around.spec["resourceClaims"]);
    resizes(errors, container, &child(path, "resizePolicy"), text(&around.spec["restartPolicy"]));
    let own_users = around.spec["hostUsers"] == json!(false);
    security::container(errors, &container["securityContext"], &child(path, "securityContext"), own_users);
    rules::one_of(errors, &container["restartPolicy"], &child(path, "restartPolicy"), RESTART_POLICIES);
}

/// Hooks and probes of a container that lives as long as its pod.
fn alive(errors: &mut Errors, container: &Value, path: &str, grace: Option<i64>) {
    handler::lifecycle(errors, &container["lifecycle"], &child(path, "lifecycle"), grace);
    for probe in PROBES {
        handler::probe(errors, &container[*probe], probe, &child(path, probe));
    }
}

/// Init containers run to their end; only sidecars live long enough for probes and hooks.
fn init(errors: &mut Errors, container: &Value, path: &str, grace: Option<i64>) {
    if container["restartPolicy"] == "Always" {
        alive(errors, container, path, grace);
        return;
    }
    for field in ["lifecycle"].iter().chain(PROBES).filter(|f| !container[**f].is_null()) {
        let why = "may not be set for init containers without restartPolicy=Always";
        errors.push(FieldError::forbidden(child(path, field), why));
    }
}

/// Ephemeral containers come later, to look at a pod: they have no part in its life.
fn ephemeral(errors: &mut Errors, container: &Value, path: &str, spec: &Value) {
    let target = &container["targetContainerName"];
    let known = ["containers", "initContainers"].iter().flat_map(|l| items(&spec[*l])).any(|c| &c["name"] == target);
    if !is_unset(target) && !known {
        errors.push(FieldError::not_found(child(path, "targetContainerName"), target));
    }
    for field in ["ports", "resources", "lifecycle"].iter().chain(PROBES).filter(|f| !is_unset(&container[**f])) {
        errors.push(FieldError::forbidden(child(path, field), EPHEMERAL));
    }
    for (i, mount) in items(&container["volumeMounts"]).iter().enumerate() {
        for field in ["subPath", "subPathExpr"].iter().filter(|f| !is_unset(&mount[**f])) {
            errors.push(FieldError::forbidden(format!("{path}.volumeMounts[{i}].{field}"), EPHEMERAL));
        }
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

/// What a change of resources does to a running container.
fn resizes(errors: &mut Errors, container: &Value, path: &str, of_pod: &str) {
    let mut seen = BTreeSet::new();
    for (i, policy) in items(&container["resizePolicy"]).iter().enumerate() {
        let (resource, restart) = (&policy["resourceName"], &policy["restartPolicy"]);
        rules::unique(errors, &mut seen, text(resource), &format!("{path}[{i}]"));
        rules::required_one_of(errors, resource, path, &["cpu", "memory"]);
        rules::required_one_of(errors, restart, path, &["NotRequired", "RestartContainer"]);
        if of_pod == "Never" && restart != "NotRequired" {
            let why = "must be 'NotRequired' when `restartPolicy` is 'Never'";
            errors.push(FieldError::invalid(path, restart, why));
        }
    }
}

/// Whether a container asks for all powers.
pub(super) fn is_privileged(container: &Value) -> bool {
    at(container, "securityContext.privileged") == &json!(true)
}
