//! Acting as somebody else for some deeds only.

use super::*;
use crate::{
    auth::impersonate::impersonate,
    http::{deed, path},
    user::User,
};
use actix_web::http::Method;

const RBAC: &str = "/apis/rbac.authorization.k8s.io/v1";
const AS: &str = "authentication.k8s.io";

impl Cluster {
    /// A ClusterRole for somebody.
    async fn let_all(&self, user: &str, rules: Value) {
        let role = json!({"metadata": {"name": user}, "rules": rules});
        let binding = json!({"metadata": {"name": user}, "roleRef": {"kind": "ClusterRole", "name": user},
            "subjects": [{"kind": "User", "name": user}]});
        for (kind, object) in [("clusterroles", role), ("clusterrolebindings", binding)] {
            let (code, made) = self.post(&format!("{RBAC}/{kind}"), &object).await;
            assert_eq!(code, 201, "{made}");
        }
    }
    /// Groups of whom somebody is for a request, or the code of the refusal.
    fn act(&self, user: &User, method: Method, at: &str, headers: &[(&str, &str)]) -> Result<String, u16> {
        let deed = || deed::of(&method, at, &path::segments(at).unwrap(), "");
        let done = impersonate(&self.api, user.clone(), headers.iter().copied(), deed);
        done.map(|user| user.groups.join(" ")).map_err(|error| error.code)
    }
}

fn rule(verbs: &[&str], group: &str, resources: &[&str], names: &[&str]) -> Value {
    json!({"verbs": verbs, "apiGroups": [group], "resources": resources, "resourceNames": names})
}

#[test]
fn both_whom_and_what_must_be_allowed() {
    with_server(|c| async move {
        c.let_all(
            "deputy",
            json!([
                rule(&["impersonate:user-info"], AS, &["users"], &["jane"]),
                rule(&["impersonate:user-info"], AS, &["groups"], &["dev"]),
                rule(&["impersonate:serviceaccount"], AS, &["serviceaccounts"], &["robot"]),
                rule(&["impersonate:arbitrary-node"], AS, &["nodes"], &["a"]),
                rule(&["impersonate-on:user-info:list"], "", &["pods"], &[]),
                rule(
                    &["impersonate-on:serviceaccount:get", "impersonate-on:arbitrary-node:get"],
                    "",
                    &["pods/log"],
                    &[]
                ),
                json!({"verbs": ["impersonate-on:user-info:get"], "nonResourceURLs": ["/metrics"]}),
            ]),
        )
        .await;
        let deputy = User { name: "deputy".into(), ..User::default() };
        let (pods, log) = ("/api/v1/namespaces/n/pods", "/api/v1/namespaces/n/pods/p/log");
        let (jane, dev) = (("impersonate-user", "jane"), ("impersonate-group", "dev"));
        let robot = ("impersonate-user", "system:serviceaccount:n:robot");
        let everybody = "system:authenticated";
        let robots = "system:serviceaccounts system:serviceaccounts:n system:authenticated";
        for (method, at, headers, expected) in [
            (Method::GET, pods, &[jane][..], Ok(everybody)),
            (Method::GET, pods, &[jane, dev], Ok("dev system:authenticated")),
            (Method::GET, "/metrics", &[jane], Ok(everybody)),
            // Other deeds, other parts of an identity, other people.
            (Method::DELETE, pods, &[jane], Err(403)),
            (Method::GET, log, &[jane], Err(403)),
            (Method::GET, "/version/x", &[jane], Err(403)),
            (Method::GET, pods, &[jane, ("impersonate-group", "ops")], Err(403)),
            (Method::GET, pods, &[jane, ("impersonate-uid", "7")], Err(403)),
            (Method::GET, pods, &[jane, ("impersonate-extra-scopes", "all")], Err(403)),
            (Method::GET, pods, &[("impersonate-user", "bob")], Err(403)),
            (Method::GET, log, &[robot], Ok(robots)),
            (Method::GET, pods, &[robot], Err(403)),
            (Method::GET, log, &[robot, dev], Err(403)),
            (Method::GET, log, &[("impersonate-user", "system:node:a")], Ok("system:nodes system:authenticated")),
            (Method::GET, pods, &[("impersonate-user", "system:node:a")], Err(403)),
            (Method::GET, log, &[("impersonate-user", "system:node:b")], Err(403)),
        ] {
            let done = c.act(&deputy, method.clone(), at, headers);
            assert_eq!(done.as_deref(), expected.as_ref().copied(), "{method} {at} {headers:?}");
        }
    });
}

#[test]
fn a_pod_may_be_the_node_that_it_is_on() {
    with_server(|c| async move {
        c.let_all(
            "system:serviceaccount:n:agent",
            json!([
                rule(&["impersonate:associated-node"], AS, &["nodes"], &[]),
                rule(&["impersonate-on:associated-node:list"], "", &["pods"], &[]),
            ]),
        )
        .await;
        let on = |node: &str| {
            let place = ("authentication.kubernetes.io/node-name".to_owned(), vec![node.to_owned()]);
            User { name: "system:serviceaccount:n:agent".into(), extra: [place].into(), ..User::default() }
        };
        let node = [("impersonate-user", "system:node:a")];
        let nodes = Ok("system:nodes system:authenticated".to_owned());
        assert_eq!(c.act(&on("a"), Method::GET, "/api/v1/pods", &node), nodes);
        assert_eq!(c.act(&on("a"), Method::GET, "/api/v1/secrets", &node), Err(403));
        assert_eq!(c.act(&on("b"), Method::GET, "/api/v1/pods", &node), Err(403));
        assert_eq!(c.act(&User { extra: [].into(), ..on("a") }, Method::GET, "/api/v1/pods", &node), Err(403));
    });
}

#[test]
fn tokens_know_their_node() {
    with_server(|c| async move {
        let accounts = "/api/v1/namespaces/default/serviceaccounts";
        let post = async |path: &str, object: Value| {
            let (code, made) = c.post(path, &object).await;
            assert_eq!(code, 201, "{made}");
            made
        };
        post(accounts, json!({"metadata": {"name": "a"}})).await;
        let node = post("/api/v1/nodes", json!({"metadata": {"name": "n"}})).await;
        let containers = json!([{"name": "c", "image": "i"}]);
        for (name, node) in [("here", "n"), ("lost", "gone"), ("nowhere", "")] {
            let spec = json!({"serviceAccountName": "a", "nodeName": node, "containers": containers});
            post("/api/v1/namespaces/default/pods", json!({"metadata": {"name": name}, "spec": spec})).await;
        }
        let review = async |token: &Value| {
            let path = "/apis/authentication.k8s.io/v1/tokenreviews";
            post(path, json!({"spec": {"token": token}})).await["status"].clone()
        };
        let token = async |kind: &str, name: &str| {
            let bound = json!({"apiVersion": "v1", "kind": kind, "name": name});
            post(&format!("{accounts}/a/token"), json!({"spec": {"boundObjectRef": bound}})).await["status"]["token"]
                .clone()
        };
        let uid = json!([node["metadata"]["uid"]]);
        for (kind, name, node, uid) in [
            ("Pod", "here", json!(["n"]), &uid),
            ("Pod", "lost", json!(["gone"]), &Value::Null),
            ("Pod", "nowhere", Value::Null, &Value::Null),
            ("Node", "n", json!(["n"]), &uid),
        ] {
            let extra = review(&token(kind, name).await).await["user"]["extra"].clone();
            let told = |what: &str| &extra[format!("authentication.kubernetes.io/{what}")];
            assert_eq!((told("node-name"), told("node-uid")), (&node, uid), "{kind} {name}");
        }
        // With its node the one token ends, and not the other.
        let [of_node, of_pod] = [token("Node", "n").await, token("Pod", "here").await];
        assert_eq!(c.ask("DELETE", "/api/v1/nodes/n", &[], "").await.0, 200);
        assert_eq!(review(&of_node).await["authenticated"], Value::Null);
        assert_eq!(review(&of_pod).await["authenticated"], true);
    });
}
