//! The HTTP API: verbs, watch, discovery, OpenAPI, authentication, streams.

pub mod backend;
