//! Runs one life of an actor in a task of its own and reports how it ended.

use crate::{
    cell::{Cell, Exit},
    handle::Handle,
    panic,
    spec::{ChildSpec, Life},
    worker::{Shell, Worker},
};
use actix::{AsyncContext, Context};
use std::{
    any::Any,
    sync::{Arc, OnceLock},
};

/// A child that runs the worker that `build` makes, anew for every life.
pub fn child<W: Worker>(
    name: impl Into<String>,
    handle: &Handle<W>,
    build: impl Fn() -> W + Send + Sync + 'static,
) -> ChildSpec {
    let owner = handle.clone();
    let build = Arc::new(build);
    let start = move |cell: Arc<Cell>| -> Life {
        let (handle, build) = (owner.clone(), build.clone());
        Box::pin(async move { run(handle, build(), cell).await })
    };
    let mut spec = ChildSpec::new(name, Arc::new(start));
    spec.mailbox = Some(handle.mailbox().clone());
    spec
}

/// Runs one life until it ends, is stopped or is killed.
pub async fn run<W: Worker>(handle: Handle<W>, worker: W, cell: Arc<Cell>) -> Exit {
    let failure = Arc::new(OnceLock::new());
    let mut context = Context::new();
    context.set_mailbox_capacity(W::CAPACITY);
    let addr = context.address();
    let shell = Shell::new(worker, handle.clone(), cell.clone(), failure.clone());
    let mut task = actix_rt::spawn(context.into_future(shell));
    handle.publish(addr.clone());
    let exit = tokio::select! {
        ended = &mut task => match ended {
            Ok(()) => failure.get().map_or(Exit::Normal, |why| Exit::Failed(why.clone())),
            Err(error) if error.is_panic() => Exit::Panicked(report(error.into_panic().as_ref())),
            Err(_) => Exit::Killed,
        },
        () = cell.killed() => {
            task.abort();
            let _ = task.await;
            Exit::Killed
        }
    };
    handle.retract(&addr);
    exit
}

/// The hook's report of a panic, or at least its message.
pub(crate) fn report(payload: &(dyn Any + Send)) -> String {
    panic::take().unwrap_or_else(|| {
        let text = payload.downcast_ref::<&str>().map(ToString::to_string);
        text.or_else(|| payload.downcast_ref::<String>().cloned()).unwrap_or_else(|| "panicked".to_owned())
    })
}
