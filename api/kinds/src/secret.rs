//! Secret: data that pods consume and that is sealed at rest.

use crate::{
    Column, Context, Kind, Strategy, cells,
    json::{count, members, remove, set, set_default, text},
    kind::ALL_VERBS,
    rules::{self, Errors},
};
use base64::{Engine, prelude::BASE64_STANDARD};
use podium_types::{FieldError, Timestamp};
use serde_json::{Value, json};

/// core/v1 Secret.
pub static KIND: Kind = Kind {
    group: "",
    versions: &["v1"],
    kind: "Secret",
    list_kind: "SecretList",
    plural: "secrets",
    singular: "secret",
    short_names: &[],
    categories: &[],
    namespaced: true,
    resource: "secrets",
    schema: "io.k8s.api.core.v1.Secret",
    verbs: ALL_VERBS,
    subresources: &[],
    columns: &[Column::NAME, Column::text("Type"), Column::integer("Data"), Column::AGE],
    row,
    selectable: &["type"],
    select: None,
    generation: false,
    graceful: None,
    sealed: true,
    live: false,
    strategy: &Secret,
};

struct Secret;

impl Strategy for Secret {
    /// `stringData` is a way to write `data`: it is encoded into it and not kept.
    fn default(&self, object: &mut Value) {
        set_default(object, "type", "Opaque");
        let written: Vec<(String, String)> =
            members(&object["stringData"]).map(|(k, v)| (k.clone(), BASE64_STANDARD.encode(text(v)))).collect();
        remove(object, "stringData");
        if !written.is_empty() {
            set_default(object, "data", json!({}));
            for (key, value) in written {
                if let Some(data) = object.get_mut("data") {
                    set(data, &key, value);
                }
            }
        }
    }

    fn validate(&self, object: &Value) -> Vec<FieldError> {
        let mut errors = Errors::new();
        rules::data_keys(&mut errors, &object["data"], "data");
        rules::data_base64(&mut errors, &object["data"], "data");
        rules::data_size(&mut errors, &Value::Null, &object["data"], "data");
        typed(&mut errors, object);
        errors
    }

    fn validate_update(&self, object: &Value, old: &Value, _context: &Context<'_>) -> Vec<FieldError> {
        let mut errors = Errors::new();
        rules::immutable(&mut errors, &object["type"], &old["type"], "type");
        errors.extend(rules::sealed_data(object, old, &["data"]));
        errors
    }
}

/// The keys that the well-known types of Secret demand.
fn typed(errors: &mut Errors, object: &Value) {
    let absent = |key: &str| object["data"][key].is_null();
    let mut require = |keys: &[&str]| {
        for key in keys.iter().filter(|key| absent(key)) {
            errors.push(FieldError::required(format!("data[{key}]"), ""));
        }
    };
    match text(&object["type"]) {
        "kubernetes.io/dockercfg" => require(&[".dockercfg"]),
        "kubernetes.io/dockerconfigjson" => require(&[".dockerconfigjson"]),
        "kubernetes.io/basic-auth" if absent("username") && absent("password") => require(&["username", "password"]),
        "kubernetes.io/ssh-auth" => require(&["ssh-privatekey"]),
        "kubernetes.io/tls" => require(&["tls.crt", "tls.key"]),
        "kubernetes.io/service-account-token" => {
            const ACCOUNT: &str = "kubernetes.io/service-account.name";
            if text(&object["metadata"]["annotations"][ACCOUNT]).is_empty() {
                errors.push(FieldError::required(format!("metadata.annotations[{ACCOUNT}]"), ""));
            }
        }
        _ => {}
    }
    for key in [".dockercfg", ".dockerconfigjson"] {
        let is_of_type = text(&object["type"]) == format!("kubernetes.io/{}", &key[1..]);
        let Some(value) = object["data"][key].as_str().filter(|_| is_of_type) else { continue };
        let bytes = BASE64_STANDARD.decode(value).unwrap_or_default();
        if let Err(why) = serde_json::from_slice::<serde_json::Map<String, Value>>(&bytes) {
            let hidden = json!("<secret contents redacted>");
            errors.push(FieldError::invalid(format!("data[{key}]"), &hidden, &why.to_string()));
        }
    }
}

fn row(object: &Value, now: Timestamp) -> Vec<Value> {
    vec![cells::name(object), json!(text(&object["type"])), json!(count(&object["data"])), cells::age(object, now)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn string_data_becomes_data() {
        let mut secret = json!({"data": {"a": "eA==", "b": "eQ=="}, "stringData": {"b": "z"}});
        Secret.default(&mut secret);
        assert_eq!(secret, json!({"type": "Opaque", "data": {"a": "eA==", "b": "eg=="}}));
    }

    #[test]
    fn types_demand_their_keys() {
        let cases = [
            (json!({"type": "Opaque"}), vec![]),
            (json!({"type": "kubernetes.io/tls", "data": {"tls.crt": ""}}), vec!["data[tls.key]"]),
            (json!({"type": "kubernetes.io/basic-auth", "data": {"username": ""}}), vec![]),
            (
                json!({"type": "kubernetes.io/dockerconfigjson", "data": {".dockerconfigjson": "eA=="}}),
                vec!["data[.dockerconfigjson]"],
            ),
            (json!({"type": "Opaque", "data": {"a/b": "", "c": "?"}}), vec!["data[a/b]", "data[c]"]),
        ];
        for (secret, fields) in cases {
            let found: Vec<String> = Secret.validate(&secret).into_iter().map(|e| e.field).collect();
            assert_eq!(found, fields, "{secret}");
        }
    }
}
