//! What a writer should know of a pod spec that is allowed, but hardly meant.

use crate::json::{is_unset, items, text};
use serde_json::Value;
use std::collections::BTreeSet;

/// Warnings for the pod spec at `path`.
pub(crate) fn warnings(spec: &Value, path: &str) -> Vec<String> {
    let mut warnings = Vec::new();
    for list in ["initContainers", "containers"] {
        for (i, container) in items(&spec[list]).iter().enumerate() {
            let path = format!("{path}.{list}[{i}]");
            let mut seen = BTreeSet::new();
            for (j, env) in items(&container["env"]).iter().enumerate() {
                let name = text(&env["name"]);
                // `PATH=$(PATH):/more` builds upon the former on purpose.
                let builds_on = text(&env["value"]).contains(&format!("$({name})"));
                if !seen.insert(name) && !builds_on {
                    warnings.push(format!(
                        "{path}.env[{j}]: hides previous definition of {name:?}, which may be dropped when using apply"
                    ));
                }
            }
            ports(&mut warnings, container, &path);
        }
    }
    for (i, secret) in items(&spec["imagePullSecrets"]).iter().enumerate() {
        if is_unset(&secret["name"]) {
            warnings.push(format!("{path}.imagePullSecrets[{i}].name: invalid empty name {:?}", ""));
        }
    }
    warnings
}

fn ports(warnings: &mut Vec<String>, container: &Value, path: &str) {
    let mut seen: Vec<(&Value, &str, usize)> = Vec::new();
    for (j, port) in items(&container["ports"]).iter().enumerate() {
        let (number, protocol) = (&port["containerPort"], text(&port["protocol"]));
        if let Some((_, _, first)) = seen.iter().find(|s| s.0 == number && s.1 == protocol) {
            warnings.push(format!("{path}.ports[{j}]: duplicate port definition with {path}.ports[{first}]"));
        }
        seen.push((number, protocol, j));
    }
}
