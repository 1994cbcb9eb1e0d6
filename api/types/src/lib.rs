//! Schema registry, metadata types and `Status` errors of the Kubernetes API.
//!
//! Pure: no clock, no randomness, no I/O. The server's object model is
//! [`serde_json::Value`]; what a field means comes from [`registry`], whose tables a
//! committed generator makes from the published API. Deliberately absent: knowledge
//! of single kinds (that is `podium-kinds`).

pub mod canonical;
pub mod duration;
pub mod error;
pub mod key;
pub mod meta;
pub mod quantity;
pub mod registry;

pub use error::{ApiError, FieldError};
pub use jiff::Timestamp;
pub use key::Key;
pub use quantity::Quantity;
