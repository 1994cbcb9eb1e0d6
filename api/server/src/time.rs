//! Times as the API writes them.

use podium_types::Timestamp;

/// RFC 3339 in whole seconds, UTC (`metav1.Time`).
pub(crate) fn stamp(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// The time `seconds` after `time`; `time` itself where that cannot be written.
pub(crate) fn after(time: Timestamp, seconds: i64) -> Timestamp {
    jiff::SignedDuration::from_secs(seconds)
        .checked_add(jiff::SignedDuration::ZERO)
        .map_or(time, |d| time.checked_add(d).unwrap_or(time))
}
