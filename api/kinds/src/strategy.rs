//! What a kind does to its objects on their way into the store.

pub use crate::names::dns_subdomain;
use podium_types::{FieldError, Timestamp};
use serde_json::Value;

/// What a strategy may know of the request; nothing here needs I/O.
pub struct Context<'a> {
    /// The time of the request.
    pub now: Timestamp,
    /// Who asks.
    pub user: &'a str,
    /// Subresource that is written, `""` for the main resource.
    pub subresource: &'a str,
}

/// Default, prepare and validate; the order in which the server calls them.
/// `prepare_*` runs after generic metadata handling; status is kept apart by the server
/// (a write of the main resource keeps the old status, a write of `status` keeps the rest).
pub trait Strategy: Sync {
    /// Sets what the client left out (beyond the defaults of the schema registry).
    fn default(&self, _object: &mut Value) {}
    /// Clears or sets what a client may not choose on create (status, generated fields).
    fn prepare_create(&self, _object: &mut Value, _context: &Context<'_>) {}
    /// Carries over what an update may not change silently.
    fn prepare_update(&self, _object: &mut Value, _old: &Value, _context: &Context<'_>) {}
    /// Rules for a new object, metadata excepted (the server checks that).
    fn validate(&self, _object: &Value) -> Vec<FieldError> {
        Vec::new()
    }
    /// Rules for a new object alone; `validate` runs as well.
    fn validate_create(&self, _object: &Value) -> Vec<FieldError> {
        Vec::new()
    }
    /// Rules for the change from `old` to `object` (immutable fields); `validate` runs as well.
    fn validate_update(&self, _object: &Value, _old: &Value, _context: &Context<'_>) -> Vec<FieldError> {
        Vec::new()
    }
    /// Rules for a name; the reason where it is refused. DNS-1123 subdomain unless overridden.
    fn validate_name(&self, name: &str) -> Result<(), String> {
        dns_subdomain(name)
    }
    /// Warnings for the client (`Warning` headers).
    fn warnings(&self, _object: &Value) -> Vec<String> {
        Vec::new()
    }
}

/// For kinds without rules of their own.
pub struct NoStrategy;
impl Strategy for NoStrategy {}
