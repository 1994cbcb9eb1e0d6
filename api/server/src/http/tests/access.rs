//! Who may do what: roles, escalation, impersonation, nodes, reviews, and those who show nothing.

use super::*;

const RBAC: &str = "/apis/rbac.authorization.k8s.io/v1";
const AUTHORIZATION: &str = "/apis/authorization.k8s.io/v1";
const BODY: (&str, &str) = ("content-type", "application/json");

impl Cluster {
    /// A request of somebody else; groups follow the name after blanks.
    async fn ask_as(&self, who: &str, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let mut words = who.split(' ');
        let mut headers = vec![BODY, ("impersonate-user", words.next().unwrap())];
        headers.extend(words.map(|group| ("impersonate-group", group)));
        let body = if body.is_null() { String::new() } else { body.to_string() };
        self.ask(method, path, &headers, body).await
    }
    /// A Role (or ClusterRole) and its binding, both called as the user.
    async fn grant(&self, user: &str, namespace: &str, rules: Value) {
        let (place, prefix) = match namespace {
            "" => (RBAC.to_owned(), "Cluster"),
            namespace => (format!("{RBAC}/namespaces/{namespace}"), ""),
        };
        let kinds = prefix.to_lowercase();
        let made =
            self.post(&format!("{place}/{kinds}roles"), &json!({"metadata": {"name": user}, "rules": rules})).await;
        assert_eq!(made.0, 201, "{}", made.1);
        let binding = json!({"metadata": {"name": user}, "roleRef": {"kind": format!("{prefix}Role"), "name": user},
            "subjects": [{"kind": "User", "name": user}]});
        let made = self.post(&format!("{place}/{kinds}rolebindings"), &binding).await;
        assert_eq!(made.0, 201, "{}", made.1);
    }
    /// An object that no controller would mind.
    async fn put(&self, path: &str, object: Value) -> Value {
        let (code, made) = self.post(path, &object).await;
        assert_eq!(code, 201, "{made}");
        made
    }
}

fn rule(verbs: &[&str], group: &str, resources: &[&str]) -> Value {
    json!({"verbs": verbs, "apiGroups": [group], "resources": resources})
}

#[test]
fn roles_decide() {
    with_server(|c| async move {
        c.make("x").await;
        let names = json!([{"verbs": ["get", "watch", "list"], "apiGroups": [""], "resources": ["secrets"],
            "resourceNames": ["mine"]}]);
        c.grant("reader", "default", json!([rule(&["get", "list", "watch"], "", &["configmaps"])])).await;
        c.grant("named", "default", names).await;
        c.grant("patcher", "default", json!([rule(&["patch", "update"], "", &["configmaps", "services"])])).await;
        c.grant("viewer", "default", json!([rule(&["get"], "", &["pods", "pods/exec"])])).await;
        c.grant("prom", "", json!([{"verbs": ["get"], "nonResourceURLs": ["/metrics"]}])).await;
        let one = format!("{MAPS}/x");
        let secrets = "/api/v1/namespaces/default/secrets";
        let fields = |selector: &str| format!("{secrets}?fieldSelector={selector}");
        let apply = format!("{MAPS}/new?fieldManager=m");
        let nothing = &Value::Null;
        let map = &json!({"metadata": {"name": "y"}});
        let ports = &json!({"metadata": {"name": "s"}, "spec": {"ports": [{"port": 1}]}});
        let table = [
            ("reader", "GET", MAPS, nothing, 200),
            ("reader", "GET", &one, nothing, 200),
            ("reader", "GET", "/api/v1/configmaps", nothing, 403),
            ("reader", "GET", "/api/v1/namespaces/kube-system/configmaps", nothing, 403),
            ("reader", "POST", MAPS, map, 403),
            ("reader", "DELETE", &one, nothing, 403),
            ("reader", "DELETE", MAPS, nothing, 403),
            ("reader", "GET", "/metrics", nothing, 403),
            ("reader", "GET", "/no/such/path", nothing, 403),
            ("prom", "GET", "/metrics", nothing, 200),
            ("prom", "GET", "/api", nothing, 403),
            ("stranger", "GET", &one, nothing, 403),
            ("named", "GET", &format!("{secrets}/mine"), nothing, 404),
            ("named", "GET", &format!("{secrets}/other"), nothing, 403),
            ("named", "GET", secrets, nothing, 403),
            ("named", "GET", &fields("metadata.name%3Dmine"), nothing, 200),
            ("named", "GET", &fields("metadata.name%3Dother"), nothing, 403),
            ("named", "GET", &fields("metadata.name!%3Dmine"), nothing, 403),
            // To make by patch or put what is not there is to create it.
            ("patcher", "PUT", "/api/v1/namespaces/default/services/s", ports, 403),
            ("patcher", "PUT", &one, &json!({"metadata": {"name": "x"}, "data": {"a": "b"}}), 200),
            // To read a pod's stream of commands is to run one.
            ("viewer", "GET", "/api/v1/namespaces/default/pods/p/exec?command=id", nothing, 403),
            ("viewer", "GET", "/api/v1/namespaces/default/pods/p", nothing, 404),
            ("jane system:masters", "GET", MAPS, nothing, 200),
        ];
        for (who, method, path, body, expected) in table {
            let (code, answer) = c.ask_as(who, method, path, body).await;
            assert_eq!(code, expected, "{who} {method} {path}: {answer}");
        }
        let headers = [("content-type", "application/apply-patch+yaml"), ("impersonate-user", "patcher")];
        let (code, answer) = c.ask("PATCH", &apply, &headers, r#"{"apiVersion":"v1","kind":"ConfigMap"}"#).await;
        assert_eq!(code, 403);
        let why = r#"User "patcher" cannot create resource "configmaps" in API group "" in the namespace "default""#;
        assert_eq!(message(&answer), format!("configmaps \"new\" is forbidden: {why}"));
        let (_, answer) = c.ask_as("reader", "GET", "/apis/apps/v1/deployments", nothing).await;
        let why = r#"User "reader" cannot list resource "deployments" in API group "apps" at the cluster scope"#;
        assert_eq!(message(&answer), format!("deployments.apps is forbidden: {why}"));
        assert_eq!((&answer["reason"], &answer["details"]["group"]), (&json!("Forbidden"), &json!("apps")));
        let (_, answer) = c.ask_as("reader", "GET", "/metrics", nothing).await;
        assert_eq!(message(&answer), r#"forbidden: User "reader" cannot get path "/metrics""#);
        // What is taken away is gone at once.
        let binding = format!("{RBAC}/namespaces/default/rolebindings/reader");
        assert_eq!(c.ask("DELETE", &binding, &[], "").await.0, 200);
        assert_eq!(c.ask_as("reader", "GET", MAPS, nothing).await.0, 403);
    });
}

#[test]
fn nobody_gives_away_what_he_does_not_have() {
    with_server(|c| async move {
        let all = ["get", "create", "update", "patch", "delete"];
        let rbac = rule(&all, "rbac.authorization.k8s.io", &["roles", "rolebindings", "clusterroles"]);
        c.grant("boss", "", json!([rbac, rule(&["get", "list"], "", &["pods"])])).await;
        let binder = json!([
            rule(&["bind"], "rbac.authorization.k8s.io", &["clusterroles"]),
            rule(&["escalate"], "rbac.authorization.k8s.io", &["roles"])
        ]);
        c.grant("secrets", "", json!([rule(&["get"], "", &["secrets"])])).await;
        let roles = &format!("{RBAC}/namespaces/default/roles");
        let bindings = &format!("{RBAC}/namespaces/default/rolebindings");
        let role = |name: &str, rules: Value| json!({"metadata": {"name": name}, "rules": rules});
        let binding = |to: &str| {
            json!({"metadata": {"generateName": "b-"}, "roleRef": {"kind": "ClusterRole", "name": to},
            "subjects": [{"kind": "User", "name": "boss"}]})
        };
        let own = role("own", json!([rule(&["get"], "", &["pods"])]));
        assert_eq!(c.ask_as("boss", "POST", roles, &own).await.0, 201);
        let more = role("more", json!([rule(&["get", "list"], "", &["pods", "secrets"])]));
        let (code, answer) = c.ask_as("boss dev", "POST", roles, &more).await;
        assert_eq!(code, 403);
        assert_eq!(
            message(&answer),
            "roles.rbac.authorization.k8s.io \"more\" is forbidden: user \"boss\" (groups=[\"dev\" \
             \"system:authenticated\"]) is attempting to grant RBAC permissions not currently held:\n\
             {APIGroups:[\"\"], Resources:[\"secrets\"], Verbs:[\"get\" \"list\"]}"
        );
        let widen = role("own", json!([rule(&["*"], "", &["pods"])]));
        assert_eq!(c.ask_as("boss", "PUT", &format!("{roles}/own"), &widen).await.0, 403);
        assert_eq!(c.ask_as("boss", "POST", bindings, &binding("secrets")).await.0, 403);
        assert_eq!(c.ask_as("boss", "POST", bindings, &binding("boss")).await.0, 201);
        assert_eq!(c.ask_as("boss", "POST", bindings, &binding("absent")).await.0, 404);
        let joined = json!({"metadata": {"name": "joined"},
            "aggregationRule": {"clusterRoleSelectors": [{"matchLabels": {"a": "b"}}]}});
        let (code, answer) = c.ask_as("boss", "POST", &format!("{RBAC}/clusterroles"), &joined).await;
        assert_eq!(code, 403);
        assert!(message(&answer).ends_with("must have cluster-admin privileges to use an aggregationRule"), "{answer}");
        // Who may escalate or bind may.
        c.grant("binder", "", binder).await;
        c.put(
            &format!("{RBAC}/clusterrolebindings"),
            json!({"metadata": {"name": "both"}, "roleRef": {"kind": "ClusterRole", "name": "boss"},
                "subjects": [{"kind": "User", "name": "binder"}]}),
        )
        .await;
        assert_eq!(c.ask_as("binder", "POST", roles, &more).await.0, 201);
        assert_eq!(c.ask_as("binder", "POST", bindings, &binding("secrets")).await.0, 201);
    });
}

#[test]
fn acting_as_somebody_needs_leave_for_every_part() {
    with_server(|c| async move {
        let impersonate = |resources: &[&str]| json!([rule(&["impersonate"], "", resources)]);
        c.grant("actor", "", impersonate(&["users", "groups"])).await;
        let api = &c.api;
        let who = |name: &str| crate::user::User { name: name.into(), ..Default::default() };
        let act = |as_: &str, headers: &[(&str, &str)]| {
            let deed = || crate::auth::constrained::Deed::Path { verb: "get", path: "/".to_owned() };
            crate::auth::impersonate::impersonate(api, who(as_), headers.iter().copied(), deed)
        };
        let code = |done: Result<crate::user::User, podium_types::ApiError>| done.map(|u| u.name).map_err(|e| e.code);
        assert_eq!(code(act("actor", &[])), Ok("actor".to_owned()));
        assert_eq!(code(act("actor", &[("impersonate-user", "jane")])), Ok("jane".to_owned()));
        assert_eq!(code(act("jane", &[("impersonate-user", "actor")])), Err(403));
        assert_eq!(code(act("actor", &[("impersonate-group", "dev")])), Err(500));
        let account = [("impersonate-user", "system:serviceaccount:ns:a")];
        assert_eq!(code(act("actor", &account)), Err(403));
        for part in [("impersonate-uid", "u"), ("impersonate-extra-scopes", "all")] {
            assert_eq!(code(act("actor", &[("impersonate-user", "jane"), part])), Err(403), "{part:?}");
        }
        let (code, me) = c
            .ask(
                "POST",
                "/apis/authentication.k8s.io/v1/selfsubjectreviews",
                &[
                    BODY,
                    ("impersonate-user", "jane"),
                    ("impersonate-group", "system:masters"),
                    ("impersonate-uid", "7"),
                    ("impersonate-extra-acme.com%2Fteam", "a"),
                    ("impersonate-extra-acme.com%2Fteam", "b"),
                ],
                "{}",
            )
            .await;
        assert_eq!(code, 201, "{me}");
        let expected = json!({"username": "jane", "uid": "7", "groups": ["system:masters", "system:authenticated"],
            "extra": {"acme.com/team": ["a", "b"]}});
        assert_eq!(me["status"]["userInfo"], expected);
    });
}

#[test]
fn nodes_reach_what_is_theirs() {
    with_server(|c| async move {
        let pods = "/api/v1/namespaces/default/pods";
        let pod = |name: &str, node: &str, secret: &str| {
            json!({"metadata": {"name": name}, "spec": {"nodeName": node,
            "containers": [{"name": "c", "image": "i", "envFrom": [{"secretRef": {"name": secret}}]}],
            "volumes": [{"name": "v", "configMap": {"name": format!("{secret}-map")}},
                {"name": "d", "persistentVolumeClaim": {"claimName": "claim"}}]}})
        };
        for node in ["a", "b"] {
            c.put("/api/v1/nodes", json!({"metadata": {"name": node}})).await;
        }
        let [pa, pb] = [c.put(pods, pod("pa", "a", "sa")).await, c.put(pods, pod("pb", "b", "sb")).await];
        for name in ["sa", "sb"] {
            c.put("/api/v1/namespaces/default/secrets", json!({"metadata": {"name": name}})).await;
        }
        let nothing = &Value::Null;
        let label = &json!({"metadata": {"labels": {"node-restriction.kubernetes.io/x": "y"}}});
        let plain = &json!({"metadata": {"labels": {"x": "y"}}});
        let leases = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases";
        c.put("/api/v1/namespaces", json!({"metadata": {"name": "kube-node-lease"}})).await;
        let lease = |name: &str| json!({"metadata": {"name": name}, "spec": {"holderIdentity": name}});
        let mirror = json!({"metadata": {"name": "m", "annotations": {"kubernetes.io/config.mirror": "x"}},
            "spec": {"nodeName": "a", "containers": [{"name": "c", "image": "i"}]}});
        let other_mirror = {
            let mut other = mirror.clone();
            other["spec"]["nodeName"] = json!("b");
            other
        };
        let token = |kind: &str, name: &str, uid: &Value| {
            let bound = json!({"apiVersion": "v1", "kind": kind, "name": name, "uid": uid});
            json!({ "spec": { "boundObjectRef": bound } })
        };
        let tokens = "/api/v1/namespaces/default/serviceaccounts/default/token";
        let token_of_pa = token("Pod", "pa", &pa["metadata"]["uid"]);
        let table = [
            ("GET", "/api/v1/nodes/a".to_owned(), nothing, 200),
            ("GET", "/api/v1/nodes/b".to_owned(), nothing, 403),
            ("GET", "/api/v1/nodes".to_owned(), nothing, 403),
            ("GET", "/api/v1/nodes?fieldSelector=metadata.name%3Da".to_owned(), nothing, 200),
            ("MERGE", "/api/v1/nodes/a".to_owned(), plain, 200),
            ("MERGE", "/api/v1/nodes/a".to_owned(), label, 403),
            ("MERGE", "/api/v1/nodes/b".to_owned(), plain, 403),
            ("DELETE", "/api/v1/nodes/a".to_owned(), nothing, 403),
            ("POST", "/api/v1/nodes".to_owned(), &json!({"metadata": {"name": "c"}}), 403),
            ("GET", "/api/v1/pods".to_owned(), nothing, 403),
            ("GET", "/api/v1/pods?fieldSelector=spec.nodeName%3Da".to_owned(), nothing, 200),
            ("GET", "/api/v1/pods?fieldSelector=spec.nodeName%3Db".to_owned(), nothing, 403),
            ("GET", format!("{pods}/pa"), nothing, 200),
            ("GET", format!("{pods}/pb"), nothing, 403),
            ("MERGE", format!("{pods}/pa/status"), &json!({"status": {"phase": "Running"}}), 200),
            ("MERGE", format!("{pods}/pb/status"), &json!({"status": {"phase": "Running"}}), 403),
            ("MERGE", format!("{pods}/pa"), plain, 403),
            ("POST", pods.to_owned(), &pod("px", "a", "sb"), 403),
            ("POST", pods.to_owned(), &other_mirror, 403),
            ("POST", pods.to_owned(), &mirror, 201),
            ("GET", "/api/v1/namespaces/default/secrets/sa".to_owned(), nothing, 200),
            ("GET", "/api/v1/namespaces/default/secrets/sb".to_owned(), nothing, 403),
            ("GET", "/api/v1/namespaces/default/secrets".to_owned(), nothing, 403),
            ("GET", "/api/v1/namespaces/default/configmaps/sa-map".to_owned(), nothing, 404),
            ("GET", "/api/v1/namespaces/default/configmaps/sb-map".to_owned(), nothing, 403),
            ("GET", "/api/v1/namespaces/default/persistentvolumeclaims/claim".to_owned(), nothing, 404),
            ("POST", tokens.to_owned(), &token_of_pa, 201),
            ("POST", tokens.replace("default/token", "other/token"), &token_of_pa, 403),
            ("POST", tokens.to_owned(), &json!({}), 403),
            ("POST", tokens.to_owned(), &token("Node", "a", nothing), 403),
            ("POST", tokens.to_owned(), &token("Pod", "pa", nothing), 403),
            ("POST", tokens.to_owned(), &token("Pod", "pa", &json!("other")), 409),
            ("POST", tokens.to_owned(), &token("Pod", "pb", &pb["metadata"]["uid"]), 403),
            ("POST", tokens.to_owned(), &token("Pod", "absent", &json!("u")), 404),
            ("GET", "/api/v1/services".to_owned(), nothing, 200),
            ("GET", "/api/v1/namespaces".to_owned(), nothing, 403),
            ("POST", leases.to_owned(), &lease("b"), 403),
            ("POST", leases.to_owned(), &lease("a"), 201),
            ("MERGE", format!("{leases}/a"), plain, 200),
            ("GET", format!("{leases}/b"), nothing, 403),
            ("GET", "/apis/apps/v1/deployments".to_owned(), nothing, 403),
        ];
        for (method, path, body, expected) in table {
            let headers = |kind| {
                [("content-type", kind), ("impersonate-user", "system:node:a"), ("impersonate-group", "system:nodes")]
            };
            let (method, kind) = match method {
                "MERGE" => ("PATCH", "application/merge-patch+json"),
                method => (method, "application/json"),
            };
            let text = if body.is_null() { String::new() } else { body.to_string() };
            let (code, answer) = c.ask(method, &path, &headers(kind), text).await;
            assert_eq!(code, expected, "{method} {path}: {answer}");
        }
    });
}

#[test]
fn reviews_say_what_requests_would_meet() {
    with_server(|c| async move {
        c.grant("reader", "default", json!([rule(&["list"], "", &["pods"])])).await;
        c.grant("asker", "", json!([rule(&["create"], "authorization.k8s.io", &["*"])])).await;
        let pods = json!({"verb": "list", "resource": "pods", "namespace": "default"});
        let ask = async |who: &str, review: &str, spec: Value| {
            let (code, answer) =
                c.ask_as(who, "POST", &format!("{AUTHORIZATION}/{review}"), &json!({"spec": spec})).await;
            (code, answer)
        };
        let (_, answer) =
            ask("asker", "subjectaccessreviews", json!({"user": "reader", "resourceAttributes": pods})).await;
        let reason = r#"RBAC: allowed by RoleBinding "reader/default" of Role "reader" to User "reader""#;
        assert_eq!(answer["status"], json!({"allowed": true, "reason": reason}));
        let (_, answer) =
            ask("asker", "subjectaccessreviews", json!({"user": "eve", "resourceAttributes": pods})).await;
        assert_eq!(answer["status"], json!({"allowed": false}));
        let (_, answer) = ask("asker", "selfsubjectaccessreviews", json!({"resourceAttributes": pods})).await;
        assert_eq!(answer["status"]["allowed"], false);
        let local = "namespaces/default/localsubjectaccessreviews";
        let (_, answer) = ask("asker", local, json!({"user": "reader", "resourceAttributes": pods})).await;
        assert_eq!(answer["status"]["allowed"], true);
        let elsewhere = "namespaces/other/localsubjectaccessreviews";
        let (code, answer) = ask("asker", elsewhere, json!({"user": "reader", "resourceAttributes": pods})).await;
        assert_eq!(code, 422);
        assert!(message(&answer).contains("must match metadata.namespace"), "{answer}");
        let (code, _) = ask("asker", "subjectaccessreviews", json!({"resourceAttributes": pods})).await;
        assert_eq!(code, 422);
        let (code, _) = ask("asker", "subjectaccessreviews", json!({"user": "x"})).await;
        assert_eq!(code, 422);
        let (code, _) = ask("reader", "subjectaccessreviews", json!({"user": "x", "resourceAttributes": pods})).await;
        assert_eq!(code, 403);
        let (_, answer) = ask("asker", "selfsubjectrulesreviews", json!({"namespace": "default"})).await;
        let rules = json!([{"verbs": ["create"], "apiGroups": ["authorization.k8s.io"], "resources": ["*"]}]);
        let status = json!({"resourceRules": rules, "nonResourceRules": [], "incomplete": false});
        assert_eq!(answer["status"], status);
        let path = json!({"user": "x", "groups": ["system:masters"],
            "nonResourceAttributes": {"verb": "get", "path": "/metrics"}});
        let (_, answer) = ask("asker", "subjectaccessreviews", path).await;
        assert_eq!(answer["status"]["allowed"], true);
    });
}

#[test]
fn tokens_are_reviewed_and_can_be_checked_elsewhere() {
    with_server(|c| async move {
        let account = c.put("/api/v1/namespaces/default/serviceaccounts", json!({"metadata": {"name": "a"}})).await;
        let path = "/api/v1/namespaces/default/serviceaccounts/a/token";
        let made = c.put(path, json!({"spec": {"audiences": ["vault", "api"]}})).await;
        let token = made["status"]["token"].as_str().unwrap();
        let review = async |token: &str, audiences: Value| {
            let spec = json!({"spec": {"token": token, "audiences": audiences}});
            c.put("/apis/authentication.k8s.io/v1/tokenreviews", spec).await["status"].clone()
        };
        let status = review(token, json!(["vault", "other"])).await;
        assert_eq!((&status["authenticated"], &status["audiences"]), (&json!(true), &json!(["vault"])));
        assert_eq!(status["user"]["username"], "system:serviceaccount:default:a");
        assert_eq!(status["user"]["uid"], account["metadata"]["uid"]);
        assert!(!review(token, json!(["other"])).await["error"].is_null());
        assert!(!review(token, json!([])).await["error"].is_null());
        assert!(!review("nonsense", json!([])).await["error"].is_null());
        let (code, _) = c.post("/apis/authentication.k8s.io/v1/tokenreviews", &json!({"spec": {}})).await;
        assert_eq!(code, 400);
        let (_, keys) = c.get("/openid/v1/jwks").await;
        assert_eq!((&keys["keys"][0]["kty"], &keys["keys"][0]["alg"]), (&json!("EC"), &json!("ES256")));
        let (_, issuer) = c.get("/.well-known/openid-configuration").await;
        assert_eq!(issuer["issuer"], crate::auth::ISSUER);
        // With its account the token ends.
        assert_eq!(c.ask("DELETE", "/api/v1/namespaces/default/serviceaccounts/a", &[], "").await.0, 200);
        assert!(!review(token, json!(["vault"])).await["error"].is_null());
    });
}

#[test]
fn who_shows_nothing_sees_health_and_version_alone() {
    with_server(|c| async move {
        let open = ["/healthz", "/livez", "/readyz", "/livez/ping", "/version"];
        let shut = [
            "/",
            "/api",
            "/apis",
            "/api/v1",
            "/apis/apps/v1",
            "/openapi/v2",
            "/openapi/v3",
            "/metrics",
            "/api/v1/pods",
            "/openid/v1/jwks",
            "/.well-known/openid-configuration",
            "/api/v1/namespaces/default/secrets/x",
            "/nothing",
            "/apis/supervision.podium.dev/v1alpha1/actors",
            "/logs/",
            "/debug/pprof",
        ];
        for (paths, expected) in [(&open[..], 200), (&shut[..], 401)] {
            for path in paths {
                for header in [("accept", "*/*"), ("authorization", "Bearer nonsense"), ("impersonate-user", "root")] {
                    let request = Request::builder().uri(*path).header("host", "x").header(header.0, header.1);
                    let mut sender = c.connect(None).await;
                    let answer = sender.send_request(request.body(Full::default()).unwrap()).await.unwrap();
                    assert_eq!(answer.status().as_u16(), expected, "{path} {header:?}");
                }
            }
        }
    });
}
