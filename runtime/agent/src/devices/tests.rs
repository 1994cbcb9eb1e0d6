//! A plugin of our own registers, and containers get its devices.

use super::{
    Devices,
    proto::{Message, fields},
    rpc,
};
use k8s_openapi::api::core::v1::Pod;
use podium_lifecycle::resources::Amounts;
use serde_json::json;
use std::{path::Path, sync::Arc, time::Duration};
use tokio::net::{UnixListener, UnixStream};

const RESOURCE: &str = "example.com/dev";

fn pod(count: &str) -> Pod {
    let resources = json!({ "limits": { RESOURCE: count, "cpu": "1" } });
    serde_json::from_value(json!({ "spec": { "containers": [{ "name": "c", "resources": resources }] } }))
        .expect("a pod")
}

/// Answers every call as a plugin with devices `a`, `b` (and `c`, which is ill) does. Its list ends with the call.
fn answer(method: &str, message: &[u8]) -> Result<Vec<u8>, String> {
    let device = |id: &str, health: &str| Message::default().text(1, id).text(2, health).bytes();
    let ids = |message: &[u8]| -> Vec<String> {
        let container = fields(message).expect("a message")[0].1.bytes().expect("a container");
        let ids = fields(container).expect("a container").into_iter().filter(|(field, _)| *field == 1);
        ids.map(|(_, id)| id.text().expect("an id")).collect()
    };
    Ok(match method.rsplit('/').next().unwrap_or_default() {
        "ListAndWatch" => {
            let all = [("a", "Healthy"), ("b", "Healthy"), ("c", "Unhealthy")];
            all.into_iter().fold(Message::default(), |m, (id, health)| m.item(1, &device(id, health))).bytes()
        }
        "GetPreferredAllocation" => Message::default().item(1, &Message::default().item(1, b"b").bytes()).bytes(),
        "Allocate" => {
            let chosen = ids(message).join(",");
            let env = Message::default().text(1, "DEVICES").text(2, &chosen).bytes();
            Message::default().item(1, &Message::default().item(1, &env).bytes()).bytes()
        }
        "PreStartContainer" => return Err("not today".to_owned()),
        other => return Err(format!("no method {other}")),
    })
}

/// Serves connections; the plugin of a test needs no more than some.
async fn plugin(listener: UnixListener) {
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(rpc::serve(stream, answer));
    }
}

async fn register(dir: &Path, version: &str, pre_start: u64) -> Result<Vec<u8>, String> {
    let options = Message::default().number(1, pre_start).number(2, 1).bytes();
    let request = Message::default().text(1, version).text(2, "dev.sock").text(3, RESOURCE).item(4, &options).bytes();
    rpc::call(&dir.join("kubelet.sock"), "/v1beta1.Registration/Register", &request).await
}

fn amounts(found: Amounts) -> Vec<(String, String)> {
    found.into_iter().map(|(name, amount)| (name, amount.0)).collect()
}

#[tokio::test]
async fn containers_get_devices_and_an_agents_next_life_knows_them() {
    let dir = tempfile::tempdir().expect("a directory");
    let devices = Arc::new(Devices::open(&dir.path().join("plugins"), dir.path()).expect("devices"));
    let node = devices.clone();
    let serving = tokio::spawn(async move { node.serve().await });
    let sockets = dir.path().join("plugins");
    while UnixStream::connect(sockets.join("kubelet.sock")).await.is_err() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let acting = tokio::spawn(plugin(UnixListener::bind(sockets.join("dev.sock")).expect("a socket")));
    let refused = register(&sockets, "v1alpha1", 0).await.expect_err("another version");
    assert!(refused.contains("is not supported by kubelet"), "{refused}");
    assert_eq!(devices.give("p", &pod("1")).await.map_err(|e| e.to_string()), Ok(()), "nobody answers for it");
    assert!(devices.prepare("p", "c").await.expect("nothing").env.is_empty());

    let mut changed = devices.changed.subscribe();
    register(&sockets, "v1beta1", 0).await.expect("it is taken");
    // Listed, then gone, as its list ended.
    changed.wait_for(|n| *n >= 2).await.expect("it is followed");
    let expected = |count: &str| vec![(RESOURCE.to_owned(), count.to_owned())];
    assert_eq!(amounts(devices.capacity(&Amounts::new())), expected("3"));
    assert_eq!(amounts(devices.allocatable(&Amounts::new())), expected("0"));
    let none = devices.give("p", &pod("1")).await.expect_err("none is well");
    assert!(none.to_string().starts_with("Allocate failed due to no healthy devices present"), "{none}");

    let two = ["a", "b", "c"].map(|id| (id.to_owned(), id != "c"));
    devices.ledger().report(RESOURCE, two.clone().into());
    devices.give("p", &pod("1")).await.expect("a device");
    let given = devices.prepare("p", "c").await.expect("what it gets");
    assert_eq!(given.env.get("DEVICES").map(String::as_str), Some("b"), "the one the plugin prefers");
    let short = devices.give("q", &pod("2")).await.expect_err("one is taken");
    assert!(short.to_string().contains("Requested: 2, Available: 1"), "{short}");
    assert_eq!(
        devices.status("p", "c"),
        Some(json!([{ "name": RESOURCE, "resources": [
        { "resourceID": "b", "health": "Healthy" }] }]))
    );

    register(&sockets, "v1beta1", 1).await.expect("it is taken again");
    let late = devices.prepare("p", "c").await.expect_err("the plugin is asked first");
    assert!(late.to_string().contains("not today"), "{late}");

    let next = Devices::open(&sockets, dir.path()).expect("devices");
    assert_eq!(next.prepare("p", "c").await.expect("as before"), given);
    next.ledger().report(RESOURCE, two.into());
    next.release("p").expect("released");
    assert_eq!(next.status("p", "c"), None);
    serving.abort();
    acting.abort();
}
