//! Carries out Plans: every write goes through the API's verbs, with its precondition.
//!
//! Writes of one sort run side by side so that they share a commit; a write that is refused
//! ends the plan, and the controller decides again. Of objects to be made the first goes ahead
//! of the others, so that a quota which is full is asked once and not for each of them.

use base64::{Engine, prelude::BASE64_STANDARD};
use futures_util::{StreamExt, stream};
use podium_controllers::{
    PlannedWrite, Refusal,
    resource::{SECRETS, SIGNING_REQUESTS},
};
use podium_kinds::{Kind, by_resource};
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
/// Life of the token in a Secret, in seconds: as long as a token can have. It dies with the Secret.
const ENDLESS: i64 = 1 << 32;
/// The subresource of a pod that gives it a node.
const BINDING: &str = "binding";

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
    pub refused: Vec<Refusal>,
}

/// How many objects are made at once: one, then step by step more.
#[derive(Clone, Copy, Debug)]
pub enum Start {
    /// One, then as many as may be.
    Brisk,
    /// 1, 2, 4 and so on, after a refusal.
    Slow,
}

impl Start {
    /// How many follow a batch of `size` that went well.
    fn after(self, size: usize) -> usize {
        match self {
            Self::Brisk => PARALLEL,
            Self::Slow => size.saturating_mul(2).min(PARALLEL),
        }
    }
}

impl Executor {
    /// For the controller of that name.
    pub fn new(api: Api, signer: Arc<Signer>, controller: &str) -> Self {
        let user = User::system(format!("system:serviceaccount:kube-system:{controller}-controller"));
        Self { api, user, signer }
    }

    /// Makes the writes in order; those of one sort that follow each other side by side.
    pub async fn execute(&self, writes: Vec<PlannedWrite>, start: Start) -> Done {
        let mut done = Done::default();
        let mut rest = writes.into_iter().peekable();
        while let Some(first) = rest.next() {
            let sort = sort(&first);
            let making = matches!(first, PlannedWrite::Create { .. });
            let mut group = vec![first];
            while let Some(next) = rest.next_if(|w| self::sort(w) == sort) {
                group.push(next);
            }
            let mut size = if making { 1 } else { group.len() };
            let mut group = group.into_iter().peekable();
            while group.peek().is_some() && done.refused.is_empty() {
                self.together(group.by_ref().take(size).collect(), &mut done).await;
                size = start.after(size);
            }
            if !done.refused.is_empty() {
                break;
            }
        }
        done
    }

    /// Makes writes side by side.
    async fn together(&self, writes: Vec<PlannedWrite>, done: &mut Done) {
        let named = writes.into_iter().map(|write| async move {
            let (verb, resource, key) = write.target();
            self.write(write).await.map_err(|error| Refusal { verb, resource, key, error })
        });
        let mut outcomes = stream::iter(named).buffer_unordered(PARALLEL);
        while let Some(outcome) = outcomes.next().await {
            match outcome {
                Ok(revision) => done.revision = done.revision.max(revision),
                Err(refusal) => done.refused.push(refusal),
            }
        }
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
            PlannedWrite::Issue { key, uid, revision, account, mut patch } => {
                let account = Key::new(key.namespace.as_str(), account);
                let bound = json!({"apiVersion": "v1", "kind": "Secret", "name": key.name, "uid": uid});
                let request = json!({"spec": {"expirationSeconds": ENDLESS, "boundObjectRef": bound}});
                let answer = self.api.token(&self.user, &account, &request, &options).await?;
                let token = answer["status"]["token"].as_str().unwrap_or_default();
                meta::member_mut(&mut patch, "data").insert("token".to_owned(), BASE64_STANDARD.encode(token).into());
                let metadata = meta::metadata_mut(&mut patch);
                metadata.insert("uid".to_owned(), json!(uid));
                metadata.insert("resourceVersion".to_owned(), json!(revision.to_string()));
                let patch = Patch::Merge(patch);
                let patched = self.api.patch(&self.user, kind(SECRETS)?, &key, "", &patch, &options);
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

fn sort(write: &PlannedWrite) -> (Discriminant<PlannedWrite>, &'static str) {
    let subresource = if let PlannedWrite::Patch { subresource, .. } = write { *subresource } else { "" };
    (discriminant(write), subresource)
}

fn kind(resource: &str) -> Result<&'static Kind, ApiError> {
    by_resource(resource).ok_or_else(|| ApiError::internal(format!("no kind is stored as {resource:?}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_goes_ahead_and_after_a_refusal_the_others_follow_slowly() {
        for (start, expected) in [(Start::Brisk, [1, PARALLEL, PARALLEL, PARALLEL]), (Start::Slow, [1, 2, 4, 8])] {
            let sizes: Vec<usize> = std::iter::successors(Some(1), |size| Some(start.after(*size))).take(4).collect();
            assert_eq!(sizes, expected);
        }
        assert_eq!(Start::Slow.after(PARALLEL), PARALLEL);
    }
}
