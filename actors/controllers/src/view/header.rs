//! What is kept of an object of any kind: enough for namespaces and the garbage collector.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use podium_machinery::state::Object;
use podium_types::{Key, Timestamp};
use serde::Deserialize;
use std::sync::Arc;

/// An object of any kind by what its metadata says.
#[derive(Debug)]
pub struct Header {
    /// Storage name of its kind.
    pub resource: &'static str,
    /// As stored.
    pub object: Arc<Object>,
    /// `metadata.ownerReferences`.
    pub owners: Vec<OwnerReference>,
    /// `metadata.finalizers`.
    pub finalizers: Vec<String>,
    /// Whether deletion has begun.
    pub deleting: bool,
    /// `metadata.creationTimestamp`.
    pub created: Option<Timestamp>,
    /// `lastTimestamp` of an Event, when it happened last.
    pub last: Option<Timestamp>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Metadata {
    owner_references: Option<Vec<OwnerReference>>,
    finalizers: Option<Vec<String>>,
    deletion_timestamp: Option<String>,
    creation_timestamp: Option<Timestamp>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Head {
    #[serde(default)]
    metadata: Metadata,
    #[serde(default)]
    last_timestamp: Option<Timestamp>,
}

impl Header {
    /// Reads the metadata of an object; `None` only if its text was damaged.
    pub fn parse(resource: &'static str, object: &Arc<Object>) -> Option<Self> {
        let Head { metadata, last_timestamp } = serde_json::from_slice(&object.json).ok()?;
        let mut owners = metadata.owner_references.unwrap_or_default();
        // There are as many as there are objects.
        owners.shrink_to_fit();
        Some(Self {
            resource,
            object: Arc::clone(object),
            owners,
            finalizers: metadata.finalizers.unwrap_or_default(),
            deleting: metadata.deletion_timestamp.is_some(),
            created: metadata.creation_timestamp,
            last: last_timestamp,
        })
    }
    /// Namespace and name.
    pub fn key(&self) -> &Key {
        &self.object.key
    }
    /// The owner that controls the object.
    pub fn controller(&self) -> Option<&OwnerReference> {
        self.owners.iter().find(|owner| owner.controller == Some(true))
    }
}
