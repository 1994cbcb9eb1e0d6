//! The node agent: PodActors, node status, the kubelet's HTTP API.
//!
//! It speaks the ordinary API alone, so that a real kubelet could stand in its place. Whatever it does to a pod was
//! decided in `podium-lifecycle`; here it is performed. Containers outlive it: a new life re-attaches to them.

mod api;
mod boot;
mod cleanup;
mod config;
mod devices;
mod error;
mod events;
mod eviction;
mod images;
mod net;
mod node;
mod outage;
mod pace;
mod pod;
mod pods;
mod run;
mod settings;
mod shared;
mod shutdown;
mod stats;
mod user_ids;

pub use cleanup::cleanup;
pub use config::{AgentConfig, cluster_id};
pub use error::{Error, Result};
/// The node address of a machine that is in no network; the agent makes it.
pub use podium_dataplane::ROUTER as LONELY_NODE;
pub use run::run;
