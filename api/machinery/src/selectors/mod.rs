//! Label, field and node selectors: who is meant.

mod field;
mod label;
mod lexer;
pub mod node;
pub mod taints;

pub use field::{FieldSelector, FieldTerm};
pub use label::{LabelSelector, Operator, Requirement};
