//! Options and outcomes of the verbs.

use podium_machinery::{apply::Operation, state::Object};
use serde_json::Value;
use std::sync::Arc;

/// Options of create, update and patch.
#[derive(Clone, Debug, Default)]
pub struct WriteOptions {
    /// Do everything but the commit.
    pub dry_run: bool,
    /// Who owns the fields that are written; empty: named after the user.
    pub field_manager: String,
    /// Whether fields are owned because they were applied.
    pub operation: Operation,
}

/// Outcome of a write.
#[derive(Clone, Debug)]
pub struct Written {
    /// The object as stored (or as it would be, in a dry run).
    pub object: Arc<Object>,
    /// Warnings for the client.
    pub warnings: Vec<String>,
    /// Whether the write made the object (create-on-update).
    pub created: bool,
}

/// A change to an object.
#[derive(Clone, Debug)]
pub enum Patch {
    /// RFC 6902.
    Json(Value),
    /// RFC 7386.
    Merge(Value),
    /// Kubernetes' strategic merge patch.
    Strategic(Value),
}

/// What becomes of the objects that an object owns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Propagation {
    /// They are deleted afterwards.
    Background,
    /// They are deleted first.
    Foreground,
    /// They stay.
    Orphan,
}

impl Propagation {
    /// From its name in `DeleteOptions`.
    pub fn parse(name: &str) -> Option<Self> {
        match name {
            "Background" => Some(Self::Background),
            "Foreground" => Some(Self::Foreground),
            "Orphan" => Some(Self::Orphan),
            _ => None,
        }
    }
}

/// Options of delete.
#[derive(Clone, Debug, Default)]
pub struct DeleteOptions {
    /// Seconds of grace; `None`: the object's own.
    pub grace: Option<i64>,
    /// The uid that must hold.
    pub uid: Option<String>,
    /// The revision that must hold.
    pub resource_version: Option<u64>,
    /// What becomes of dependents; `None`: as the object's finalizers say.
    pub propagation: Option<Propagation>,
    /// Do everything but the commit.
    pub dry_run: bool,
}

/// Outcome of a delete.
#[derive(Clone, Debug)]
pub struct Deleted {
    /// The object's last state.
    pub object: Arc<Object>,
    /// Whether it is gone; else deletion has begun, and finalizers or a node must finish it.
    pub gone: bool,
}
