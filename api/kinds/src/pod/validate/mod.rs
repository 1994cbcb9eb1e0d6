//! Rules for pods and for the pod templates of workloads.
//!
//! Errors name the field and use the words of Kubernetes' own validation, since tools
//! and people search for them. Deliberately absent: rules that need another object
//! (does the ServiceAccount exist?); admission knows those.

mod container;
mod env;
mod handler;
mod mounts;
mod scheduling;
mod security;
mod system;
mod volume;
mod warnings;
mod whole;

use crate::{
    json::{at, int, is_unset, items, members, text},
    names, resources,
    rules::{self, Errors, child},
};
use container::Around;
use podium_types::FieldError;
use serde_json::{Value, json};
use std::collections::BTreeSet;

pub(crate) use scheduling::node_selector;
pub(crate) use warnings::warnings;

const RESTART_POLICIES: &[&str] = &["Always", "OnFailure", "Never"];
const DNS_POLICIES: &[&str] = &["ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"];
/// Limits of the resolver (KEP-2595).
const MAX_NAMESERVERS: usize = 3;
const MAX_SEARCHES: usize = 32;
const MAX_SEARCH_CHARS: usize = 2048;

/// Rules for a pod.
pub(super) fn pod(object: &Value) -> Errors {
    let mut errors = Errors::new();
    let of = &object["spec"];
    spec(&mut errors, of, "spec", true);
    if is_unset(&of["serviceAccountName"]) {
        tokens_of_nobody(&mut errors, &of["volumes"]);
    }
    errors
}

/// Rules for a new pod besides.
pub(super) fn created(object: &Value) -> Errors {
    let mut errors = Errors::new();
    if !is_unset(at(object, "spec.ephemeralContainers")) {
        errors.push(FieldError::forbidden("spec.ephemeralContainers", "cannot be set on create"));
    }
    if !is_unset(at(object, "spec.nodeName")) && !is_unset(at(object, "spec.schedulingGates")) {
        let why = "cannot be set until all schedulingGates have been cleared";
        errors.push(FieldError::forbidden("spec.nodeName", why));
    }
    errors
}

/// Whose token a volume holds must be said.
fn tokens_of_nobody(errors: &mut Errors, volumes: &Value) {
    for (i, volume) in items(volumes).iter().enumerate() {
        for (j, source) in items(at(volume, "projected.sources")).iter().enumerate() {
            if !source["serviceAccountToken"].is_null() {
                let path = format!("spec.volumes[{i}].projected.sources[{j}].serviceAccountToken");
                errors.push(FieldError::forbidden(path, "must not be specified when serviceAccountName is not set"));
            }
        }
    }
}

/// Rules for the pod template at `path`.
pub(crate) fn template(errors: &mut Errors, template: &Value, path: &str) {
    // Kubernetes names these without `metadata`.
    rules::labels(errors, at(template, "metadata.labels"), &child(path, "labels"));
    for (key, _) in members(at(template, "metadata.annotations")) {
        rules::form(errors, names::qualified_name(&key.to_lowercase()), &child(path, "annotations"), key);
    }
    let path = child(path, "spec");
    spec(errors, &template["spec"], &path, false);
    if !is_unset(at(template, "spec.ephemeralContainers")) {
        let why = "ephemeral containers not allowed in pod template";
        errors.push(FieldError::forbidden(child(&path, "ephemeralContainers"), why));
    }
}

fn spec(errors: &mut Errors, spec: &Value, path: &str, of_pod: bool) {
    let volumes = volume::validate(errors, &spec["volumes"], &child(path, "volumes"));
    resource_claims(errors, &spec["resourceClaims"], &child(path, "resourceClaims"));
    container::validate(errors, path, &Around { spec, volumes: &volumes, of_pod });
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
    rules::one_of(
        errors,
        &spec["preemptionPolicy"],
        &child(path, "preemptionPolicy"),
        &["PreemptLowerPriority", "Never"],
    );
    if !spec["resources"].is_null() {
        whole::resources(errors, spec, &child(path, "resources"));
    }
    for (name, amount) in members(&spec["overhead"]) {
        resources::resource(errors, name, amount, &format!("{path}.overhead[{name}]"));
    }
    security::pod(errors, spec, path);
    scheduling::validate(errors, spec, path);
    host_ports(errors, spec, path);
    whole::host_users(errors, spec, path);
    system::validate(errors, spec, path);
}

/// What devices a pod claims: an object that exists, or one made for it.
fn resource_claims(errors: &mut Errors, claims: &Value, path: &str) {
    let mut seen = BTreeSet::new();
    for (i, claim) in items(claims).iter().enumerate() {
        let path = format!("{path}[{i}]");
        rules::required_form(errors, names::dns_label, &claim["name"], &child(&path, "name"));
        if !is_unset(&claim["name"]) {
            rules::unique(errors, &mut seen, text(&claim["name"]), &child(&path, "name"));
        }
        let [one, made] = ["resourceClaimName", "resourceClaimTemplateName"];
        let why = match (claim[one].is_null(), claim[made].is_null()) {
            (false, false) => "at most one of `resourceClaimName` or `resourceClaimTemplateName` may be specified",
            (true, true) => "must specify one of: `resourceClaimName`, `resourceClaimTemplateName`",
            _ => "",
        };
        if !why.is_empty() {
            errors.push(FieldError::invalid(&path, claim, why));
        }
        for field in [one, made].into_iter().filter(|f| !claim[*f].is_null()) {
            let name = text(&claim[field]);
            rules::form(errors, names::dns_subdomain(name), &child(&path, field), name);
        }
    }
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
    let searches: Vec<&str> = items(&config["searches"]).iter().map(text).collect();
    if searches.join(" ").len() > MAX_SEARCH_CHARS {
        let why =
            format!("must not have more than {MAX_SEARCH_CHARS} characters (including spaces) in the search list");
        errors.push(FieldError::invalid(child(&path, "searches"), &config["searches"], &why));
    }
    for (i, search) in searches.into_iter().enumerate().filter(|(_, search)| *search != ".") {
        let name = search.strip_suffix('.').unwrap_or(search);
        rules::form(errors, names::dns_subdomain_with_underscore(name), &format!("{path}.searches[{i}]"), name);
    }
    for (i, option) in items(&config["options"]).iter().enumerate() {
        if is_unset(&option["name"]) {
            errors.push(FieldError::required(format!("{path}.options[{i}]"), "must not be empty"));
        }
    }
}

/// Two containers that run side by side cannot have one port of the host.
fn host_ports(errors: &mut Errors, spec: &Value, path: &str) {
    let on_host = spec["hostNetwork"] == json!(true);
    let mut shared = BTreeSet::new();
    for list in ["containers", "initContainers"] {
        for (i, container) in items(&spec[list]).iter().enumerate() {
            let mut own = BTreeSet::new();
            let seen = if list == "containers" { &mut shared } else { &mut own };
            for (j, port) in items(&container["ports"]).iter().enumerate() {
                let host = int(&port["hostPort"]);
                if host == 0 {
                    continue;
                }
                let path = format!("{path}.{list}[{i}].ports[{j}].hostPort");
                if on_host && list == "containers" && host != int(&port["containerPort"]) {
                    let why = "must match `containerPort` when `hostNetwork` is true";
                    errors.push(FieldError::invalid(&path, &json!(host), why));
                }
                let key = format!("{}/{}/{host}", text(&port["protocol"]), text(&port["hostIP"]));
                rules::unique(errors, seen, &key, &path);
            }
        }
    }
}

#[cfg(test)]
mod tests;
