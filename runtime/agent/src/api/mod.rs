//! The kubelet's HTTPS API: logs, exec, attach, port-forward, pods, stats, metrics; and Podium's actor tree.
//!
//! Who gets in is said in `auth`. Deliberately absent: the old SPDY upgrades of exec and attach (the API server
//! translates), and the read-only port.

mod auth;
mod channels;
mod connect;
mod forward;
mod info;
mod logs;
mod query;
mod server;
mod sessions;
mod socket;
mod spdy;
mod stats;
mod system_logs;
mod tls;

pub(crate) use auth::Reviews;
pub(crate) use server::child;
