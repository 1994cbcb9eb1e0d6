//! Service-account tokens: JWTs signed with the cluster's `sa.key`.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::sync::Arc;
use x509_parser::{prelude::FromDer, x509::SubjectPublicKeyInfo};

/// Who signs, and for whom, unless a request names other audiences.
pub const ISSUER: &str = "https://kubernetes.default.svc.cluster.local";

/// A name and a uid.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
pub struct Reference {
    /// Name.
    pub name: String,
    /// uid; empty where it is not known.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub uid: String,
}

/// The private claim `kubernetes.io`.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
pub struct Bound {
    /// Namespace of the account and of what the token is bound to.
    pub namespace: String,
    /// The account.
    pub serviceaccount: Reference,
    /// The pod that the token dies with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod: Option<Reference>,
    /// The Secret that the token dies with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<Reference>,
    /// The node that the pod is on; without a pod, the one that the token dies with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<Reference>,
}

impl Bound {
    /// To an account alone.
    pub fn account(namespace: &str, serviceaccount: Reference) -> Self {
        Self { namespace: namespace.to_owned(), serviceaccount, pod: None, secret: None, node: None }
    }
}

/// The claims of a token (RFC 7519; `kubernetes.io` as Kubernetes has it).
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
pub struct Claims {
    /// Audiences.
    pub aud: Vec<String>,
    /// Expiry, Unix seconds.
    pub exp: i64,
    /// Issued at.
    pub iat: i64,
    /// Not before.
    pub nbf: i64,
    /// Issuer.
    pub iss: String,
    /// `system:serviceaccount:ns:name`
    pub sub: String,
    /// Unique id of the token.
    pub jti: String,
    /// What it is bound to.
    #[serde(rename = "kubernetes.io")]
    pub bound: Bound,
}

/// A token to be made.
#[derive(Clone, Debug)]
pub struct TokenRequest {
    /// Audiences; empty: the API server.
    pub audiences: Vec<String>,
    /// Seconds from now.
    pub seconds: i64,
    /// What it is bound to.
    pub bound: Bound,
    /// Unique id.
    pub id: String,
    /// Now, Unix seconds.
    pub now: i64,
}

/// Signs and checks tokens. Cheap to clone.
#[derive(Clone)]
pub struct Tokens {
    inner: Arc<Inner>,
}

struct Inner {
    encode: EncodingKey,
    decode: DecodingKey,
    key_id: String,
    /// x and y of the public key, where it is of P-256.
    point: Option<[String; 2]>,
}

impl Tokens {
    /// From a P-256 key pair in PEM (PKCS #8 and SubjectPublicKeyInfo).
    pub fn new(private_pem: &str, public_pem: &str) -> Result<Self, jsonwebtoken::errors::Error> {
        let encode = EncodingKey::from_ec_pem(private_pem.as_bytes())?;
        let decode = DecodingKey::from_ec_pem(public_pem.as_bytes())?;
        let key_id = URL_SAFE_NO_PAD.encode(Sha256::digest(public_pem.as_bytes()));
        Ok(Self { inner: Arc::new(Inner { encode, decode, key_id, point: point(public_pem) }) })
    }

    /// From `sa.key` in a directory that [`crate::pki::ensure`] filled.
    pub fn load(pki: &std::path::Path) -> std::io::Result<Self> {
        let path = pki.join("sa.key");
        let broken = |e: &dyn std::fmt::Display| std::io::Error::other(format!("{}: {e}", path.display()));
        let pem = std::fs::read_to_string(&path).map_err(|e| broken(&e))?;
        let public = rcgen::KeyPair::from_pem(&pem).map_err(|e| broken(&e))?.public_key_pem();
        Self::new(&pem, &public).map_err(|e| broken(&e))
    }

    /// The public key as a JSON Web Key Set (RFC 7517), for whoever checks tokens without asking the server.
    pub fn key_set(&self) -> Value {
        let key = self.inner.point.as_ref().map(|[x, y]| {
            json!({"use": "sig", "kty": "EC", "kid": self.inner.key_id, "crv": "P-256", "alg": "ES256", "x": x, "y": y})
        });
        json!({"keys": key.into_iter().collect::<Vec<_>>()})
    }

    /// A signed token.
    pub fn sign(&self, request: TokenRequest) -> Result<String, jsonwebtoken::errors::Error> {
        let audiences = if request.audiences.is_empty() { vec![ISSUER.to_owned()] } else { request.audiences };
        let bound = request.bound;
        let claims = Claims {
            aud: audiences,
            exp: request.now.saturating_add(request.seconds),
            iat: request.now,
            nbf: request.now,
            iss: ISSUER.to_owned(),
            sub: format!("system:serviceaccount:{}:{}", bound.namespace, bound.serviceaccount.name),
            jti: request.id,
            bound,
        };
        let header = Header { kid: Some(self.inner.key_id.clone()), ..Header::new(Algorithm::ES256) };
        jsonwebtoken::encode(&header, &claims, &self.inner.encode)
    }

    /// The claims of a token that we signed for one of `audiences`, valid at `now`.
    pub fn verify(&self, token: &str, audiences: &[&str], now: i64) -> Option<Claims> {
        let mut validation = Validation::new(Algorithm::ES256);
        validation.set_issuer(&[ISSUER]);
        validation.set_audience(audiences);
        // Checked below against the time of the backend, which a simulation turns itself.
        validation.validate_exp = false;
        let claims = jsonwebtoken::decode::<Claims>(token, &self.inner.decode, &validation).ok()?.claims;
        (claims.nbf <= now && now < claims.exp).then_some(claims)
    }
}

/// x and y of a P-256 key in PEM: the halves of an uncompressed point (SEC 1, 2.3.3).
fn point(public_pem: &str) -> Option<[String; 2]> {
    let (_, pem) = x509_parser::pem::parse_x509_pem(public_pem.as_bytes()).ok()?;
    let (_, key) = SubjectPublicKeyInfo::from_der(&pem.contents).ok()?;
    let bytes: &[u8] = &key.subject_public_key.data;
    let [4, both @ ..] = bytes else { return None };
    let (x, y) = both.split_at_checked(32).filter(|(_, y)| y.len() == 32)?;
    Some([URL_SAFE_NO_PAD.encode(x), URL_SAFE_NO_PAD.encode(y)])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens() -> Tokens {
        let pair = rcgen::KeyPair::generate().unwrap();
        Tokens::new(&pair.serialize_pem(), &pair.public_key_pem()).unwrap()
    }

    fn request(audiences: Vec<String>) -> TokenRequest {
        let account = Reference { name: "default".into(), uid: "u".into() };
        let bound = Bound::account("ns", account);
        TokenRequest { audiences, seconds: 600, bound, id: "j".into(), now: 1000 }
    }

    #[test]
    fn tokens_hold_until_they_expire_and_for_their_audience_only() {
        let tokens = tokens();
        let token = tokens.sign(request(vec![])).unwrap();
        assert_eq!(tokens.verify(&token, &[ISSUER], 1599).unwrap().sub, "system:serviceaccount:ns:default");
        assert_eq!(tokens.verify(&token, &[ISSUER], 1600), None);
        assert_eq!(tokens.verify(&token, &[ISSUER], 999), None);
        assert_eq!(tokens.verify(&token, &["vault"], 1000), None);
        let other = tokens.sign(request(vec!["vault".into()])).unwrap();
        assert_eq!(tokens.verify(&other, &[ISSUER], 1000), None);
        assert!(tokens.verify(&other, &["vault"], 1000).is_some());
    }

    #[test]
    fn the_key_set_checks_tokens() {
        let tokens = tokens();
        let token = tokens.sign(request(vec![])).unwrap();
        let set: jsonwebtoken::jwk::JwkSet = serde_json::from_value(tokens.key_set()).unwrap();
        let kid = jsonwebtoken::decode_header(&token).unwrap().kid.unwrap();
        let key = DecodingKey::from_jwk(set.find(&kid).unwrap()).unwrap();
        let mut validation = Validation::new(Algorithm::ES256);
        validation.set_audience(&[ISSUER]);
        validation.validate_exp = false;
        assert!(jsonwebtoken::decode::<Claims>(&token, &key, &validation).is_ok());
    }

    #[test]
    fn a_token_of_another_key_is_refused() {
        let token = tokens().sign(request(vec![])).unwrap();
        assert_eq!(tokens().verify(&token, &[ISSUER], 1000), None);
    }
}
