//! What a kind does to its objects on their way into the store.

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
    /// Rules for the change from `old` to `object` (immutable fields); `validate` runs as well.
    fn validate_update(&self, _object: &Value, _old: &Value, _context: &Context<'_>) -> Vec<FieldError> {
        Vec::new()
    }
    /// Rules for a name; the reason where it is refused. DNS-1123 subdomain unless overridden.
    fn validate_name(&self, name: &str) -> Result<(), String> {
        crate::strategy::dns_subdomain(name)
    }
    /// Warnings for the client (`Warning` headers).
    fn warnings(&self, _object: &Value) -> Vec<String> {
        Vec::new()
    }
}

/// For kinds without rules of their own.
pub struct NoStrategy;
impl Strategy for NoStrategy {}

/// RFC 1123 subdomain, in Kubernetes' words.
pub fn dns_subdomain(name: &str) -> Result<(), String> {
    let part = |s: &str| {
        let b = s.as_bytes();
        !b.is_empty()
            && b.iter().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || *c == b'-')
            && b[0] != b'-'
            && b[b.len() - 1] != b'-'
    };
    if name.len() > 253 {
        return Err("must be no more than 253 bytes".to_owned());
    }
    if name.split('.').all(part) {
        return Ok(());
    }
    Err("a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must \
         start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is \
         '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
        .to_owned())
}
