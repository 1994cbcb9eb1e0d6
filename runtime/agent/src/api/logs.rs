//! `/containerLogs`: what `kubectl logs` reads.

use super::query::{Query, attempt, container, find, refuse};
use crate::{pod::Place, pods::PodSlot, shared::Shared};
use actix_web::{HttpRequest, HttpResponse, http::StatusCode, web};
use jiff::{SignedDuration, Timestamp};
use podium_oci::logs::{self, Options};
use std::sync::Arc;

pub(super) async fn serve(
    request: HttpRequest,
    path: web::Path<(String, String, String)>,
    shared: web::Data<Shared>,
) -> HttpResponse {
    let (namespace, pod, name) = path.into_inner();
    let query = Query::of(&request);
    let shared = shared.into_inner();
    let (slot, view) = match find(&shared, &namespace, &pod) {
        Ok(found) => found,
        Err(refusal) => return refusal.into(),
    };
    let Some(status) = container(&view, &name) else {
        return refuse(StatusCode::BAD_REQUEST, format!("container {name} not found in pod {pod}"));
    };
    let place = Place { shared: shared.clone(), pod: slot.pod.load_full(), uid: slot.uid.clone() };
    let mut life = attempt(status);
    if query.flag("previous") {
        // Between two lives the one that ended last is the previous one.
        let waits = status["state"]["waiting"].is_object() && status["lastState"]["terminated"].is_object();
        match life.checked_sub(1) {
            Some(previous) if !waits => life = previous,
            None if !waits => {
                let text = format!("previous terminated container \"{name}\" in pod \"{pod}\" not found");
                return refuse(StatusCode::BAD_REQUEST, text);
            }
            _ => {}
        }
    } else if status["state"]["waiting"].is_object() && !status["lastState"]["terminated"].is_object() {
        let reason = status["state"]["waiting"]["reason"].as_str().unwrap_or("ContainerCreating");
        let text = format!("container \"{name}\" in pod \"{pod}\" is waiting to start: {reason}");
        return refuse(StatusCode::BAD_REQUEST, text);
    }
    let options = match options(&query, Timestamp::now()) {
        Ok(options) => options,
        Err(text) => return refuse(StatusCode::BAD_REQUEST, text),
    };
    let follow = options.follow;
    let ended = ended(slot, name.clone(), life);
    let mut lines = match logs::read(&place.log(&name, life), options, ended) {
        Ok(lines) => lines,
        Err(error) => return refuse(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
    };
    let stream = async_stream::stream! {
        while let Some(piece) = lines.next().await {
            let failed = piece.is_err();
            yield piece;
            if failed {
                break;
            }
        }
    };
    let mut answer = HttpResponse::Ok();
    answer.content_type("text/plain; charset=utf-8");
    if follow {
        answer.insert_header(("Cache-Control", "no-store"));
    }
    answer.streaming(stream)
}

/// Whether that life of the container is over.
fn ended(slot: Arc<PodSlot>, name: String, life: u32) -> impl Fn() -> bool + Send + 'static {
    move || {
        let Some(view) = slot.view.load_full() else { return true };
        match container(&view, &name) {
            Some(status) => attempt(status) != life || !status["state"]["running"].is_object(),
            None => true,
        }
    }
}

fn options(query: &Query, now: Timestamp) -> Result<Options, String> {
    let number = |name: &str| match query.get(name) {
        None => Ok(None),
        Some(text) => text.parse::<u64>().map(Some).map_err(|_| format!("invalid {name}: {text:?}")),
    };
    let since = match (number("sinceSeconds")?, query.get("sinceTime")) {
        (Some(seconds), _) => {
            let seconds = i64::try_from(seconds).unwrap_or(i64::MAX);
            now.checked_sub(SignedDuration::from_secs(seconds)).ok()
        }
        (None, Some(text)) => Some(text.parse().map_err(|_| format!("invalid sinceTime: {text:?}"))?),
        (None, None) => None,
    };
    let stream = query.get("stream").unwrap_or("All");
    Ok(Options {
        tail: number("tailLines")?,
        since,
        timestamps: query.flag("timestamps"),
        limit_bytes: number("limitBytes")?,
        follow: query.flag("follow"),
        skip_stdout: stream == "Stderr",
        skip_stderr: stream == "Stdout",
    })
}
