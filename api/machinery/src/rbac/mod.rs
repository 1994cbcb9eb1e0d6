//! Role-based access control as pure decisions: rules, who has them, and what they cover.
//!
//! Deliberately absent: where roles are read from, groups that pass without rules, and the
//! words of refusals, which are the server's.

mod cover;
pub mod defaults;
mod policy;
mod rule;

pub use cover::{compact, missing};
pub use policy::{Binding, Grant, Member, Policy, Role, RoleKey, Subject};
pub use rule::{Ask, Rule};

#[cfg(test)]
mod tests;
