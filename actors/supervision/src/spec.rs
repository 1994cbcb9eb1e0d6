//! What a supervisor knows of its children. The words are Erlang/OTP's.

use crate::cell::{Cell, Exit};
use std::{future::Future, pin::Pin, sync::Arc, time::Duration};

/// Which siblings are rebuilt with a child that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strategy {
    /// Only the child itself.
    OneForOne,
    /// All children.
    OneForAll,
    /// The child and those started after it.
    RestForOne,
}

impl Strategy {
    /// `one_for_one`, …
    pub fn name(self) -> &'static str {
        match self {
            Self::OneForOne => "one_for_one",
            Self::OneForAll => "one_for_all",
            Self::RestForOne => "rest_for_one",
        }
    }
}

/// When a child that ended is started again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Restart {
    /// Always.
    Permanent,
    /// Only after an abnormal end.
    Transient,
    /// Never.
    Temporary,
}

impl Restart {
    /// `permanent`, …
    pub fn name(self) -> &'static str {
        match self {
            Self::Permanent => "permanent",
            Self::Transient => "transient",
            Self::Temporary => "temporary",
        }
    }
}

/// How many restarts a supervisor bears before it gives up and escalates.
#[derive(Clone, Copy, Debug)]
pub struct Intensity {
    /// Restarts of one child …
    pub restarts: usize,
    /// … within this time.
    pub within: Duration,
}

impl Default for Intensity {
    fn default() -> Self {
        Self { restarts: 5, within: Duration::from_secs(60) }
    }
}

impl Intensity {
    /// For children that hang on something outside (a database, a peer) whose absence no
    /// restart of the parent would mend: they keep trying at the slowest back-off.
    pub fn patient() -> Self {
        Self { restarts: usize::MAX, within: Duration::from_secs(60) }
    }
}

/// On which thread a child runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placement {
    /// The supervisor's arbiter: cheap messages, shared fate when blocked.
    Same,
    /// An arbiter (thread) of its own.
    Own,
}

/// A life of a child, run on its arbiter until it ends.
pub type Life = Pin<Box<dyn Future<Output = Exit>>>;
/// Builds a fresh life; called once per start.
pub type Starter = Arc<dyn Fn(Arc<Cell>) -> Life + Send + Sync>;

/// How to start, restart and stop one child.
#[derive(Clone)]
pub struct ChildSpec {
    /// Last element of its path.
    pub name: String,
    /// Restart policy.
    pub restart: Restart,
    /// Thread.
    pub placement: Placement,
    /// How long a graceful stop may take before the child is dropped.
    pub shutdown: Duration,
    /// Builds a life.
    pub start: Starter,
    /// For introspection: the strategy, where the child is itself a supervisor.
    pub strategy: Option<Strategy>,
    /// Mailbox counters, where the child has a mailbox.
    pub mailbox: Option<Arc<crate::handle::Mailbox>>,
}

impl ChildSpec {
    /// A permanent child on the supervisor's arbiter, with five seconds to stop.
    pub fn new(name: impl Into<String>, start: Starter) -> Self {
        Self {
            name: name.into(),
            restart: Restart::Permanent,
            placement: Placement::Same,
            shutdown: Duration::from_secs(5),
            start,
            strategy: None,
            mailbox: None,
        }
    }
    /// With that restart policy.
    pub fn restart(mut self, restart: Restart) -> Self {
        self.restart = restart;
        self
    }
    /// On that thread.
    pub fn placement(mut self, placement: Placement) -> Self {
        self.placement = placement;
        self
    }
    /// With that time for a graceful stop.
    pub fn shutdown(mut self, limit: Duration) -> Self {
        self.shutdown = limit;
        self
    }
}
