//! Drops Events that happened more than an hour ago.
//!
//! Kubernetes leaves that to etcd's leases; the database has none.

use crate::{Controller, Ids, Plan, View, resource, time, write};
use podium_machinery::state::Event;
use podium_types::{Key, Timestamp};

/// How long an Event is kept after it last happened, in seconds.
pub const TTL_SECONDS: i64 = 3600;
/// Seconds between two sweeps.
pub const SWEEP_SECONDS: i64 = 60;
/// How many Events one sweep deletes at most.
pub const BURST_LIMIT: usize = 1000;

/// The sweeper of Events; one key, woken by time alone.
pub struct EventTtlController;

impl Controller for EventTtlController {
    fn name(&self) -> &'static str {
        "eventttl"
    }
    fn watches(&self) -> &'static [&'static str] {
        &[resource::EVENTS]
    }
    fn keys(&self, _view: &View, _resource: &str, _event: &Event) -> Vec<Key> {
        Vec::new()
    }
    fn all_keys(&self, _view: &View) -> Vec<Key> {
        vec![Key::new("", "sweep")]
    }
    fn decide(&self, view: &View, _key: &Key, now: Timestamp, _ids: &mut Ids) -> Plan {
        let expired = view.of_kind(resource::EVENTS).filter(|header| {
            let last = header.last.max(header.created);
            !header.deleting && last.and_then(|last| time::after(last, TTL_SECONDS)).is_some_and(|end| end <= now)
        });
        let writes = expired.take(BURST_LIMIT).map(|header| write::delete_header(header)).collect();
        Plan { writes, wake_at: time::after(now, SWEEP_SECONDS), ..Plan::default() }
    }
}
