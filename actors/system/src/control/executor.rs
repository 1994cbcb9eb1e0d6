//! Carries out Plans: every write goes through the API's verbs, with its precondition.
//!
//! Writes of one sort run side by side so that they share a commit; a write that is refused
//! ends the plan, and the controller decides again. Where admission forbids to create something (a
//! quota is used up), its owner hears why, and how things stand is still written down.

use base64::{Engine, prelude::BASE64_STANDARD};
use futures_util::{StreamExt, stream};
use podium_controllers::{EventRecord, PlannedWrite, resource::SIGNING_REQUESTS};
use podium_kinds::{Kind, by_kind, by_resource};
use podium_machinery::certificates::Request;
use podium_server::{
    pki::Signer,
    user::User,
    verbs::{Api, DeleteOptions, Patch, Propagation, WriteOptions},
};
use podium_types::{ApiError, Key, meta};
use serde_json::json;
use std::{
    mem::{Discriminant, discriminant},
    sync::Arc,
};

/// Writes of one plan under way at the same time.
const PARALLEL: usize = 128;
/// The subresource of a pod that gives it a node.
const BINDING: &str = "binding";
/// The code of admission's refusals.
const FORBIDDEN: u16 = 403;

/// Carries out plans in the name of one controller.
#[derive(Clone)]
pub struct Executor {
    api: Api,
    user: User,
    signer: Arc<Signer>,
}

/// How far a plan was carried out.
#[derive(Debug, Default)]
pub struct Done {
    /// The newest revision that it committed; 0 where it committed none.
    pub revision: u64,
    /// Why it was not carried out whole.
    pub refused: Option<ApiError>,
    /// What to tell the owner of what may not be created.
    pub event: Option<EventRecord>,
}

impl Executor {
    /// For the controller of that name.
    pub fn new(api: Api, signer: Arc<Signer>, controller: &str) -> Self {
        let user = User::system(format!("system:serviceaccount:kube-system:{controller}-controller"));
        Self { api, user, signer }
    }

    /// Makes the writes in order; those of one sort that follow each other side by side.
    pub async fn execute(&self, writes: Vec<PlannedWrite>) -> Done {
        let mut done = Done::default();
        let mut rest = writes.into_iter().peekable();
        while let Some(first) = rest.next() {
            let sort = sort(&first);
            if done.refused.is_some() && !is_status(&first) {
                break;
            }
            let owner = owner(&first);
            let mut group = vec![first];
            while let Some(next) = rest.next_if(|w| self::sort(w) == sort) {
                group.push(next);
            }
            let mut outcomes = stream::iter(group).map(|w| self.write(w)).buffer_unordered(PARALLEL);
            while let Some(outcome) = outcomes.next().await {
                match outcome {
                    Ok(revision) => done.revision = done.revision.max(revision),
                    Err(error) => done.refused = Some(error),
                }
            }
            let Some(why) = &done.refused else { continue };
            match owner.filter(|_| why.code == FORBIDDEN) {
                Some(owner) => done.event = Some(EventRecord { message: format!("Error creating: {why}"), ..owner }),
                None => break,
            }
        }
        done
    }

    async fn write(&self, write: PlannedWrite) -> Result<u64, ApiError> {
        let options = WriteOptions::default();
        match write {
            PlannedWrite::Create { resource, namespace, object } => {
                let kind = kind(resource)?;
                Ok(self.api.create(&self.user, kind, &namespace, object, &options).await?.object.revision)
            }
            PlannedWrite::Patch { resource, subresource, key, uid, revision, mut patch } => {
                let metadata = meta::metadata_mut(&mut patch);
                metadata.insert("uid".to_owned(), json!(uid));
                if let Some(revision) = revision {
                    metadata.insert("resourceVersion".to_owned(), json!(revision.to_string()));
                }
                // A binding is an object of its own, not a change of the pod.
                if subresource == BINDING {
                    return Ok(self.api.bind(&self.user, &key, &patch, &options).await?.object.revision);
                }
                let (kind, patch) = (kind(resource)?, Patch::Merge(patch));
                let patched = self.api.patch(&self.user, kind, &key, subresource, &patch, &options);
                Ok(patched.await?.object.revision)
            }
            PlannedWrite::Sign { key, uid, revision, request, usages, validity } => {
                let request = Request::parse(&request).map_err(ApiError::bad_request)?;
                let certificate = self.signer.sign(&request, &usages, &validity);
                let certificate = certificate.map_err(|error| ApiError::internal(error.to_string()))?;
                let patch = Patch::Merge(json!({
                    "metadata": {"uid": uid, "resourceVersion": revision.to_string()},
                    "status": {"certificate": BASE64_STANDARD.encode(certificate)},
                }));
                let kind = kind(SIGNING_REQUESTS)?;
                let patched = self.api.patch(&self.user, kind, &key, "status", &patch, &options);
                Ok(patched.await?.object.revision)
            }
            PlannedWrite::Delete { resource, key, uid, revision, propagation, grace } => {
                let options = DeleteOptions {
                    grace,
                    uid: Some(uid),
                    resource_version: revision,
                    propagation: Propagation::parse(propagation),
                    ..DeleteOptions::default()
                };
                match self.api.delete(&self.user, kind(resource)?, &key, &options).await {
                    Ok(deleted) => Ok(deleted.object.revision),
                    // Gone already: what was wanted.
                    Err(error) if error.code == 404 => Ok(0),
                    Err(error) => Err(error),
                }
            }
        }
    }
}

fn is_status(write: &PlannedWrite) -> bool {
    matches!(write, PlannedWrite::Patch { subresource: "status", .. })
}

/// An event for the controlling owner of what a write creates.
fn owner(write: &PlannedWrite) -> Option<EventRecord> {
    let PlannedWrite::Create { namespace, object, .. } = write else { return None };
    let owners = object["metadata"]["ownerReferences"].as_array()?;
    let owner = owners.iter().find(|owner| owner["controller"] == true)?;
    let text = |field: &str| owner[field].as_str().map(str::to_owned);
    Some(EventRecord {
        kind: by_kind(owner["apiVersion"].as_str()?, owner["kind"].as_str()?)?.kind,
        api_version: text("apiVersion")?,
        key: Key::new(namespace, text("name")?),
        uid: text("uid")?,
        event_type: "Warning",
        reason: "FailedCreate",
        message: String::new(),
    })
}

fn sort(write: &PlannedWrite) -> (Discriminant<PlannedWrite>, &'static str) {
    let subresource = if let PlannedWrite::Patch { subresource, .. } = write { *subresource } else { "" };
    (discriminant(write), subresource)
}

fn kind(resource: &str) -> Result<&'static Kind, ApiError> {
    by_resource(resource).ok_or_else(|| ApiError::internal(format!("no kind is stored as {resource:?}")))
}
