//! `scale` of workloads: replicas alone, as autoscaling/v1 Scale.

use crate::verbs::Patch;
use crate::{
    user::User,
    verbs::{Api, WriteOptions, patch},
};
use podium_kinds::Kind;
use podium_types::{ApiError, FieldError, Key, meta};
use serde_json::{Map, Value, json};

/// Name of the schema of a Scale.
pub(crate) const SCHEMA: &str = "io.k8s.api.autoscaling.v1.Scale";
const SUBRESOURCE: &str = "scale";

impl Api {
    /// The Scale of a workload.
    pub async fn scale(&self, kind: &'static Kind, key: &Key) -> Result<Value, ApiError> {
        Ok(of(&self.get(kind, key).await?.value()))
    }

    /// Replaces the Scale of a workload.
    pub async fn set_scale(
        &self,
        user: &User,
        kind: &'static Kind,
        key: &Key,
        scale: &Value,
        options: &WriteOptions,
    ) -> Result<Value, ApiError> {
        let retry = meta::string(scale, "resourceVersion").is_empty();
        let written =
            self.modify(user, kind, key, SUBRESOURCE, options, retry, |old| with(old, scale, &key.name)).await?;
        Ok(of(&written.object.value()))
    }

    /// Patches the Scale of a workload.
    pub async fn patch_scale(
        &self,
        user: &User,
        kind: &'static Kind,
        key: &Key,
        change: &Patch,
        options: &WriteOptions,
    ) -> Result<Value, ApiError> {
        let written = self
            .modify(user, kind, key, SUBRESOURCE, options, true, |old| {
                with(old, &patch::apply(SCHEMA, &of(old), change)?, &key.name)
            })
            .await?;
        Ok(of(&written.object.value()))
    }
}

impl Api {
    /// Applies a Scale to a workload: the manager owns its replicas.
    pub async fn apply_scale(
        &self,
        user: &User,
        kind: &'static Kind,
        key: &Key,
        scale: &Value,
        force: bool,
        options: &WriteOptions,
    ) -> Result<Value, ApiError> {
        let mut config = json!({"metadata": scale["metadata"]});
        if let Some(replicas) = scale["spec"].get("replicas") {
            config["spec"]["replicas"] = replicas.clone();
        }
        let written = self.apply(user, kind, key, SUBRESOURCE, config, force, options).await?;
        Ok(of(&written.object.value()))
    }
}

/// The Scale of an object.
fn of(object: &Value) -> Value {
    let metadata: Map<String, Value> = ["name", "namespace", "uid", "resourceVersion", "creationTimestamp"]
        .iter()
        .filter_map(|f| Some(((*f).to_owned(), object["metadata"].get(*f)?.clone())))
        .collect();
    json!({"kind": "Scale", "apiVersion": "autoscaling/v1", "metadata": metadata,
        "spec": {"replicas": object["spec"]["replicas"].as_i64().unwrap_or(0)},
        "status": {"replicas": object["status"]["replicas"].as_i64().unwrap_or(0),
            "selector": selector(&object["spec"]["selector"])}})
}

/// A label selector as a string.
fn selector(selector: &Value) -> String {
    let mut parts: Vec<String> = Vec::new();
    for (key, value) in selector["matchLabels"].as_object().into_iter().flatten() {
        parts.push(format!("{key}={}", value.as_str().unwrap_or_default()));
    }
    for expression in selector["matchExpressions"].as_array().into_iter().flatten() {
        let key = expression["key"].as_str().unwrap_or_default();
        let values =
            expression["values"].as_array().into_iter().flatten().filter_map(Value::as_str).collect::<Vec<_>>();
        parts.push(match expression["operator"].as_str() {
            Some("In") => format!("{key} in ({})", values.join(",")),
            Some("NotIn") => format!("{key} notin ({})", values.join(",")),
            Some("DoesNotExist") => format!("!{key}"),
            _ => key.to_owned(),
        });
    }
    parts.join(",")
}

/// The object with the replicas of a Scale.
fn with(old: &Value, scale: &Value, name: &str) -> Result<Value, ApiError> {
    let replicas = match &scale["spec"]["replicas"] {
        Value::Null => 0,
        value => value.as_i64().ok_or_else(|| {
            let error = FieldError::invalid("spec.replicas", value, "must be an integer");
            ApiError::invalid("Scale", "autoscaling", name, &[error])
        })?,
    };
    if replicas < 0 {
        let why = "must be greater than or equal to 0";
        let error = FieldError::invalid("spec.replicas", &json!(replicas), why);
        return Err(ApiError::invalid("Scale", "autoscaling", name, &[error]));
    }
    let mut object = old.clone();
    for field in ["uid", "resourceVersion"] {
        let value = meta::string(scale, field);
        if !value.is_empty() {
            meta::metadata_mut(&mut object).insert(field.into(), value.into());
        }
    }
    meta::member_mut(&mut object, "spec").insert("replicas".into(), json!(replicas));
    Ok(object)
}
