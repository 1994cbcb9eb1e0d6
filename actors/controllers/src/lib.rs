//! Pure controllers: a folder per controller, `decide(view, key, now, ids) -> Plan`.
//!
//! Level-triggered: events update the [`View`] and wake a key; they carry no data into a
//! decision. Deliberately absent: the clock, randomness, I/O, `HashMap` iteration.

pub mod controller;
pub mod deployment;
pub mod endpoints;
pub mod namespace;
pub mod nodeipam;
pub mod owners;
pub mod plan;
pub mod pods;
pub mod quantity;
pub mod replicaset;
pub mod resource;
pub mod resources;
pub mod rootca;
pub mod selector;
pub mod serviceaccount;
pub mod taints;
pub mod time;
pub mod view;
pub mod write;

pub use controller::{Controller, Ids};
pub use plan::{EventRecord, Plan, PlannedWrite};
pub use resources::Resources;
pub use view::View;
