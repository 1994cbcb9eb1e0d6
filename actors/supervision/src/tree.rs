//! The live tree, for introspection: every actor's path, state and counters, and a way to kill it.

use crate::{
    cell::{Cell, Exit},
    handle::Mailbox,
    spec::{ChildSpec, Restart, Strategy},
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};

/// Longest error kept per actor, in bytes.
const MAX_ERROR: usize = 1024;

/// All actors of this process by path; cheap to clone.
#[derive(Clone, Default)]
pub struct Tree(Arc<Mutex<BTreeMap<String, Arc<Node>>>>);

/// One actor's place in the tree; outlives its restarts.
pub struct Node {
    /// `root/store/writer`
    pub path: String,
    restart: Restart,
    strategy: Option<Strategy>,
    mailbox: Option<Arc<Mailbox>>,
    state: Mutex<NodeState>,
}

#[derive(Default)]
struct NodeState {
    phase: &'static str,
    restarts: u64,
    started: Option<Timestamp>,
    last_error: Option<String>,
    last_panic: Option<String>,
    cell: Weak<Cell>,
}

/// An actor as the API shows it.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct NodeStatus {
    /// `root/store/writer`
    pub path: String,
    /// `Starting`, `Running`, `Stopping`, `Waiting` (for its back-off)
    pub state: String,
    /// Restarts since its supervisor began.
    pub restarts: u64,
    /// Messages waiting.
    pub mailbox_depth: u64,
    /// Messages that may wait; 0 for an actor without a mailbox.
    pub mailbox_capacity: u64,
    /// Handler latency, 99th percentile, microseconds (upper bound).
    pub latency_p99_micros: u64,
    /// Messages handled since it was first started.
    pub handled: u64,
    /// Why its last life ended abnormally.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
    /// Message and backtrace of its last panic.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_panic: Option<String>,
    /// When its present life began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    /// `permanent`, `transient`, `temporary`
    pub restart_policy: String,
    /// `one_for_one`, … for a supervisor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strategy: Option<String>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing panics while holding these locks; a poisoned one is still whole.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Tree {
    /// The node at `path`, made if it is new; an existing one keeps its counters.
    pub fn node(&self, path: &str, spec: &ChildSpec) -> Arc<Node> {
        let mut nodes = lock(&self.0);
        if let Some(node) = nodes.get(path)
            && node.mailbox.as_ref().map(Arc::as_ptr) == spec.mailbox.as_ref().map(Arc::as_ptr)
        {
            return Arc::clone(node);
        }
        let node = Arc::new(Node {
            path: path.to_owned(),
            restart: spec.restart,
            strategy: spec.strategy,
            mailbox: spec.mailbox.clone(),
            state: Mutex::default(),
        });
        nodes.insert(path.to_owned(), Arc::clone(&node));
        node
    }
    /// Forgets an actor and everything below it.
    pub fn forget(&self, path: &str) {
        let below = format!("{path}/");
        lock(&self.0).retain(|p, _| p != path && !p.starts_with(&below));
    }
    /// Every actor, in path order.
    pub fn list(&self) -> Vec<NodeStatus> {
        lock(&self.0).values().map(|node| node.status()).collect()
    }
    /// One actor.
    pub fn get(&self, path: &str) -> Option<NodeStatus> {
        lock(&self.0).get(path).map(|node| node.status())
    }
    /// Kills the actor at `path`; its supervisor decides what follows. False where there is none alive.
    pub fn kill(&self, path: &str) -> bool {
        let node = lock(&self.0).get(path).cloned();
        let cell = node.and_then(|node| lock(&node.state).cell.upgrade());
        cell.map(|cell| cell.kill()).is_some()
    }
    /// The mailbox of the actor at `path`, to inject faults into.
    pub fn mailbox(&self, path: &str) -> Option<Arc<Mailbox>> {
        lock(&self.0).get(path)?.mailbox.clone()
    }
}

impl Node {
    pub(crate) fn born(&self, cell: &Arc<Cell>) {
        let mut state = lock(&self.state);
        if state.started.is_some() {
            state.restarts += 1;
        }
        state.started = Some(Timestamp::now());
        state.phase = "Starting";
        state.cell = Arc::downgrade(cell);
    }
    pub(crate) fn phase(&self, phase: &'static str) {
        lock(&self.state).phase = phase;
    }
    pub(crate) fn died(&self, exit: &Exit) {
        let mut state = lock(&self.state);
        state.phase = "Waiting";
        if let Exit::Panicked(report) = exit {
            state.last_panic = Some(report.clone());
        }
        if *exit != Exit::Normal {
            let mut text = exit.to_string();
            text.truncate(text.floor_char_boundary(MAX_ERROR));
            state.last_error = Some(text);
        }
    }
    /// The node as the API shows it.
    pub fn status(&self) -> NodeStatus {
        let state = lock(&self.state);
        let mailbox = self.mailbox.as_deref();
        NodeStatus {
            path: self.path.clone(),
            state: if state.phase.is_empty() { "Waiting" } else { state.phase }.to_owned(),
            restarts: state.restarts,
            mailbox_depth: mailbox.map_or(0, Mailbox::depth),
            mailbox_capacity: mailbox.map_or(0, |m| m.capacity() as u64),
            latency_p99_micros: mailbox.map_or(0, |m| m.latency.quantile(0.99)),
            handled: mailbox.map_or(0, Mailbox::handled),
            last_error: state.last_error.clone(),
            last_panic: state.last_panic.clone(),
            started_at: state.started,
            restart_policy: self.restart.name().to_owned(),
            strategy: self.strategy.map(|s| s.name().to_owned()),
        }
    }
}
