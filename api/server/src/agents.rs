//! Reaches node agents with the API server's client certificate.
//!
//! Deliberately absent: what is said to them; logs and streams relay it, the system's links ask.

use crate::backend::Backend;
use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::{Request, Response, body::Incoming, client::conn::http1};
use hyper_util::rt::TokioIo;
use podium_types::{ApiError, Key};
use std::{path::Path, sync::Arc, time::Duration};
use tokio::net::TcpStream;

/// How long an agent may take to be reached and to begin its answer.
const CONNECT: Duration = Duration::from_secs(10);
/// Longest error text that is read from an agent.
const MAX_ERROR: usize = 8 * 1024;
/// Longest answer that [`Agents::get`] reads.
const MAX_ANSWER: usize = 16 << 20;
/// Port of an agent that does not tell its own.
const KUBELET_PORT: u16 = 10250;

/// Opens connections to agents. Cheap to clone.
#[derive(Clone)]
pub struct Agents {
    tls: Arc<rustls::ClientConfig>,
}

/// Where an agent listens.
pub(crate) struct Node {
    name: String,
    address: String,
    port: u16,
}

impl Node {
    /// The agent of the Node `host`, as its status tells.
    pub(crate) fn locate(backend: &dyn Backend, host: &str) -> Result<Self, ApiError> {
        let nodes = podium_kinds::by_resource("nodes").ok_or_else(ApiError::no_such_path)?;
        let snapshot = backend.snapshot(nodes);
        let node = snapshot.get(&Key::new("", host)).ok_or_else(|| ApiError::not_found("nodes", "", host))?.value();
        let addresses = node["status"]["addresses"].as_array().map_or(&[][..], Vec::as_slice);
        let address = addresses.iter().find(|a| a["type"] == "InternalIP").and_then(|a| a["address"].as_str());
        let address =
            address.ok_or_else(|| ApiError::internal(format!("no preferred addresses found for node {host:?}")))?;
        let port = node["status"]["daemonEndpoints"]["kubeletEndpoint"]["Port"].as_u64();
        Ok(Self {
            name: host.to_owned(),
            address: address.to_owned(),
            port: port.and_then(|p| u16::try_from(p).ok()).filter(|p| *p > 0).unwrap_or(KUBELET_PORT),
        })
    }
    /// Where it listens, as a Host header names it.
    pub(crate) fn authority(&self) -> String {
        format!("{}:{}", self.name, self.port)
    }
    /// Its port.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }
    /// Its address.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }
    /// In Kubernetes' words.
    pub(crate) fn unreachable(&self, why: impl std::fmt::Display) -> ApiError {
        ApiError::internal(format!("error dialing node {}: {}:{}: {why}", self.name, self.address, self.port))
    }
    /// The beginning of a request to it.
    pub(crate) fn request(&self, method: &str, path: &str) -> hyper::http::request::Builder {
        Request::builder().method(method).uri(path).header("host", self.authority())
    }
}

impl Agents {
    pub(crate) fn new(tls: Arc<rustls::ClientConfig>) -> Self {
        Self { tls }
    }
    /// With the certificates in `pki`.
    ///
    /// # Errors
    /// Files that cannot be read.
    pub fn load(pki: &Path) -> std::io::Result<Self> {
        crate::http::client_tls(pki).map(|tls| Self::new(Arc::new(tls)))
    }
    /// The body that the agent of the Node `host` answers at `path`.
    ///
    /// # Errors
    /// An agent that cannot be reached, or refuses.
    pub async fn get(&self, backend: &dyn Backend, host: &str, path: &str) -> Result<Bytes, ApiError> {
        self.simple(backend, host, "GET", path).await
    }
    /// Asks the agent of the Node `host` to delete what is at `path`.
    ///
    /// # Errors
    /// An agent that cannot be reached, or refuses.
    pub async fn delete(&self, backend: &dyn Backend, host: &str, path: &str) -> Result<Bytes, ApiError> {
        self.simple(backend, host, "DELETE", path).await
    }

    async fn simple(&self, backend: &dyn Backend, host: &str, method: &str, path: &str) -> Result<Bytes, ApiError> {
        let node = Node::locate(backend, host)?;
        let request = node.request(method, path).body(Empty::new()).map_err(|e| node.unreachable(e))?;
        let response = self.ask(&node, request).await?;
        if !response.status().is_success() {
            return Err(refusal(response).await);
        }
        let body = Limited::new(response.into_body(), MAX_ANSWER).collect();
        let body = tokio::time::timeout(CONNECT, body).await.map_err(|_| node.unreachable("timed out"))?;
        Ok(body.map_err(|e| node.unreachable(e))?.to_bytes())
    }

    /// Sends a request on a connection of its own, which can be upgraded.
    pub(crate) async fn ask(
        &self,
        node: &Node,
        request: Request<Empty<Bytes>>,
    ) -> Result<Response<Incoming>, ApiError> {
        let mut agent = self.connect(node).await?;
        let answer = tokio::time::timeout(CONNECT, agent.send_request(request)).await;
        answer.map_err(|_| node.unreachable("timed out"))?.map_err(|e| node.unreachable(e))
    }

    /// A connection to the agent, under TLS.
    pub(crate) async fn dial(&self, node: &Node) -> Result<tokio_rustls::client::TlsStream<TcpStream>, ApiError> {
        let dial = async {
            let tcp = TcpStream::connect((node.address.as_str(), node.port)).await.map_err(|e| node.unreachable(e))?;
            let _ = tcp.set_nodelay(true);
            // The certificate must be that node's, whatever answers at its address.
            let name = rustls_pki_types::ServerName::try_from(node.name.clone()).map_err(|e| node.unreachable(e))?;
            let connector = tokio_rustls::TlsConnector::from(Arc::clone(&self.tls));
            connector.connect(name, tcp).await.map_err(|e| node.unreachable(e))
        };
        tokio::time::timeout(CONNECT, dial).await.unwrap_or_else(|_| Err(node.unreachable("timed out")))
    }

    async fn connect(&self, node: &Node) -> Result<http1::SendRequest<Empty<Bytes>>, ApiError> {
        let stream = TokioIo::new(self.dial(node).await?);
        let (sender, connection) = http1::handshake(stream).await.map_err(|e| node.unreachable(e))?;
        // It ends with the stream that it carries.
        drop(tokio::spawn(connection.with_upgrades()));
        Ok(sender)
    }
}

/// The agent's refusal in its own words.
pub(crate) async fn refusal(response: Response<Incoming>) -> ApiError {
    let code = response.status().as_u16();
    let body = Limited::new(response.into_body(), MAX_ERROR).collect().await;
    let text = body.map(|b| String::from_utf8_lossy(&b.to_bytes()).trim().to_owned()).unwrap_or_default();
    match code {
        400 => ApiError::bad_request(text),
        404 => ApiError::new(404, "NotFound", text),
        _ => ApiError::new(500, "InternalError", text),
    }
}
