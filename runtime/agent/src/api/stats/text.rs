//! Prometheus' text format.

use jiff::Timestamp;
use std::fmt::Write;

/// A page of metrics. Writing to a string does not fail.
#[derive(Default)]
pub(super) struct Text {
    page: String,
    at: Option<Timestamp>,
}

impl Text {
    /// Samples that follow carry this time.
    pub fn at(&mut self, at: Option<Timestamp>) {
        self.at = at;
    }

    /// Begins a metric.
    pub fn family(&mut self, name: &str, kind: &str, help: &str) {
        let _ = writeln!(self.page, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    /// One sample of it.
    pub fn number(&mut self, name: &str, labels: &[(&str, &str)], value: f64) {
        self.page.push_str(name);
        for (index, (label, text)) in labels.iter().enumerate() {
            let _ = write!(self.page, "{}{label}=\"", if index == 0 { '{' } else { ',' });
            for character in text.chars() {
                match character {
                    '\\' => self.page.push_str("\\\\"),
                    '"' => self.page.push_str("\\\""),
                    '\n' => self.page.push_str("\\n"),
                    other => self.page.push(other),
                }
            }
            self.page.push('"');
        }
        if !labels.is_empty() {
            self.page.push('}');
        }
        let _ = write!(self.page, " {value}");
        if let Some(at) = self.at {
            let _ = write!(self.page, " {}", at.as_millisecond());
        }
        self.page.push('\n');
    }

    pub fn into_string(self) -> String {
        self.page
    }
}

/// Nanoseconds as seconds.
pub(super) fn seconds(nanos: u64) -> f64 {
    nanos as f64 / 1e9
}

/// A time as seconds.
pub(super) fn unix(at: Timestamp) -> f64 {
    at.as_millisecond() as f64 / 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_escaped() {
        let mut text = Text::default();
        text.family("m", "gauge", "help");
        text.number("m", &[], 1.5);
        text.at(Timestamp::from_millisecond(12_345).ok());
        text.number("m", &[("a", "x\"y\\z\n"), ("b", "")], 3e15);
        assert_eq!(
            text.into_string(),
            "# HELP m help\n# TYPE m gauge\nm 1.5\nm{a=\"x\\\"y\\\\z\\n\",b=\"\"} 3000000000000000 12345\n"
        );
    }
}
