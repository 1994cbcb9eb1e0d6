//! Small languages: selectors, quantities, schedules, times of requests.

use crate::{bounds::held, mutate::damaged_text};
use jiff::{Timestamp, tz::TimeZone};
use podium_controllers::cronjob::Schedule;
use podium_machinery::selectors::{FieldSelector, LabelSelector};
use podium_types::quantity::Quantity;
use proptest::prelude::*;
use std::collections::BTreeMap;

/// Missed runs that are counted at most.
const MISSED: usize = 100;

proptest! {
    #[test]
    fn label_selectors(text in damaged_text(&["a=b,c!=d,e in (f,g),h notin (i),!j,k", "x==y", "a.b/c in (1,,2)"])) {
        let labels = BTreeMap::from([("a".to_owned(), "b".to_owned())]);
        held(text.len(), || LabelSelector::parse(&text).map(|s| s.matches(&labels)).is_ok());
    }

    #[test]
    fn field_selectors(text in damaged_text(&["metadata.name=a,spec.nodeName!=b", "status.phase==x\\,y\\=z\\\\"])) {
        let pods = podium_kinds::by_resource("pods").unwrap();
        held(text.len(), || {
            let Ok(selector) = FieldSelector::parse(&text) else { return };
            if selector.check(pods).is_ok() {
                selector.matches(pods, &serde_json::json!({"metadata": {"name": "a"}}));
            }
        });
    }

    #[test]
    fn quantities(text in damaged_text(&["1", "-0.5", "100m", "1.5Gi", "12e6", "3E-2", "999999999999999999999Ei"])) {
        let parsed = held(text.len(), || Quantity::parse(&text));
        if let Ok(quantity) = parsed {
            let shown = quantity.to_string();
            let again = Quantity::parse(&shown);
            prop_assert_eq!(again.map(|q| q.to_string()), Ok(shown));
            let _ = (quantity.value(), quantity.milli_value());
        }
    }

    #[test]
    fn schedules(text in damaged_text(&["*/15 0-6,22 1,15 * mon-fri", "@daily", "@every 1h30m", "0 0 31 2 *"]),
        second in -62_000_000_000i64..250_000_000_000) {
        held(text.len(), || {
            let Ok(schedule) = Schedule::parse(&text) else { return };
            let Ok(from) = Timestamp::from_second(second) else { return };
            if let Some(next) = schedule.next(from, &TimeZone::UTC) {
                assert!(next > from, "{text}: {next} after {from}");
            }
            let to = Timestamp::from_second(second + 86_400).unwrap_or(from);
            let _ = schedule.last(from, to, &TimeZone::UTC);
            assert!(schedule.missed(from, to, &TimeZone::UTC, MISSED) <= MISSED + 1);
        });
    }
}

/// Long runs of what is no word; a reader that looks back at each step would not end in time.
#[test]
fn long_runs() {
    for symbol in ["(", "!", "=", ",", "&", " ", "a,", "!a,", "~", "\\"] {
        let text = symbol.repeat(crate::mutate::SIZE_LIMIT);
        held(text.len(), || LabelSelector::parse(&text).is_ok());
        held(text.len(), || FieldSelector::parse(&text).is_ok());
        held(text.len(), || Quantity::parse(&text).is_ok());
        held(text.len(), || Schedule::parse(&text).is_ok());
    }
}
