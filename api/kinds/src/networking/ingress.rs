//! Ingress: which Service answers which host and path.

use crate::{
    Column, Context, Kind, Strategy, Subresource, cells,
    json::{at, is_unset, items, set, text},
    names,
    rules::{self, Errors, child},
};
use podium_types::{FieldError, Timestamp};
use serde_json::{Value, json};

/// Hosts and bytes of addresses that a cell shows.
const MAX_HOSTS: usize = 3;
/// What no path may contain, and what none may end in.
const INVALID_PARTS: &[&str] = &["//", "/./", "/../", "%2f", "%2F"];
const INVALID_ENDS: &[&str] = &["/..", "/."];
/// The annotation that named the class before there was a field.
const CLASS: &str = "kubernetes.io/ingress.class";

/// networking.k8s.io/v1 Ingress.
pub static KIND: Kind = Kind {
    group: "networking.k8s.io",
    kind: "Ingress",
    list_kind: "IngressList",
    plural: "ingresses",
    singular: "ingress",
    short_names: &["ing"],
    resource: "ingresses.networking.k8s.io",
    schema: "io.k8s.api.networking.v1.Ingress",
    subresources: &[Subresource::part("status", "Ingress")],
    columns: &[
        Column::NAME,
        Column::text("Class"),
        Column::text("Hosts"),
        Column::text("Address"),
        Column::text("Ports"),
        Column::AGE,
    ],
    row,
    generation: true,
    strategy: &Ingress,
    ..Kind::PLAIN
};

struct Ingress;

impl Strategy for Ingress {
    fn prepare_create(&self, object: &mut Value, _context: &Context<'_>) {
        set(object, "status", json!({"loadBalancer": {}}));
    }
    fn validate(&self, object: &Value) -> Vec<FieldError> {
        let mut errors = Errors::new();
        let spec = &object["spec"];
        if items(&spec["rules"]).is_empty() && spec["defaultBackend"].is_null() {
            let why = "either `defaultBackend` or `rules` must be specified";
            errors.push(FieldError::invalid_list("spec", &spec["rules"], why));
        }
        if !spec["defaultBackend"].is_null() {
            backend(&mut errors, &spec["defaultBackend"], "spec.defaultBackend");
        }
        for (i, rule) in items(&spec["rules"]).iter().enumerate() {
            self::rule(&mut errors, rule, &format!("spec.rules[{i}]"));
        }
        for (i, tls) in items(&spec["tls"]).iter().enumerate() {
            for (j, name) in items(&tls["hosts"]).iter().map(text).enumerate() {
                host(&mut errors, name, &format!("spec.tls[{i}].hosts[{j}]"));
            }
            let secret = text(&tls["secretName"]);
            if !secret.is_empty() {
                rules::form(&mut errors, names::dns_subdomain(secret), &format!("spec.tls[{i}].secretName"), secret);
            }
        }
        let class = text(&spec["ingressClassName"]);
        if !class.is_empty() {
            rules::form(&mut errors, names::dns_subdomain(class), "spec.ingressClassName", class);
            let old = &object["metadata"]["annotations"][CLASS];
            if !old.is_null() && text(old) != class {
                let why = "must match `ingressClassName` when both are specified";
                errors.push(FieldError::invalid(format!("annotations.{CLASS}"), old, why));
            }
        }
        errors
    }
}

fn rule(errors: &mut Errors, rule: &Value, path: &str) {
    let name = text(&rule["host"]);
    if !name.is_empty() {
        let path = child(path, "host");
        if name.parse::<std::net::IpAddr>().is_ok() {
            errors.push(FieldError::invalid(&path, &rule["host"], "must be a DNS name, not an IP address"));
        }
        host(errors, name, &path);
    }
    if rule["http"].is_null() {
        return;
    }
    let path = child(path, "http.paths");
    rules::required(errors, &rule["http"]["paths"], &path, "");
    for (i, entry) in items(&rule["http"]["paths"]).iter().enumerate() {
        self::path(errors, entry, &format!("{path}[{i}]"));
    }
}

fn host(errors: &mut Errors, name: &str, path: &str) {
    let checked = if name.contains('*') { names::wildcard(name) } else { names::dns_subdomain(name) };
    rules::form(errors, checked, path, name);
}

fn path(errors: &mut Errors, entry: &Value, path: &str) {
    let (kind, at_path) = (text(&entry["pathType"]), child(path, "path"));
    let value = text(&entry["path"]);
    let invalid = |why: &str| FieldError::invalid(&at_path, &value.into(), why);
    match kind {
        "" => errors.push(FieldError::required(child(path, "pathType"), "pathType must be specified")),
        "Exact" | "Prefix" => {
            if !value.starts_with('/') {
                errors.push(invalid("must be an absolute path"));
            }
            for part in INVALID_PARTS.iter().filter(|p| value.contains(**p)) {
                errors.push(invalid(&format!("must not contain '{part}'")));
            }
            for end in INVALID_ENDS.iter().filter(|e| value.ends_with(**e)) {
                errors.push(invalid(&format!("cannot end with '{end}'")));
            }
        }
        "ImplementationSpecific" => {
            if !value.is_empty() && !value.starts_with('/') {
                errors.push(invalid("must be an absolute path"));
            }
        }
        _ => {
            let kinds = &["Exact", "ImplementationSpecific", "Prefix"];
            errors.push(FieldError::not_supported(child(path, "pathType"), &entry["pathType"], kinds));
        }
    }
    backend(errors, &entry["backend"], &child(path, "backend"));
}

fn backend(errors: &mut Errors, backend: &Value, path: &str) {
    let (service, resource) = (&backend["service"], &backend["resource"]);
    match (service.is_null(), resource.is_null()) {
        (false, false) => {
            let why = "cannot set both resource and service backends";
            errors.push(FieldError::invalid(path, &json!(""), why));
        }
        (true, true) => {
            errors.push(FieldError::invalid(path, &json!(""), "resource or service backend is required"));
        }
        (true, false) => {
            for field in ["kind", "name"] {
                rules::required(errors, &resource[field], &format!("{path}.resource.{field}"), "");
            }
        }
        (false, true) => {
            let name = text(&service["name"]);
            rules::required(errors, &service["name"], &child(path, "service.name"), "");
            if !name.is_empty() {
                rules::form(errors, names::dns_label(name), &child(path, "service.name"), name);
            }
            port(errors, &service["port"], path);
        }
    }
}

fn port(errors: &mut Errors, port: &Value, path: &str) {
    let (name, number) = (text(&port["name"]), port["number"].as_i64().unwrap_or_default());
    match (name.is_empty(), number == 0) {
        (true, true) => errors.push(FieldError::required(path, "port name or number is required")),
        (false, false) => {
            errors.push(FieldError::invalid(path, &json!(""), "cannot set both port name & port number"));
        }
        (false, true) => rules::form(errors, names::port_name(name), &child(path, "service.port.name"), name),
        (true, false) => rules::port(errors, &port["number"], &child(path, "service.port.number")),
    }
}

fn row(object: &Value, now: Timestamp) -> Vec<Value> {
    let spec = &object["spec"];
    let hosts: Vec<&str> = items(&spec["rules"]).iter().map(|r| text(&r["host"])).filter(|h| !h.is_empty()).collect();
    let shown = hosts.iter().take(MAX_HOSTS).copied().collect::<Vec<_>>().join(",");
    let hosts = match hosts.len() {
        0 => "*".to_owned(),
        n if n > MAX_HOSTS => format!("{shown} + {} more...", n - MAX_HOSTS),
        _ => shown,
    };
    let addresses: Vec<&str> = items(at(object, "status.loadBalancer.ingress"))
        .iter()
        .map(|i| i["ip"].as_str().unwrap_or(text(&i["hostname"])))
        .filter(|a| !a.is_empty())
        .collect();
    let class = match text(&spec["ingressClassName"]) {
        "" => cells::or_none(&object["metadata"]["annotations"][CLASS]),
        class => class.to_owned(),
    };
    vec![
        cells::name(object),
        json!(class),
        json!(hosts),
        json!(addresses.join(",")),
        json!(if is_unset(&spec["tls"]) { "80" } else { "80, 443" }),
        cells::age(object, now),
    ]
}
