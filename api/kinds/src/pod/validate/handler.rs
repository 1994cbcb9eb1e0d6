//! Rules for probes and lifecycle hooks.

use crate::{
    json::{int, is_unset, items, text},
    rules::{self, Errors, child},
};
use podium_types::FieldError;
use serde_json::{Value, json};

const HANDLERS: &[&str] = &["exec", "httpGet", "tcpSocket", "grpc", "sleep"];

/// Rules for the probe of that kind (`readinessProbe`), if there is one.
pub(super) fn probe(errors: &mut Errors, probe: &Value, kind: &str, path: &str) {
    if probe.is_null() {
        return;
    }
    action(errors, probe, path, None);
    for field in ["initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold"] {
        rules::at_least(errors, &probe[field], &child(path, field), 0);
    }
    let grace = &probe["terminationGracePeriodSeconds"];
    rules::at_least(errors, grace, &child(path, "terminationGracePeriodSeconds"), 1);
    if kind == "readinessProbe" {
        if !grace.is_null() {
            let why = "must not be set for readinessProbes";
            errors.push(FieldError::invalid(child(path, "terminationGracePeriodSeconds"), grace, why));
        }
    } else if int(&probe["successThreshold"]) != 1 {
        errors.push(FieldError::invalid(child(path, "successThreshold"), &probe["successThreshold"], "must be 1"));
    }
}

/// Rules for `postStart` and `preStop` in a pod that has `grace` seconds to end.
pub(super) fn lifecycle(errors: &mut Errors, lifecycle: &Value, path: &str, grace: Option<i64>) {
    for hook in ["postStart", "preStop"] {
        if !lifecycle[hook].is_null() {
            action(errors, &lifecycle[hook], &child(path, hook), grace);
        }
    }
}

fn action(errors: &mut Errors, handler: &Value, path: &str, grace: Option<i64>) {
    let set: Vec<&str> = HANDLERS.iter().copied().filter(|h| !handler[*h].is_null()).collect();
    if set.is_empty() {
        errors.push(FieldError::required(path, "must specify a handler type"));
    }
    for (i, name) in set.into_iter().enumerate() {
        let (action, path) = (&handler[name], child(path, name));
        if i > 0 {
            errors.push(FieldError::forbidden(path, "may not specify more than 1 handler type"));
            continue;
        }
        match name {
            "exec" if items(&action["command"]).is_empty() => {
                errors.push(FieldError::required(child(&path, "command"), ""));
            }
            "httpGet" => http(errors, action, &path),
            "tcpSocket" => rules::port_or_name(errors, &action["port"], &child(&path, "port")),
            "grpc" => rules::port(errors, &action["port"], &child(&path, "port")),
            "sleep" => sleep(errors, &action["seconds"], &path, grace),
            _ => {}
        }
    }
}

fn http(errors: &mut Errors, get: &Value, path: &str) {
    if is_unset(&get["path"]) {
        errors.push(FieldError::required(child(path, "path"), ""));
    }
    rules::port_or_name(errors, &get["port"], &child(path, "port"));
    rules::one_of(errors, &get["scheme"], &child(path, "scheme"), &["HTTP", "HTTPS"]);
    for header in items(&get["httpHeaders"]) {
        let name = text(&header["name"]);
        if name.is_empty() || !name.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'-') {
            let why = "a valid HTTP header must consist of alphanumeric characters or '-' (e.g. 'X-Header-Name', \
                       regex used for validation is '[-A-Za-z0-9]+')";
            errors.push(FieldError::invalid(child(path, "httpHeaders"), &json!(name), why));
        }
    }
}

/// Nobody sleeps longer than the pod has.
fn sleep(errors: &mut Errors, seconds: &Value, path: &str, grace: Option<i64>) {
    let Some(grace) = grace else { return };
    if !(0..=grace).contains(&int(seconds)) {
        let why = format!("must be non-negative and less than terminationGracePeriodSeconds ({grace})");
        errors.push(FieldError::invalid(path, &json!(int(seconds)), &why));
    }
}
