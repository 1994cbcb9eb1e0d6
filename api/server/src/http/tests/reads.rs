//! What reads promise about revisions, and how large answers travel.

use super::{MAPS, message, with_server};
use flate2::read::GzDecoder;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use std::io::Read;

fn names(list: &Value) -> Vec<&str> {
    let items = list["items"].as_array().map(Vec::as_slice).unwrap_or_default();
    items.iter().filter_map(|i| i["metadata"]["name"].as_str()).collect()
}

#[test]
fn revisions_are_exact_or_not_older() {
    with_server(|c| async move {
        c.make("a").await;
        let at = c.memory.snapshot_revision();
        c.make("b").await;
        let exact = format!("{MAPS}?resourceVersion={at}&resourceVersionMatch=Exact");
        let (_, list) = c.get(&exact).await;
        assert_eq!((names(&list), &list["metadata"]["resourceVersion"]), (vec!["a"], &json!(at.to_string())));
        // The older way to ask for an exact revision.
        let (_, list) = c.get(&format!("{MAPS}?resourceVersion={at}&limit=5")).await;
        assert_eq!(names(&list), ["a"]);
        for query in
            [format!("resourceVersion={at}"), format!("resourceVersion={at}&resourceVersionMatch=NotOlderThan")]
        {
            assert_eq!(names(&c.get(&format!("{MAPS}?{query}")).await.1), ["a", "b"], "{query}");
        }
        assert_eq!(names(&c.get(&format!("{MAPS}?resourceVersion=0&limit=5")).await.1), ["a", "b"]);
        let one = format!("{MAPS}/a");
        assert_eq!(c.get(&format!("{one}?resourceVersion={at}")).await.0, 200);
        for path in [MAPS, &one] {
            let (code, early) = c.get(&format!("{path}?resourceVersion={}", at + 1000)).await;
            assert_eq!((code, &early["details"]["causes"][0]["reason"]), (504, &json!("ResourceVersionTooLarge")));
            assert!(message(&early).contains("Too large resource version"), "{early}");
            assert_eq!(c.get(&format!("{path}?resourceVersion=x")).await.0, 400, "{path}");
        }
        c.memory.compact();
        let (code, old) = c.get(&exact).await;
        assert_eq!((code, &old["reason"]), (410, &json!("Expired")));
        for query in
            ["resourceVersionMatch=Exact", "resourceVersion=0&resourceVersionMatch=Exact", "resourceVersionMatch=Odd"]
        {
            assert_eq!(c.get(&format!("{MAPS}?{query}")).await.0, 422, "{query}");
        }
    });
}

#[test]
fn pages_hang_together_until_history_is_gone() {
    with_server(|c| async move {
        for name in ["a", "b", "c", "d"] {
            c.make(name).await;
        }
        let (_, first) = c.get(&format!("{MAPS}?limit=2")).await;
        assert_eq!((names(&first), &first["metadata"]["remainingItemCount"]), (vec!["a", "b"], &json!(2)));
        let token = first["metadata"]["continue"].as_str().unwrap().to_owned();
        c.make("bb").await;
        // The next page is of the revision of the first.
        let (_, second) = c.get(&format!("{MAPS}?limit=1&continue={token}")).await;
        assert_eq!((names(&second), &second["metadata"]["remainingItemCount"]), (vec!["c"], &json!(1)));
        assert_eq!(second["metadata"]["resourceVersion"], first["metadata"]["resourceVersion"]);
        c.memory.compact();
        let (code, gone) = c.get(&format!("{MAPS}?limit=2&continue={token}")).await;
        assert_eq!(code, 410);
        let token = gone["metadata"]["continue"].as_str().unwrap();
        // From now on the list is what it is at each page.
        let (_, rest) = c.get(&format!("{MAPS}?limit=2&continue={token}")).await;
        assert_eq!((names(&rest), &rest["metadata"]["remainingItemCount"]), (vec!["bb", "c"], &json!(1)));
        let (_, selected) = c.get(&format!("{MAPS}?limit=1&labelSelector=!x")).await;
        assert_eq!((names(&selected), selected["metadata"].get("remainingItemCount")), (vec!["a"], None));
        assert_eq!(c.get(&format!("{MAPS}?continue=nonsense")).await.0, 400);
        let mixed = format!("{MAPS}?continue={token}&resourceVersion=1");
        assert_eq!(c.get(&mixed).await.0, 400);
    });
}

#[test]
fn large_answers_are_packed_where_the_client_takes_it() {
    with_server(|c| async move {
        let large = json!({"metadata": {"name": "large"}, "data": {"k": "x".repeat(200 * 1024)}});
        assert_eq!(c.post(MAPS, &large).await.0, 201);
        c.make("small").await;
        for (path, form, packed) in [
            (MAPS.to_owned(), "application/json", true),
            (format!("{MAPS}/large"), "application/json", true),
            (format!("{MAPS}/large"), "application/vnd.kubernetes.protobuf", true),
            (format!("{MAPS}/small"), "application/json", false),
        ] {
            let headers = [("accept-encoding", "deflate, gzip;q=0.9"), ("accept", form)];
            let response = c.raw("GET", &path, &headers, "").await;
            assert_eq!(response.headers().contains_key("content-encoding"), packed, "{path}");
            let packed_body = response.into_body().collect().await.unwrap().to_bytes();
            let plain =
                c.raw("GET", &path, &[("accept", form)], "").await.into_body().collect().await.unwrap().to_bytes();
            if packed {
                let mut read = Vec::new();
                GzDecoder::new(&packed_body[..]).read_to_end(&mut read).unwrap();
                assert!(packed_body.len() < plain.len() / 2 && read == plain, "{path}");
            } else {
                assert_eq!(packed_body, plain);
            }
        }
    });
}
