//! Options of writes and deletes, in the query and in the body, and what is said of wrong ones.

use super::*;

#[test]
fn options_are_refused_in_words() {
    with_server(|c| async move {
        c.make("a").await;
        let one = format!("{MAPS}/a");
        let delete = |options: Value| options.to_string();
        let unsupported = r#"Unsupported value: ["Some"]: supported values: "All""#;
        let policies = r#"Unsupported value: "Most": supported values: "Foreground", "Background", "Orphan", "nil""#;
        let both = "orphanDependents and deletionPropagation cannot be both set";
        for (method, path, body, kind, words) in [
            ("POST", format!("{MAPS}?dryRun=Some"), delete(json!({"metadata": {"name": "b"}})), "Create", unsupported),
            ("PUT", format!("{one}?dryRun=Some"), delete(json!({"metadata": {"name": "a"}})), "Update", unsupported),
            ("DELETE", format!("{one}?dryRun=Some"), String::new(), "Delete", unsupported),
            ("DELETE", one.clone(), delete(json!({"dryRun": ["Some"]})), "Delete", unsupported),
            ("DELETE", format!("{one}?propagationPolicy=Most"), String::new(), "Delete", policies),
            ("DELETE", MAPS.to_owned(), delete(json!({"propagationPolicy": "Most"})), "Delete", policies),
            ("DELETE", format!("{one}?propagationPolicy=Orphan&orphanDependents=true"), String::new(), "Delete", both),
            (
                "DELETE",
                one.clone(),
                delete(json!({"propagationPolicy": "Orphan", "orphanDependents": false})),
                "Delete",
                both,
            ),
        ] {
            let (code, said) = c.ask(method, &path, &[("content-type", "application/json")], body).await;
            let kind = format!("{kind}Options.meta.k8s.io \"\" is invalid: ");
            assert!(
                code == 422 && message(&said).starts_with(&kind) && message(&said).ends_with(words),
                "{path}: {said}"
            );
        }
        let rehearsed = [format!("{one}?dryRun=All"), format!("{one}?dryRun=All&orphanDependents=true")];
        for path in rehearsed {
            assert_eq!(c.ask("DELETE", &path, &[], "").await.0, 200, "{path}");
        }
        assert_eq!(c.get(&one).await.0, 200);
        assert_eq!(c.ask("DELETE", &format!("{one}?orphanDependents=true"), &[], "").await.0, 200);
    });
}

#[test]
fn what_goes_away_is_told() {
    with_server(|c| async move {
        let jobs = "/apis/batch/v1beta1/namespaces/default/cronjobs";
        for (path, warning) in [
            ("/api/v1/namespaces/default/endpoints", Some("use discovery.k8s.io/v1 EndpointSlice")),
            ("/api/v1/namespaces/default/endpoints?watch=1", Some("v1 Endpoints is deprecated in v1.33+")),
            ("/api/v1/componentstatuses", Some("v1 ComponentStatus is deprecated in v1.19+")),
            (jobs, Some("use batch/v1 CronJob")),
            ("/apis/batch/v1/namespaces/default/cronjobs", None),
            (MAPS, None),
        ] {
            let answer = c.raw("GET", path, &[], "").await;
            let said = answer.headers().get("warning").map(|value| value.to_str().unwrap().to_owned());
            let fits = match (&said, warning) {
                (Some(said), Some(warning)) => said.starts_with("299 - \"") && said.contains(warning),
                (said, warning) => said.is_none() && warning.is_none(),
            };
            assert!(fits, "{path}: {said:?}");
        }
    });
}

#[test]
fn only_documents_with_a_hash_are_kept() {
    with_server(|c| async move {
        let (_, index) = c.get("/openapi/v3").await;
        let apps = index["paths"]["apis/apps/v1"]["serverRelativeURL"].as_str().unwrap();
        let (private, forever) = ("no-cache, private", "public, immutable, max-age=31536000");
        for (path, kept) in [
            (MAPS, private),
            ("/api/v1/namespaces/default/configmaps/absent", private),
            ("/apis", private),
            ("/openapi/v3/apis/apps/v1?hash=other", private),
            (apps, forever),
        ] {
            assert_eq!(c.raw("GET", path, &[], "").await.headers()["cache-control"], kept, "{path}");
        }
    });
}
