//! `serviceaccounts/token`: a fresh token for an account.

use super::kind;
use crate::{
    auth::{Bound, ISSUER, Reference, TokenRequest, node},
    time,
    user::User,
    verbs::{Api, WriteOptions},
};
use podium_types::{ApiError, FieldError, Key, meta};
use serde_json::{Value, json};

/// Shortest and longest life of a token, and what a request gets that names none, in seconds.
const SHORTEST: i64 = 600;
const LONGEST: i64 = 1 << 32;
const USUAL: i64 = 3600;
/// Group of TokenRequest.
const GROUP: &str = "authentication.k8s.io";

impl Api {
    /// Answers a TokenRequest for the account of `key`.
    pub async fn token(
        &self,
        user: &User,
        key: &Key,
        request: &Value,
        options: &WriteOptions,
    ) -> Result<Value, ApiError> {
        let account = self.get(kind("serviceaccounts")?, key).await?;
        let tokens = self.tokens().ok_or_else(|| ApiError::internal("no key to sign tokens with"))?;
        let spec = &request["spec"];
        node::token(self, user, key, &spec["boundObjectRef"])?;
        let seconds = spec["expirationSeconds"].as_i64().unwrap_or(USUAL);
        if !(SHORTEST..=LONGEST).contains(&seconds) {
            let why = if seconds < SHORTEST {
                "may not specify a duration less than 10 minutes"
            } else {
                "may not specify a duration larger than 2^32 seconds"
            };
            let error = FieldError::invalid("spec.expirationSeconds", &json!(seconds), why);
            return Err(ApiError::invalid("TokenRequest", GROUP, "", &[error]));
        }
        let audiences: Vec<String> =
            spec["audiences"].as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect();
        let account = Reference { name: key.name.clone(), uid: account.uid.clone() };
        let bound = self.bound(key, account, &spec["boundObjectRef"]).await?;
        let now = self.backend().now();
        let signed = TokenRequest {
            audiences: audiences.clone(),
            seconds,
            bound,
            id: self.backend().uid(),
            now: now.as_second(),
        };
        let token = if options.dry_run {
            String::new()
        } else {
            tokens.sign(signed).map_err(|e| ApiError::internal(format!("failed to generate token: {e}")))?
        };
        let mut answer = request.clone();
        meta::metadata_mut(&mut answer).insert("name".into(), key.name.as_str().into());
        let metadata = meta::metadata_mut(&mut answer);
        metadata.insert("namespace".into(), key.namespace.as_str().into());
        metadata.insert("creationTimestamp".into(), time::stamp(now).into());
        let spec = meta::member_mut(&mut answer, "spec");
        spec.insert("expirationSeconds".into(), json!(seconds));
        spec.insert("audiences".into(), if audiences.is_empty() { json!([ISSUER]) } else { json!(audiences) });
        answer["kind"] = json!("TokenRequest");
        answer["apiVersion"] = json!("authentication.k8s.io/v1");
        answer["status"] = json!({"token": token, "expirationTimestamp": time::stamp(time::after(now, seconds))});
        Ok(answer)
    }

    /// What the token dies with: the object must exist, with the uid that the request names.
    async fn bound(&self, account: &Key, serviceaccount: Reference, reference: &Value) -> Result<Bound, ApiError> {
        let mut bound = Bound::account(&account.namespace, serviceaccount);
        if reference.is_null() {
            return Ok(bound);
        }
        let resource = match (reference["apiVersion"].as_str(), reference["kind"].as_str()) {
            (Some("v1"), Some("Pod")) => "pods",
            (Some("v1"), Some("Secret")) => "secrets",
            (Some("v1"), Some("Node")) => "nodes",
            (version, name) => {
                return Err(ApiError::bad_request(format!(
                    "cannot bind token for serviceaccount {:?} to type {}, Kind={}",
                    account.name,
                    version.unwrap_or_default(),
                    name.unwrap_or_default()
                )));
            }
        };
        let name = reference["name"].as_str().unwrap_or_default();
        let place = if resource == "nodes" { "" } else { &account.namespace };
        let object = self.get(kind(resource)?, &Key::new(place, name)).await?;
        let uid = reference["uid"].as_str().unwrap_or_default();
        if !uid.is_empty() && uid != object.uid {
            let why = format!(
                "the UID in the bound object reference ({uid}) does not match the UID in record. \
                 The object might have been deleted and then recreated"
            );
            return Err(ApiError::conflict(resource, "", name, &why));
        }
        if resource == "pods" && object.value()["spec"]["serviceAccountName"] != account.name.as_str() {
            let why = format!(
                "cannot bind token for serviceaccount {:?} to pod running with different serviceaccount name.",
                account.name
            );
            return Err(ApiError::bad_request(why));
        }
        let reference = Reference { name: name.to_owned(), uid: object.uid.clone() };
        match resource {
            "pods" => {
                let node = object.value()["spec"]["nodeName"].as_str().unwrap_or_default().to_owned();
                bound.node = self.node(node)?;
                bound.pod = Some(reference);
            }
            "secrets" => bound.secret = Some(reference),
            _ => bound.node = Some(reference),
        }
        Ok(bound)
    }

    /// The node of that name; a pod may have been bound to one that nobody knows.
    fn node(&self, name: String) -> Result<Option<Reference>, ApiError> {
        let known = self.peek(kind("nodes")?, &Key::new("", &name));
        let uid = known.map(|node| node.uid.clone()).unwrap_or_default();
        Ok((!name.is_empty()).then_some(Reference { name, uid }))
    }
}
