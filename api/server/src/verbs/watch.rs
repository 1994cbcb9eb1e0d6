//! Watches: what one watcher sees of the events of a kind.

use super::{Api, VersionMatch, list::parse_revision};
use crate::filter::Filter;
use podium_kinds::Kind;
use podium_machinery::state::{Change, Event, Object};
use podium_types::{ApiError, FieldError, meta};
use std::{collections::VecDeque, sync::Arc};
use tokio::sync::broadcast::{
    self, Receiver,
    error::{RecvError, TryRecvError},
};

/// Attempts to begin a watch at a snapshot while history is being compacted.
const BEGIN_RETRIES: usize = 3;

/// What to watch.
#[derive(Clone, Debug, Default)]
pub struct WatchOptions {
    /// One namespace, or all of them.
    pub namespace: Option<String>,
    /// Selectors.
    pub filter: Filter,
    /// Where to begin: `""` and `"0"` begin with the objects that exist.
    pub resource_version: String,
    /// How to read the revision.
    pub version_match: VersionMatch,
    /// `sendInitialEvents`, where given.
    pub initial_events: Option<bool>,
    /// Whether the client wants bookmarks.
    pub bookmarks: bool,
}

/// What a watcher gets.
#[derive(Debug)]
pub enum WatchItem {
    /// An event just as it happened; its frame can be shared.
    Plain(Arc<Event>),
    /// A change as this watcher sees it: an object that existed, or one that came into or left its selection.
    Seen(Change, Arc<Object>),
    /// Everything up to this revision has been sent; `true` at the end of the initial events.
    Bookmark(u64, bool),
    /// The watcher was too slow, or history is gone: it must list again, for this reason.
    Expired(Box<ApiError>),
}

/// A running watch.
pub struct Watch {
    kind: &'static Kind,
    namespace: Option<String>,
    filter: Filter,
    ready: VecDeque<WatchItem>,
    events: Receiver<Arc<Event>>,
    last: u64,
}

impl Api {
    /// Begins a watch.
    pub async fn watch(&self, kind: &'static Kind, options: &WatchOptions) -> Result<Watch, ApiError> {
        validate(options)?;
        let since = parse_revision(&options.resource_version)?;
        let from_state = options.initial_events.unwrap_or(matches!(since, None | Some(0)));
        match since {
            None if options.initial_events != Some(false) => {
                self.backend().settle().await;
            }
            Some(revision) if from_state => self.reach(kind, revision).await?,
            _ => {}
        }
        let since = since.filter(|r| *r > 0);
        if from_state {
            return self.watch_from_state(kind, options);
        }
        // Neither initial events nor a revision: from now on.
        let since = since.unwrap_or_else(|| self.newest(kind).1);
        let subscription = match self.backend().watch(kind, since) {
            Ok(subscription) => subscription,
            // client-go and kube-rs list again for an event that says so; a refused request they only repeat.
            Err(e) => return Ok(Watch::over(kind, options, too_old(since, e.oldest))),
        };
        let mut watch = Watch::new(kind, options, subscription.events, since);
        watch.take_in(subscription.backlog);
        Ok(watch)
    }

    fn watch_from_state(&self, kind: &'static Kind, options: &WatchOptions) -> Result<Watch, ApiError> {
        let mut attempts = 0;
        loop {
            attempts += 1;
            let (snapshot, revision) = self.newest(kind);
            let subscription = match self.backend().watch(kind, revision) {
                Ok(subscription) => subscription,
                Err(_) if attempts < BEGIN_RETRIES => continue,
                Err(e) => return Ok(Watch::over(kind, options, too_old(revision, e.oldest))),
            };
            let mut watch = Watch::new(kind, options, subscription.events, revision);
            let present = snapshot.list(options.namespace.as_deref(), None).filter(|o| options.filter.matches(kind, o));
            watch.ready.extend(present.map(|o| WatchItem::Seen(Change::Added, Arc::clone(o)).shown(kind)));
            if options.initial_events == Some(true) && options.bookmarks {
                watch.ready.push_back(WatchItem::Bookmark(revision, true));
            }
            watch.take_in(subscription.backlog);
            return Ok(watch);
        }
    }
}

/// KEP-3157: the combinations of parameters that make sense.
fn validate(options: &WatchOptions) -> Result<(), ApiError> {
    let field = "resourceVersionMatch";
    let error = match (options.initial_events, options.version_match) {
        (Some(_), VersionMatch::NotOlderThan) | (None, VersionMatch::Unset) => return Ok(()),
        (Some(_), _) => {
            FieldError::forbidden(field, "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan")
        }
        (None, _) => FieldError::forbidden(
            field,
            "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided",
        ),
    };
    Err(ApiError::invalid("ListOptions", "meta.k8s.io", "", &[error]))
}

fn too_slow() -> WatchItem {
    WatchItem::Expired(Box::new(ApiError::expired("The resourceVersion for the provided watch is too old.")))
}

fn too_old(asked: u64, oldest: u64) -> ApiError {
    ApiError::expired(format!("too old resource version: {asked} ({oldest})"))
}

impl Watch {
    fn new(kind: &'static Kind, options: &WatchOptions, events: Receiver<Arc<Event>>, last: u64) -> Self {
        let (namespace, filter) = (options.namespace.clone(), options.filter.clone());
        Self { kind, namespace, filter, ready: VecDeque::new(), events, last }
    }

    /// A watch that only tells why there is none.
    fn over(kind: &'static Kind, options: &WatchOptions, why: ApiError) -> Self {
        // Nobody sends on this channel any more.
        let mut watch = Self::new(kind, options, broadcast::channel(1).1, 0);
        watch.ready.push_back(WatchItem::Expired(Box::new(why)));
        watch
    }

    fn take_in(&mut self, backlog: Vec<Arc<Event>>) {
        for event in backlog {
            if let Some(item) = self.see(event) {
                self.ready.push_back(item);
            }
        }
    }

    /// The revision of the last event looked at.
    pub fn revision(&self) -> u64 {
        self.last
    }

    /// What comes next; `None` when the server ends the stream of events.
    pub async fn next(&mut self) -> Option<WatchItem> {
        loop {
            if let Some(item) = self.ready.pop_front() {
                return Some(item);
            }
            match self.events.recv().await {
                Ok(event) => {
                    if let Some(item) = self.see(event) {
                        return Some(item);
                    }
                }
                Err(RecvError::Lagged(_)) => return Some(too_slow()),
                Err(RecvError::Closed) => return None,
            }
        }
    }

    /// What has come already, without waiting.
    pub fn try_next(&mut self) -> Option<WatchItem> {
        loop {
            if let Some(item) = self.ready.pop_front() {
                return Some(item);
            }
            match self.events.try_recv() {
                Ok(event) => {
                    if let Some(item) = self.see(event) {
                        return Some(item);
                    }
                }
                Err(TryRecvError::Lagged(_)) => return Some(too_slow()),
                Err(TryRecvError::Empty | TryRecvError::Closed) => return None,
            }
        }
    }

    /// The event as this watcher sees it.
    fn see(&mut self, event: Arc<Event>) -> Option<WatchItem> {
        self.select(event).map(|item| item.shown(self.kind))
    }

    fn select(&mut self, event: Arc<Event>) -> Option<WatchItem> {
        if event.revision <= self.last {
            return None;
        }
        self.last = event.revision;
        if self.namespace.as_ref().is_some_and(|ns| *ns != event.object.key.namespace) {
            return None;
        }
        if self.filter.is_empty() {
            return Some(WatchItem::Plain(event));
        }
        let is = self.filter.matches(self.kind, &event.object);
        let was = event.previous.as_ref().map(|o| self.filter.matches(self.kind, o));
        match (event.change, was, is) {
            (Change::Added | Change::Modified, Some(true), true) | (Change::Added, _, true) => {
                Some(WatchItem::Plain(event))
            }
            // Where it is not known how the object was, a client takes "modified" of an unknown object for "added".
            (Change::Modified, None, true) => Some(WatchItem::Plain(event)),
            (Change::Modified, Some(false), true) => Some(WatchItem::Seen(Change::Added, Arc::clone(&event.object))),
            (Change::Modified, None | Some(true), false) => Some(WatchItem::Seen(Change::Deleted, last_seen(&event))),
            (Change::Deleted, Some(true), _) | (Change::Deleted, None, true) => Some(WatchItem::Plain(event)),
            _ => None,
        }
    }
}

/// The state in which the object left a selection, at the revision at which it left.
fn last_seen(event: &Event) -> Arc<Object> {
    let Some(previous) = &event.previous else { return Arc::clone(&event.object) };
    let mut value = previous.value();
    meta::metadata_mut(&mut value).insert("resourceVersion".into(), event.revision.to_string().into());
    Arc::new(Object {
        key: previous.key.clone(),
        uid: previous.uid.clone(),
        revision: event.revision,
        labels: previous.labels.clone(),
        json: value.to_string().into(),
    })
}
