//! Asks the API server: whose token is that (TokenReview), and may they (SubjectAccessReview).

use super::{access::Access, memory::Memory, user::User};
use crate::{Error, Result};
use k8s_openapi::api::{
    authentication::v1::{TokenReview, TokenReviewSpec},
    authorization::v1::{ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec},
};
use kube::{Api, Client, api::PostParams};
use sha2::{Digest, Sha256};
use std::time::{Duration, Instant};

/// How long a token's owner is remembered (the kubelet's default).
const TOKEN_HOLDS: Duration = Duration::from_secs(120);
/// How long a permission is remembered (the kubelet's default).
const ALLOWED_HOLDS: Duration = Duration::from_secs(300);
/// How long a refusal is remembered (the kubelet's default).
const REFUSED_HOLDS: Duration = Duration::from_secs(30);
/// A review that takes longer has failed.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Longer tokens are nobody's.
const MAX_TOKEN_BYTES: usize = 64 << 10;

/// Reviews with a memory.
pub(crate) struct Reviews {
    client: Client,
    node: String,
    tokens: Memory<[u8; 32], Option<User>>,
    access: Memory<(User, Access), bool>,
}

impl Reviews {
    /// Reviews for the Node of that name.
    pub fn new(client: Client, node: &str) -> Self {
        Self { client, node: node.to_owned(), tokens: Memory::default(), access: Memory::default() }
    }

    /// The owner of a token; None where it is nobody's.
    pub(super) async fn user(&self, token: &str) -> Result<Option<User>> {
        if token.is_empty() || token.len() > MAX_TOKEN_BYTES {
            return Ok(None);
        }
        let digest: [u8; 32] = Sha256::digest(token.as_bytes()).into();
        if let Some(known) = self.tokens.get(&digest, Instant::now()) {
            return Ok(known);
        }
        let spec = TokenReviewSpec { token: token.to_owned(), ..TokenReviewSpec::default() };
        let review = TokenReview { spec, ..TokenReview::default() };
        let status = self.post(review).await?.status.unwrap_or_default();
        let user = status.user.filter(|_| status.authenticated == Some(true)).map(User::of_review);
        // A token that is nobody's yet may be somebody's soon.
        let hold = if user.is_some() { TOKEN_HOLDS } else { REFUSED_HOLDS };
        self.tokens.put(digest, user.clone(), Instant::now(), hold);
        Ok(user)
    }

    /// Whether they may do that.
    pub(super) async fn allows(&self, user: &User, access: &Access) -> Result<bool> {
        if user.is_trusted() {
            return Ok(true);
        }
        let key = (user.clone(), access.clone());
        if let Some(known) = self.access.get(&key, Instant::now()) {
            return Ok(known);
        }
        let mut allowed = false;
        for subresource in &access.subresources {
            let status = self.post(self.question(user, access.verb, subresource)).await?.status.unwrap_or_default();
            allowed = status.allowed && status.denied != Some(true);
            if allowed {
                break;
            }
        }
        let hold = if allowed { ALLOWED_HOLDS } else { REFUSED_HOLDS };
        self.access.put(key, allowed, Instant::now(), hold);
        Ok(allowed)
    }

    fn question(&self, user: &User, verb: &str, subresource: &str) -> SubjectAccessReview {
        let attributes = ResourceAttributes {
            version: Some("v1".to_owned()),
            resource: Some("nodes".to_owned()),
            subresource: Some(subresource.to_owned()),
            name: Some(self.node.clone()),
            verb: Some(verb.to_owned()),
            ..ResourceAttributes::default()
        };
        let spec = SubjectAccessReviewSpec {
            user: Some(user.name.clone()),
            uid: Some(user.uid.clone()).filter(|uid| !uid.is_empty()),
            groups: Some(user.groups.clone()),
            extra: Some(user.extra.clone()).filter(|extra| !extra.is_empty()),
            resource_attributes: Some(attributes),
            ..SubjectAccessReviewSpec::default()
        };
        SubjectAccessReview { spec, ..SubjectAccessReview::default() }
    }

    async fn post<K>(&self, review: K) -> Result<K>
    where
        K: kube::Resource<DynamicType = (), Scope = k8s_openapi::ClusterResourceScope>,
        K: Clone + std::fmt::Debug + serde::Serialize + serde::de::DeserializeOwned,
    {
        let api: Api<K> = Api::all(self.client.clone());
        let params = PostParams::default();
        let answer = tokio::time::timeout(TIMEOUT, api.create(&params, &review)).await;
        Ok(answer.map_err(|_| Error::Other("the API server does not answer".to_owned()))??)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::auth::access::access;
    use actix_web::{App, HttpResponse, HttpServer, web};
    use serde_json::{Value, json};
    use std::sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    };

    /// An API server that knows the token `good`, and lets `dora` read metrics and proxy; it counts what it is asked.
    async fn api(asked: Arc<AtomicUsize>) -> (Reviews, actix_web::dev::ServerHandle) {
        let data = web::Data::from(asked);
        let review = |mut body: web::Json<Value>, asked: web::Data<AtomicUsize>| async move {
            asked.fetch_add(1, SeqCst);
            let spec = body["spec"].clone();
            body["status"] = match body["kind"].as_str() {
                Some("TokenReview") if spec["token"] == "good" => {
                    json!({ "authenticated": true, "user": { "username": "dora", "groups": ["g"] } })
                }
                Some("TokenReview") => json!({ "authenticated": false }),
                _ => {
                    let asks = &spec["resourceAttributes"];
                    let named =
                        spec["groups"] == json!(["g"]) && asks["name"] == "node-a" && asks["resource"] == "nodes";
                    let fits = asks["subresource"] == "metrics" || asks["subresource"] == "proxy";
                    json!({ "allowed": named && fits && asks["verb"] == "get" && spec["user"] == "dora" })
                }
            };
            HttpResponse::Created().json(body)
        };
        let server = HttpServer::new(move || {
            let apis =
                ["/apis/authentication.k8s.io/v1/tokenreviews", "/apis/authorization.k8s.io/v1/subjectaccessreviews"];
            apis.iter().fold(App::new().app_data(data.clone()), |app, path| app.route(path, web::post().to(review)))
        });
        let server = server.workers(1).disable_signals().bind(("127.0.0.1", 0)).expect("a free port");
        let address = server.addrs()[0];
        let server = server.run();
        let handle = server.handle();
        actix_rt::spawn(server);
        let config = kube::Config::new(format!("http://{address}").parse().expect("an address"));
        (Reviews::new(Client::try_from(config).expect("a client"), "node-a"), handle)
    }

    #[actix_rt::test]
    async fn tokens_and_permissions_are_reviewed_once() {
        // Whoever installed one before us wins; all are ring's.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let asked = Arc::new(AtomicUsize::new(0));
        let (reviews, server) = api(asked.clone()).await;
        let metrics = access("GET", "/metrics/resource");
        let user = reviews.user("good").await.expect("an answer").expect("dora");
        for _ in 0..3 {
            assert_eq!(reviews.user("good").await.expect("an answer"), Some(user.clone()));
            assert_eq!(reviews.user("bad").await.expect("an answer"), None);
            assert!(reviews.allows(&user, &metrics).await.expect("an answer"));
        }
        assert_eq!(asked.load(SeqCst), 3, "each question once");
        assert_eq!(reviews.user("").await.expect("an answer"), None);
        for (method, path, expected, questions) in [
            // Two questions: the fine one is refused, the whole one granted.
            ("GET", "/pods", true, 2),
            ("GET", "/stats/summary", false, 1),
            ("POST", "/exec/a/b/c", false, 1),
        ] {
            let before = asked.load(SeqCst);
            assert_eq!(reviews.allows(&user, &access(method, path)).await.expect("an answer"), expected, "{path}");
            assert_eq!(asked.load(SeqCst) - before, questions, "{path}");
        }
        server.stop(false).await;
        let closed = std::net::TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a free port");
        let config = kube::Config::new(format!("http://{closed}").parse().expect("an address"));
        let alone = Reviews::new(Client::try_from(config).expect("a client"), "node-a");
        assert!(alone.user("good").await.is_err(), "nobody answers");
        assert!(alone.allows(&user, &metrics).await.is_err(), "nobody answers");
    }
}
