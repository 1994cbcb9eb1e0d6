//! Services and EndpointSlices as flat tables of lookups, and the difference of two such tables.
//!
//! The service proxy looks a packet up instead of walking rules, so a change of one
//! Service changes only that Service's elements, however many others there are.

mod decide;
mod endpoints;
mod incremental;
mod model;
#[cfg(test)]
mod tests;

pub(crate) use decide::{group, key};
pub use decide::{pieces, rule_set};
pub use endpoints::SERVICE_NAME_LABEL;
pub use incremental::Incremental;
pub use model::{Change, Front, NodeInfo, Protocol, Refusal, Rule, RuleSet, Scope, Slot, Value, diff};
