//! What was recommended and what was scaled lately: stabilisation and rates look back.
//!
//! It is written only when a recommendation differs from the one before, so an autoscaler at
//! rest writes nothing.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use podium_types::Timestamp;
use serde::{Deserialize, Serialize};

/// The annotation of an autoscaler that keeps its history.
pub const ANNOTATION: &str = "autoscaling.podium.dev/history";
/// Most entries of each sort that are kept.
const MOST: usize = 128;
/// Longest look back that the API allows, in seconds.
const LONGEST: i64 = 3600;

/// Recommendations and changes of size, oldest first, with seconds since 1970.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct History {
    /// What was recommended from then on, until the next one.
    recommended: Vec<(i64, i32)>,
    /// Changes of size: when, from what, to what.
    scaled: Vec<(i64, i32, i32)>,
}

impl History {
    /// The history of an autoscaler; a damaged one is none.
    pub fn of(meta: &ObjectMeta) -> Self {
        let text = meta.annotations.as_ref().and_then(|all| all.get(ANNOTATION));
        text.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
    }
    /// As the annotation has it.
    pub fn text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
    /// Notes a recommendation. Before the first one, the current size counts as recommended.
    pub fn recommend(&mut self, desired: i32, current: i32, now: Timestamp) {
        let now = now.as_second();
        match self.recommended.last() {
            Some((_, last)) if *last == desired => return,
            None if current == desired => return,
            None => self.recommended.push((now, current)),
            Some(_) => {}
        }
        self.recommended.push((now, desired));
    }
    /// Notes a change of size.
    pub fn scaled(&mut self, from: i32, to: i32, now: Timestamp) {
        self.scaled.push((now.as_second(), from, to));
    }
    /// Forgets a change that was noted and then not made; `told` is when the status says the last one was.
    pub fn settle(&mut self, current: i32, told: Option<Timestamp>) {
        let told = told.map(|at| at.as_second());
        self.scaled.pop_if(|(at, from, to)| *from == current && *to != current && told != Some(*at));
    }
    /// What was recommended within the last `window` seconds, the latest included.
    pub fn recommended(&self, now: Timestamp, window: i64) -> impl Iterator<Item = i32> + '_ {
        let cutoff = now.as_second().saturating_sub(window);
        let ends = self.recommended.iter().skip(1).map(|(at, _)| *at).chain([now.as_second()]);
        self.recommended.iter().zip(ends).filter(move |(_, end)| *end > cutoff).map(|((_, size), _)| *size)
    }
    /// How many replicas were added and how many taken away within the last `period` seconds.
    pub fn changes(&self, now: Timestamp, period: i64) -> (i32, i32) {
        let cutoff = now.as_second().saturating_sub(period);
        let recent = self.scaled.iter().filter(|(at, ..)| *at > cutoff);
        recent.fold((0, 0), |(added, taken), (_, from, to)| match to.saturating_sub(*from) {
            by if by > 0 => (added.saturating_add(by), taken),
            by => (added, taken.saturating_sub(by)),
        })
    }
    /// Drops what nobody will look back at.
    pub fn prune(&mut self, now: Timestamp) {
        let cutoff = now.as_second().saturating_sub(LONGEST);
        self.scaled.retain(|(at, ..)| *at > cutoff);
        let ended = self.recommended.iter().skip(1).take_while(|(at, _)| *at <= cutoff).count();
        self.recommended.drain(..ended.max(self.recommended.len().saturating_sub(MOST)));
        self.scaled.drain(..self.scaled.len().saturating_sub(MOST));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn recommendations_hold_until_the_next() {
        let mut history = History::default();
        history.recommend(5, 5, at(1000));
        assert_eq!(history, History::default(), "at rest there is nothing to note");
        history.recommend(3, 5, at(2000));
        history.recommend(3, 5, at(2015));
        history.recommend(2, 5, at(2100));
        assert_eq!(history.recommended(at(2100), 300).collect::<Vec<_>>(), [5, 3, 2]);
        assert_eq!(history.recommended(at(2300), 300).collect::<Vec<_>>(), [3, 2]);
        assert_eq!(history.recommended(at(2400), 300).collect::<Vec<_>>(), [2]);
        assert_eq!(history.recommended(at(2400), 0).count(), 0);
        let text = history.text();
        let meta = ObjectMeta { annotations: Some([(ANNOTATION.to_owned(), text)].into()), ..ObjectMeta::default() };
        assert_eq!(History::of(&meta), history);
        history.prune(at(2100 + LONGEST));
        assert_eq!(history.recommended(at(9999), LONGEST).collect::<Vec<_>>(), [2]);
    }

    #[test]
    fn what_was_not_done_does_not_count() {
        for (current, told, expected) in [
            (5, None, (2, 0)),
            (3, None, (0, 0)),
            (3, Some(at(50)), (0, 0)),
            // It was done, and somebody put it back.
            (3, Some(at(100)), (2, 0)),
        ] {
            let mut history = History::default();
            history.scaled(3, 5, at(100));
            history.settle(current, told);
            assert_eq!(history.changes(at(110), 60), expected, "{current} {told:?}");
        }
    }

    #[test]
    fn changes_count_within_their_period() {
        let mut history = History::default();
        for (second, from, to) in [(100, 1, 4), (110, 4, 3), (120, 3, 5)] {
            history.scaled(from, to, at(second));
        }
        assert_eq!(history.changes(at(120), 60), (5, 1));
        assert_eq!(history.changes(at(125), 15), (2, 0));
        for second in 0..1000 {
            history.scaled(1, 2, at(second));
            history.recommend(second as i32, 0, at(second));
        }
        history.prune(at(1000));
        assert!(history.text().len() < 4096, "{}", history.text().len());
    }
}
