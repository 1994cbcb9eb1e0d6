//! The actor kernel: supervision trees on actix that truly rebuild what failed.
//!
//! actix restarts an actor only after `ctx.stop()`, with the same poisoned instance. Here a
//! [`guardian`] runs each actor in a task of its own and, when that ends for whatever reason,
//! its [`Supervisor`] decides what is built anew, from a factory, never from old memory.
//! Every mailbox is bounded, measured, and passes one [fault point](fault).
//!
//! Architecture invariant: this crate knows no Kubernetes and no database.

pub mod cell;
pub mod core;
pub mod fault;
pub mod guardian;
pub mod handle;
pub mod latency;
pub mod panic;
pub mod spec;
pub mod supervisor;
pub mod tree;
pub mod worker;

pub use cell::Exit;
pub use fault::{Fault, FaultKind};
pub use guardian::child;
pub use handle::{Handle, SendError};
pub use spec::{ChildSpec, Intensity, Placement, Restart, Strategy};
pub use supervisor::{Root, Supervisor, SupervisorHandle};
pub use tree::{NodeStatus, Tree};
pub use worker::{Ctx, Farewell, Worker};
