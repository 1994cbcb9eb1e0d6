//! Request counts, in the Prometheus text format under kube-apiserver's names.

use std::{
    collections::BTreeMap,
    fmt::Write,
    sync::{Mutex, PoisonError},
};

type Label = (String, String, u16);

/// Requests by verb, resource and code.
#[derive(Default)]
pub(crate) struct Metrics {
    requests: Mutex<BTreeMap<Label, u64>>,
}

impl Metrics {
    /// Counts a request; `resource` must be one that is served, so that clients cannot make labels.
    pub(crate) fn count(&self, verb: &str, resource: &str, code: u16) {
        let mut requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        *requests.entry((verb.to_owned(), resource.to_owned(), code)).or_default() += 1;
    }
    /// The exposition; `in_flight` are the requests that read and that write.
    pub(crate) fn render(&self, in_flight: (usize, usize)) -> String {
        let mut text = String::from(
            "# HELP apiserver_request_total Requests by verb, resource and code.\n# TYPE apiserver_request_total counter\n",
        );
        for ((verb, resource, code), count) in &*self.requests.lock().unwrap_or_else(PoisonError::into_inner) {
            // Writing to a String cannot fail.
            let _ = writeln!(
                text,
                "apiserver_request_total{{verb=\"{verb}\",resource=\"{resource}\",code=\"{code}\"}} {count}"
            );
        }
        let (reading, writing) = in_flight;
        let _ = write!(
            text,
            "# HELP apiserver_current_inflight_requests Requests in flight.\n# TYPE apiserver_current_inflight_requests \
             gauge\napiserver_current_inflight_requests{{request_kind=\"readOnly\"}} {reading}\n\
             apiserver_current_inflight_requests{{request_kind=\"mutating\"}} {writing}\n"
        );
        text
    }
}
