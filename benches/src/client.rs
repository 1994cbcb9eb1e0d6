//! A lean HTTP/1.1 client over TLS with the administrator's certificate: one connection each, so
//! that what is measured is the server.

use anyhow::{Context, Result, ensure};
use base64::Engine;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{Request, body::Incoming, client::conn::http1::SendRequest};
use hyper_util::rt::TokioIo;
use podium_e2e::Cluster;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::net::TcpStream;

/// Opens connections to one API server.
#[derive(Clone)]
pub struct Dialer {
    tls: tokio_rustls::TlsConnector,
    address: String,
}

impl Dialer {
    pub fn new(cluster: &Cluster) -> Result<Self> {
        let text = std::fs::read_to_string(cluster.data.join("kubeconfig"))?;
        let config: serde_json::Value = serde_yaml::from_str(&text)?;
        let field = |at: &serde_json::Value, name: &str| -> Result<Vec<u8>> {
            let text = at[name].as_str().with_context(|| format!("the kubeconfig has no {name}"))?;
            Ok(base64::engine::general_purpose::STANDARD.decode(text)?)
        };
        let (server, user) = (&config["clusters"][0]["cluster"], &config["users"][0]["user"]);
        let mut roots = rustls::RootCertStore::empty();
        for ca in CertificateDer::pem_slice_iter(&field(server, "certificate-authority-data")?) {
            roots.add(ca?)?;
        }
        let chain: Vec<_> =
            CertificateDer::pem_slice_iter(&field(user, "client-certificate-data")?).collect::<Result<_, _>>()?;
        let key = PrivateKeyDer::from_pem_slice(&field(user, "client-key-data")?)?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_client_auth_cert(chain, key)?;
        let url = server["server"].as_str().context("no server")?;
        Ok(Self { tls: Arc::new(tls).into(), address: url.trim_start_matches("https://").to_owned() })
    }

    pub async fn connect(&self) -> Result<Connection> {
        let tcp = TcpStream::connect(&self.address).await?;
        tcp.set_nodelay(true)?;
        let name = ServerName::try_from("localhost")?;
        let tls = self.tls.connect(name, tcp).await?;
        let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(tls)).await?;
        tokio::spawn(connection);
        Ok(Connection { sender })
    }

    /// Runs `total` requests over `clients` connections; latencies and requests per second.
    pub async fn load(
        &self,
        clients: usize,
        total: usize,
        request: impl Fn(usize) -> (String, String, Option<String>) + Clone + Send + Sync + 'static,
    ) -> Result<(crate::stats::Latencies, f64)> {
        let mut connections = Vec::new();
        for _ in 0..clients {
            connections.push(self.connect().await?);
        }
        let began = Instant::now();
        let tasks: Vec<_> = connections
            .into_iter()
            .enumerate()
            .map(|(c, mut connection)| {
                let request = request.clone();
                tokio::spawn(async move {
                    let mut took = Vec::new();
                    for n in (c..total).step_by(clients) {
                        let (method, path, body) = request(n);
                        let from = Instant::now();
                        connection.ask(&method, &path, body).await?;
                        took.push(from.elapsed());
                    }
                    anyhow::Ok(took)
                })
            })
            .collect();
        let mut all = Vec::with_capacity(total);
        for task in tasks {
            all.extend(task.await??);
        }
        let rate = all.len() as f64 / began.elapsed().as_secs_f64();
        Ok((crate::stats::Latencies::new(all), rate))
    }
}

/// One connection.
pub struct Connection {
    sender: SendRequest<Full<Bytes>>,
}

impl Connection {
    /// The answer's body; an error unless the status is a success.
    pub async fn ask(&mut self, method: &str, path: &str, body: Option<String>) -> Result<Bytes> {
        let response = self.open(method, path, body).await?;
        let status = response.status();
        let body = response.into_body().collect().await?.to_bytes();
        ensure!(status.is_success(), "{method} {path}: {status}: {}", String::from_utf8_lossy(&body));
        Ok(body)
    }
    /// The answer, its body yet to be read.
    pub async fn open(&mut self, method: &str, path: &str, body: Option<String>) -> Result<http::Response<Incoming>> {
        let kind = if method == "PATCH" { "application/merge-patch+json" } else { "application/json" };
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", "localhost")
            .header("accept", "application/json")
            .header("content-type", kind)
            .body(Full::new(Bytes::from(body.unwrap_or_default())))?;
        self.sender.ready().await?;
        Ok(tokio::time::timeout(Duration::from_secs(60), self.sender.send_request(request)).await??)
    }
}
