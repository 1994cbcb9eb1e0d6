//! Reads an agent's `/metrics/resource`: Prometheus' text, in the kubelet's names.

use podium_types::{Key, Timestamp};
use std::collections::BTreeMap;

const NANOS: f64 = 1e9;
const MILLIS: f64 = 1e3;

/// A container or a node at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Point {
    /// When.
    pub at: Timestamp,
    /// When this life began, where that is told.
    pub began: Option<Timestamp>,
    /// CPU time used so far in this life.
    pub cpu_nanos: u64,
    /// Bytes of the working set.
    pub bytes: u64,
}

/// Everything that an agent tells at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// The node as a whole.
    pub node: Option<Point>,
    /// Containers, by pod and name.
    pub containers: BTreeMap<(Key, String), Point>,
}

/// What is told of one thing, line by line.
#[derive(Default)]
struct Draft {
    at: Option<Timestamp>,
    began: Option<Timestamp>,
    cpu: Option<f64>,
    memory: Option<f64>,
}

impl Draft {
    fn note(&mut self, what: &str, value: f64, at: Option<Timestamp>) {
        match what {
            "cpu_usage_seconds_total" => (self.cpu, self.at) = (Some(value), at.or(self.at)),
            "memory_working_set_bytes" => (self.memory, self.at) = (Some(value), self.at.or(at)),
            "start_time_seconds" => self.began = Timestamp::from_millisecond((value * MILLIS) as i64).ok(),
            _ => {}
        }
    }
    /// Complete only with both amounts.
    fn point(&self, now: Timestamp) -> Option<Point> {
        let (cpu, memory) = (self.cpu?, self.memory?);
        Some(Point {
            at: self.at.unwrap_or(now),
            began: self.began,
            cpu_nanos: (cpu * NANOS) as u64,
            bytes: memory as u64,
        })
    }
}

impl Reading {
    /// Of an agent's text; `now` stands where it tells no time. Lines of other forms are passed over.
    pub fn parse(text: &str, now: Timestamp) -> Self {
        let (mut node, mut containers) = (Draft::default(), BTreeMap::<(Key, String), Draft>::new());
        for line in text.lines() {
            let Some(sample) = Sample::parse(line) else { continue };
            let (value, at) = (sample.value, sample.at);
            if let Some(what) = sample.name.strip_prefix("node_") {
                node.note(what, value, at);
            } else if let Some(what) = sample.name.strip_prefix("container_") {
                let label = |name: &str| sample.labels.get(name).cloned().unwrap_or_default();
                let key = Key::new(label("namespace"), label("pod"));
                containers.entry((key, label("container"))).or_default().note(what, value, at);
            }
        }
        let containers = containers.into_iter().filter_map(|(id, draft)| Some((id, draft.point(now)?))).collect();
        Self { node: node.point(now), containers }
    }
}

/// `name{label="text",…} value [milliseconds]`
struct Sample<'a> {
    name: &'a str,
    labels: BTreeMap<&'a str, String>,
    value: f64,
    at: Option<Timestamp>,
}

impl<'a> Sample<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        if line.starts_with('#') {
            return None;
        }
        let end = line.find(['{', ' '])?;
        let (name, rest) = line.split_at(end);
        let (labels, rest) = match rest.strip_prefix('{') {
            Some(rest) => labels(rest)?,
            None => (BTreeMap::new(), rest),
        };
        let mut words = rest.split_ascii_whitespace();
        let value = words.next()?.parse::<f64>().ok().filter(|v| v.is_finite() && *v >= 0.0)?;
        let at = words.next().and_then(|w| w.parse().ok()).and_then(|ms| Timestamp::from_millisecond(ms).ok());
        Some(Self { name, labels, value, at })
    }
}

/// The labels up to `}`, and what follows.
fn labels(mut rest: &str) -> Option<(BTreeMap<&str, String>, &str)> {
    let mut labels = BTreeMap::new();
    loop {
        rest = rest.trim_start_matches([',', ' ']);
        if let Some(after) = rest.strip_prefix('}') {
            return Some((labels, after));
        }
        let (name, after) = rest.split_once("=\"")?;
        let (text, after) = quoted(after)?;
        labels.insert(name, text);
        rest = after;
    }
}

/// Text up to the closing quote, and what follows it.
fn quoted(rest: &str) -> Option<(String, &str)> {
    let mut text = String::new();
    let mut characters = rest.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some((text, rest.get(at + 1..)?)),
            '\\' => match characters.next()?.1 {
                'n' => text.push('\n'),
                other => text.push(other),
            },
            other => text.push(other),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"# HELP container_cpu_usage_seconds_total [STABLE]
container_cpu_usage_seconds_total{container="c",namespace="ns",pod="p"} 1.5 3000000
container_cpu_usage_seconds_total{container="half",namespace="ns",pod="p"} 1.5 3000000
container_memory_working_set_bytes{container="c",namespace="ns",pod="p"} 1000 3000000
container_start_time_seconds{container="c",namespace="ns",pod="p"} 2000
node_cpu_usage_seconds_total 12 3000000
node_memory_working_set_bytes 8e3 3000000
pod_cpu_usage_seconds_total{namespace="ns",pod="p"} 3 3000000
resource_scrape_error 0
"#;

    #[test]
    fn what_a_kubelet_tells_is_read() {
        let at = |second| Timestamp::from_second(second).expect("a time");
        let reading = Reading::parse(TEXT, at(9));
        let point = Point { at: at(3000), began: Some(at(2000)), cpu_nanos: 1_500_000_000, bytes: 1000 };
        assert_eq!(reading.containers, [((Key::new("ns", "p"), "c".to_owned()), point)].into(), "no half points");
        let node = reading.node.expect("a node");
        assert_eq!((node.cpu_nanos, node.bytes, node.began), (12_000_000_000, 8000, None));
    }

    #[test]
    fn labels_are_unescaped_and_damage_is_passed_over() {
        let sample = Sample::parse(r#"m{a="x\"y\\z\n,}",b=""} 1 12345"#).expect("a sample");
        assert_eq!(sample.labels, [("a", "x\"y\\z\n,}".to_owned()), ("b", String::new())].into());
        assert_eq!(sample.at.map(|t| t.as_millisecond()), Some(12345));
        for bad in ["", "m", "m{a=\"x} 1", "m{a=\"x\\", "m x", "m NaN", "m -1", "m{"] {
            assert!(Sample::parse(bad).is_none(), "{bad}");
        }
    }
}
