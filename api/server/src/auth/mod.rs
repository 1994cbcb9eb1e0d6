//! Who asks, and what they may do.
//!
//! Client certificates and service-account tokens; RBAC is deliberately absent for now:
//! the control plane, nodes and administrators may do everything, others what
//! `authorize` lists.

pub(crate) mod authenticate;
pub(crate) mod authorize;
mod tokens;

pub use tokens::{Bound, Claims, ISSUER, Reference, TokenRequest, Tokens};
