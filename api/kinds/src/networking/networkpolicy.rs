//! NetworkPolicy: who may talk to the pods it selects, and to whom they may.

use crate::{
    Column, Kind, Strategy, cells,
    json::{at, is_unset, items, items_mut, set, set_default, text},
    names,
    rules::{self, Errors, child},
};
use ipnetwork::IpNetwork;
use podium_types::{FieldError, Timestamp};
use serde_json::{Value, json};

/// networking.k8s.io/v1 NetworkPolicy.
pub static KIND: Kind = Kind {
    group: "networking.k8s.io",
    kind: "NetworkPolicy",
    list_kind: "NetworkPolicyList",
    plural: "networkpolicies",
    singular: "networkpolicy",
    short_names: &["netpol"],
    resource: "networkpolicies.networking.k8s.io",
    schema: "io.k8s.api.networking.v1.NetworkPolicy",
    columns: &[Column::NAME, Column::text("Pod-Selector"), Column::AGE],
    row,
    generation: true,
    strategy: &Policy,
    ..Kind::PLAIN
};

/// The directions: the rules' field, and the field of its peers.
const DIRECTIONS: [(&str, &str); 2] = [("ingress", "from"), ("egress", "to")];

struct Policy;

impl Strategy for Policy {
    fn default(&self, object: &mut Value) {
        let Some(spec) = object.get_mut("spec").filter(|s| s.is_object()) else { return };
        for (direction, _) in DIRECTIONS {
            for rule in items_mut(spec, direction) {
                items_mut(rule, "ports").for_each(|port| set_default(port, "protocol", "TCP"));
            }
        }
        if is_unset(&spec["policyTypes"]) {
            let types = if is_unset(&spec["egress"]) { json!(["Ingress"]) } else { json!(["Ingress", "Egress"]) };
            set(spec, "policyTypes", types);
        }
    }
    fn validate(&self, object: &Value) -> Vec<FieldError> {
        let mut errors = Errors::new();
        let spec = &object["spec"];
        rules::label_selector(&mut errors, &spec["podSelector"], "spec.podSelector");
        for (direction, peers) in DIRECTIONS {
            for (i, rule) in items(&spec[direction]).iter().enumerate() {
                let path = format!("spec.{direction}[{i}]");
                for (j, port) in items(&rule["ports"]).iter().enumerate() {
                    self::port(&mut errors, port, &format!("{path}.ports[{j}]"));
                }
                for (j, peer) in items(&rule[peers]).iter().enumerate() {
                    self::peer(&mut errors, peer, &format!("{path}.{peers}[{j}]"));
                }
            }
        }
        let types = items(&spec["policyTypes"]);
        if types.len() > DIRECTIONS.len() {
            let why = "may not specify more than two policyTypes";
            errors.push(FieldError::invalid("spec.policyTypes", &spec["policyTypes"], why));
        }
        for (i, kind) in types.iter().enumerate() {
            rules::one_of(&mut errors, kind, &format!("spec.policyTypes[{i}]"), &["Ingress", "Egress"]);
        }
        errors
    }
}

fn port(errors: &mut Errors, port: &Value, path: &str) {
    rules::one_of(errors, &port["protocol"], &child(path, "protocol"), &["TCP", "UDP", "SCTP"]);
    let (first, end) = (&port["port"], &port["endPort"]);
    if !end.is_null() {
        let path = child(path, "endPort");
        match first.as_i64() {
            Some(number) => {
                if end.as_i64().is_some_and(|end| end < number) {
                    errors.push(FieldError::invalid(&path, end, "must be greater than or equal to `port`"));
                }
                rules::port(errors, end, &path);
            }
            None if first.is_null() => {
                errors.push(FieldError::invalid(path, end, "may not be specified when `port` is not specified"));
            }
            None => errors.push(FieldError::invalid(path, end, "may not be specified when `port` is non-numeric")),
        }
    }
    if !first.is_null() {
        rules::port_or_name(errors, first, &child(path, "port"));
    }
}

fn peer(errors: &mut Errors, peer: &Value, path: &str) {
    let (pods, namespaces, block) = (&peer["podSelector"], &peer["namespaceSelector"], &peer["ipBlock"]);
    if pods.is_null() && namespaces.is_null() && block.is_null() {
        errors.push(FieldError::required(path, "must specify a peer"));
    }
    if !block.is_null() && (!pods.is_null() || !namespaces.is_null()) {
        errors.push(FieldError::forbidden(path, "may not specify both ipBlock and another peer"));
    }
    rules::label_selector(errors, pods, &child(path, "podSelector"));
    rules::label_selector(errors, namespaces, &child(path, "namespaceSelector"));
    if block.is_null() {
        return;
    }
    let path = child(path, "ipBlock");
    rules::required(errors, &block["cidr"], &child(&path, "cidr"), "");
    if is_unset(&block["cidr"]) {
        return;
    }
    rules::form(errors, names::cidr(text(&block["cidr"])), &child(&path, "cidr"), text(&block["cidr"]));
    let whole = text(&block["cidr"]).parse::<IpNetwork>().ok();
    for (i, except) in items(&block["except"]).iter().enumerate() {
        let path = format!("{path}.except[{i}]");
        rules::form(errors, names::cidr(text(except)), &path, text(except));
        if let (Some(whole), Ok(part)) = (whole, text(except).parse::<IpNetwork>())
            && !(whole.contains(part.network()) && part.prefix() > whole.prefix())
        {
            errors.push(FieldError::invalid(&path, except, "must be a strict subset of `cidr`"));
        }
    }
}

fn row(object: &Value, now: Timestamp) -> Vec<Value> {
    let selector = cells::label_selector(at(object, "spec.podSelector"));
    vec![cells::name(object), json!(selector), cells::age(object, now)]
}
