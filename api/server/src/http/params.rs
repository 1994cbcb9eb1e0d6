//! Query parameters.

use crate::{
    filter::Filter,
    verbs::{DeleteOptions, ListOptions, Propagation, VersionMatch, WatchOptions, WriteOptions},
};
use actix_web::web::Query;
use podium_kinds::Kind;
use podium_machinery::decode::FieldValidation;
use podium_types::{ApiError, FieldError};
use serde_json::{Value, json};
use std::time::Duration;

/// Units of durations, as Go writes them, in nanoseconds.
const UNITS: &[(&str, f64)] =
    &[("ns", 1.0), ("us", 1e3), ("µs", 1e3), ("ms", 1e6), ("s", 1e9), ("m", 60e9), ("h", 3600e9)];
/// Longest duration that is told from any longer one.
const LONGEST: f64 = 1e18;

/// A duration as Go writes it: `1m30s`, `1.5h`, `300ms`.
fn duration(text: &str) -> Option<Duration> {
    let (mut rest, mut nanoseconds) = (text, 0.0);
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, tail) = rest.split_at(digits);
        let end = tail.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(tail.len());
        let (name, tail) = tail.split_at(end);
        let (_, unit) = UNITS.iter().find(|(unit, _)| *unit == name)?;
        nanoseconds += number.parse::<f64>().ok()? * unit;
        rest = tail;
    }
    // Of an empty text there is no duration, and never one below zero.
    (!text.is_empty()).then(|| Duration::from_nanos(nanoseconds.min(LONGEST) as u64))
}

/// Longest name of a field manager, as in Kubernetes.
const MAX_MANAGER: usize = 128;

/// The parameters of one request; of a name that stands twice the first counts.
#[derive(Default)]
pub(crate) struct Params(Vec<(String, String)>);

impl Params {
    /// From the query string; 400 where it cannot be decoded.
    pub(crate) fn parse(query: &str) -> Result<Self, ApiError> {
        let pairs = Query::<Vec<(String, String)>>::from_query(query);
        pairs.map(|q| Self(q.into_inner())).map_err(|e| ApiError::bad_request(format!("invalid query: {e}")))
    }
    /// The value, `""` where it is absent.
    pub(crate) fn text(&self, name: &str) -> &str {
        self.0.iter().find(|(n, _)| n == name).map_or("", |(_, v)| v.as_str())
    }
    /// As if `watch` had been asked for.
    pub(crate) fn watch_all(&mut self) {
        self.0.insert(0, ("watch".to_owned(), "true".to_owned()));
    }
    /// As if only the object `name` had been selected, of what is selected already.
    pub(crate) fn select(&mut self, name: &str) {
        let others = self.text("fieldSelector");
        let comma = if others.is_empty() { "" } else { "," };
        self.0.insert(0, ("fieldSelector".to_owned(), format!("metadata.name={name}{comma}{others}")));
    }
    /// The value that the field selector demands of `field`; `""` where it demands none.
    pub(crate) fn selected(&self, field: &str) -> &str {
        let terms = self.text("fieldSelector").split(',');
        let mut values = terms.filter_map(|term| {
            let value = term.trim().strip_prefix(field)?.strip_prefix('=')?;
            Some(value.strip_prefix('=').unwrap_or(value))
        });
        values.next().unwrap_or_default()
    }
    /// `timeout`, how long the request may take.
    pub(crate) fn timeout(&self) -> Result<Option<Duration>, ApiError> {
        match self.text("timeout") {
            "" => Ok(None),
            text => duration(text).map(Some).ok_or_else(|| {
                ApiError::bad_request(format!(
                    "invalid timeout specified in the request URL: time: invalid duration {text:?}"
                ))
            }),
        }
    }
    fn given(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }
    /// True unless absent, `false` or `0`, as Kubernetes reads it.
    pub(crate) fn flag(&self, name: &str) -> bool {
        self.given(name).is_some_and(|v| v != "0" && !v.eq_ignore_ascii_case("false"))
    }
    /// A number; 400 for anything else.
    pub(crate) fn number(&self, name: &str) -> Result<Option<i64>, ApiError> {
        match self.text(name) {
            "" => Ok(None),
            text => text.parse().map(Some).map_err(|_| {
                ApiError::bad_request(format!("strconv.ParseInt: parsing {text:?}: invalid syntax ({name})"))
            }),
        }
    }

    /// `dryRun`, which knows one value. `options` is the kind that messages name.
    fn dry_run(&self, options: &str) -> Result<bool, ApiError> {
        let values: Vec<Value> = self.0.iter().filter(|(n, _)| n == "dryRun").map(|(_, v)| v.as_str().into()).collect();
        rehearses(&values, options)
    }
    /// How to write; `agent` is the client's name for itself, which owns what it writes where it
    /// names no manager. `options` is the kind that messages name.
    pub(crate) fn write(&self, agent: &str, options: &str) -> Result<WriteOptions, ApiError> {
        let refuse = |error| Err(ApiError::invalid(options, "meta.k8s.io", "", &[error]));
        let manager = self.text("fieldManager");
        if manager.len() > MAX_MANAGER {
            return refuse(FieldError::too_long("fieldManager", MAX_MANAGER));
        }
        if manager.chars().any(char::is_control) {
            let why = "should only contain printable characters";
            return refuse(FieldError::invalid("fieldManager", &manager.into(), why));
        }
        let field_manager = if manager.is_empty() {
            let product = agent.split('/').next().unwrap_or_default().trim();
            product.chars().filter(|c| c.is_ascii_graphic() || *c == ' ').take(MAX_MANAGER).collect()
        } else {
            manager.to_owned()
        };
        Ok(WriteOptions { dry_run: self.dry_run(options)?, field_manager, ..WriteOptions::default() })
    }
    /// `force`; only an apply may have it, and an apply must name its manager.
    pub(crate) fn force(&self, applies: bool) -> Result<bool, ApiError> {
        let error = if applies && self.text("fieldManager").is_empty() {
            FieldError::required("fieldManager", "is required for apply patch")
        } else if !applies && self.given("force").is_some() {
            FieldError::forbidden("force", "may not be specified for non-apply patch")
        } else {
            return Ok(self.flag("force"));
        };
        Err(ApiError::invalid("PatchOptions", "meta.k8s.io", "", &[error]))
    }
    pub(crate) fn validation(&self) -> Result<FieldValidation, ApiError> {
        FieldValidation::parse(self.text("fieldValidation"))
    }
    fn version_match(&self) -> Result<VersionMatch, ApiError> {
        match self.text("resourceVersionMatch") {
            "" => Ok(VersionMatch::Unset),
            "Exact" => Ok(VersionMatch::Exact),
            "NotOlderThan" => Ok(VersionMatch::NotOlderThan),
            other => {
                let supported = ["Exact", "NotOlderThan"];
                let error = FieldError::not_supported("resourceVersionMatch", &other.into(), &supported);
                Err(ApiError::invalid("ListOptions", "meta.k8s.io", "", &[error]))
            }
        }
    }
    fn filter(&self, kind: &Kind) -> Result<Filter, ApiError> {
        Filter::parse(kind, self.text("labelSelector"), self.text("fieldSelector"))
    }
    /// What to list; an empty namespace means all.
    pub(crate) fn list(&self, kind: &Kind, namespace: &str) -> Result<ListOptions, ApiError> {
        let (resource_version, version_match) = (self.text("resourceVersion").to_owned(), self.version_match()?);
        let forbidden = |why: &str| {
            let error = FieldError::forbidden("resourceVersionMatch", why);
            Err(ApiError::invalid("ListOptions", "meta.k8s.io", "", &[error]))
        };
        if version_match != VersionMatch::Unset && resource_version.is_empty() {
            return forbidden("resourceVersionMatch is forbidden unless resourceVersion is provided");
        }
        if version_match == VersionMatch::Exact && resource_version == "0" {
            return forbidden("resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\"");
        }
        if version_match != VersionMatch::Unset && !self.text("continue").is_empty() {
            return forbidden("resourceVersionMatch is forbidden when continue is provided");
        }
        Ok(ListOptions {
            namespace: (!namespace.is_empty()).then(|| namespace.to_owned()),
            filter: self.filter(kind)?,
            limit: self.number("limit")?.and_then(|n| usize::try_from(n).ok()).unwrap_or(0),
            continue_token: self.text("continue").to_owned(),
            resource_version,
            version_match,
        })
    }
    /// What to watch; an empty namespace means all.
    pub(crate) fn watch(&self, kind: &Kind, namespace: &str) -> Result<WatchOptions, ApiError> {
        Ok(WatchOptions {
            namespace: (!namespace.is_empty()).then(|| namespace.to_owned()),
            filter: self.filter(kind)?,
            resource_version: self.text("resourceVersion").to_owned(),
            version_match: self.version_match()?,
            initial_events: self.given("sendInitialEvents").map(|_| self.flag("sendInitialEvents")),
            bookmarks: self.flag("allowWatchBookmarks"),
        })
    }
    /// How to delete; the body counts before the query.
    pub(crate) fn delete(&self, body: &Value) -> Result<DeleteOptions, ApiError> {
        let text = |name: &str| body[name].as_str().unwrap_or_else(|| self.text(name)).to_owned();
        let grace = match body["gracePeriodSeconds"].as_i64() {
            Some(grace) => Some(grace),
            None => self.number("gracePeriodSeconds")?,
        };
        let refused = |error| ApiError::invalid("DeleteOptions", "meta.k8s.io", "", &[error]);
        let word = text("propagationPolicy");
        // The older way to say Orphan or Background.
        let asked = self.given("orphanDependents").map(|_| self.flag("orphanDependents"));
        let orphan = body["orphanDependents"].as_bool().or(asked);
        if !word.is_empty() && orphan.is_some() {
            let why = "orphanDependents and deletionPropagation cannot be both set";
            return Err(refused(FieldError::invalid("propagationPolicy", &word.into(), why)));
        }
        let propagation = match word.as_str() {
            "" => None,
            word => Some(Propagation::parse(word).ok_or_else(|| {
                let supported = ["Foreground", "Background", "Orphan", "nil"];
                refused(FieldError::not_supported("propagationPolicy", &word.into(), &supported))
            })?),
        };
        let legacy = orphan.map(|o| if o { Propagation::Orphan } else { Propagation::Background });
        let preconditions = &body["preconditions"];
        let revision = match preconditions["resourceVersion"].as_str().unwrap_or_default() {
            "" => None,
            text => Some(text.parse().map_err(|_| ApiError::bad_request("invalid resourceVersion in preconditions"))?),
        };
        let dry_run = match body["dryRun"].as_array() {
            Some(list) => rehearses(list, "DeleteOptions")?,
            None => self.dry_run("DeleteOptions")?,
        };
        Ok(DeleteOptions {
            grace,
            uid: preconditions["uid"].as_str().filter(|u| !u.is_empty()).map(str::to_owned),
            resource_version: revision,
            propagation: propagation.or(legacy),
            dry_run,
        })
    }
}

/// Whether these values of `dryRun` ask for a rehearsal; 422 where one of them is unknown.
fn rehearses(values: &[Value], options: &str) -> Result<bool, ApiError> {
    if values.iter().all(|value| value == "All") {
        return Ok(!values.is_empty());
    }
    let error = FieldError::not_supported("dryRun", &json!(values), &["All"]);
    Err(ApiError::invalid(options, "meta.k8s.io", "", &[error]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_go_writes_them() {
        let cases = [
            ("10s", Some(10_000)),
            ("1m30s", Some(90_000)),
            ("1.5h", Some(5_400_000)),
            ("300ms", Some(300)),
            ("", None),
            ("10", None),
            ("-1s", None),
            ("1d", None),
            ("1.2.3s", None),
        ];
        for (text, expected) in cases {
            assert_eq!(duration(text).map(|d| d.as_millis()), expected, "{text}");
        }
        assert!(duration("99999999999999999999h").is_some());
    }
}
