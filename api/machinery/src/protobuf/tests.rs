//! The wire form against the shared facts, and against random bytes.

use super::*;
use proptest::prelude::*;
use std::{fs, path::PathBuf};

/// Every kind, fully populated: name, JSON, protobuf.
fn oracle() -> Vec<(String, Value, Vec<u8>)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/kubernetes-v1.36/objects");
    let Ok(entries) = fs::read_dir(&folder) else {
        println!("skipped: the oracle objects are not here");
        return Vec::new();
    };
    let mut names: Vec<PathBuf> = entries.filter_map(|e| Some(e.ok()?.path())).collect();
    names.retain(|path| path.extension().is_some_and(|e| e == "pb"));
    names.sort();
    let read = |path: PathBuf| {
        let json = fs::read(path.with_extension("json")).expect("JSON beside protobuf");
        let name = path.file_stem().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        (name, serde_json::from_slice(&json).expect("JSON"), fs::read(path).expect("protobuf"))
    };
    names.into_iter().map(read).collect()
}

/// The type of an object whose envelope may be silent.
fn schema(name: &str, object: &Value) -> &'static Type {
    let version = object["apiVersion"].as_str().unwrap_or("v1");
    let kind = object["kind"].as_str().unwrap_or_else(|| name.rsplit('.').next().unwrap_or_default());
    let meta = || registry::get(&format!("io.k8s.apimachinery.pkg.apis.meta.v1.{kind}"));
    registry::by_kind(version, kind).or_else(meta).unwrap_or_else(|| panic!("no schema for {name}"))
}

#[test]
fn every_object_decodes_to_its_json() {
    for (name, json, bytes) in oracle() {
        let decoded = decode_as(&bytes, schema(&name, &json)).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(decoded, json, "{name}");
        if json["kind"].is_string() {
            assert_eq!(decode(&bytes), Ok(json), "{name}");
        }
    }
}

#[test]
fn every_object_survives_encoding() {
    for (name, json, _) in oracle() {
        let schema = schema(&name, &json);
        assert_eq!(decode_as(&encode_as(&json, schema), schema), Ok(json), "{name}");
    }
}

#[test]
fn lists_and_frames_hold_their_objects() {
    let pods = [json!({"metadata": {"name": "a"}}), json!({"metadata": {"name": "b"}, "spec": {"nodeName": "n"}})];
    let metadata = json!({"resourceVersion": "7", "remainingItemCount": 3});
    let list = encode_list("v1", "PodList", &metadata, pods.iter().cloned()).expect("PodList");
    let read = decode(&list).expect("decodes");
    assert_eq!((&read["kind"], &read["metadata"]), (&json!("PodList"), &metadata));
    assert_eq!(read["items"].as_array().map(Vec::as_slice), Some(&pods[..]));
    assert_eq!(encode_list("v1", "Nothing", &metadata, std::iter::empty()), None);
    let object = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}});
    let frame = encode_event("ADDED", &encode(&object).expect("Pod"));
    let (length, event) = frame.split_at(4);
    assert_eq!(length, u32::try_from(event.len()).expect("short").to_be_bytes());
    let schema = registry::by_kind("v1", "WatchEvent").expect("WatchEvent");
    let read = message::decode(event, schema, MAX_DEPTH).expect("decodes");
    assert_eq!((&read["type"], &read["object"]), (&json!("ADDED"), &object));
    assert!(encodable(registry::by_kind("v1", "Pod").expect("Pod")));
    let actor = registry::by_kind("supervision.podium.dev/v1alpha1", "Actor").expect("Actor");
    assert!(!encodable(actor));
}

#[test]
fn zero_values_mean_what_go_means() {
    let claim = registry::by_kind("v1", "PersistentVolumeClaim").expect("PersistentVolumeClaim");
    let object = json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "a", "namespace": ""},
        "spec": {"storageClassName": "", "volumeName": ""}});
    let made = decode(&encode_as(&object, claim)).expect("decodes");
    assert_eq!(made["metadata"], json!({"name": "a"}));
    assert_eq!(made["spec"], json!({"storageClassName": ""}));
    let service = registry::by_kind("v1", "Service").expect("Service");
    let object = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "a"}, "spec": {
        "publishNotReadyAddresses": false, "healthCheckNodePort": 0, "allocateLoadBalancerNodePorts": false,
        "ports": [{"port": 0}]}});
    let made = decode(&encode_as(&object, service)).expect("decodes");
    assert_eq!(made["spec"], json!({"allocateLoadBalancerNodePorts": false, "ports": [{"port": 0}]}));
}

#[test]
fn broken_bodies_are_refused() {
    for bytes in [&b""[..], b"k8s", b"k8s\0\x0a\x05", b"k8s\0\x12\x02\xff\xff", b"{}"] {
        assert_eq!(decode(bytes).expect_err("broken").code, 400);
    }
    let unknown = json!({"apiVersion": "v9", "kind": "Nothing"});
    assert_eq!(encode(&unknown), None);
}

#[test]
fn durations_are_gos() {
    use registry::Shape;
    for text in ["0s", "1h2m3.5s", "1h0m0s", "90ms", "1.5µs", "-2m0s", "5ns"] {
        let bytes = special::encode(Shape::Duration, &json!(text));
        assert_eq!(special::decode(Shape::Duration, &bytes, 1), Ok(json!(text)));
    }
}

proptest! {
    /// Whatever bytes come, the decoder answers; it never breaks.
    #[test]
    fn no_bytes_break_the_decoder(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let pod = registry::by_kind("v1", "Pod").expect("Pod");
        let mut body = MAGIC.to_vec();
        body.extend([0x12, u8::try_from(bytes.len().min(127)).unwrap_or(0)]);
        body.extend(bytes);
        let _ = decode_as(&body, pod);
    }
}
