//! CertificateSigningRequests: who asks is written down; approving and signing are rights of their own.

use crate::{
    auth::authorize::Attributes,
    user::{MASTERS, User},
    verbs::Api,
};
use base64::{Engine, prelude::BASE64_STANDARD};
use podium_kinds::Kind;
use podium_machinery::certificates::{MASTERS_REFUSED, Request, Signer};
use podium_types::{ApiError, meta};
use serde_json::{Value, json};

pub(super) const RESOURCE: &str = "certificatesigningrequests.certificates.k8s.io";
const GROUP: &str = "certificates.k8s.io";

/// Writes the asker into a new request.
pub(super) fn admit(user: &User, kind: &Kind, object: &mut Value) -> Result<(), ApiError> {
    let spec = meta::member_mut(object, "spec");
    spec.insert("username".into(), json!(user.name));
    spec.insert("groups".into(), json!(user.groups));
    if !user.uid.is_empty() {
        spec.insert("uid".into(), json!(user.uid));
    }
    if !user.extra.is_empty() {
        spec.insert("extra".into(), json!(user.extra));
    }
    let signer = spec.get("signerName").and_then(Value::as_str).and_then(Signer::named);
    let pem = spec.get("request").and_then(Value::as_str).unwrap_or_default();
    let pem = BASE64_STANDARD.decode(pem).unwrap_or_default();
    let masters = |request: Request| request.organizations.iter().any(|group| group == MASTERS);
    if signer == Some(Signer::Client) && Request::parse(&pem).is_ok_and(masters) {
        return Err(ApiError::forbidden(kind.plural, kind.group, meta::name(object), MASTERS_REFUSED));
    }
    Ok(())
}

/// Whoever decides on a request must be allowed to for its signer; other kinds pass.
pub(crate) fn decide(
    api: &Api,
    user: &User,
    kind: &Kind,
    place: &str,
    new: &Value,
    old: &Value,
) -> Result<(), ApiError> {
    let verb = match place {
        "approval" => "approve",
        "status" if new["status"] != old["status"] => "sign",
        _ => return Ok(()),
    };
    if kind.resource != RESOURCE {
        return Ok(());
    }
    let signer = old["spec"]["signerName"].as_str().unwrap_or_default();
    let domain = format!("{}/*", signer.split('/').next().unwrap_or_default());
    let may = |name: &str| {
        let wish = Attributes { verb, group: GROUP, resource: "signers", name, ..Attributes::default() };
        api.decide(user, &wish).is_ok()
    };
    if may(signer) || may(&domain) {
        return Ok(());
    }
    let why = format!("user not permitted to {verb} requests with signerName {signer:?}");
    Err(ApiError::forbidden(kind.plural, kind.group, meta::name(old), &why))
}
