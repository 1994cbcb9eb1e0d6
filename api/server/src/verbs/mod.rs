//! The API without HTTP: what every verb does, for handlers and for controllers alike.
//!
//! A write reads the newest snapshot, applies defaults, admission and validation, and
//! commits with the revision it read as precondition. Deliberately absent: HTTP,
//! authentication, authorization.

mod apply;
mod commit;
mod create;
mod delete;
mod faces;
pub(crate) mod list;
mod managed;
mod metadata;
pub(crate) mod names;
mod options;
mod patch;
mod update;
mod watch;

pub mod subresource;

pub use list::{ListOptions, Page, VersionMatch};
pub use options::{DeleteOptions, Deleted, Patch, Propagation, WriteOptions, Written};
pub(crate) use update::CREATE_ON_UPDATE;
pub use watch::{Watch, WatchItem, WatchOptions};

use crate::{
    admission::{Allocator, Turns},
    auth::{Rbac, Tokens},
    backend::Backend,
};
use podium_kinds::{Kind, metrics};
use podium_machinery::state::Object;
use podium_types::{ApiError, Key};
use std::sync::Arc;

/// Attempts at a write whose caller named no revision, when others write the same object.
pub(crate) const CONFLICT_RETRIES: usize = 16;

/// What the verbs need to know of the cluster.
#[derive(Clone, Debug)]
pub struct ApiConfig {
    /// Where cluster IPs come from.
    pub service_cidr: ipnetwork::Ipv4Network,
    /// Where node ports come from.
    pub node_ports: std::ops::RangeInclusive<u16>,
}

impl Default for ApiConfig {
    fn default() -> Self {
        let base = std::net::Ipv4Addr::new(10, 96, 0, 0);
        let service_cidr = ipnetwork::Ipv4Network::new(base, 16).unwrap_or_else(|_| base.into());
        Self { service_cidr, node_ports: 30000..=32767 }
    }
}

/// The verbs over a backend. Cheap to clone.
#[derive(Clone)]
pub struct Api {
    inner: Arc<Inner>,
}

struct Inner {
    backend: Arc<dyn Backend>,
    allocator: Allocator,
    turns: Turns,
    tokens: Option<Tokens>,
    rbac: Rbac,
}

impl Api {
    /// The API over `backend`; without `tokens` no service-account tokens can be made or checked.
    pub fn new(backend: Arc<dyn Backend>, config: ApiConfig, tokens: Option<Tokens>) -> Self {
        let (allocator, turns) = (Allocator::new(config), Turns::default());
        Self { inner: Arc::new(Inner { backend, allocator, turns, tokens, rbac: Rbac::default() }) }
    }
    /// State and time.
    pub fn backend(&self) -> &Arc<dyn Backend> {
        &self.inner.backend
    }
    /// Signs and checks service-account tokens.
    pub fn tokens(&self) -> Option<&Tokens> {
        self.inner.tokens.as_ref()
    }
    pub(crate) fn rbac(&self) -> &Rbac {
        &self.inner.rbac
    }
    /// Who may charge the quotas of a namespace next.
    pub(crate) fn turns(&self) -> &Turns {
        &self.inner.turns
    }
    pub(crate) fn allocator(&self) -> &Allocator {
        &self.inner.allocator
    }

    /// The newest state of an object, as memory has it; asks the database only where memory has none.
    pub async fn get(&self, kind: &'static Kind, key: &Key) -> Result<Arc<Object>, ApiError> {
        if let Some(object) = self.peek(kind, key) {
            return Ok(faces::shown(kind, object));
        }
        if kind.group == metrics::GROUP {
            return Err(metrics::missing(kind, key));
        }
        self.backend().settle().await;
        let object = self.peek(kind, key).map(|object| faces::shown(kind, object));
        object.ok_or_else(|| ApiError::not_found(kind.plural, kind.group, &key.name))
    }
    /// Whether memory has the object.
    pub(crate) fn exists(&self, kind: &'static Kind, key: &Key) -> bool {
        self.peek(faces::stored(kind).0, key).is_some()
    }
    /// The object in memory, in its stored form.
    pub fn peek(&self, kind: &'static Kind, key: &Key) -> Option<Arc<Object>> {
        self.backend().snapshot(kind).get(key).cloned()
    }
}

#[cfg(test)]
mod tests;
