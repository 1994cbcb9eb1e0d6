//! Protobuf answers: objects, lists, metadata and watch frames.

use super::{MAPS, with_server};
use http_body_util::BodyExt;
use podium_machinery::protobuf;
use serde_json::{Value, json};

const ACCEPT: &[(&str, &str)] = &[("accept", "application/vnd.kubernetes.protobuf,application/json")];

impl super::Cluster {
    /// The content type, and the body as JSON.
    async fn binary(&self, path: &str, headers: &[(&str, &str)]) -> (String, Value) {
        let response = self.raw("GET", path, headers, "").await;
        let media_type = response.headers()["content-type"].to_str().unwrap().to_owned();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (media_type, protobuf::decode(&body).unwrap())
    }
}

#[test]
fn objects_and_lists() {
    with_server(|c| async move {
        c.make("a").await;
        let one = format!("{MAPS}/a");
        let (media_type, object) = c.binary(&one, ACCEPT).await;
        assert_eq!((media_type.as_str(), &object), (protobuf::MEDIA_TYPE, &c.get(&one).await.1));
        let (_, list) = c.binary(MAPS, ACCEPT).await;
        assert_eq!((&list["kind"], &list["items"][0]["metadata"]), (&json!("ConfigMapList"), &object["metadata"]));
        assert_eq!(list["metadata"]["resourceVersion"], object["metadata"]["resourceVersion"]);
        let partial = "application/vnd.kubernetes.protobuf;as=PartialObjectMetadata;g=meta.k8s.io;v=v1";
        let (_, metadata) = c.binary(&one, &[("accept", partial)]).await;
        assert_eq!((&metadata["kind"], &metadata["metadata"]), (&json!("PartialObjectMetadata"), &object["metadata"]));
        let partial = partial.replace(";g=", "List;g=");
        let (_, list) = c.binary(MAPS, &[("accept", &partial)]).await;
        assert_eq!(list["items"][0]["metadata"], object["metadata"]);
        // Refusals are JSON, and say so.
        let (code, missing) = c.ask("GET", &format!("{MAPS}/b"), ACCEPT, "").await;
        assert_eq!((code, &missing["reason"]), (404, &json!("NotFound")));
    });
}

/// The next frame of a watch: its word and its object.
async fn frame(body: &mut hyper::body::Incoming, rest: &mut Vec<u8>) -> Value {
    loop {
        if let Some((head, tail)) = rest.split_at_checked(4) {
            let length = u32::from_be_bytes(head.try_into().unwrap()) as usize;
            if let Some(event) = tail.get(..length) {
                // An envelope of its own makes the event readable as any object is.
                let schema = podium_types::registry::by_kind("v1", "WatchEvent").unwrap();
                let mut envelope = b"k8s\0\x12".to_vec();
                envelope.extend([(length & 0x7f) as u8 | 0x80, (length >> 7) as u8]);
                envelope.extend_from_slice(event);
                let read = protobuf::decode_as(&envelope, schema).unwrap();
                rest.drain(..4 + length);
                return read;
            }
        }
        rest.extend_from_slice(&body.frame().await.unwrap().unwrap().into_data().unwrap());
    }
}

#[test]
fn watches() {
    with_server(|c| async move {
        c.make("a").await;
        let path = format!(
            "{MAPS}?watch=1&resourceVersion=0&allowWatchBookmarks=true&sendInitialEvents=true\
            &resourceVersionMatch=NotOlderThan"
        );
        let accept = [("accept", "application/vnd.kubernetes.protobuf;stream=watch")];
        let response = c.raw("GET", &path, &accept, "").await;
        assert_eq!(response.headers()["content-type"], protobuf::WATCH_TYPE);
        let (mut body, mut rest) = (response.into_body(), Vec::new());
        let first = frame(&mut body, &mut rest).await;
        assert_eq!((&first["type"], &first["object"]), (&json!("ADDED"), &c.get(&format!("{MAPS}/a")).await.1));
        let mark = frame(&mut body, &mut rest).await;
        assert_eq!(mark["type"], "BOOKMARK");
        assert_eq!(mark["object"]["metadata"]["annotations"]["k8s.io/initial-events-end"], "true");
        c.make("b").await;
        let second = frame(&mut body, &mut rest).await;
        assert_eq!((&second["type"], &second["object"]["metadata"]["name"]), (&json!("ADDED"), &json!("b")));
    });
}
