//! The whole actor tree: the state, the controllers, the nodes, and what performs Plans.
//!
//! Only here, in the agent and in the binary do sibling shells meet. [`tree`] shows the whole
//! tree on one page.

pub mod bootstrap;
pub mod control;
pub mod hub;
pub mod live;
pub mod nodes;
pub mod shelf;
pub mod state;
pub mod tree;

pub use tree::{ControlPlane, Settings};
