//! How many requests run at once, and for how long; what is beyond is told to come back.
//!
//! Node agents have places of their own, and their leases need none: a node that cannot report would be taken for dead
//! because of somebody else's load. Watches and streams do not count: they last, and each has its own limits.

use crate::user::{NODES, User};
use podium_types::ApiError;
use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

/// Requests in flight that only read (as kube-apiserver's `--max-requests-inflight`).
const READING: usize = 400;
/// Requests in flight that write (`--max-mutating-requests-inflight`).
const WRITING: usize = 200;
/// Requests in flight of all nodes together, that read or that write.
const OF_NODES: usize = 400;
/// Seconds after which to come back.
const RETRY_AFTER: u32 = 1;
/// Longest time that a request may take, its body included (`--request-timeout`).
const TIME: Duration = Duration::from_secs(60);

/// Requests in flight.
#[derive(Default)]
pub(crate) struct Limits {
    reading: Arc<AtomicUsize>,
    writing: Arc<AtomicUsize>,
    of_nodes: Arc<AtomicUsize>,
}

/// A place among the requests in flight; free when dropped.
pub(crate) struct Place(Arc<AtomicUsize>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Limits {
    /// A place for a request of `user`; 429 where all are taken.
    pub(crate) fn enter(&self, user: &User, writes: bool) -> Result<Place, ApiError> {
        let (count, limit) = match writes {
            _ if user.is_in(NODES) => (&self.of_nodes, OF_NODES),
            true => (&self.writing, WRITING),
            false => (&self.reading, READING),
        };
        let place = Place(Arc::clone(count));
        if count.fetch_add(1, Ordering::Relaxed) >= limit {
            return Err(ApiError::too_many_requests("too many requests, please try again later", RETRY_AFTER));
        }
        Ok(place)
    }
    /// Requests in flight that read, and that write; those of nodes count as reading.
    pub(crate) fn in_flight(&self) -> (usize, usize) {
        let of = |count: &AtomicUsize| count.load(Ordering::Relaxed);
        (of(&self.reading) + of(&self.of_nodes), of(&self.writing))
    }
}

/// Lets a request run for as long as it may; the client can ask for less (`timeout=10s`).
pub(crate) async fn in_time<T>(
    asked: Option<Duration>,
    work: impl Future<Output = Result<T, ApiError>>,
) -> Result<T, ApiError> {
    let time = asked.filter(|t| !t.is_zero()).map_or(TIME, |t| t.min(TIME));
    let late = || ApiError::timeout("request did not complete within the allotted timeout");
    tokio::time::timeout(time, work).await.unwrap_or_else(|_| Err(late()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_run_out_and_come_back_and_nodes_have_their_own() {
        let limits = Limits::default();
        let user = User::system("somebody");
        let node = User { groups: vec![NODES.to_owned()], ..User::default() };
        let places: Vec<_> = (0..WRITING).map(|_| limits.enter(&user, true).unwrap()).collect();
        assert_eq!(limits.enter(&user, true).err().map(|e| (e.code, e.retry_after)), Some((429, Some(1))));
        assert!(limits.enter(&user, false).is_ok() && limits.enter(&node, true).is_ok());
        drop(places);
        assert!(limits.enter(&user, true).is_ok());
        assert_eq!(limits.in_flight(), (0, 0));
    }

    #[actix_rt::test]
    async fn a_request_ends_with_its_time() {
        let asked = Some(Duration::from_millis(10));
        let late = in_time::<()>(asked, std::future::pending()).await;
        assert_eq!(late.err().map(|e| (e.code, e.reason.into_owned())), Some((504, "Timeout".to_owned())));
        assert_eq!(in_time(None, async { Ok(1) }).await.ok(), Some(1));
    }
}
