//! CertificateSigningRequest: a wish for a certificate, and what became of it.

use crate::{
    Column, Context, Kind, Strategy, Subresource, cells,
    json::{carry, items, items_mut, remove, set, text},
    rules::{self, Errors},
};
use base64::{Engine, prelude::BASE64_STANDARD};
use podium_types::{FieldError, Timestamp, duration};
use serde_json::{Value, json};

/// Shortest life that a certificate may be asked for, in seconds.
const LEAST_SECONDS: i64 = 600;
const PEM_HEAD: &str = "-----BEGIN CERTIFICATE REQUEST-----";
/// Members of the spec that tell who asks: the server's to set.
const REQUESTER: &[&str] = &["username", "uid", "groups", "extra"];
/// Conditions that only `approval` sets.
const DECISIONS: &[&str] = &["Approved", "Denied"];
/// Conditions that are true or absent, and do not go again.
const FINAL: &[&str] = &["Approved", "Denied", "Failed"];
/// The signer of v1beta1 that v1 does not know.
const LEGACY: &str = "kubernetes.io/legacy-unknown";

/// certificates.k8s.io/v1 CertificateSigningRequest.
pub static KIND: Kind = Kind {
    group: "certificates.k8s.io",
    kind: "CertificateSigningRequest",
    list_kind: "CertificateSigningRequestList",
    plural: "certificatesigningrequests",
    singular: "certificatesigningrequest",
    short_names: &["csr"],
    namespaced: false,
    resource: "certificatesigningrequests.certificates.k8s.io",
    schema: "io.k8s.api.certificates.v1.CertificateSigningRequest",
    subresources: &[
        Subresource::part("approval", "CertificateSigningRequest"),
        Subresource::part("status", "CertificateSigningRequest"),
    ],
    columns: &[
        Column::NAME,
        Column::AGE,
        Column::text("SignerName"),
        Column::text("Requestor"),
        Column::text("RequestedDuration"),
        Column::text("Condition"),
    ],
    row,
    selectable: &["spec.signerName"],
    strategy: &Request,
    ..Kind::PLAIN
};

struct Request;

impl Strategy for Request {
    fn prepare_create(&self, object: &mut Value, _context: &Context<'_>) {
        set(object, "status", json!({}));
        let Some(spec) = object.get_mut("spec") else { return };
        REQUESTER.iter().for_each(|field| remove(spec, field));
    }

    fn prepare_update(&self, object: &mut Value, old: &Value, context: &Context<'_>) {
        carry(object, old, "spec");
        if context.subresource == "approval"
            && let Some(status) = object.get_mut("status")
        {
            carry(status, &old["status"], "certificate");
        }
        stamp(object, context.now);
    }

    fn validate(&self, object: &Value) -> Vec<FieldError> {
        let mut errors = Errors::new();
        let spec = &object["spec"];
        let request = BASE64_STANDARD.decode(text(&spec["request"])).unwrap_or_default();
        if !String::from_utf8_lossy(&request).trim_start().starts_with(PEM_HEAD) {
            let why = "PEM block type must be CERTIFICATE REQUEST";
            errors.push(FieldError::invalid("spec.request", &spec["request"], why));
        }
        rules::required(&mut errors, &spec["usages"], "spec.usages", "usages must be specified");
        usages(&mut errors, &spec["usages"]);
        signer(&mut errors, &spec["signerName"]);
        let seconds = &spec["expirationSeconds"];
        if seconds.as_i64().is_some_and(|s| s < LEAST_SECONDS) {
            let why = "may not specify a duration less than 600 seconds (10 minutes)";
            errors.push(FieldError::invalid("spec.expirationSeconds", seconds, why));
        }
        errors
    }

    fn validate_update(&self, object: &Value, old: &Value, context: &Context<'_>) -> Vec<FieldError> {
        let mut errors = Errors::new();
        conditions(&mut errors, object, old);
        let decided = |object: &Value| -> Vec<Value> {
            let all = items(&object["status"]["conditions"]).iter();
            all.filter(|c| DECISIONS.contains(&text(&c["type"]))).cloned().collect()
        };
        match context.subresource {
            "status" if decided(object) != decided(old) => {
                let why = "updates may not add or remove a condition of type \"Approved\" or \"Denied\"";
                errors.push(FieldError::forbidden("status.conditions", why));
            }
            "approval" => {
                let types: Vec<Value> = decided(object).into_iter().map(|mut c| c["type"].take()).collect();
                if DECISIONS.iter().all(|d| types.iter().any(|t| t == d)) {
                    let why = "Approved and Denied conditions are mutually exclusive";
                    errors.push(FieldError::invalid("status.conditions", &json!(types), why));
                }
            }
            _ => {}
        }
        errors
    }

    fn validate_name(&self, _name: &str) -> Result<(), String> {
        // Whatever can stand in a path.
        Ok(())
    }
}

/// What certificates can be for.
const USAGES: &[&str] = &[
    "any",
    "cert sign",
    "client auth",
    "code signing",
    "content commitment",
    "crl sign",
    "data encipherment",
    "decipher only",
    "digital signature",
    "email protection",
    "encipher only",
    "ipsec end system",
    "ipsec tunnel",
    "ipsec user",
    "key agreement",
    "key encipherment",
    "microsoft sgc",
    "netscape sgc",
    "ocsp signing",
    "s/mime",
    "server auth",
    "signing",
    "timestamping",
];

/// Known ones, each once.
fn usages(errors: &mut Errors, usages: &Value) {
    for (i, usage) in items(usages).iter().enumerate() {
        let field = format!("spec.usages[{i}]");
        if !USAGES.contains(&text(usage)) {
            errors.push(FieldError::not_supported(field.as_str(), usage, USAGES));
        }
        if items(usages)[..i].contains(usage) {
            errors.push(FieldError::duplicate(field.as_str(), usage));
        }
    }
}

/// What is decided, and a certificate once there, stays.
fn conditions(errors: &mut Errors, object: &Value, old: &Value) {
    let (new, before) = (&object["status"], &old["status"]);
    for (i, condition) in items(&new["conditions"]).iter().enumerate() {
        let kind = text(&condition["type"]);
        let field = format!("status.conditions[{i}]");
        if kind.is_empty() {
            errors.push(FieldError::required(format!("{field}.type"), ""));
        } else if FINAL.contains(&kind) && condition["status"] != "True" {
            errors.push(FieldError::not_supported(format!("{field}.status"), &condition["status"], &["True"]));
        }
    }
    let has = |status: &Value, kind: &str| items(&status["conditions"]).iter().any(|c| c["type"] == kind);
    for kind in FINAL.iter().filter(|kind| has(before, kind) && !has(new, kind)) {
        let why = format!("updates may not remove a condition of type {kind:?}");
        errors.push(FieldError::forbidden("status.conditions", &why));
    }
    if !text(&before["certificate"]).is_empty() && new["certificate"] != before["certificate"] {
        let why = "updates may not modify a set certificate";
        errors.push(FieldError::forbidden("status.certificate", why));
    }
}

/// Conditions get the time at which they came.
fn stamp(object: &mut Value, now: Timestamp) {
    let now = now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    for condition in items_mut(object, "status.conditions") {
        for field in ["lastUpdateTime", "lastTransitionTime"] {
            if condition[field].is_null() {
                set(condition, field, now.as_str());
            }
        }
    }
}

/// `example.com/signer`
fn signer(errors: &mut Errors, value: &Value) {
    let name = text(value);
    if name.is_empty() {
        errors.push(FieldError::required("spec.signerName", ""));
        return;
    }
    if name == LEGACY {
        let why = "the legacy signerName is not allowed via this API version";
        errors.push(FieldError::invalid("spec.signerName", value, why));
    }
    match name.split_once('/') {
        Some((domain, path)) if !path.is_empty() && domain.contains('.') => {
            let checked = crate::names::dns_subdomain(domain).and_then(|()| crate::names::dns_subdomain(path));
            rules::form(errors, checked, "spec.signerName", name);
        }
        _ => {
            let why = "must be a fully qualified domain and path of the form 'example.com/signer-name'";
            errors.push(FieldError::invalid("spec.signerName", value, why));
        }
    }
}

fn row(object: &Value, now: Timestamp) -> Vec<Value> {
    let (spec, status) = (&object["spec"], &object["status"]);
    let lasts = spec["expirationSeconds"].as_i64().map_or_else(|| cells::NONE.to_owned(), duration::human);
    let has = |kind: &str| items(&status["conditions"]).iter().any(|c| text(&c["type"]) == kind);
    let mut words: Vec<&str> = DECISIONS.iter().copied().filter(|d| has(d)).collect();
    if words.is_empty() {
        words.push("Pending");
    }
    if has("Failed") {
        words.push("Failed");
    }
    if !text(&status["certificate"]).is_empty() {
        words.push("Issued");
    }
    vec![
        cells::name(object),
        cells::age(object, now),
        json!(text(&spec["signerName"])),
        json!(text(&spec["username"])),
        json!(lasts),
        json!(words.join(",")),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{CONTEXT, changes, errors, shown};

    fn request() -> Value {
        let pem = BASE64_STANDARD.encode(format!("{PEM_HEAD}\nAA==\n-----END CERTIFICATE REQUEST-----\n"));
        json!({"metadata": {"name": "c"}, "spec": {"request": pem, "usages": ["client auth"],
            "signerName": "kubernetes.io/kube-apiserver-client", "username": "forged", "groups": ["system:masters"]}})
    }

    #[test]
    fn messages() {
        assert_eq!(errors(&KIND, &request()), [""; 0]);
        let odd = json!({"spec": {"request": "AA==", "signerName": "me", "expirationSeconds": 5}});
        assert_eq!(
            errors(&KIND, &odd),
            [
                r#"spec.request: Invalid value: "AA==": PEM block type must be CERTIFICATE REQUEST"#,
                "spec.usages: Required value: usages must be specified",
                r#"spec.signerName: Invalid value: "me": must be a fully qualified domain and path of the form 'example.com/signer-name'"#,
                "spec.expirationSeconds: Invalid value: 5: may not specify a duration less than 600 seconds (10 minutes)",
            ]
        );
    }

    #[test]
    fn nobody_says_himself_who_asks() {
        let mut object = request();
        KIND.strategy.prepare_create(&mut object, &CONTEXT);
        assert_eq!((&object["spec"]["username"], &object["spec"]["groups"]), (&Value::Null, &Value::Null));
    }

    #[test]
    fn decisions_come_by_approval_alone() {
        let old = request();
        let mut new = old.clone();
        new["status"] = json!({"conditions": [{"type": "Approved", "status": "True"}]});
        assert_eq!(changes(&KIND, &new, &old), [""; 0]);
        let context = Context { subresource: "status", ..CONTEXT };
        assert_eq!(KIND.strategy.validate_update(&new, &old, &context).len(), 1);
        assert_eq!(shown(&KIND, &new)[5], "Approved");
        new["status"]["certificate"] = json!("AA==");
        assert_eq!(
            shown(&KIND, &new)[2..],
            ["kubernetes.io/kube-apiserver-client", "forged", "<none>", "Approved,Issued"]
        );
    }
}
