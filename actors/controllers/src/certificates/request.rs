//! A CertificateSigningRequest as its controllers read it.

use crate::{PlannedWrite, View, resource, view::Header};
use base64::{Engine, prelude::BASE64_STANDARD};
use podium_types::{Key, Timestamp};
use serde_json::{Value, json};
use std::sync::Arc;

/// Storage name of the kind.
pub(super) const RESOURCE: &str = resource::SIGNING_REQUESTS;

/// One request, unless its deletion has begun.
pub(super) struct Wish {
    pub(super) header: Arc<Header>,
    pub(super) object: Value,
}

impl Wish {
    pub(super) fn find(view: &View, key: &Key) -> Option<Self> {
        let header = view.header(RESOURCE, key).filter(|header| !header.deleting)?;
        Some(Self { header: Arc::clone(header), object: header.object.value() })
    }
    /// Every key, in list order.
    pub(super) fn keys(view: &View) -> Vec<Key> {
        view.of_kind(RESOURCE).map(|header| header.key().clone()).collect()
    }
    /// A member of the spec.
    pub(super) fn text(&self, field: &str) -> &str {
        self.object["spec"][field].as_str().unwrap_or_default()
    }
    /// A list of the spec.
    pub(super) fn list(&self, field: &str) -> Vec<&str> {
        self.object["spec"][field].as_array().into_iter().flatten().filter_map(Value::as_str).collect()
    }
    /// PEM text under a field that holds bytes; empty where there is none.
    pub(super) fn pem(value: &Value) -> Vec<u8> {
        BASE64_STANDARD.decode(value.as_str().unwrap_or_default()).unwrap_or_default()
    }
    /// The request in PEM.
    pub(super) fn request(&self) -> Vec<u8> {
        Self::pem(&self.object["spec"]["request"])
    }
    /// The certificate in PEM, once there is one.
    pub(super) fn certificate(&self) -> Option<String> {
        let pem = Self::pem(&self.object["status"]["certificate"]);
        (!pem.is_empty()).then(|| String::from_utf8_lossy(&pem).into_owned())
    }
    /// The condition of that type, where it is true.
    pub(super) fn condition(&self, kind: &str) -> Option<&Value> {
        self.conditions().iter().find(|c| c["type"] == kind)
    }
    pub(super) fn conditions(&self) -> &[Value] {
        self.object["status"]["conditions"].as_array().map(Vec::as_slice).unwrap_or_default()
    }
    /// A write that adds a condition.
    pub(super) fn add(
        &self,
        subresource: &'static str,
        kind: &str,
        reason: &str,
        message: &str,
        now: Timestamp,
    ) -> PlannedWrite {
        let stamp = crate::time::stamp(now);
        let mut conditions = self.conditions().to_vec();
        conditions.push(json!({"type": kind, "status": "True", "reason": reason, "message": message,
            "lastUpdateTime": stamp, "lastTransitionTime": stamp}));
        PlannedWrite::Patch {
            resource: RESOURCE,
            subresource,
            key: self.header.key().clone(),
            uid: self.header.object.uid.clone(),
            revision: Some(self.header.object.revision),
            patch: json!({"status": {"conditions": conditions}}),
        }
    }
}
