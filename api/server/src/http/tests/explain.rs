//! `pods/explain` over HTTP: found, refused, and as the one who knows says it.

use super::*;
use crate::insight::Insight;
use futures_util::{FutureExt, future::BoxFuture};

/// Knows every pod but `unseen`.
pub(super) struct Oracle;

impl Insight for Oracle {
    fn explain(&self, pod: podium_types::Key, revision: u64) -> BoxFuture<'static, Option<Value>> {
        let known = pod.name != "unseen";
        async move { known.then(|| json!({"message": format!("{} at {revision}", pod.name)})) }.boxed()
    }
    fn metrics(&self) -> String {
        "workqueue_depth{name=\"oracle\"} 7\n".to_owned()
    }
}

fn pod(name: &str) -> Value {
    json!({"kind": "Pod", "apiVersion": "v1", "metadata": {"name": name, "namespace": "default", "uid": name},
        "spec": {"containers": [{"name": "c", "image": "i"}]}})
}

#[test]
fn a_pod_is_explained() {
    with_server(|c| async move {
        for name in ["web", "unseen"] {
            c.memory.put("pods", pod(name));
        }
        let path = |name: &str| format!("/api/v1/namespaces/default/pods/{name}/explain");
        let revision = c.get("/api/v1/namespaces/default/pods/web").await.1["metadata"]["resourceVersion"].clone();
        let (code, told) = c.get(&path("web")).await;
        assert_eq!((code, &told["kind"], &told["metadata"]["uid"]), (200, &json!("Explanation"), &json!("web")));
        assert_eq!(told["message"], format!("web at {}", revision.as_str().unwrap()), "at least the pod as it is read");
        let (code, none) = c.get(&path("nobody")).await;
        assert_eq!((code, message(&none)), (404, "pods \"nobody\" not found"));
        assert_eq!(c.get(&path("unseen")).await.0, 503);
        assert_eq!(c.post(&path("web"), &json!({})).await.0, 405);
        assert!(c.get("/metrics").await.1.as_str().unwrap().contains("workqueue_depth{name=\"oracle\"} 7"));
    });
}
