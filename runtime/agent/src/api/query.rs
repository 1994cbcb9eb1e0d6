//! Query strings and error answers.

use crate::{
    pods::{PodSlot, PodView},
    shared::Shared,
};
use actix_web::{HttpRequest, HttpResponse, http::StatusCode};
use serde_json::Value;
use std::sync::Arc;

/// Decoded pairs of a query string, in order.
pub(super) struct Query(Vec<(String, String)>);

impl Query {
    pub fn of(request: &HttpRequest) -> Self {
        Self::parse(request.query_string())
    }
    fn parse(text: &str) -> Self {
        let pairs = text.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(name), decode(value))
        });
        Self(pairs.collect())
    }
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(n, _)| n == name).map(|(_, value)| value.as_str())
    }
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }
    /// True unless absent, `false` or `0`, as Kubernetes reads it: clients write `true`, `True`, `1` or the name alone.
    pub fn flag(&self, name: &str) -> bool {
        self.get(name).is_some_and(|value| value != "0" && !value.eq_ignore_ascii_case("false"))
    }
}

fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let (mut out, mut at) = (Vec::with_capacity(bytes.len()), 0);
    while at < bytes.len() {
        let hex = bytes.get(at + 1..at + 3).and_then(|h| std::str::from_utf8(h).ok());
        match (bytes[at], hex.and_then(|h| u8::from_str_radix(h, 16).ok())) {
            (b'%', Some(byte)) => {
                out.push(byte);
                at += 3;
                continue;
            }
            (b'+', _) => out.push(b' '),
            (byte, _) => out.push(byte),
        }
        at += 1;
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// A plain-text answer, as the kubelet gives them.
pub(super) fn refuse(status: StatusCode, text: impl Into<String>) -> HttpResponse {
    HttpResponse::build(status).content_type("text/plain; charset=utf-8").body(text.into())
}

/// Why a request is not served, as status and text.
pub(super) struct Refusal(pub StatusCode, pub String);

impl From<Refusal> for HttpResponse {
    fn from(Refusal(status, text): Refusal) -> Self {
        refuse(status, text)
    }
}

/// The pod of that name with what its actor shows.
pub(super) fn find(shared: &Shared, namespace: &str, pod: &str) -> Result<(Arc<PodSlot>, Arc<PodView>), Refusal> {
    let missing = || Refusal(StatusCode::NOT_FOUND, format!("pod \"{pod}\" does not exist"));
    let early = || Refusal(StatusCode::BAD_REQUEST, "the pod is not started yet".to_owned());
    let slot = shared.pods.find(namespace, pod).ok_or_else(missing)?;
    let view = slot.view.load_full().ok_or_else(early)?;
    Ok((slot, view))
}

/// A container's status.
pub(super) fn container<'a>(view: &'a PodView, name: &str) -> Option<&'a Value> {
    let lists = ["containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses"];
    lists.iter().filter_map(|list| view.status[*list].as_array()).flatten().find(|c| c["name"] == name)
}

/// Restart count of a container: the number of its present life.
pub(super) fn attempt(status: &Value) -> u32 {
    status["restartCount"].as_u64().and_then(|n| u32::try_from(n).ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_decoded_in_order() {
        let query = Query::parse("command=sh&command=-c&command=echo+a%20b%26c&tty&stdin=false&bad=%zz");
        assert_eq!(query.all("command").collect::<Vec<_>>(), ["sh", "-c", "echo a b&c"]);
        assert!(query.flag("tty") && !query.flag("stdin") && !query.flag("stdout"));
        assert_eq!(query.get("bad"), Some("%zz"));
    }
}
