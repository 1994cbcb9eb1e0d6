//! Connections to what is behind a proxy.

use super::{super::app::App, locate::Place};
use podium_types::ApiError;
use rustls::{
    ClientConfig, DigitallySignedStruct, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, ring},
};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use std::{sync::Arc, time::Duration};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};

/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(10);

/// A connection of any sort.
pub(super) trait Wire: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Wire for T {}

/// Connects; 503 in Kubernetes' words where nobody answers.
pub(super) async fn connect(app: &App, place: &Place) -> Result<Box<dyn Wire>, ApiError> {
    let (tls, address, port) = match place {
        Place::Agent(node) => return Ok(Box::new(app.agents.dial(node).await?)),
        Place::Plain { tls, address, port } => (*tls, address.as_str(), *port),
    };
    let dial = async {
        let tcp = TcpStream::connect((address, port)).await?;
        let _ = tcp.set_nodelay(true);
        if !tls {
            return Ok::<Box<dyn Wire>, std::io::Error>(Box::new(tcp));
        }
        let name = ServerName::try_from(address.to_owned()).map_err(std::io::Error::other)?;
        Ok(Box::new(tokio_rustls::TlsConnector::from(any_certificate()?).connect(name, tcp).await?))
    };
    match tokio::time::timeout(CONNECT, dial).await {
        Ok(Ok(wire)) => Ok(wire),
        Ok(Err(error)) => Err(unreachable(format!("dial tcp {}: {error}", place.authority()))),
        Err(_) => Err(unreachable(format!("dial tcp {}: i/o timeout", place.authority()))),
    }
}

/// Nobody answers, or not in HTTP.
pub(super) fn unreachable(why: impl std::fmt::Display) -> ApiError {
    ApiError::new(503, "ServiceUnavailable", format!("error trying to reach service: {why}"))
}

fn any_certificate() -> std::io::Result<Arc<ClientConfig>> {
    let provider = Arc::new(ring::default_provider());
    let config = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(std::io::Error::other)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anybody(provider)))
        .with_no_client_auth();
    Ok(Arc::new(config))
}

/// Takes every certificate: a pod's is its own affair, and its address was given by the cluster.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

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
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let known = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signed, known)
    }
    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let known = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signed, known)
    }
    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
