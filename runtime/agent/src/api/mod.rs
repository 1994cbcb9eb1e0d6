//! The kubelet's HTTPS API: logs, exec, attach, port-forward, pods, stats, metrics; and Podium's actor tree.
//!
//! Only the API server and cluster administrators get in, by client certificate. Deliberately absent: the old SPDY
//! upgrades of exec and attach (the API server translates), and the read-only port.

mod channels;
mod connect;
mod forward;
mod info;
mod logs;
mod query;
mod server;
mod sessions;
mod spdy;
mod stats;
mod tls;

pub(crate) use server::child;
