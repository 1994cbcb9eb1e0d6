//! What a decision asks for.

use crate::{Verb, resource};
use podium_machinery::certificates::Validity;
use podium_types::{Key, Timestamp};
use serde_json::Value;
use std::collections::BTreeMap;

/// Writes to make, events to record, and when to look again. Empty: the desired state holds.
#[derive(Debug, Default, PartialEq)]
pub struct Plan {
    /// Writes, in order; an executor stops at the first that is refused and decides again.
    pub writes: Vec<PlannedWrite>,
    /// Kubernetes Events to record.
    pub events: Vec<EventRecord>,
    /// Decide this key again at that time, whatever happens.
    pub wake_at: Option<Timestamp>,
    /// One line for `kubectl describe actor`: what was decided and why.
    pub note: String,
    /// Attempts that were made, by who made them and how they ended; for metrics.
    pub attempts: BTreeMap<(String, &'static str), u64>,
    /// Pods that fit nowhere, by uid: to be noted in the view, with the newest of its moves that
    /// was known, once the plan is carried out.
    pub tried: BTreeMap<String, u64>,
}

/// One write; every one carries a precondition.
#[derive(Debug, Clone, PartialEq)]
pub enum PlannedWrite {
    /// Creates `object` (its `metadata.name` or `generateName` set); AlreadyExists means decide again.
    Create {
        /// Storage name of the kind (`pods`, `replicasets.apps`).
        resource: &'static str,
        /// Namespace, `""` for cluster-scoped.
        namespace: String,
        /// The object.
        object: Value,
    },
    /// JSON merge patch with uid and revision as preconditions.
    Patch {
        /// Storage name of the kind.
        resource: &'static str,
        /// `""`, `status`, `binding` (body: a Binding), `finalize`, `scale`
        subresource: &'static str,
        /// Which object.
        key: Key,
        /// Its uid as seen.
        uid: String,
        /// Its revision as seen; `None`: only the uid must hold.
        revision: Option<u64>,
        /// The merge patch (RFC 7386).
        patch: Value,
    },
    /// Deletes with uid and, where given, revision as preconditions.
    Delete {
        /// Storage name of the kind.
        resource: &'static str,
        /// Which object.
        key: Key,
        /// Its uid as seen.
        uid: String,
        /// Its revision as seen; `None`: only the uid must hold.
        revision: Option<u64>,
        /// `Background`, `Foreground` or `Orphan`.
        propagation: &'static str,
        /// Grace in seconds; `None`: the object's own.
        grace: Option<i64>,
    },
    /// Signs a CertificateSigningRequest by the cluster's authority, into its status.
    Sign {
        /// Which request.
        key: Key,
        /// Its uid as seen.
        uid: String,
        /// Its revision as seen.
        revision: u64,
        /// What is asked for, in PEM.
        request: Vec<u8>,
        /// What the certificate is for.
        usages: Vec<String>,
        /// From when to when.
        validity: Validity,
    },
    /// Puts a token for a ServiceAccount, bound to the Secret, into the Secret.
    Issue {
        /// Which Secret.
        key: Key,
        /// Its uid as seen.
        uid: String,
        /// Its revision as seen.
        revision: u64,
        /// The account, of the same namespace.
        account: String,
        /// What else changes in the Secret: a merge patch.
        patch: Value,
    },
}

/// A Kubernetes Event about an object.
#[derive(Debug, Clone, PartialEq)]
pub struct EventRecord {
    /// `apiVersion` of the object.
    pub api_version: String,
    /// Kind of the object.
    pub kind: &'static str,
    /// Its key.
    pub key: Key,
    /// Its uid.
    pub uid: String,
    /// `Normal` or `Warning`.
    pub event_type: &'static str,
    /// `ScalingReplicaSet`
    pub reason: &'static str,
    /// Message for people.
    pub message: String,
}

impl PlannedWrite {
    /// What it does, to which object of which kind.
    pub fn target(&self) -> (Verb, &'static str, Key) {
        match self {
            Self::Create { resource, object, .. } => (Verb::Create, resource, podium_types::meta::key(object)),
            Self::Patch { resource, key, .. } => (Verb::Update, resource, key.clone()),
            Self::Delete { resource, key, .. } => (Verb::Delete, resource, key.clone()),
            Self::Sign { key, .. } => (Verb::Update, resource::SIGNING_REQUESTS, key.clone()),
            Self::Issue { key, .. } => (Verb::Update, resource::SECRETS, key.clone()),
        }
    }
    /// Drops the revision from a patch or delete: only the uid must hold. For plans that
    /// write an object twice, and for fields that no one else may set.
    pub fn any_revision(&mut self) {
        match self {
            Self::Patch { revision, .. } | Self::Delete { revision, .. } => *revision = None,
            Self::Create { .. } | Self::Sign { .. } | Self::Issue { .. } => {}
        }
    }
}
