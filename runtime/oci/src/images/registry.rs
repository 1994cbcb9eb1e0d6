//! `registries.yaml`: mirrors, plain HTTP, CAs and credentials per registry, in k3s' form.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use oci_client::client::{Certificate, CertificateEncoding, Client, ClientConfig, ClientProtocol};
use oci_client::secrets::RegistryAuth;
use serde::{Deserialize, Serialize};

use super::Credentials;
use crate::error::{Context, Error, Result};

/// Beside `registries.yaml`: CAs by host.
const CERTIFICATES: &str = "certs.d";
/// A server that says nothing for so long is given up.
const READ_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(60);
/// A server that does not accept for so long is given up.
const CONNECT_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(15);

/// The whole file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "snake_case")]
pub struct RegistryConfig {
    /// By the registry in image names (`docker.io`, `*` for any): where to ask first. The registry itself is last.
    pub mirrors: BTreeMap<String, Endpoints>,
    /// By the host (and port) that is asked.
    pub configs: BTreeMap<String, Server>,
    /// `certs.d`: in a directory of a host's name, `*.crt` are CAs to trust, as docker has it.
    #[serde(skip)]
    pub certificates: Option<PathBuf>,
}

/// Mirrors of a registry.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Endpoints {
    /// `http://host:port` or `https://host`, in order.
    #[serde(rename = "endpoint", alias = "endpoints")]
    pub endpoints: Vec<String>,
}

/// How to talk to one host.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Server {
    /// Credentials, when the pod brings none.
    pub auth: Option<Auth>,
    /// TLS.
    pub tls: Option<Tls>,
}

/// Name and password.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Auth {
    /// User name.
    pub username: String,
    /// Password or token.
    pub password: String,
}

/// Trust.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Tls {
    /// PEM file of the CA to trust.
    pub ca_file: Option<PathBuf>,
    /// Accept any certificate.
    pub insecure_skip_verify: bool,
}

/// A host to ask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Endpoint {
    pub host: String,
    pub plain: bool,
}

impl RegistryConfig {
    /// Reads `registries.yaml`; a missing file means no mirrors. Looks for CAs in `certs.d` beside it.
    pub fn load(path: &Path) -> Result<RegistryConfig> {
        let config = match std::fs::read_to_string(path) {
            Ok(text) => serde_yaml::from_str(&text)
                .map_err(|error| Error::Invalid(format!("invalid {}: {error}", path.display())))?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => RegistryConfig::default(),
            Err(error) => return Err(error).at("read", path),
        };
        Ok(RegistryConfig { certificates: path.parent().map(|dir| dir.join(CERTIFICATES)), ..config })
    }

    /// Hosts to ask for an image of `registry`, in order.
    pub(super) fn endpoints(&self, registry: &str) -> Vec<Endpoint> {
        let mirrors = self.mirrors.get(registry).or_else(|| self.mirrors.get("*"));
        let mut found: Vec<Endpoint> = mirrors
            .iter()
            .flat_map(|mirrors| &mirrors.endpoints)
            .map(|url| {
                let (plain, rest) = match (url.strip_prefix("http://"), url.strip_prefix("https://")) {
                    (Some(rest), _) => (true, rest),
                    (None, Some(rest)) => (false, rest),
                    (None, None) => (false, url.as_str()),
                };
                Endpoint { host: rest.split('/').next().unwrap_or(rest).to_owned(), plain }
            })
            .collect();
        if !found.iter().any(|endpoint| endpoint.host == registry) {
            // As docker: loopback registries may be plain.
            let name = registry.rsplit_once(':').map_or(registry, |(name, _)| name);
            let plain = name == "localhost" || name.starts_with("127.");
            found.push(Endpoint { host: registry.to_owned(), plain });
        }
        found
    }

    /// Files of CAs that are trusted of a host, in order.
    fn authorities(&self, host: &str, tls: &Tls) -> Vec<PathBuf> {
        let dir = self.certificates.as_ref().map(|dir| dir.join(host));
        let entries = dir.into_iter().filter_map(|dir| std::fs::read_dir(dir).ok()).flatten().flatten();
        let mut files: Vec<PathBuf> =
            entries.map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|e| e == "crt")).collect();
        files.sort();
        tls.ca_file.iter().cloned().chain(files).collect()
    }

    pub(super) fn client(&self, endpoint: &Endpoint) -> Result<Client> {
        let tls = self.configs.get(&endpoint.host).and_then(|server| server.tls.clone()).unwrap_or_default();
        let mut roots = Vec::new();
        for path in self.authorities(&endpoint.host, &tls) {
            let data = std::fs::read(&path).at("read", &path)?;
            roots.push(Certificate { encoding: CertificateEncoding::Pem, data });
        }
        let config = ClientConfig {
            protocol: if endpoint.plain { ClientProtocol::Http } else { ClientProtocol::Https },
            accept_invalid_certificates: tls.insecure_skip_verify,
            extra_root_certificates: roots,
            read_timeout: Some(READ_TIMEOUT),
            connect_timeout: Some(CONNECT_TIMEOUT),
            user_agent: concat!("podium/", env!("CARGO_PKG_VERSION")),
            ..ClientConfig::default()
        };
        Client::try_from(config).map_err(|error| Error::Invalid(format!("registry {}: {error}", endpoint.host)))
    }

    /// The pod's credentials are for the registry it names, never for a mirror.
    pub(super) fn auth(&self, endpoint: &Endpoint, registry: &str, pod: Option<&Credentials>) -> RegistryAuth {
        let own = self.configs.get(&endpoint.host).and_then(|server| server.auth.as_ref());
        match (pod.filter(|_| endpoint.host == registry), own) {
            (Some(pod), _) => RegistryAuth::Basic(pod.username.clone(), pod.password.clone()),
            (None, Some(own)) => RegistryAuth::Basic(own.username.clone(), own.password.clone()),
            (None, None) => RegistryAuth::Anonymous,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn authorities_lie_beside_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let host = dir.path().join("certs.d/registry.test:5000");
        std::fs::create_dir_all(&host).unwrap();
        for name in ["b.crt", "a.crt", "client.key"] {
            std::fs::write(host.join(name), "").unwrap();
        }
        let config = RegistryConfig::load(&dir.path().join("registries.yaml")).unwrap();
        let own = Tls { ca_file: Some("/ca.pem".into()), ..Tls::default() };
        let found = config.authorities("registry.test:5000", &own);
        assert_eq!(found, [PathBuf::from("/ca.pem"), host.join("a.crt"), host.join("b.crt")]);
        assert!(config.authorities("other.test", &Tls::default()).is_empty());
    }
}
