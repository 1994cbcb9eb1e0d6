//! Endpoints: the addresses behind a Service, in the older form that EndpointSlice replaces.

use crate::{
    Column, Kind, Strategy, cells,
    json::{int, is_unset, items, items_mut, set_default, text},
    kind::ALL_VERBS,
    names,
    rules::{self, Errors, child},
};
use podium_types::{FieldError, Timestamp};
use serde_json::{Value, json};

/// core/v1 Endpoints.
pub static KIND: Kind = Kind {
    group: "",
    versions: &["v1"],
    kind: "Endpoints",
    list_kind: "EndpointsList",
    plural: "endpoints",
    singular: "endpoints",
    short_names: &["ep"],
    categories: &[],
    namespaced: true,
    resource: "endpoints",
    schema: "io.k8s.api.core.v1.Endpoints",
    verbs: ALL_VERBS,
    subresources: &[],
    columns: &[Column::NAME, Column::text("Endpoints"), Column::AGE],
    row,
    selectable: &[],
    select: None,
    generation: false,
    graceful: None,
    sealed: false,
    live: false,
    strategy: &Endpoints,
};

struct Endpoints;

impl Strategy for Endpoints {
    fn default(&self, object: &mut Value) {
        for subset in items_mut(object, "subsets") {
            for port in items_mut(subset, "ports") {
                set_default(port, "protocol", "TCP");
            }
        }
    }

    fn validate(&self, object: &Value) -> Vec<FieldError> {
        let mut errors = Errors::new();
        for (i, subset) in items(&object["subsets"]).iter().enumerate() {
            let path = format!("subsets[{i}]");
            if is_unset(&subset["addresses"]) && is_unset(&subset["notReadyAddresses"]) {
                errors.push(FieldError::required(&path, "must specify `addresses` or `notReadyAddresses`"));
            }
            for field in ["addresses", "notReadyAddresses"] {
                for (j, address) in items(&subset[field]).iter().enumerate() {
                    self::address(&mut errors, address, &format!("{path}.{field}[{j}]"));
                }
            }
            let ports = items(&subset["ports"]);
            for (j, port) in ports.iter().enumerate() {
                let path = format!("{path}.ports[{j}]");
                if ports.len() > 1 || !is_unset(&port["name"]) {
                    rules::required_form(&mut errors, names::dns_label, &port["name"], &child(&path, "name"));
                }
                rules::port(&mut errors, &port["port"], &child(&path, "port"));
                rules::required_one_of(&mut errors, &port["protocol"], &child(&path, "protocol"), rules::PROTOCOLS);
            }
        }
        errors
    }
}

fn address(errors: &mut Errors, address: &Value, path: &str) {
    let [ip, host, node] = ["ip", "hostname", "nodeName"].map(|field| text(&address[field]));
    rules::form(errors, names::ip(ip), &child(path, "ip"), ip);
    if !host.is_empty() {
        rules::form(errors, names::dns_label(host), &child(path, "hostname"), host);
    }
    if !node.is_empty() {
        rules::form(errors, names::dns_subdomain(node), &child(path, "nodeName"), node);
    }
    rules::not_special(errors, ip, &child(path, "ip"));
}

fn row(object: &Value, now: Timestamp) -> Vec<Value> {
    vec![cells::name(object), json!(addresses(items(&object["subsets"]))), cells::age(object, now)]
}

/// `10.0.0.1:80,10.0.0.2:80`; without ports the addresses alone.
fn addresses(subsets: &[Value]) -> String {
    if subsets.is_empty() {
        return cells::NONE.to_owned();
    }
    cells::first_few(subsets.iter().flat_map(|subset| {
        let ips = || items(&subset["addresses"]).iter().map(|a| text(&a["ip"]));
        let ports = items(&subset["ports"]);
        if ports.is_empty() {
            return ips().map(str::to_owned).collect::<Vec<_>>();
        }
        ports.iter().flat_map(|p| ips().map(|ip| host_port(ip, int(&p["port"])))).collect()
    }))
}

fn host_port(ip: &str, port: i64) -> String {
    if ip.contains(':') { format!("[{ip}]:{port}") } else { format!("{ip}:{port}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_listed_up_to_three() {
        let four = json!([{"addresses": [{"ip": "10.0.0.1"}, {"ip": "::1"}], "ports": [{"port": 80}, {"port": 81}]}]);
        assert_eq!(addresses(items(&four)), "10.0.0.1:80,[::1]:80,10.0.0.1:81 + 1 more...");
        assert_eq!(addresses(items(&json!([{"addresses": [{"ip": "10.0.0.1"}]}]))), "10.0.0.1");
        assert_eq!(addresses(items(&json!([{}]))), "<unset>");
        assert_eq!(addresses(&[]), "<none>");
    }
}
