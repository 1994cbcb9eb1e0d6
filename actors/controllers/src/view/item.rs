//! An object, parsed once for every reader.

use super::trim;
use k8s_openapi::Metadata;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use podium_machinery::state::Object;
use podium_types::Key;
use serde::de::DeserializeOwned;
use std::{ops::Deref, sync::Arc};

/// A typed, read-only object beside the one it was parsed from; derefs to the type.
#[derive(Debug)]
pub struct Item<T> {
    /// As stored, and whole: [`Object::value`] where something must be copied exactly.
    pub object: Arc<Object>,
    typed: T,
}

/// What an object must be to have a shelf.
pub trait Typed: DeserializeOwned + Metadata<Ty = ObjectMeta> + 'static {}
impl<T: DeserializeOwned + Metadata<Ty = ObjectMeta> + 'static> Typed for T {}

impl<T: Typed> Item<T> {
    /// Parses an object, but for what no decision looks at; `None` where it does not have the kind's form.
    pub fn parse(object: &Arc<Object>) -> Option<Self> {
        let mut typed: T = serde_json::from_slice(&object.json).ok()?;
        trim::trim(&mut typed);
        Some(Self { object: Arc::clone(object), typed })
    }
    /// `metadata`.
    pub fn meta(&self) -> &ObjectMeta {
        self.typed.metadata()
    }
    /// Whether deletion has begun.
    pub fn deleting(&self) -> bool {
        self.meta().deletion_timestamp.is_some()
    }
}

impl<T> Item<T> {
    /// Namespace and name.
    pub fn key(&self) -> &Key {
        &self.object.key
    }
    /// `metadata.uid`.
    pub fn uid(&self) -> &str {
        &self.object.uid
    }
}

impl<T> Deref for Item<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.typed
    }
}
