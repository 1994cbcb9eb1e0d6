//! The life of a pod on a node, as decisions: state machine, probes, back-off, environment, resources.
//!
//! Pure: time is an argument, nothing is read or started here. [`PodMachine::step`] takes what happened and returns
//! what is to be done; the agent does it. [`eviction`] decides who must leave a node that runs short.

pub mod admission;
pub mod backoff;
pub mod devices;
pub mod env;
pub mod eviction;
pub mod huge_pages;
pub mod machine;
pub mod probe;
pub mod qos;
pub mod resources;
pub mod shutdown;
pub mod user_ids;

pub use backoff::Backoff;
pub use machine::{
    Action, ContainerEnd, Event, ImageFailure, PASSING_CONDITIONS, PodMachine, ResizeFailure, Role, Seen, SeenState,
    roster,
};
pub use podium_types::Timestamp;
pub use probe::{ProbeKind, ProbeMachine};
