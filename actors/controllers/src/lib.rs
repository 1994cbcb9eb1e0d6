//! Pure controllers: a folder per controller, `decide(view, key, now, ids) -> Plan`.
//!
//! Level-triggered: events update the [`View`] and wake a key; they carry no data into a
//! decision. Deliberately absent: the clock, randomness, I/O, `HashMap` iteration.

pub mod controller;
pub mod plan;
pub mod view;

pub use controller::{Controller, Ids};
pub use plan::{EventRecord, Plan, PlannedWrite};
pub use view::View;
