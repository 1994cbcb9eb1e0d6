//! Watches as chunked JSON frames.

use super::{
    app::App,
    entry::Request,
    negotiate::Form,
    read::{included, render},
};
use crate::verbs::{Watch, WatchItem};
use actix_web::{HttpResponse, web::Data};
use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt};
use podium_kinds::Kind;
use podium_machinery::{
    partial, protobuf,
    state::{Change, Event, Object},
    table::{self, IncludeObject},
};
use podium_types::{ApiError, Timestamp};
use serde_json::{Value, json};
use std::{convert::Infallible, time::Duration};
use tokio::sync::mpsc;

/// Time between bookmarks.
const BOOKMARKS: Duration = Duration::from_secs(60);
/// A watch without `timeoutSeconds` ends after this long and up to as long again, so that not all end together.
const USUAL_SECONDS: u64 = 1800;
/// Frames that wait are sent together up to about this many bytes.
const MAX_CHUNK: usize = 64 * 1024;

/// Chunks that wait for a slow watcher beside those in the connection's own buffers.
const WAITING: usize = 2;
/// A watcher that takes nothing for this long, while something waits for it, is cut off.
const STALLED: Duration = Duration::from_secs(30);

/// How one watcher's frames look.
#[derive(Clone, Copy)]
struct View {
    kind: &'static Kind,
    form: Form,
    include: IncludeObject,
}

/// Answers a watch.
pub(crate) async fn serve(request: &Request, app: &Data<App>) -> Result<HttpResponse, ApiError> {
    let target = &request.target;
    let form = request.form(true)?;
    let view = View { kind: target.kind, form, include: included(request)? };
    let options = request.params.watch(target.kind, &target.namespace)?;
    let seconds = match request.params.number("timeoutSeconds")?.and_then(|n| u64::try_from(n).ok()) {
        Some(seconds) if seconds > 0 => seconds,
        _ => USUAL_SECONDS + spread(&app.api.backend().uid()),
    };
    let watch = app.api.watch(target.kind, &options).await?;
    let stream =
        patient(frames(Data::clone(app), watch, view, options.bookmarks, Duration::from_secs(seconds)), STALLED);
    let media_type = if form.is_binary() { protobuf::WATCH_TYPE } else { form.media_type() };
    Ok(HttpResponse::Ok().content_type(media_type).streaming(stream))
}

/// Some number of seconds below [`USUAL_SECONDS`], out of a fresh uid.
fn spread(uid: &str) -> u64 {
    uid.bytes().fold(0u64, |n, b| n.wrapping_mul(31).wrapping_add(u64::from(b))) % USUAL_SECONDS
}

/// The same stream, which ends where nobody takes from it for `stalled`: the connection alone would notice nothing and
/// keep the watch, and the objects that it has still to tell of, in memory.
fn patient(
    source: impl Stream<Item = Result<Bytes, Infallible>> + 'static,
    stalled: Duration,
) -> impl Stream<Item = Result<Bytes, Infallible>> {
    let (out, mut waiting) = mpsc::channel(WAITING);
    drop(actix_rt::spawn(async move {
        tokio::pin!(source);
        loop {
            let chunk = tokio::select! {
                biased;
                () = out.closed() => return,
                chunk = source.next() => chunk,
            };
            let Some(chunk) = chunk else { return };
            if out.send_timeout(chunk, stalled).await.is_err() {
                tracing::debug!("a watcher that takes nothing is cut off");
                return;
            }
        }
    }));
    async_stream::stream! {
        while let Some(chunk) = waiting.recv().await {
            yield chunk;
        }
    }
}

fn frames(
    app: Data<App>,
    mut watch: Watch,
    view: View,
    bookmarks: bool,
    life: Duration,
) -> impl Stream<Item = Result<Bytes, Infallible>> {
    async_stream::stream! {
        let deadline = tokio::time::sleep(life);
        tokio::pin!(deadline);
        let mut tick = tokio::time::interval(BOOKMARKS);
        tick.reset();
        // What had been reached a period ago has been delivered by now.
        let mut reached = watch.revision();
        loop {
            let item = tokio::select! {
                biased;
                () = app.stop.cancelled() => break,
                () = &mut deadline => break,
                item = watch.next() => item,
                _ = tick.tick(), if bookmarks => {
                    let revision = reached.max(watch.revision());
                    reached = app.api.backend().revision();
                    Some(WatchItem::Bookmark(revision, false))
                }
            };
            let Some(item) = item else { break };
            let mut ended = matches!(item, WatchItem::Expired(_));
            let first = frame(&app, view, item);
            let mut more = BytesMut::new();
            while !ended && first.len() + more.len() < MAX_CHUNK {
                let Some(item) = watch.try_next() else { break };
                ended = matches!(item, WatchItem::Expired(_));
                more.extend_from_slice(&frame(&app, view, item));
            }
            // A single frame goes out as it is, shared with the other watchers.
            yield Ok(first);
            if !more.is_empty() {
                yield Ok(more.freeze());
            }
            if ended {
                break;
            }
        }
    }
}

fn frame(app: &App, view: View, item: WatchItem) -> Bytes {
    let now = app.api.backend().now();
    match item {
        WatchItem::Plain(event) if view.form == Form::Plain => {
            event.frame.get_or_init(|| wrap(view.form, word(event.change), &event.object.json)).clone()
        }
        WatchItem::Plain(event) if view.form == Form::Binary => {
            event.binary_frame.get_or_init(|| of_event(view, &event, now)).clone()
        }
        WatchItem::Plain(event) => of_event(view, &event, now),
        WatchItem::Seen(change, object) => of_object(view, change, &object, now),
        WatchItem::Bookmark(revision, end) => told(view, "BOOKMARK", &bookmark(view, revision, end)),
        WatchItem::Expired(why) => told(view, "ERROR", &why.status()),
    }
}

fn of_event(view: View, event: &Event, now: Timestamp) -> Bytes {
    of_object(view, event.change, &event.object, now)
}

fn of_object(view: View, change: Change, object: &Object, now: Timestamp) -> Bytes {
    wrap(view.form, word(change), &render(view.kind, object, view.form, view.include, now))
}

fn word(change: Change) -> &'static str {
    match change {
        Change::Added => "ADDED",
        Change::Modified => "MODIFIED",
        Change::Deleted => "DELETED",
    }
}

/// A frame of something that is no stored object.
fn told(view: View, word: &str, object: &Value) -> Bytes {
    if view.form.is_binary() {
        return wrap(view.form, word, &protobuf::encode(object).unwrap_or_default());
    }
    wrap(view.form, word, object.to_string().as_bytes())
}

fn wrap(form: Form, word: &str, object: &[u8]) -> Bytes {
    if form.is_binary() {
        return protobuf::encode_event(word, object).into();
    }
    let mut frame = BytesMut::with_capacity(object.len() + 40);
    frame.extend_from_slice(b"{\"type\":\"");
    frame.extend_from_slice(word.as_bytes());
    frame.extend_from_slice(b"\",\"object\":");
    frame.extend_from_slice(object);
    frame.extend_from_slice(b"}\n");
    frame.freeze()
}

fn bookmark(view: View, revision: u64, end: bool) -> Value {
    let mut metadata = json!({"resourceVersion": revision.to_string(), "creationTimestamp": null});
    if end {
        metadata["annotations"] = json!({"k8s.io/initial-events-end": "true"});
    }
    let object = json!({"kind": view.kind.kind, "apiVersion": view.kind.api_version(), "metadata": metadata});
    match view.form {
        Form::Plain | Form::Binary => object,
        Form::Metadata | Form::BinaryMetadata => partial::metadata(&object),
        Form::Table => {
            let cells: Vec<Value> = view.kind.columns.iter().map(|_| json!("")).collect();
            json!({"kind": "Table", "apiVersion": "meta.k8s.io/v1",
                "metadata": {"resourceVersion": revision.to_string()}, "columnDefinitions": table::columns(view.kind),
                "rows": [{"cells": cells, "object": partial::metadata(&object)}]})
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[actix_rt::test]
    async fn a_watcher_that_takes_nothing_is_cut_off_and_others_are_not() {
        let held = std::rc::Rc::new(());
        let source = |held: std::rc::Rc<()>| {
            futures_util::stream::repeat_with(move || {
                let _ = &held;
                Ok(Bytes::from_static(b"event"))
            })
        };
        let stalled = Duration::from_millis(40);
        let (slow, fast) = (patient(source(held.clone()), stalled), patient(source(held.clone()), stalled));
        tokio::pin!(slow, fast);
        // Slow, but not as slow as that.
        assert!(slow.next().await.is_some());
        for _ in 0..20 {
            assert!(fast.next().await.is_some());
            tokio::time::sleep(stalled / 8).await;
        }
        // What the slow one watched is let go while its connection still stands; the fast one goes on.
        assert_eq!(std::rc::Rc::strong_count(&held), 2);
        assert!(fast.next().await.is_some());
        let mut left = 0;
        while slow.next().await.is_some() {
            left += 1;
        }
        assert!(left <= WAITING, "{left}");
    }
}
