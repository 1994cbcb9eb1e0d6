//! A lean HTTP/1.1 client over TLS with the administrator's certificate: one connection each, so
//! that what is measured is the server. Watches can share an HTTP/2 connection instead.

use crate::stats::{Latencies, Run, Runs};
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
use tokio_rustls::client::TlsStream;

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
        let tls = self.dial(&self.tls).await?;
        let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(tls)).await?;
        tokio::spawn(connection);
        Ok(Connection { sender })
    }

    /// A connection that many requests share.
    pub async fn multiplex(&self) -> Result<Multiplexed> {
        let mut tls = rustls::ClientConfig::clone(self.tls.config());
        tls.alpn_protocols = vec![b"h2".to_vec()];
        let tls = self.dial(&Arc::new(tls).into()).await?;
        let (sender, connection) = h2::client::handshake(tls).await?;
        tokio::spawn(connection);
        Ok(Multiplexed { sender, address: self.address.clone() })
    }

    async fn dial(&self, tls: &tokio_rustls::TlsConnector) -> Result<TlsStream<TcpStream>> {
        let tcp = TcpStream::connect(&self.address).await?;
        tcp.set_nodelay(true)?;
        Ok(tls.connect(ServerName::try_from("localhost")?, tcp).await?)
    }

    /// `runs` runs of `size` requests each over `clients` connections; requests are numbered through.
    pub async fn load(
        &self,
        clients: usize,
        runs: usize,
        size: usize,
        request: impl Fn(usize) -> (String, String, Option<String>) + Clone + Send + Sync + 'static,
    ) -> Result<Runs> {
        let mut connections = Vec::new();
        for _ in 0..clients {
            connections.push(self.connect().await?);
        }
        let mut all = Vec::with_capacity(runs);
        for run in 0..runs {
            let began = Instant::now();
            let tasks: Vec<_> = connections
                .drain(..)
                .enumerate()
                .map(|(first, connection)| {
                    let numbers = (run * size + first..(run + 1) * size).step_by(clients);
                    tokio::spawn(ask_all(connection, numbers, request.clone()))
                })
                .collect();
            let mut latencies = Vec::with_capacity(size);
            for task in tasks {
                let (connection, took) = task.await??;
                connections.push(connection);
                latencies.extend(took);
            }
            all.push(Run { took: began.elapsed(), latencies: Latencies::new(latencies) });
        }
        Ok(Runs(all))
    }
}

/// Asks one request after the other; what each took.
async fn ask_all(
    mut connection: Connection,
    numbers: impl Iterator<Item = usize>,
    request: impl Fn(usize) -> (String, String, Option<String>),
) -> Result<(Connection, Vec<Duration>)> {
    let mut took = Vec::new();
    for n in numbers {
        let (method, path, body) = request(n);
        let from = Instant::now();
        connection.ask(&method, &path, body).await?;
        took.push(from.elapsed());
    }
    Ok((connection, took))
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
    /// GETs a large body, which is read to its end but not kept; its size.
    pub async fn count(&mut self, path: &str) -> Result<usize> {
        let mut body = self.open("GET", path, None).await?.into_body();
        let mut bytes = 0;
        while let Some(frame) = body.frame().await {
            bytes += frame?.data_ref().map_or(0, Bytes::len);
        }
        Ok(bytes)
    }
    /// The answer, its body yet to be read. `APPLY` and `STRATEGIC` are patches in that form, `PATCH` a merge patch.
    pub async fn open(&mut self, method: &str, path: &str, body: Option<String>) -> Result<http::Response<Incoming>> {
        let (method, kind) = match method {
            "PATCH" => (method, "application/merge-patch+json"),
            "APPLY" => ("PATCH", "application/apply-patch+yaml"),
            "STRATEGIC" => ("PATCH", "application/strategic-merge-patch+json"),
            _ => (method, "application/json"),
        };
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

/// A connection that many requests share (HTTP/2).
pub struct Multiplexed {
    sender: h2::client::SendRequest<Bytes>,
    address: String,
}

impl Multiplexed {
    /// GETs something whose body is yet to be read.
    pub async fn get(&mut self, path: &str) -> Result<h2::RecvStream> {
        let uri = format!("https://{}{path}", self.address);
        let request = http_0_2::Request::get(uri).header("accept", "application/json").body(())?;
        let mut sender = self.sender.clone().ready().await?;
        let (answer, _) = sender.send_request(request, true)?;
        let answer = tokio::time::timeout(Duration::from_secs(60), answer).await??;
        ensure!(answer.status().is_success(), "GET {path}: {}", answer.status());
        Ok(answer.into_body())
    }
}
