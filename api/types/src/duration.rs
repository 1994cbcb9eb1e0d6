//! Durations for people, as `kubectl` prints them.
//!
//! The rules are those of `HumanDuration` in k8s.io/apimachinery: two units at most,
//! the smaller one only while it still matters.

use crate::Timestamp;

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;
const YEAR: i64 = 365 * DAY;
/// Clocks may differ by less than this many seconds before an age counts as wrong.
const TOLERANCE: i64 = 1;

/// The time from `since` to `now`: `5s`, `3m22s`, `2d3h`; `<invalid>` where `since` lies ahead.
pub fn human_age(since: Timestamp, now: Timestamp) -> String {
    human(now.duration_since(since).as_secs())
}

/// A duration in whole seconds, in the same form.
pub fn human(seconds: i64) -> String {
    match seconds {
        i64::MIN..0 if seconds < -TOLERANCE => "<invalid>".to_owned(),
        i64::MIN..0 => "0s".to_owned(),
        0..120 => format!("{seconds}s"),
        120..600 => two(seconds, MINUTE, "m", 1, "s", 60),
        600..10_800 => format!("{}m", seconds / MINUTE),
        10_800..28_800 => two(seconds, HOUR, "h", MINUTE, "m", 60),
        28_800..172_800 => format!("{}h", seconds / HOUR),
        172_800..691_200 => two(seconds, DAY, "d", HOUR, "h", 24),
        _ if seconds < 2 * YEAR => format!("{}d", seconds / DAY),
        _ if seconds < 8 * YEAR => two(seconds, YEAR, "y", DAY, "d", 365),
        _ => format!("{}y", seconds / YEAR),
    }
}

fn two(seconds: i64, big: i64, big_unit: &str, small: i64, small_unit: &str, per: i64) -> String {
    let rest = seconds / small % per;
    let whole = seconds / big;
    if rest == 0 { format!("{whole}{big_unit}") } else { format!("{whole}{big_unit}{rest}{small_unit}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_as_kubectl_prints_them() {
        let table = [
            (-2, "<invalid>"),
            (-1, "0s"),
            (0, "0s"),
            (119, "119s"),
            (120, "2m"),
            (202, "3m22s"),
            (600, "10m"),
            (10_799, "179m"),
            (10_800, "3h"),
            (10_860, "3h1m"),
            (8 * HOUR, "8h"),
            (47 * HOUR + 59 * MINUTE, "47h"),
            (2 * DAY, "2d"),
            (2 * DAY + 3 * HOUR, "2d3h"),
            (8 * DAY + HOUR, "8d"),
            (2 * YEAR, "2y"),
            (2 * YEAR + 5 * DAY, "2y5d"),
            (9 * YEAR + 5 * DAY, "9y"),
        ];
        for (seconds, expected) in table {
            assert_eq!(human(seconds), expected, "{seconds} s");
        }
    }
}
