//! What those who run the cluster know beyond its objects; `podium-system` implements it over its actors.

use futures_util::future::BoxFuture;
use podium_types::Key;
use serde_json::Value;

/// Looks into the running controllers.
pub trait Insight: Send + Sync + 'static {
    /// Why the pod is where it is, or waits: the scheduler's word on every node, as JSON. Decided on a picture of the
    /// cluster that holds `revision` at least; `None` where there is none in time, or where the pod is not in it.
    fn explain(&self, pod: Key, revision: u64) -> BoxFuture<'static, Option<Value>>;
    /// What the controllers count, in the Prometheus text format.
    fn metrics(&self) -> String;
}
