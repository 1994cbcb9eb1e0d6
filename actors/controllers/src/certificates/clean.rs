//! Removes requests that are settled, forgotten, or whose certificate has expired.

use super::request::{RESOURCE, Wish};
use crate::{Controller, Ids, Plan, View, time, write};
use podium_machinery::{certificates::expiry, state::Event};
use podium_types::{Key, Timestamp};
use serde_json::Value;

/// How long a decided request is kept, in seconds.
pub const DECIDED_SECONDS: i64 = 3600;
/// How long a request waits for a decision, in seconds.
pub const PENDING_SECONDS: i64 = 24 * 3600;

/// The cleaner of requests.
pub struct CleaningController;

impl Controller for CleaningController {
    fn name(&self) -> &'static str {
        "csrcleaner"
    }
    fn watches(&self) -> &'static [&'static str] {
        &[RESOURCE]
    }
    fn keys(&self, _view: &View, _resource: &str, event: &Event) -> Vec<Key> {
        vec![event.object.key.clone()]
    }
    fn all_keys(&self, view: &View) -> Vec<Key> {
        Wish::keys(view)
    }
    fn decide(&self, view: &View, key: &Key, now: Timestamp, _ids: &mut Ids) -> Plan {
        let Some(wish) = Wish::find(view, key) else { return Plan::default() };
        match end(&wish) {
            Some(end) if end <= now => {
                let note = format!("{} is over", key.name);
                Plan { writes: vec![write::delete_header(&wish.header)], note, ..Plan::default() }
            }
            wake_at => Plan { wake_at, ..Plan::default() },
        }
    }
}

/// When a request goes.
fn end(wish: &Wish) -> Option<Timestamp> {
    if wish.conditions().is_empty() {
        return time::after(wish.header.created?, PENDING_SECONDS);
    }
    let since = |c: &Value| c["lastUpdateTime"].as_str()?.parse::<Timestamp>().ok();
    let settled = |kind: &str| {
        let since = wish.condition(kind).and_then(since).or(wish.header.created)?;
        wish.condition(kind).and_then(|_| time::after(since, DECIDED_SECONDS))
    };
    let expired = wish.certificate().and_then(|pem| expiry(&pem)).and_then(|end| Timestamp::from_second(end).ok());
    ["Approved", "Denied", "Failed"].into_iter().map(settled).fold(expired, time::earliest)
}
