//! Kinds that are stored in another form than these clients know: the verbs translate on the way in and out.

use super::{Deleted, Page, WatchItem, Written};
use podium_kinds::{Face, Kind};
use podium_machinery::state::Object;
use std::sync::Arc;

/// The kind in whose form objects are stored, and the face that `kind` is.
pub(super) fn stored(kind: &'static Kind) -> (&'static Kind, Option<&'static Face>) {
    let face = Face::of(kind);
    (face.map_or(kind, |f| f.stored), face)
}

/// The object as clients of `kind` know it.
pub(super) fn shown(kind: &'static Kind, object: Arc<Object>) -> Arc<Object> {
    let Some(face) = Face::of(kind) else { return object };
    Arc::new(Object {
        key: object.key.clone(),
        uid: object.uid.clone(),
        revision: object.revision,
        labels: object.labels.clone(),
        json: face.show(object.value()).to_string().into(),
    })
}

impl Written {
    pub(super) fn shown(self, kind: &'static Kind) -> Self {
        Self { object: shown(kind, self.object), ..self }
    }
}

impl Deleted {
    pub(super) fn shown(self, kind: &'static Kind) -> Self {
        Self { object: shown(kind, self.object), ..self }
    }
}

impl Page {
    pub(super) fn shown(self, kind: &'static Kind) -> Self {
        if Face::of(kind).is_none() {
            return self;
        }
        Self { objects: self.objects.into_iter().map(|object| shown(kind, object)).collect(), ..self }
    }
}

impl WatchItem {
    /// An event that is shown otherwise than it is stored has no frame to share.
    pub(super) fn shown(self, kind: &'static Kind) -> Self {
        match self {
            Self::Plain(event) if Face::of(kind).is_some() => {
                Self::Seen(event.change, shown(kind, Arc::clone(&event.object)))
            }
            Self::Seen(change, object) => Self::Seen(change, shown(kind, object)),
            other => other,
        }
    }
}
