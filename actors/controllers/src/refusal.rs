//! What the server refused, and what those who wait for it are told.
//!
//! A plan ends at its first refused write, and its key is decided again after a pause. What
//! does not pass by itself (a quota, an admission rule) must be seen by people meanwhile.

use crate::{
    EventRecord,
    view::{Item, Typed},
    write,
};
use podium_types::{ApiError, Key};

/// What a write does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// It makes an object.
    Create,
    /// It changes one.
    Update,
    /// It removes one.
    Delete,
}

/// A write that the server refused.
#[derive(Clone, Debug)]
pub struct Refusal {
    /// What was to be done.
    pub verb: Verb,
    /// Storage name of the kind.
    pub resource: &'static str,
    /// To which object.
    pub key: Key,
    /// Why not.
    pub error: ApiError,
}

impl Refusal {
    /// Whether it is news for people: a lost race is decided again at once, a server that is not
    /// there could not take the news, and a namespace on its way out needs nothing more.
    pub fn tells(&self) -> bool {
        let causes = self.error.details.as_ref().and_then(|details| details["causes"].as_array());
        let ending = causes.into_iter().flatten().any(|cause| cause["reason"] == "NamespaceTerminating");
        !ending && !matches!(self.error.code, 409 | 503)
    }
    /// `FailedCreate` or `FailedDelete`; `None` for a change of what is there.
    pub fn reason(&self) -> Option<&'static str> {
        match self.verb {
            Verb::Create => Some("FailedCreate"),
            Verb::Delete => Some("FailedDelete"),
            Verb::Update => None,
        }
    }
    /// `Error creating: …`, as those say who make pods by the dozen.
    pub fn message(&self) -> String {
        let doing = if self.verb == Verb::Delete { "deleting" } else { "creating" };
        format!("Error {doing}: {}", self.error.message)
    }
}

/// The first refusal of a create or delete that is news, with its reason. One is enough: the
/// rest of a plan was not even tried, or failed for the same reason.
pub fn news(refusals: &[Refusal]) -> Option<(&Refusal, &'static str)> {
    refusals.iter().filter(|refusal| refusal.tells()).find_map(|refusal| Some((refusal, refusal.reason()?)))
}

/// The news as an event of the object whose plan it was, worded by `message`.
pub fn event<T: Typed + k8s_openapi::Resource>(
    item: &Item<T>,
    refusals: &[Refusal],
    message: impl Fn(&Refusal) -> String,
) -> Vec<EventRecord> {
    let news = news(refusals).into_iter();
    news.map(|(refusal, reason)| write::event(item, "Warning", reason, message(refusal))).collect()
}
