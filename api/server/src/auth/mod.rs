//! Who asks, and what they may do.
//!
//! Client certificates and service-account tokens say who; a way to act as somebody else
//! follows; roles, and the rules for nodes, say what. Deliberately absent: webhooks and OIDC.

pub(crate) mod authenticate;
pub(crate) mod authorize;
pub(crate) mod constrained;
pub(crate) mod escalation;
pub(crate) mod impersonate;
pub(crate) mod node;
mod nodelabels;
mod policy;
mod tokens;

pub(crate) use policy::Rbac;
pub use tokens::{Bound, Claims, ISSUER, Reference, TokenRequest, Tokens};
