//! What every request handler shares.

use super::{limits::Limits, metrics::Metrics};
use crate::{agents::Agents, auth::authenticate::TokenReader, insight::Insight, verbs::Api};
use podium_types::ApiError;
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};
use tokio_util::sync::CancellationToken;

/// Seconds after which a client should ask again while the server starts.
const RETRY_AFTER: u32 = 1;

/// The running server.
pub(crate) struct App {
    pub(crate) api: Api,
    pub(crate) address: String,
    pub(crate) tokens: TokenReader,
    pub(crate) limits: Limits,
    pub(crate) metrics: Metrics,
    pub(crate) agents: Agents,
    /// Looks into the running controllers, where there are any.
    pub(crate) insight: Option<Arc<dyn Insight>>,
    /// Ends open watches and streams when the server stops.
    pub(crate) stop: CancellationToken,
    started: AtomicBool,
}

impl App {
    pub(crate) fn new(
        api: Api,
        address: String,
        agents: Agents,
        insight: Option<Arc<dyn Insight>>,
        stop: CancellationToken,
    ) -> Self {
        Self {
            api,
            address,
            agents,
            insight,
            stop,
            tokens: TokenReader::default(),
            limits: Limits::default(),
            metrics: Metrics::default(),
            started: AtomicBool::new(false),
        }
    }

    /// 503 until the backend has been ready once: before that, memory is empty, and an empty list
    /// would tell clients that everything is gone. Later reads go on without the database.
    pub(crate) fn started(&self) -> Result<(), ApiError> {
        if self.started.load(Ordering::Relaxed) {
            return Ok(());
        }
        if self.api.backend().ready() {
            self.started.store(true, Ordering::Relaxed);
            return Ok(());
        }
        Err(ApiError::unavailable("the server is starting", RETRY_AFTER))
    }
}
