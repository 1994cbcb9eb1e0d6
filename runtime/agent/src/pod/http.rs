//! HTTP requests of probes and hooks. Certificates are not verified, as Kubernetes lays down.

use http_body_util::{BodyExt, Empty, Limited};
use hyper::{Request, client::conn::http1};
use hyper_util::rt::TokioIo;
use k8s_openapi::{
    api::core::v1::{Container, HTTPGetAction},
    apimachinery::pkg::util::intstr::IntOrString,
};
use rustls::{
    ClientConfig, DigitallySignedStruct, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    pki_types::{CertificateDer, ServerName, UnixTime},
};
use std::{io::ErrorKind, net::IpAddr, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};

/// Longest answer that is read, bytes (the kubelet's limit).
const MAX_BODY: usize = 10 << 10;

/// A port by number, or by its name in the container.
pub(super) fn port(port: &IntOrString, container: &Container) -> Result<u16, String> {
    let number = match port {
        IntOrString::Int(number) => Some(*number),
        IntOrString::String(name) => {
            let named = container.ports.iter().flatten().find(|p| p.name.as_ref() == Some(name));
            named.map(|p| p.container_port).or_else(|| name.parse().ok())
        }
    };
    number.and_then(|n| u16::try_from(n).ok()).ok_or_else(|| "couldn't find the port".to_owned())
}

/// The host a check goes to: as given, or the pod's address.
pub(super) fn host(given: Option<&str>, ips: &[IpAddr]) -> Result<String, String> {
    match given.filter(|h| !h.is_empty()) {
        Some(host) => Ok(host.to_owned()),
        None => ips.first().map(ToString::to_string).ok_or_else(|| "the pod has no address".to_owned()),
    }
}

/// Succeeds with a status from 200 to 399.
pub(super) async fn get(
    action: &HTTPGetAction,
    container: &Container,
    ips: &[IpAddr],
    limit: Duration,
) -> Result<(), String> {
    let (host, port) = (host(action.host.as_deref(), ips)?, port(&action.port, container)?);
    let https = action.scheme.as_deref() == Some("HTTPS");
    let path = action.path.as_deref().filter(|p| !p.is_empty()).unwrap_or("/");
    let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
    let url = format!("{}://{host}:{port}{path}", if https { "https" } else { "http" });
    let request = async {
        let stream = connect(&host, port).await?;
        if https {
            let name = ServerName::try_from(host.clone()).map_err(|e| e.to_string())?;
            let connector = tokio_rustls::TlsConnector::from(Arc::new(tls()));
            let stream = connector.connect(name, stream).await.map_err(|e| e.to_string())?;
            send(stream, &host, port, &path, action).await
        } else {
            send(stream, &host, port, &path, action).await
        }
    };
    match tokio::time::timeout(limit, request).await {
        Ok(Ok((status, _))) if (200..400).contains(&status) => Ok(()),
        Ok(Ok((status, _))) => Err(format!("HTTP probe failed with statuscode: {status}")),
        Ok(Err(error)) => Err(format!("Get \"{url}\": {error}")),
        Err(_) => {
            Err(format!("Get \"{url}\": context deadline exceeded (Client.Timeout exceeded while awaiting headers)"))
        }
    }
}

/// Connects, or says why not as Kubernetes' clients do.
pub(super) async fn connect(host: &str, port: u16) -> Result<TcpStream, String> {
    TcpStream::connect((host, port)).await.map_err(|error| {
        let why = match error.kind() {
            ErrorKind::ConnectionRefused => "connection refused".to_owned(),
            ErrorKind::HostUnreachable => "no route to host".to_owned(),
            ErrorKind::NetworkUnreachable => "network is unreachable".to_owned(),
            _ => error.to_string(),
        };
        let address = if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
        format!("dial tcp {address}: connect: {why}")
    })
}

async fn send<S>(stream: S, host: &str, port: u16, path: &str, action: &HTTPGetAction) -> Result<(u16, Vec<u8>), String>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(|e| e.to_string())?;
    let driver = tokio::spawn(connection);
    let mut request = Request::get(path);
    let headers = action.http_headers.as_deref().unwrap_or_default();
    let given = |name: &str| headers.iter().any(|h| h.name.eq_ignore_ascii_case(name));
    if !given("host") {
        request = request.header("Host", format!("{host}:{port}"));
    }
    if !given("user-agent") {
        request = request.header("User-Agent", "kube-probe/1.36");
    }
    if !given("accept") {
        request = request.header("Accept", "*/*");
    }
    for header in headers {
        request = request.header(&header.name, &header.value);
    }
    let request = request.body(Empty::<bytes::Bytes>::new()).map_err(|e| e.to_string())?;
    let answer = sender.send_request(request).await.map_err(|e| e.to_string())?;
    let status = answer.status().as_u16();
    // Only its beginning is of interest; a longer one is no failure.
    let body = Limited::new(answer.into_body(), MAX_BODY).collect().await;
    driver.abort();
    Ok((status, body.map(|b| b.to_bytes().to_vec()).unwrap_or_default()))
}

fn tls() -> ClientConfig {
    ClientConfig::builder().dangerous().with_custom_certificate_verifier(Arc::new(Anybody)).with_no_client_auth()
}

/// Accepts every certificate.
#[derive(Debug)]
struct Anybody;

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }
    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }
    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }
    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        rustls::crypto::ring::default_provider().signature_verification_algorithms.supported_schemes()
    }
}
