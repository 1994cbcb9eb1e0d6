//! The API over HTTPS: HTTP/2 and HTTP/1.1 on actix-web, TLS by rustls.

mod accept;
mod answer;
mod app;
mod apply;
mod body;
mod core;
mod deed;
mod discover;
mod entry;
mod explain;
mod limits;
mod listing;
mod metrics;
mod negotiate;
mod openapi;
mod params;
mod pass;
mod path;
mod proxy;
mod read;
mod review;
mod server;
mod streams;
mod tls;
mod watch;
mod write;

pub use discover::api_services;
pub use server::{Server, ServerConfig, ServerError};
pub(crate) use tls::client as client_tls;

#[cfg(test)]
mod tests;
