//! What an actor is written as: a state, one message type, thin handlers.
//!
//! By convention an actor is a trio: `XActor` implements [`Worker`], `XMsg` is its message
//! enum (replies go through oneshot channels inside), `XHandle` wraps a [`Handle`] with
//! methods that callers read like functions.

use crate::{
    cell::Cell,
    fault::FaultKind,
    handle::{Handle, Mailbox, Ticket},
};
use actix::{Actor, ActorContext, ActorFutureExt, AsyncContext, Context, Handler, Message, fut::wrap_future};
use std::{future::Future, sync::Arc, time::Duration, time::Instant};

/// An actor's state and behaviour. Handlers must not block: they share their arbiter's thread.
pub trait Worker: Sized + Unpin + 'static {
    /// Its messages.
    type Msg: Send + Unpin + 'static;
    /// How many messages may wait.
    const CAPACITY: usize;

    /// Called first. The default is ready at once; an actor that must load something first
    /// calls [`Ctx::ready`] when it has.
    fn started(&mut self, ctx: &mut Ctx<'_, Self>) {
        ctx.ready();
    }
    /// Handles one message.
    fn handle(&mut self, msg: Self::Msg, ctx: &mut Ctx<'_, Self>);
    /// Called when a graceful end was asked for.
    fn stopping(&mut self, _ctx: &mut Ctx<'_, Self>) -> Farewell {
        Farewell::Now
    }
    /// A copy of a message, for the duplicate fault; `None` where it cannot be copied.
    fn duplicate(_msg: &Self::Msg) -> Option<Self::Msg> {
        None
    }
}

/// Whether an actor that was asked to stop has something left to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Farewell {
    /// It ends, once work that it waits for is done.
    Now,
    /// It ends when it calls [`Ctx::stop`].
    Later,
}

/// A message on its way.
pub struct Envelope<M> {
    pub(crate) msg: M,
    pub(crate) _ticket: Ticket,
}

impl<M: Send + 'static> Message for Envelope<M> {
    type Result = ();
}

/// The actix actor around a worker.
pub struct Shell<W: Worker> {
    worker: W,
    handle: Handle<W>,
    cell: Arc<Cell>,
    failure: Arc<std::sync::OnceLock<String>>,
    held: Option<W::Msg>,
}

impl<W: Worker> Shell<W> {
    pub(crate) fn new(
        worker: W,
        handle: Handle<W>,
        cell: Arc<Cell>,
        failure: Arc<std::sync::OnceLock<String>>,
    ) -> Self {
        Self { worker, handle, cell, failure, held: None }
    }
    fn with<R>(&mut self, actix: &mut Context<Self>, call: impl FnOnce(&mut W, &mut Ctx<'_, W>) -> R) -> R {
        let Self { worker, handle, cell, failure, .. } = self;
        call(worker, &mut Ctx { actix, handle, cell, failure })
    }
    fn dispatch(&mut self, msg: W::Msg, actix: &mut Context<Self>) {
        let began = Instant::now();
        let mailbox: Arc<Mailbox> = self.handle.mailbox().clone();
        self.with(actix, |worker, ctx| worker.handle(msg, ctx));
        mailbox.count_handled(began.elapsed());
    }
}

impl<W: Worker> Actor for Shell<W> {
    type Context = Context<Self>;

    fn started(&mut self, actix: &mut Context<Self>) {
        let cell = self.cell.clone();
        actix.spawn(wrap_future::<_, Self>(async move { cell.stopped().await }).map(|(), shell, actix| {
            shell.cell.node.phase("Stopping");
            if shell.with(actix, |worker, ctx| worker.stopping(ctx)) == Farewell::Now {
                // Runs once whatever `stopping` put into the context with `wait` is done.
                actix.run_later(Duration::ZERO, |_, actix| actix.stop());
            }
        }));
        self.with(actix, |worker, ctx| worker.started(ctx));
    }
}

impl<W: Worker> Handler<Envelope<W::Msg>> for Shell<W> {
    type Result = ();

    fn handle(&mut self, envelope: Envelope<W::Msg>, actix: &mut Context<Self>) {
        let msg = envelope.msg;
        match self.handle.mailbox().faults.draw() {
            None => {
                self.dispatch(msg, actix);
                if let Some(held) = self.held.take() {
                    self.dispatch(held, actix);
                }
            }
            Some(FaultKind::Drop) => {}
            Some(FaultKind::Delay(by)) => {
                actix.run_later(by, |shell, actix| shell.dispatch(msg, actix));
            }
            Some(FaultKind::Duplicate) => {
                let copy = W::duplicate(&msg);
                self.dispatch(msg, actix);
                if let Some(copy) = copy {
                    self.dispatch(copy, actix);
                }
            }
            Some(FaultKind::Reorder) => {
                if let Some(earlier) = self.held.replace(msg) {
                    self.dispatch(earlier, actix);
                }
            }
            Some(FaultKind::Panic) => std::panic::resume_unwind(Box::new("injected fault")),
            Some(FaultKind::Stall(by)) => {
                actix.wait(
                    wrap_future::<_, Self>(tokio::time::sleep(by))
                        .map(|(), shell: &mut Self, actix| shell.dispatch(msg, actix)),
                );
            }
        }
    }
}

/// What a worker may do besides changing its state.
pub struct Ctx<'a, W: Worker> {
    actix: &'a mut Context<Shell<W>>,
    handle: &'a Handle<W>,
    cell: &'a Arc<Cell>,
    failure: &'a std::sync::OnceLock<String>,
}

impl<W: Worker> Ctx<'_, W> {
    /// Tells the supervisor that work can begin.
    pub fn ready(&mut self) {
        self.cell.node.phase("Running");
        self.cell.ready();
    }
    /// A handle to this actor.
    pub fn handle(&self) -> Handle<W> {
        self.handle.clone()
    }
    /// The actor's path in the tree.
    pub fn path(&self) -> &str {
        &self.cell.node.path
    }
    /// Handles no further message until `work` is done and `then` has seen its outcome.
    pub fn wait<F: Future + 'static>(
        &mut self,
        work: F,
        then: impl FnOnce(&mut W, F::Output, &mut Ctx<'_, W>) + 'static,
    ) {
        self.actix.wait(
            wrap_future::<_, Shell<W>>(work)
                .map(|out, shell: &mut Shell<W>, actix| shell.with(actix, |worker, ctx| then(worker, out, ctx))),
        );
    }
    /// Goes on handling messages while `work` runs; it ends with the actor.
    pub fn spawn<F: Future + 'static>(
        &mut self,
        work: F,
        then: impl FnOnce(&mut W, F::Output, &mut Ctx<'_, W>) + 'static,
    ) {
        self.actix.spawn(
            wrap_future::<_, Shell<W>>(work)
                .map(|out, shell: &mut Shell<W>, actix| shell.with(actix, |worker, ctx| then(worker, out, ctx))),
        );
    }
    /// Calls `then` after a while.
    pub fn later(&mut self, after: Duration, then: impl FnOnce(&mut W, &mut Ctx<'_, W>) + 'static) {
        self.actix.run_later(after, |shell, actix| shell.with(actix, then));
    }
    /// Ends this life normally.
    pub fn stop(&mut self) {
        self.actix.stop();
    }
    /// Ends this life with an error; the supervisor decides what follows.
    pub fn fail(&mut self, why: impl Into<String>) {
        let _ = self.failure.set(why.into());
        self.actix.terminate();
    }
}
