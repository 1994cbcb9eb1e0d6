//! How many requests run at once; what is beyond is told to come back.
//!
//! Watches, streams and leases do not count: the first two last, and a node that cannot
//! renew its lease would be taken for dead because of somebody else's load.

use podium_types::ApiError;
use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

/// Requests in flight that only read (as kube-apiserver's `--max-requests-inflight`).
const READING: usize = 400;
/// Requests in flight that write (`--max-mutating-requests-inflight`).
const WRITING: usize = 200;
/// Seconds after which to come back.
const RETRY_AFTER: u32 = 1;

/// Requests in flight.
#[derive(Default)]
pub(crate) struct Limits {
    reading: Arc<AtomicUsize>,
    writing: Arc<AtomicUsize>,
}

/// A place among the requests in flight; free when dropped.
pub(crate) struct Place(Arc<AtomicUsize>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Limits {
    /// A place; 429 where all are taken.
    pub(crate) fn enter(&self, writes: bool) -> Result<Place, ApiError> {
        let (count, limit) = if writes { (&self.writing, WRITING) } else { (&self.reading, READING) };
        let place = Place(Arc::clone(count));
        if count.fetch_add(1, Ordering::Relaxed) >= limit {
            return Err(ApiError::too_many_requests("too many requests, please try again later", RETRY_AFTER));
        }
        Ok(place)
    }
    /// Requests in flight that read, and that write.
    pub(crate) fn in_flight(&self) -> (usize, usize) {
        (self.reading.load(Ordering::Relaxed), self.writing.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_run_out_and_come_back() {
        let limits = Limits::default();
        let places: Vec<_> = (0..WRITING).map(|_| limits.enter(true).unwrap()).collect();
        assert_eq!(limits.enter(true).err().map(|e| (e.code, e.retry_after)), Some((429, Some(1))));
        assert!(limits.enter(false).is_ok());
        drop(places);
        assert!(limits.enter(true).is_ok());
        assert_eq!(limits.in_flight(), (0, 0));
    }
}
