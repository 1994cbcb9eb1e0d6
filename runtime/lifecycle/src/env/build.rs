//! All variables of a container, in the kubelet's order: services, envFrom, env.

use super::{Facts, expand, field, file, resource_field};
use k8s_openapi::api::core::v1::{ConfigMap, Container, EnvVar, FileKeySelector, Pod, Secret};
use std::{collections::BTreeMap, fmt};

/// What references lead to.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// ConfigMaps of the pod's namespace, by name; a missing one does not exist.
    pub config_maps: BTreeMap<String, ConfigMap>,
    /// Secrets, likewise.
    pub secrets: BTreeMap<String, Secret>,
    /// Contents of files in volumes that variables come from, by volume and path; a missing one does not exist.
    pub files: BTreeMap<(String, String), String>,
    /// Variables of Services ([`super::service_env`]).
    pub services: Vec<(String, String)>,
    /// Addresses and allocatable resources.
    pub facts: Facts,
}

/// Why a container cannot be configured (`CreateContainerConfigError`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnvError(pub String);

impl fmt::Display for EnvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
impl std::error::Error for EnvError {}

/// The container's variables; later ones replace earlier ones of the same name.
pub fn build(pod: &Pod, container: &Container, sources: &Sources) -> Result<Vec<(String, String)>, EnvError> {
    let namespace = pod.metadata.namespace.as_deref().unwrap_or_default();
    let mut env = Env::default();
    for (name, value) in &sources.services {
        env.set(name.clone(), value.clone());
    }
    for from in container.env_from.iter().flatten() {
        let prefix = from.prefix.as_deref().unwrap_or_default();
        if let Some(reference) = &from.config_map_ref {
            match sources.config_maps.get(&reference.name) {
                Some(map) => map.data.iter().flatten().for_each(|(k, v)| env.set(format!("{prefix}{k}"), v.clone())),
                None if reference.optional == Some(true) => {}
                None => return Err(missing("configmap", &reference.name)),
            }
        }
        if let Some(reference) = &from.secret_ref {
            match sources.secrets.get(&reference.name) {
                Some(secret) => secret
                    .data
                    .iter()
                    .flatten()
                    .for_each(|(k, v)| env.set(format!("{prefix}{k}"), String::from_utf8_lossy(&v.0).into_owned())),
                None if reference.optional == Some(true) => {}
                None => return Err(missing("secret", &reference.name)),
            }
        }
    }
    for variable in container.env.iter().flatten() {
        let value = match (&variable.value, &variable.value_from) {
            (Some(text), _) if !text.is_empty() => Some(expand(text, |name| env.get(name))),
            (_, None) => Some(String::new()),
            (_, Some(_)) => reference(pod, container, sources, namespace, variable)?,
        };
        if let Some(value) = value {
            env.set(variable.name.clone(), value);
        }
    }
    Ok(env.list)
}

fn missing(kind: &str, name: &str) -> EnvError {
    EnvError(format!("{kind} \"{name}\" not found"))
}

fn reference(
    pod: &Pod,
    container: &Container,
    sources: &Sources,
    namespace: &str,
    variable: &EnvVar,
) -> Result<Option<String>, EnvError> {
    let Some(from) = &variable.value_from else { return Ok(None) };
    if let Some(selector) = &from.field_ref {
        return field(pod, &sources.facts, &selector.field_path).map(Some).map_err(EnvError);
    }
    if let Some(selector) = &from.resource_field_ref {
        return resource_field(pod, Some(container), &sources.facts, selector).map(Some).map_err(EnvError);
    }
    if let Some(selector) = &from.file_key_ref {
        return of_file(sources, selector);
    }
    let (kind, name, key, optional, found) = if let Some(selector) = &from.config_map_key_ref {
        let map = sources.config_maps.get(&selector.name);
        let value = map.map(|m| m.data.as_ref().and_then(|d| d.get(&selector.key)).cloned());
        ("configmap", &selector.name, &selector.key, selector.optional, value)
    } else if let Some(selector) = &from.secret_key_ref {
        let secret = sources.secrets.get(&selector.name);
        let value = secret.map(|s| {
            s.data.as_ref().and_then(|d| d.get(&selector.key)).map(|v| String::from_utf8_lossy(&v.0).into_owned())
        });
        ("secret", &selector.name, &selector.key, selector.optional, value)
    } else {
        return Err(EnvError(format!("environment variable {} has an unsupported source", variable.name)));
    };
    match found {
        Some(Some(value)) => Ok(Some(value)),
        _ if optional == Some(true) => Ok(None),
        None => Err(missing(kind, name)),
        Some(None) => {
            let title = if kind == "secret" { "Secret" } else { "ConfigMap" };
            Err(EnvError(format!("couldn't find key {key} in {title} {namespace}/{name}")))
        }
    }
}

fn of_file(sources: &Sources, selector: &FileKeySelector) -> Result<Option<String>, EnvError> {
    let FileKeySelector { key, path, volume_name, optional } = selector;
    let Some(text) = sources.files.get(&(volume_name.clone(), path.clone())) else {
        let missing = || EnvError(format!("environment variable file {path:?} not found in volume {volume_name:?}"));
        return if *optional == Some(true) { Ok(None) } else { Err(missing()) };
    };
    match file::find(text, key) {
        Ok(None) if *optional != Some(true) => {
            Err(EnvError(format!("environment variable key {key:?} not found in file {path:?}")))
        }
        found => found.map_err(|why| EnvError(format!("couldn't parse environment variable file {path:?}: {why}"))),
    }
}

#[derive(Default)]
struct Env {
    list: Vec<(String, String)>,
}

impl Env {
    fn get(&self, name: &str) -> Option<String> {
        self.list.iter().find(|(n, _)| n == name).map(|(_, v)| v.clone())
    }
    fn set(&mut self, name: String, value: String) {
        match self.list.iter_mut().find(|(n, _)| *n == name) {
            Some(entry) => entry.1 = value,
            None => self.list.push((name, value)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn references_expansion_and_order() {
        let pod: Pod = serde_json::from_value(json!({
            "metadata": { "name": "web", "namespace": "ns", "labels": { "app": "x" } },
            "spec": { "nodeName": "n1", "containers": [{
                "name": "a",
                "resources": { "limits": { "memory": "64Mi" }, "requests": { "cpu": "250m" } },
                "envFrom": [{ "prefix": "P_", "configMapRef": { "name": "map" } }, { "secretRef": { "name": "gone", "optional": true } }],
                "env": [
                    { "name": "HOST", "value": "$(REDIS_SERVICE_HOST):$(P_PORT)" },
                    { "name": "NAME", "valueFrom": { "fieldRef": { "fieldPath": "metadata.name" } } },
                    { "name": "LABEL", "valueFrom": { "fieldRef": { "fieldPath": "metadata.labels['app']" } } },
                    { "name": "IP", "valueFrom": { "fieldRef": { "fieldPath": "status.podIP" } } },
                    { "name": "MEM", "valueFrom": { "resourceFieldRef": { "resource": "limits.memory", "divisor": "1Mi" } } },
                    { "name": "CPU", "valueFrom": { "resourceFieldRef": { "resource": "requests.cpu" } } },
                    { "name": "MILLI", "valueFrom": { "resourceFieldRef": { "resource": "requests.cpu", "divisor": "1m" } } },
                    { "name": "ALL", "valueFrom": { "resourceFieldRef": { "resource": "limits.cpu" } } },
                    { "name": "MAYBE", "valueFrom": { "secretKeyRef": { "name": "gone", "key": "k", "optional": true } } },
                    { "name": "BOTH", "value": "$(NAME)-$(LABEL) $$(NAME) $(LATER)" },
                    { "name": "LATER", "value": "late" },
                    { "name": "FILE", "valueFrom": { "fileKeyRef": { "volumeName": "v", "path": "a", "key": "F" } } },
                    { "name": "NOKEY", "valueFrom": { "fileKeyRef": { "volumeName": "v", "path": "a", "key": "X", "optional": true } } },
                    { "name": "NOFILE", "valueFrom": { "fileKeyRef": { "volumeName": "v", "path": "b", "key": "F", "optional": true } } },
                ],
            }] },
        }))
        .expect("a pod");
        let container = &pod.spec.as_ref().expect("a spec").containers[0];
        let map = serde_json::from_value(json!({ "data": { "PORT": "6379" } })).expect("a ConfigMap");
        let service = serde_json::from_value(json!({ "metadata": { "name": "redis" },
            "spec": { "clusterIP": "10.96.0.7", "ports": [{ "name": "main", "port": 6379 }] } }))
        .expect("a Service");
        let sources = Sources {
            config_maps: [("map".to_owned(), map)].into(),
            secrets: BTreeMap::new(),
            files: [(("v".to_owned(), "a".to_owned()), "F='file'".to_owned())].into(),
            services: crate::env::service_env([&service]),
            facts: Facts {
                pod_ips: vec!["10.244.0.2".parse().expect("ip")],
                host_ips: Vec::new(),
                allocatable: serde_json::from_value(json!({ "cpu": "2" })).expect("amounts"),
            },
        };
        let env: BTreeMap<String, String> =
            build(&pod, container, &sources).expect("an environment").into_iter().collect();
        for (name, value) in [
            ("HOST", "10.96.0.7:6379"),
            ("NAME", "web"),
            ("LABEL", "x"),
            ("IP", "10.244.0.2"),
            ("MEM", "64"),
            ("CPU", "1"),
            ("MILLI", "250"),
            ("ALL", "2"),
            ("FILE", "file"),
            ("BOTH", "web-x $(NAME) $(LATER)"),
            ("P_PORT", "6379"),
            ("REDIS_SERVICE_PORT_MAIN", "6379"),
            ("REDIS_PORT_6379_TCP_ADDR", "10.96.0.7"),
            ("REDIS_PORT", "tcp://10.96.0.7:6379"),
        ] {
            assert_eq!(env.get(name).map(String::as_str), Some(value), "{name}");
        }
        assert!(["MAYBE", "NOKEY", "NOFILE"].iter().all(|name| !env.contains_key(*name)));
        let none = Sources::default();
        assert_eq!(build(&pod, container, &none), Err(EnvError("configmap \"map\" not found".to_owned())));
    }
}
