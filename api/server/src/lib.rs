//! The HTTP API: verbs, watch, discovery, OpenAPI, authentication, streams.
//!
//! [`verbs::Api`] is the API without HTTP; `podium-system` runs controllers over it.

pub mod auth;
pub mod backend;
pub mod pki;
pub mod user;
pub mod verbs;

mod admission;
mod filter;
mod gap;
mod time;

pub use user::User;
pub use verbs::Api;
