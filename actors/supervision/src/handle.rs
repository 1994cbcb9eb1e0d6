//! Handles that follow an actor through its lives, and the counters of its mailbox.

use crate::{
    fault::FaultPoint,
    latency::Latency,
    worker::{Envelope, Shell, Worker},
};
use actix::{Addr, prelude::SendError as ActixSendError};
use arc_swap::ArcSwapOption;
use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};
use tokio::{sync::Notify, time::Instant};

/// Counters and fault point of one mailbox; shared by all lives of its actor.
#[derive(Debug, Default)]
pub struct Mailbox {
    capacity: usize,
    waiting: AtomicU64,
    handled: AtomicU64,
    /// Time that handlers took.
    pub latency: Latency,
    /// Where faults are injected.
    pub faults: FaultPoint,
}

impl Mailbox {
    /// Messages waiting.
    pub fn depth(&self) -> u64 {
        self.waiting.load(Relaxed)
    }
    /// Messages that may wait.
    pub fn capacity(&self) -> usize {
        self.capacity
    }
    /// Messages handled.
    pub fn handled(&self) -> u64 {
        self.handled.load(Relaxed)
    }
    pub(crate) fn count_handled(&self, took: Duration) {
        self.handled.fetch_add(1, Relaxed);
        self.latency.record(took);
    }
}

/// One message's place in the count of waiting messages, given back wherever the message ends.
pub(crate) struct Ticket(Arc<Mailbox>);

impl Drop for Ticket {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Relaxed);
    }
}

/// Why a message was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SendError {
    /// The mailbox is full.
    Full,
    /// The actor is between two lives, or gone.
    Gone,
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full => "the mailbox is full",
            Self::Gone => "the actor is not running",
        })
    }
}
impl std::error::Error for SendError {}

/// How often a waiting [`Handle::send`] looks again when nobody wakes it.
const RETRY: Duration = Duration::from_millis(5);

/// Sends to an actor, whichever life it is in.
pub struct Handle<W: Worker> {
    slot: Arc<ArcSwapOption<Addr<Shell<W>>>>,
    mailbox: Arc<Mailbox>,
    changed: Arc<Notify>,
}

impl<W: Worker> Clone for Handle<W> {
    fn clone(&self) -> Self {
        Self { slot: self.slot.clone(), mailbox: self.mailbox.clone(), changed: self.changed.clone() }
    }
}

impl<W: Worker> Default for Handle<W> {
    fn default() -> Self {
        Self::new()
    }
}

impl<W: Worker> Handle<W> {
    /// A handle to an actor that is yet to be started.
    pub fn new() -> Self {
        Self {
            slot: Arc::default(),
            mailbox: Arc::new(Mailbox { capacity: W::CAPACITY, ..Mailbox::default() }),
            changed: Arc::default(),
        }
    }
    /// The counters of its mailbox.
    pub fn mailbox(&self) -> &Arc<Mailbox> {
        &self.mailbox
    }
    /// Sends without waiting.
    pub fn tell(&self, msg: W::Msg) -> Result<(), SendError> {
        self.offer(msg).map_err(|(error, _)| error)
    }
    /// Sends, waiting up to `patience` for room in the mailbox or for the actor's next life.
    pub async fn send(&self, mut msg: W::Msg, patience: Duration) -> Result<(), SendError> {
        let deadline = Instant::now() + patience;
        loop {
            let changed = self.changed.notified();
            match self.offer(msg) {
                Ok(()) => return Ok(()),
                Err((error, _)) if Instant::now() >= deadline => return Err(error),
                Err((_, back)) => msg = back,
            }
            let _ = tokio::time::timeout(RETRY, changed).await;
        }
    }
    fn offer(&self, msg: W::Msg) -> Result<(), (SendError, W::Msg)> {
        let slot = self.slot.load();
        let Some(addr) = slot.as_deref() else { return Err((SendError::Gone, msg)) };
        self.mailbox.waiting.fetch_add(1, Relaxed);
        let envelope = Envelope { msg, _ticket: Ticket(self.mailbox.clone()) };
        addr.try_send(envelope).map_err(|error| match error {
            ActixSendError::Full(envelope) => (SendError::Full, envelope.msg),
            ActixSendError::Closed(envelope) => (SendError::Gone, envelope.msg),
        })
    }
    pub(crate) fn publish(&self, addr: Addr<Shell<W>>) {
        self.slot.store(Some(Arc::new(addr)));
        self.changed.notify_waiters();
    }
    /// Forgets the address of a life that ended, unless a newer one was published.
    pub(crate) fn retract(&self, addr: &Addr<Shell<W>>) {
        let current = self.slot.load_full();
        if current.as_deref() == Some(addr) {
            self.slot.compare_and_swap(&current, None);
        }
    }
}
