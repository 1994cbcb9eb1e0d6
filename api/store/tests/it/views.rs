//! The views that users read with psql.

use crate::support::*;
use podium_kinds::KINDS;
use podium_machinery::state::{Action, Body, Write};
use podium_store::Writer;
use podium_types::{Key, meta};
use serde_json::{Value, json};
use uuid::Uuid;

fn stored(resource: &str, object: &Value) -> Write {
    let kind = KINDS.iter().find(|k| k.resource == resource).expect("served");
    let uid = uid();
    let action = Action::Create { uid, body: Body::of(object) };
    Write { kind, key: meta::key(object), actor: "test".into(), action, charges: Vec::new() }
}

#[tokio::test]
async fn views_show_what_people_ask_for_first() {
    let fixture = Fixture::new().await;
    let db = fixture.database().await;
    let mut writer = Writer::open(&db, Uuid::new_v4()).await.expect("opened");
    let pod = json!({"kind": "Pod", "apiVersion": "v1",
        "metadata": {"name": "p", "namespace": "ns", "labels": {"app": "x"}, "creationTimestamp": "2026-01-02T03:04:05Z",
            "ownerReferences": [{"kind": "ReplicaSet", "name": "rs", "controller": true}]},
        "spec": {"nodeName": "n1"},
        "status": {"phase": "Running", "podIP": "10.0.0.1", "containerStatuses": [{"restartCount": 2}, {"restartCount": 1}]}});
    let pending = json!({"kind": "Pod", "apiVersion": "v1", "metadata": {"name": "q", "namespace": "ns"}});
    let deployment = json!({"kind": "Deployment", "apiVersion": "apps/v1", "metadata": {"name": "d", "namespace": "ns"},
        "spec": {"replicas": 3}, "status": {"readyReplicas": 2}});
    let node = json!({"kind": "Node", "apiVersion": "v1", "metadata": {"name": "n1"},
        "status": {"conditions": [{"type": "Ready", "status": "True"}]}});
    let writes = [
        stored("pods", &pod),
        stored("pods", &pending),
        stored("deployments.apps", &deployment),
        stored("nodes", &node),
    ];
    let batch = writer.commit(&writes).await;
    assert!(batch.outcomes.iter().all(Result::is_ok), "{:?}", batch.outcomes);

    let sql = async |statement: &str| fixture.sql(statement).await;
    assert_eq!(
        sql("SELECT namespace, name, node, phase, ip, restarts, owner FROM podium.pods ORDER BY name").await,
        ["ns|p|n1|Running|10.0.0.1|3|rs", "ns|q||||0|"]
    );
    assert_eq!(sql("SELECT name FROM podium.pods WHERE labels @> '{\"app\": \"x\"}'").await, ["p"]);
    assert_eq!(sql("SELECT created FROM podium.pods WHERE name = 'p'").await, ["2026-01-02 03:04:05+00"]);
    assert_eq!(sql("SELECT name, replicas, ready FROM podium.deployments").await, ["d|3|2"]);
    assert_eq!(sql("SELECT name, ready FROM podium.nodes").await, ["n1|True"]);
    assert_eq!(
        sql("SELECT change, resource, name, actor FROM podium.history ORDER BY revision LIMIT 1").await,
        ["ADDED|pods|p|test"]
    );
    let views = sql("SELECT table_name FROM information_schema.views WHERE table_schema = 'podium'").await;
    for kind in KINDS.iter().filter(|k| !k.live) {
        assert!(views.iter().any(|v| v == kind.plural), "no view podium.{}", kind.plural);
    }
    for view in views {
        sql(&format!("SELECT * FROM podium.{view}")).await;
    }
    assert_eq!(Key::new("ns", "p"), meta::key(&pod));
}
