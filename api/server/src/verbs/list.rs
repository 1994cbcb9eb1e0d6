//! Lists: from the newest snapshot, from an older one, page by page.

use super::Api;
use crate::filter::Filter;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use podium_kinds::Kind;
use podium_machinery::state::{Object, Snapshot};
use podium_types::{ApiError, Key};
use serde_json::{Value, json};
use std::sync::Arc;

const STALE_CONTINUE: &str = "The provided continue parameter is too old to display a consistent list result. You can \
    start a new list without the continue parameter, or use the continue token in this response to retrieve the \
    remainder of the results. Continuing with the provided token results in an inconsistent list - objects that were \
    created, modified, or deleted between the time the first chunk was returned and now may show up in the list.";

/// `resourceVersionMatch`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum VersionMatch {
    /// Not given.
    #[default]
    Unset,
    /// That very revision.
    Exact,
    /// That revision or a newer one.
    NotOlderThan,
}

/// What to list.
#[derive(Clone, Debug, Default)]
pub struct ListOptions {
    /// One namespace, or all of them.
    pub namespace: Option<String>,
    /// Selectors.
    pub filter: Filter,
    /// Objects per page; 0: all.
    pub limit: usize,
    /// The token of the page before; empty for the first.
    pub continue_token: String,
    /// `""` is a consistent read, `"0"` whatever is at hand, else a revision.
    pub resource_version: String,
    /// How to read the revision.
    pub version_match: VersionMatch,
}

/// A page of a list.
pub struct Page {
    /// Its objects, in list order.
    pub objects: Vec<Arc<Object>>,
    /// The revision of the whole list.
    pub revision: u64,
    /// Token of the next page; empty on the last.
    pub continue_token: String,
    /// How many objects follow; unknown with selectors.
    pub remaining: Option<usize>,
}

/// A place in a list. The revision is `None` where the list has become inconsistent.
struct Place {
    revision: Option<u64>,
    after: Key,
}

impl Place {
    fn encode(&self) -> String {
        let revision = self.revision.map_or(json!(-1), |r| json!(r));
        let token =
            json!({"v": "meta.k8s.io/v1", "rv": revision, "ns": self.after.namespace, "start": self.after.name});
        URL_SAFE_NO_PAD.encode(token.to_string())
    }
    fn decode(token: &str) -> Result<Self, ApiError> {
        let invalid = || ApiError::bad_request("continue key is not valid");
        let bytes = URL_SAFE_NO_PAD.decode(token.trim_end_matches('=')).map_err(|_| invalid())?;
        let value: Value = serde_json::from_slice(&bytes).map_err(|_| invalid())?;
        let text = |name: &str| value[name].as_str().ok_or_else(invalid);
        let after = Key::new(text("ns")?, text("start")?);
        match &value["rv"] {
            Value::Number(n) if n.as_i64() == Some(-1) => Ok(Self { revision: None, after }),
            Value::Number(n) => Ok(Self { revision: Some(n.as_u64().ok_or_else(invalid)?), after }),
            _ => Err(invalid()),
        }
    }
}

/// A token that goes on where `token` stood, but from the newest state.
pub(crate) fn inconsistent(token: &str) -> Option<String> {
    let place = Place::decode(token).ok()?;
    Some(Place { revision: None, after: place.after }.encode())
}

/// 504 for a revision that lies in the future.
fn too_large(asked: u64, current: u64) -> ApiError {
    let mut error = ApiError::timeout(format!("Too large resource version: {asked}, current: {current}"));
    error.details = Some(json!({"causes": [{"reason": "ResourceVersionTooLarge",
        "message": "Too large resource version"}], "retryAfterSeconds": 1}));
    error.retry_after = Some(1);
    error
}

impl Api {
    /// One page of objects.
    pub async fn list(&self, kind: &'static Kind, options: &ListOptions) -> Result<Page, ApiError> {
        Ok(self.list_stored(kind, options).await?.shown(kind))
    }

    async fn list_stored(&self, kind: &'static Kind, options: &ListOptions) -> Result<Page, ApiError> {
        let (snapshot, revision, after, consistent) = if options.continue_token.is_empty() {
            let (snapshot, revision) = self.state_for(kind, options).await?;
            (snapshot, revision, None, true)
        } else {
            self.resume(kind, options)?
        };
        let matching = |object: &&Arc<Object>| options.filter.matches(kind, object);
        let mut rest = snapshot.list(options.namespace.as_deref(), after.as_ref()).filter(matching);
        if options.limit == 0 {
            let objects = rest.cloned().collect();
            return Ok(Page { objects, revision, continue_token: String::new(), remaining: None });
        }
        let objects: Vec<_> = rest.by_ref().take(options.limit).cloned().collect();
        let (more, remaining) = if options.filter.is_empty() {
            let count = rest.count();
            (count > 0, (count > 0).then_some(count))
        } else {
            (rest.next().is_some(), None)
        };
        let continue_token = match objects.last() {
            Some(last) if more => Place { revision: consistent.then_some(revision), after: last.key.clone() }.encode(),
            _ => String::new(),
        };
        Ok(Page { objects, revision, continue_token, remaining })
    }

    fn resume(
        &self,
        kind: &'static Kind,
        options: &ListOptions,
    ) -> Result<(Arc<Snapshot>, u64, Option<Key>, bool), ApiError> {
        if !matches!(options.resource_version.as_str(), "" | "0") {
            return Err(ApiError::bad_request("specifying resource version is not allowed when using continue"));
        }
        let place = Place::decode(&options.continue_token)?;
        match place.revision {
            Some(revision) => {
                let held = self.backend().snapshot_at(kind, revision);
                let snapshot = held.ok_or_else(|| ApiError::expired(STALE_CONTINUE))?;
                Ok((snapshot, revision, Some(place.after), true))
            }
            None => {
                let (snapshot, revision) = self.newest(kind);
                Ok((snapshot, revision, Some(place.after), false))
            }
        }
    }

    /// The snapshot that a first page is made of, and the revision to call it by.
    async fn state_for(&self, kind: &'static Kind, options: &ListOptions) -> Result<(Arc<Snapshot>, u64), ApiError> {
        let asked = parse_revision(&options.resource_version)?;
        let exact = match options.version_match {
            VersionMatch::Exact => true,
            VersionMatch::NotOlderThan => false,
            VersionMatch::Unset => options.limit > 0 && asked.is_some_and(|r| r > 0),
        };
        match asked {
            None => {
                self.backend().settle().await;
            }
            Some(revision) => self.reach(kind, revision).await?,
        }
        match asked {
            Some(revision) if exact => {
                let held = self.backend().snapshot_at(kind, revision);
                let why = "The resourceVersion for the provided list is too old.";
                Ok((held.ok_or_else(|| ApiError::expired(why))?, revision))
            }
            _ => Ok(self.newest(kind)),
        }
    }

    /// Waits until memory is not older than `resource_version` (`""`: whatever it is); 504 where that
    /// lies in the future.
    pub(crate) async fn not_older(&self, kind: &'static Kind, resource_version: &str) -> Result<(), ApiError> {
        match parse_revision(resource_version)? {
            Some(revision) => self.reach(kind, revision).await,
            None => Ok(()),
        }
    }

    /// The newest snapshot, and a revision up to which it is complete.
    pub(super) fn newest(&self, kind: &'static Kind) -> (Arc<Snapshot>, u64) {
        // Read before the snapshot: what memory had reached then is in it.
        let revision = self.backend().revision();
        let snapshot = self.backend().snapshot(kind);
        let revision = revision.max(snapshot.revision);
        (snapshot, revision)
    }

    /// Waits until memory has reached `revision`.
    pub(super) async fn reach(&self, kind: &'static Kind, revision: u64) -> Result<(), ApiError> {
        // Live kinds have revisions of their own, and are always up to date.
        if kind.live || revision <= self.backend().revision() {
            return Ok(());
        }
        let current = self.backend().settle().await;
        if revision <= current { Ok(()) } else { Err(too_large(revision, current)) }
    }
}

/// `""` is `None`.
pub(crate) fn parse_revision(text: &str) -> Result<Option<u64>, ApiError> {
    if text.is_empty() {
        return Ok(None);
    }
    let why = || ApiError::bad_request(format!("Invalid value: {text:?}: resourceVersion must be an unsigned integer"));
    text.parse().map(Some).map_err(|_| why())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_round_trip_and_bad_ones_are_refused() {
        let place = Place { revision: Some(7), after: Key::new("ns", "a") };
        let back = Place::decode(&place.encode()).unwrap();
        assert_eq!((back.revision, back.after), (Some(7), Key::new("ns", "a")));
        assert_eq!(Place::decode(&inconsistent(&place.encode()).unwrap()).unwrap().revision, None);
        for bad in ["x", "e30", "bnVsbA", "%%%"] {
            assert_eq!(Place::decode(bad).err().map(|e| e.code), Some(400), "{bad}");
        }
    }
}
