//! EndpointSlice: some of the endpoints behind a Service.

use crate::{
    Column, Context, Kind, Strategy, cells,
    json::{is_unset, items, items_mut, set_default, text},
    kind::ALL_VERBS,
    names,
    rules::{self, Errors, child},
};
use podium_types::{FieldError, Timestamp};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Limits of discovery.k8s.io/v1.
const MAX_ENDPOINTS: usize = 1000;
const MAX_ADDRESSES: usize = 100;
const MAX_PORTS: usize = 20_000;

/// discovery.k8s.io/v1 EndpointSlice.
pub static KIND: Kind = Kind {
    group: "discovery.k8s.io",
    versions: &["v1"],
    kind: "EndpointSlice",
    list_kind: "EndpointSliceList",
    plural: "endpointslices",
    singular: "endpointslice",
    short_names: &[],
    categories: &[],
    namespaced: true,
    resource: "endpointslices.discovery.k8s.io",
    schema: "io.k8s.api.discovery.v1.EndpointSlice",
    verbs: ALL_VERBS,
    subresources: &[],
    columns: &[
        Column::NAME,
        Column::text("AddressType"),
        Column::text("Ports"),
        Column::text("Endpoints"),
        Column::AGE,
    ],
    row,
    selectable: &[],
    select: None,
    generation: true,
    graceful: None,
    sealed: false,
    live: false,
    strategy: &EndpointSlice,
};

struct EndpointSlice;

impl Strategy for EndpointSlice {
    fn default(&self, object: &mut Value) {
        for port in items_mut(object, "ports") {
            set_default(port, "name", "");
            set_default(port, "protocol", "TCP");
        }
    }

    fn validate(&self, object: &Value) -> Vec<FieldError> {
        let mut errors = Errors::new();
        let kind = &object["addressType"];
        rules::required_one_of(&mut errors, kind, "addressType", &["FQDN", "IPv4", "IPv6"]);
        let endpoints = items(&object["endpoints"]);
        rules::too_many(&mut errors, endpoints.len(), MAX_ENDPOINTS, "endpoints");
        for (i, endpoint) in endpoints.iter().enumerate() {
            addresses(&mut errors, &endpoint["addresses"], text(kind), &format!("endpoints[{i}].addresses"));
        }
        ports(&mut errors, items(&object["ports"]));
        errors
    }

    fn validate_update(&self, object: &Value, old: &Value, _context: &Context<'_>) -> Vec<FieldError> {
        let mut errors = Errors::new();
        rules::immutable(&mut errors, &object["addressType"], &old["addressType"], "addressType");
        errors
    }
}

fn addresses(errors: &mut Errors, list: &Value, kind: &str, path: &str) {
    let list = items(list);
    if list.is_empty() {
        errors.push(FieldError::required(path, "must contain at least 1 address"));
    }
    rules::too_many(errors, list.len(), MAX_ADDRESSES, path);
    for (i, address) in list.iter().map(text).enumerate() {
        let path = format!("{path}[{i}]");
        let checked = match kind {
            "IPv4" if address.parse::<std::net::Ipv4Addr>().is_err() => Err("must be a valid IPv4 address".to_owned()),
            "IPv6" if address.parse::<std::net::Ipv6Addr>().is_err() => Err("must be a valid IPv6 address".to_owned()),
            "FQDN" => names::dns_subdomain(address),
            _ => Ok(()),
        };
        let of_form = checked.is_ok();
        rules::form(errors, checked, &path, address);
        if of_form && kind != "FQDN" {
            rules::not_special(errors, address, &path);
        }
    }
}

fn ports(errors: &mut Errors, ports: &[Value]) {
    rules::too_many(errors, ports.len(), MAX_PORTS, "ports");
    let mut seen = BTreeSet::new();
    for (i, port) in ports.iter().enumerate() {
        let path = format!("ports[{i}]");
        let name = text(&port["name"]);
        rules::unique(errors, &mut seen, name, &child(&path, "name"));
        if !name.is_empty() {
            rules::form(errors, names::dns_label(name), &child(&path, "name"), name);
        }
        if !is_unset(&port["port"]) {
            rules::port(errors, &port["port"], &child(&path, "port"));
        }
        rules::required_one_of(errors, &port["protocol"], &child(&path, "protocol"), rules::PROTOCOLS);
    }
}

fn row(object: &Value, now: Timestamp) -> Vec<Value> {
    let ports = items(&object["ports"]).iter().map(|p| match (p["port"].as_i64(), p["name"].as_str()) {
        (Some(number), _) => number.to_string(),
        (None, Some(name)) => name.to_owned(),
        (None, None) => "*".to_owned(),
    });
    let addresses = items(&object["endpoints"]).iter().flat_map(|e| items(&e["addresses"])).map(|a| text(a).to_owned());
    vec![
        cells::name(object),
        json!(text(&object["addressType"])),
        json!(cells::first_few(ports)),
        json!(cells::first_few(addresses)),
        cells::age(object, now),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_and_cells() {
        let mut slice = json!({"addressType": "IPv4", "ports": [{"port": 80}, {"name": "b"}],
            "endpoints": [{"addresses": ["10.0.0.1", "10.0.0.2"]}, {"addresses": ["10.0.0.3", "10.0.0.4"]}]});
        EndpointSlice.default(&mut slice);
        assert!(EndpointSlice.validate(&slice).is_empty());
        let cells = row(&slice, Timestamp::UNIX_EPOCH);
        assert_eq!(cells[1..4], ["IPv4", "80,b", "10.0.0.1,10.0.0.2,10.0.0.3 + 1 more..."]);
        slice["endpoints"] = json!([{"addresses": ["::1"]}, {}]);
        slice["ports"][1]["name"] = json!("");
        let messages: Vec<String> = EndpointSlice.validate(&slice).iter().map(ToString::to_string).collect();
        assert_eq!(
            messages,
            [
                r#"endpoints[0].addresses[0]: Invalid value: "::1": must be a valid IPv4 address"#,
                "endpoints[1].addresses: Required value: must contain at least 1 address",
                r#"ports[1].name: Duplicate value: """#,
            ]
        );
        let mut other = slice.clone();
        other["addressType"] = json!("IPv6");
        let context = Context { now: Timestamp::UNIX_EPOCH, user: "", subresource: "" };
        let errors = EndpointSlice.validate_update(&other, &slice, &context);
        assert_eq!(errors[0].to_string(), r#"addressType: Invalid value: "IPv6": field is immutable"#);
    }
}
