//! The nodes' part of the tree: for each Node a supervisor over the actor that judges it and
//! the link to its agent.

pub mod keeper;
pub mod link;
