//! Rules for pods and for the pod templates of workloads.
//!
//! Errors name the field and use the words of Kubernetes' own validation, since tools
//! and people search for them. Deliberately absent: rules that need another object
//! (does the ServiceAccount exist?); admission knows those.

mod container;
mod env;
mod handler;
mod scheduling;
mod security;
mod volume;
mod warnings;

use crate::{
    json::{at, int, is_unset, items, text},
    names, resources,
    rules::{self, Errors, child},
};
use podium_types::FieldError;
use serde_json::{Value, json};
use std::collections::BTreeSet;

pub(crate) use warnings::warnings;

const RESTART_POLICIES: &[&str] = &["Always", "OnFailure", "Never"];
const DNS_POLICIES: &[&str] = &["ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"];
/// Limits of the resolver (KEP-2595).
const MAX_NAMESERVERS: usize = 3;
const MAX_SEARCHES: usize = 32;

/// Rules for a pod.
pub(super) fn pod(object: &Value) -> Errors {
    let mut errors = Errors::new();
    spec(&mut errors, &object["spec"], "spec");
    if !is_unset(at(object, "spec.nodeName")) && !is_unset(at(object, "spec.schedulingGates")) {
        errors
            .push(FieldError::forbidden("spec.nodeName", "cannot be set until all schedulingGates have been cleared"));
    }
    errors
}

/// Rules for the pod template at `path`.
pub(crate) fn template(errors: &mut Errors, template: &Value, path: &str) {
    rules::labels(errors, at(template, "metadata.labels"), &child(path, "metadata.labels"));
    let path = child(path, "spec");
    if !is_unset(at(template, "spec.ephemeralContainers")) {
        let why = "ephemeral containers not allowed in pod template";
        errors.push(FieldError::forbidden(child(&path, "ephemeralContainers"), why));
    }
    spec(errors, &template["spec"], &path);
}

fn spec(errors: &mut Errors, spec: &Value, path: &str) {
    let volumes = volume::validate(errors, &spec["volumes"], &child(path, "volumes"));
    container::validate(errors, spec, path, &volumes);
    rules::required_one_of(errors, &spec["restartPolicy"], &child(path, "restartPolicy"), RESTART_POLICIES);
    dns(errors, spec, path);
    let deadline = &spec["activeDeadlineSeconds"];
    rules::within(errors, deadline, &child(path, "activeDeadlineSeconds"), 1..=i64::from(i32::MAX));
    for (field, check) in [
        ("nodeName", names::dns_subdomain as fn(&str) -> names::Checked),
        ("serviceAccountName", names::dns_subdomain),
        ("priorityClassName", names::dns_subdomain),
        ("runtimeClassName", names::dns_subdomain),
        ("hostname", names::dns_label),
        ("subdomain", names::dns_label),
    ] {
        let name = text(&spec[field]);
        if !name.is_empty() {
            rules::form(errors, check(name), &child(path, field), name);
        }
    }
    for (i, alias) in items(&spec["hostAliases"]).iter().enumerate() {
        let path = format!("{path}.hostAliases[{i}]");
        rules::form(errors, names::ip(text(&alias["ip"])), &child(&path, "ip"), text(&alias["ip"]));
        for (j, name) in items(&alias["hostnames"]).iter().map(text).enumerate() {
            rules::form(errors, names::dns_subdomain(name), &format!("{path}.hostnames[{j}]"), name);
        }
    }
    for (i, gate) in items(&spec["readinessGates"]).iter().enumerate() {
        let name = text(&gate["conditionType"]);
        let path = format!("{path}.readinessGates[{i}].conditionType");
        rules::form(errors, names::qualified_name(name), &path, name);
    }
    rules::one_of(errors, at(spec, "os.name"), &child(path, "os.name"), &["linux", "windows"]);
    rules::one_of(
        errors,
        &spec["preemptionPolicy"],
        &child(path, "preemptionPolicy"),
        &["PreemptLowerPriority", "Never"],
    );
    if !spec["resources"].is_null() {
        resources::validate(errors, &spec["resources"], &child(path, "resources"));
    }
    security::pod(errors, &spec["securityContext"], &child(path, "securityContext"));
    scheduling::validate(errors, spec, path);
    host_ports(errors, spec, path);
}

fn dns(errors: &mut Errors, spec: &Value, path: &str) {
    rules::required_one_of(errors, &spec["dnsPolicy"], &child(path, "dnsPolicy"), DNS_POLICIES);
    let (config, path) = (&spec["dnsConfig"], child(path, "dnsConfig"));
    let servers = items(&config["nameservers"]);
    if spec["dnsPolicy"] == "None" {
        if config.is_null() {
            errors.push(FieldError::required(&path, "must provide `dnsConfig` when `dnsPolicy` is None"));
        } else if servers.is_empty() {
            let why = "must provide at least one DNS nameserver when `dnsPolicy` is None";
            errors.push(FieldError::required(child(&path, "nameservers"), why));
        }
    }
    if servers.len() > MAX_NAMESERVERS {
        let why = format!("must not have more than {MAX_NAMESERVERS} nameservers");
        errors.push(FieldError::invalid(child(&path, "nameservers"), &config["nameservers"], &why));
    }
    for (i, server) in servers.iter().map(text).enumerate() {
        rules::form(errors, names::ip(server), &format!("{path}.nameservers[{i}]"), server);
    }
    if items(&config["searches"]).len() > MAX_SEARCHES {
        let why = format!("must not have more than {MAX_SEARCHES} search paths");
        errors.push(FieldError::invalid(child(&path, "searches"), &config["searches"], &why));
    }
    for (i, option) in items(&config["options"]).iter().enumerate() {
        if is_unset(&option["name"]) {
            errors.push(FieldError::required(format!("{path}.options[{i}]"), "must not be empty"));
        }
    }
}

/// Two containers of a pod cannot have one port of the host.
fn host_ports(errors: &mut Errors, spec: &Value, path: &str) {
    let mut seen = BTreeSet::new();
    let on_host = spec["hostNetwork"] == json!(true);
    for (i, container) in items(&spec["containers"]).iter().enumerate() {
        for (j, port) in items(&container["ports"]).iter().enumerate() {
            let host = int(&port["hostPort"]);
            if host == 0 {
                continue;
            }
            let path = format!("{path}.containers[{i}].ports[{j}].hostPort");
            if on_host && host != int(&port["containerPort"]) {
                let why = "must match `containerPort` when `hostNetwork` is true";
                errors.push(FieldError::invalid(&path, &json!(host), why));
            }
            let key = format!("{}/{}/{host}", text(&port["protocol"]), text(&port["hostIP"]));
            rules::unique(errors, &mut seen, &key, &path);
        }
    }
}

#[cfg(test)]
mod tests;
