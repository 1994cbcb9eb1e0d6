//! The labels by which a namespace says what its pods may do.

use podium_types::FieldError;
use serde_json::{Value, json};
use std::fmt;

const PREFIX: &str = "pod-security.kubernetes.io/";
/// The version that stands for the newest rules.
const LATEST: &str = "latest";

/// How much is forbidden, from nothing to everything that is not needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Level {
    /// Nothing.
    Privileged,
    /// What is known to lead out of a container.
    Baseline,
    /// What a hardened pod does without.
    Restricted,
}

/// A level, as of a version of Kubernetes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rules {
    pub(super) level: Level,
    /// The minor version; `None` for the newest rules.
    pub(super) minor: Option<u32>,
}

impl fmt::Display for Rules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let level = match self.level {
            Level::Privileged => "privileged",
            Level::Baseline => "baseline",
            Level::Restricted => "restricted",
        };
        match self.minor {
            None => write!(f, "{level}:{LATEST}"),
            Some(minor) => write!(f, "{level}:v1.{minor}"),
        }
    }
}

/// What becomes of pods that break rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Policy {
    /// These are refused.
    pub(super) enforce: Rules,
    /// Of these the client is warned.
    pub(super) warn: Rules,
}

fn level(text: &str) -> Result<Level, &'static str> {
    match text {
        "privileged" => Ok(Level::Privileged),
        "baseline" => Ok(Level::Baseline),
        "restricted" => Ok(Level::Restricted),
        _ => Err("must be one of privileged, baseline, restricted"),
    }
}

fn version(text: &str) -> Result<Option<u32>, &'static str> {
    if text == LATEST {
        return Ok(None);
    }
    let minor = text.strip_prefix("v1.").filter(|m| *m == "0" || !m.starts_with(['0', '+']));
    let minor = minor.and_then(|m| m.parse().ok()).ok_or(r#"must be "latest" or "v1.x""#)?;
    Ok(Some(minor))
}

impl Policy {
    /// Reads the labels of a namespace, and what is wrong with them. What cannot be read is enforced
    /// strictly, and not warned of.
    pub(super) fn of(namespace: &Value) -> (Self, Vec<FieldError>) {
        let mut errors = Vec::new();
        let labels = &namespace["metadata"]["labels"];
        let mut mode = |name: &str, otherwise: Level| -> (Option<Level>, Option<u32>) {
            let read = |label: String| Some((labels[&label].as_str()?.to_owned(), label));
            let mut wrong = |(text, label): (String, String), why: &str| {
                errors.push(FieldError::invalid(format!("metadata.labels[{label}]"), &json!(text), why));
            };
            let level = read(format!("{PREFIX}{name}")).map(|label| {
                level(&label.0).unwrap_or_else(|why| {
                    wrong(label, why);
                    otherwise
                })
            });
            let minor = read(format!("{PREFIX}{name}-version")).and_then(|label| {
                version(&label.0).unwrap_or_else(|why| {
                    wrong(label, why);
                    None
                })
            });
            (level, minor)
        };
        let (enforced, minor) = mode("enforce", Level::Restricted);
        let (warned, warned_minor) = mode("warn", Level::Privileged);
        // Auditing is not done, but a wrong label is wrong.
        mode("audit", Level::Privileged);
        let enforce = Rules { level: enforced.unwrap_or(Level::Privileged), minor };
        // Who enforces wants to hear of workloads whose pods will be refused.
        let warn = warned.map_or(enforce, |level| Rules { level, minor: warned_minor });
        (Self { enforce, warn }, errors)
    }
}
