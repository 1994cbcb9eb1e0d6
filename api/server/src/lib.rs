//! The HTTP API: verbs, watch, discovery, OpenAPI, authentication, streams.
//!
//! [`verbs::Api`] is the API without HTTP; `podium-system` runs controllers over it.

pub mod agents;
pub mod auth;
pub mod backend;
pub mod insight;
pub mod pki;
pub mod user;
pub mod verbs;

mod admission;
mod filter;
mod http;
#[cfg(test)]
mod memory;
mod time;

pub use http::{Server, ServerConfig, ServerError, api_services};
pub use user::User;
pub use verbs::Api;
