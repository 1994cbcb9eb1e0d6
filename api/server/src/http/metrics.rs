//! Requests in numbers, in Prometheus' text format under kube-apiserver's names.
//!
//! Labels are names of kinds that are served, so that clients cannot make new ones.

mod process;

use super::{app::App, path::Target};
use actix_web::{
    HttpResponse,
    body::{BodySize, BoxBody, MessageBody},
};
use bytes::Bytes;
use podium_kinds::{KINDS, Kind};
use std::{
    collections::BTreeMap,
    fmt::Write,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
    time::Instant,
};

/// Upper bounds of the buckets for how long requests take, in seconds.
const BUCKETS: [f64; 12] = [0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.8, 1.0, 2.0, 5.0, 10.0, 60.0];
const REQUESTS: &str = "apiserver_request_total";
const DURATION: &str = "apiserver_request_duration_seconds";
const LASTING: &str = "apiserver_longrunning_requests";

/// What requests are told apart by; nothing in it is made by a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Sort {
    verb: &'static str,
    group: &'static str,
    version: &'static str,
    resource: &'static str,
    subresource: &'static str,
    scope: &'static str,
}

impl Sort {
    /// Of a request for `target`.
    pub(crate) fn of(verb: &str, target: &Target) -> Self {
        let Kind { group, plural, versions, .. } = target.kind;
        Self {
            verb: word(verb),
            group,
            version: versions.first().unwrap_or(&""),
            resource: plural,
            subresource: target.kind.subresource(&target.subresource).map_or("", |s| s.name),
            scope: match (target.name.as_str(), target.namespace.as_str()) {
                ("", "") => "cluster",
                ("", _) => "namespace",
                _ => "resource",
            },
        }
    }
    fn labels(&self) -> String {
        let Self { verb, group, version, resource, subresource, scope } = self;
        format!(
            "component=\"apiserver\",dry_run=\"\",group=\"{group}\",resource=\"{resource}\",scope=\"{scope}\",\
             subresource=\"{subresource}\",verb=\"{verb}\",version=\"{version}\""
        )
    }
}

/// A verb as kube-apiserver's metrics name it.
fn word(verb: &str) -> &'static str {
    match verb {
        "get" => "GET",
        "list" => "LIST",
        "watch" => "WATCH",
        "create" => "POST",
        "update" => "PUT",
        "patch" => "PATCH",
        "delete" => "DELETE",
        "deletecollection" => "DELETECOLLECTION",
        _ => "CONNECT",
    }
}

/// How long requests of one sort took.
#[derive(Default)]
struct Times {
    buckets: [u64; BUCKETS.len()],
    count: u64,
    seconds: f64,
}

#[derive(Default)]
struct State {
    requests: BTreeMap<(Sort, u16), u64>,
    times: BTreeMap<Sort, Times>,
    lasting: BTreeMap<Sort, u64>,
}

/// Counts of requests; cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Metrics(Arc<Mutex<State>>);

/// A request that lasts, for as long as it does.
pub(crate) struct Lasting(Metrics, Sort);

impl Drop for Lasting {
    fn drop(&mut self) {
        if let Some(count) = self.0.lock().lasting.get_mut(&self.1) {
            *count = count.saturating_sub(1);
        }
    }
}

impl Metrics {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
    /// Counts an answer; how long a request takes that lasts as long as its client likes tells nothing.
    pub(crate) fn count(&self, sort: Sort, code: u16, began: Instant) {
        let mut state = self.lock();
        *state.requests.entry((sort, code)).or_default() += 1;
        if sort.verb == "WATCH" {
            return;
        }
        let seconds = began.elapsed().as_secs_f64();
        let times = state.times.entry(sort).or_default();
        times.count += 1;
        times.seconds += seconds;
        if let Some(bucket) = BUCKETS.iter().position(|bound| seconds <= *bound) {
            times.buckets[bucket] += 1;
        }
    }
    /// The same answer, counted among the lasting ones until its body ends.
    pub(crate) fn hold(&self, sort: Sort, response: HttpResponse) -> HttpResponse {
        *self.lock().lasting.entry(sort).or_default() += 1;
        let lasting = Lasting(self.clone(), sort);
        response.map_body(|_, body| BoxBody::new(Held { body, _lasting: lasting }))
    }
    /// The exposition.
    pub(crate) fn render(&self, app: &App) -> String {
        let mut text = String::new();
        self.requests(&mut text);
        let (reading, writing) = app.limits.in_flight();
        family(&mut text, "apiserver_current_inflight_requests", "gauge", "Requests in flight.");
        for (kind, count) in [("readOnly", reading), ("mutating", writing)] {
            line(&mut text, "apiserver_current_inflight_requests", &format!("request_kind=\"{kind}\""), count);
        }
        // The newer name has the group apart.
        family(&mut text, "apiserver_storage_objects", "gauge", "Stored objects by kind.");
        let stored =
            || KINDS.iter().filter(|kind| !kind.live).map(|k| (k, app.api.backend().snapshot(k).objects.size()));
        for (kind, count) in stored() {
            line(&mut text, "apiserver_storage_objects", &format!("resource=\"{}\"", kind.resource), count);
        }
        family(&mut text, "apiserver_resource_objects", "gauge", "Stored objects by group and resource.");
        for (kind, count) in stored() {
            let labels = format!("group=\"{}\",resource=\"{}\"", kind.group, kind.plural);
            line(&mut text, "apiserver_resource_objects", &labels, count);
        }
        process::render(&mut text);
        text
    }

    fn requests(&self, text: &mut String) {
        let state = self.lock();
        family(text, REQUESTS, "counter", "Requests by verb, resource and code.");
        for ((sort, code), count) in &state.requests {
            line(text, REQUESTS, &format!("code=\"{code}\",{}", sort.labels()), count);
        }
        family(text, LASTING, "gauge", "Watches that go on.");
        for (sort, count) in &state.lasting {
            line(text, LASTING, &sort.labels(), count);
        }
        family(text, DURATION, "histogram", "How long requests took, in seconds.");
        for (sort, times) in &state.times {
            let labels = sort.labels();
            let mut below = 0;
            for (bound, count) in BUCKETS.iter().zip(times.buckets) {
                below += count;
                line(text, &format!("{DURATION}_bucket"), &format!("{labels},le=\"{bound}\""), below);
            }
            line(text, &format!("{DURATION}_bucket"), &format!("{labels},le=\"+Inf\""), times.count);
            line(text, &format!("{DURATION}_sum"), &labels, times.seconds);
            line(text, &format!("{DURATION}_count"), &labels, times.count);
        }
    }
}

/// Begins a metric. Writing to a String cannot fail.
fn family(text: &mut String, name: &str, kind: &str, help: &str) {
    let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
}

/// One sample of it.
fn line(text: &mut String, name: &str, labels: &str, value: impl std::fmt::Display) {
    let _ =
        if labels.is_empty() { writeln!(text, "{name} {value}") } else { writeln!(text, "{name}{{{labels}}} {value}") };
}

/// A body that is counted while it lasts.
struct Held {
    body: BoxBody,
    _lasting: Lasting,
}

impl MessageBody for Held {
    type Error = Box<dyn std::error::Error>;

    fn size(&self) -> BodySize {
        self.body.size()
    }
    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        Pin::new(&mut self.body).poll_next(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_counted_by_sort_and_time() {
        let kind = podium_kinds::by_resource("pods").unwrap();
        let target =
            Target { kind, namespace: "ns".to_owned(), name: "p".to_owned(), subresource: "made-up".to_owned() };
        let metrics = Metrics::default();
        let (get, watch) = (Sort::of("get", &target), Sort::of("watch", &target));
        let now = Instant::now();
        metrics.count(get, 200, now);
        metrics.count(get, 200, now - std::time::Duration::from_millis(300));
        metrics.count(watch, 200, now);
        let answer = metrics.hold(watch, HttpResponse::Ok().body("x"));
        let text = || {
            let mut text = String::new();
            metrics.requests(&mut text);
            text
        };
        let labels = "component=\"apiserver\",dry_run=\"\",group=\"\",resource=\"pods\",scope=\"resource\",\
            subresource=\"\",verb=\"GET\",version=\"v1\"";
        let shown = text();
        for line in [
            format!("apiserver_request_total{{code=\"200\",{labels}}} 2\n"),
            format!("apiserver_request_duration_seconds_bucket{{{labels},le=\"0.2\"}} 1\n"),
            format!("apiserver_request_duration_seconds_bucket{{{labels},le=\"+Inf\"}} 2\n"),
            format!("apiserver_longrunning_requests{{{}}} 1\n", labels.replace("GET", "WATCH")),
        ] {
            assert!(shown.contains(&line), "{line}{shown}");
        }
        drop(answer);
        assert!(text().contains(&format!("apiserver_longrunning_requests{{{}}} 0\n", labels.replace("GET", "WATCH"))));
    }
}
