//! What an autoscaler scales: any workload with a `scale` subresource.

use crate::{
    PlannedWrite, View, selector,
    view::{Header, Item},
};
use k8s_openapi::{
    api::{autoscaling::v2::CrossVersionObjectReference, core::v1::Pod},
    apimachinery::pkg::apis::meta::v1::LabelSelector,
};
use podium_kinds::by_kind;
use podium_types::{ApiError, Key};
use serde_json::{Value, json};
use std::sync::Arc;

/// A workload as its scale shows it.
pub struct Target {
    header: Arc<Header>,
    /// `spec.replicas`
    pub replicas: i32,
    /// Which pods it counts; `None` where it does not say.
    pub selector: Option<LabelSelector>,
}

impl Target {
    /// The workload that a reference names; why there is none, in the API server's words.
    pub fn find(view: &View, namespace: &str, to: &CrossVersionObjectReference) -> Result<Self, String> {
        let version = to.api_version.as_deref().unwrap_or("v1");
        let kind = by_kind(version, &to.kind).filter(|kind| kind.subresource("scale").is_some());
        let kind = kind.ok_or_else(|| {
            let group = version.split_once('/').map_or("", |(group, _)| group);
            format!("no matches for kind {:?} in group {group:?}", to.kind)
        })?;
        let header = view.header(kind.resource, &Key::new(namespace, &to.name));
        let header = header.ok_or_else(|| ApiError::not_found(kind.plural, kind.group, &to.name).message)?;
        let spec = header.object.value()["spec"].take();
        let replicas = spec["replicas"].as_i64().and_then(|n| i32::try_from(n).ok()).unwrap_or(1);
        Ok(Self { header: Arc::clone(header), replicas, selector: selector(&spec["selector"]) })
    }
    /// Whether a pod counts.
    pub fn selects(&self, pod: &Item<Pod>) -> bool {
        self.selector.as_ref().is_some_and(|selector| selector::matches(selector, &pod.object.labels))
    }
    /// Labels that every pod has which counts.
    pub fn labels(&self) -> selector::Labels {
        self.selector.as_ref().and_then(|selector| selector.match_labels.clone()).unwrap_or_default()
    }
    /// The selector for people.
    pub fn words(&self) -> String {
        let labels = self.selector.as_ref().and_then(|selector| selector.match_labels.as_ref());
        let pairs = labels.into_iter().flatten().map(|(name, value)| format!("{name}={value}"));
        pairs.collect::<Vec<_>>().join(",")
    }
    /// The write that gives it another size.
    pub fn scaled(&self, replicas: i32) -> PlannedWrite {
        PlannedWrite::Patch {
            resource: self.header.resource,
            subresource: "scale",
            key: self.header.key().clone(),
            uid: self.header.object.uid.clone(),
            revision: Some(self.header.object.revision),
            patch: json!({"spec": {"replicas": replicas}}),
        }
    }
}

/// A label selector; the oldest workloads have labels alone.
fn selector(value: &Value) -> Option<LabelSelector> {
    let members = value.as_object().filter(|members| !members.is_empty())?;
    if members.contains_key("matchLabels") || members.contains_key("matchExpressions") {
        return serde_json::from_value(value.clone()).ok();
    }
    Some(LabelSelector { match_labels: serde_json::from_value(value.clone()).ok(), ..LabelSelector::default() })
}
