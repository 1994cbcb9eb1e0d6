//! What a pod asks of its sandbox that this node may not have: then no sandbox is made, and the pod is told why.

use super::Place;
use crate::{Error, Result};
use k8s_openapi::api::node::v1::RuntimeClass;
use kube::Api;

/// Handlers that lead to the one runtime there is; manifests mostly name runc's.
const HANDLERS: [&str; 3] = ["", "podium", "runc"];

/// Refuses what would be ignored otherwise.
pub(super) async fn check(place: &Place) -> Result<()> {
    let Some(spec) = place.spec() else { return Ok(()) };
    let Some(name) = spec.runtime_class_name.as_deref().filter(|name| !name.is_empty()) else { return Ok(()) };
    let api: Api<RuntimeClass> = Api::all(place.shared.client.clone());
    let class = api.get_opt(name).await?;
    let class = class.ok_or_else(|| Error::Other(format!("runtimeclass.node.k8s.io \"{name}\" not found")))?;
    if HANDLERS.contains(&class.handler.as_str()) {
        return Ok(());
    }
    Err(Error::Other(format!("failed to get sandbox runtime: no runtime for \"{}\" is configured", class.handler)))
}
