//! The meeting place of one life of a child and its supervisor.

use crate::tree::Node;
use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
};
use tokio::sync::Notify;

/// How a life ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Exit {
    /// As it meant to, or because it was asked to stop.
    Normal,
    /// It gave up with this error.
    Failed(String),
    /// It panicked; message and backtrace.
    Panicked(String),
    /// It was killed through the tree.
    Killed,
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Normal => f.write_str("ended"),
            Self::Failed(why) => f.write_str(why),
            Self::Panicked(report) => f.write_str(report.lines().next().unwrap_or("panicked")),
            Self::Killed => f.write_str("killed"),
        }
    }
}

/// Signals between a life and those who start, watch and end it.
pub struct Cell {
    /// Its place in the tree.
    pub node: Arc<Node>,
    ready: Box<dyn Fn() + Send + Sync>,
    stop: Signal,
    kill: Signal,
}

#[derive(Default)]
struct Signal {
    raised: AtomicBool,
    notify: Notify,
}

impl Signal {
    fn raise(&self) {
        self.raised.store(true, SeqCst);
        self.notify.notify_waiters();
        self.notify.notify_one();
    }
    async fn wait(&self) {
        loop {
            let notified = self.notify.notified();
            if self.raised.load(SeqCst) {
                return;
            }
            notified.await;
        }
    }
}

impl Cell {
    /// A cell for one life; `ready` is called when the life says so.
    pub fn new(node: Arc<Node>, ready: Box<dyn Fn() + Send + Sync>) -> Arc<Self> {
        Arc::new(Self { node, ready, stop: Signal::default(), kill: Signal::default() })
    }
    /// The life is ready for work.
    pub fn ready(&self) {
        (self.ready)();
    }
    /// For lives without a worker: the life runs and is ready.
    pub fn running(&self) {
        self.node.phase("Running");
        self.ready();
    }
    /// Asks for a graceful end.
    pub fn stop(&self) {
        self.stop.raise();
    }
    /// Ends the life at its next suspension point, without a farewell.
    pub fn kill(&self) {
        self.kill.raise();
    }
    /// Resolves when a graceful end was asked for.
    pub async fn stopped(&self) {
        self.stop.wait().await;
    }
    /// Resolves when the life was killed.
    pub async fn killed(&self) {
        self.kill.wait().await;
    }
}
