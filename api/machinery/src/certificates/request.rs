//! A PKCS#10 request: who asks for which names with which key.

use std::net::IpAddr;
use x509_parser::{
    certification_request::X509CertificationRequest,
    extensions::{GeneralName, ParsedExtension},
    pem::parse_x509_pem,
    prelude::FromDer,
    x509::X509Name,
};

/// The label of a request in PEM.
const LABEL: &str = "CERTIFICATE REQUEST";
/// Longest request that is looked at, in bytes.
const SIZE_LIMIT: usize = 64 * 1024;

/// What a request says, once its signature showed that the asker has the key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Request {
    /// CN of the subject.
    pub common_name: String,
    /// Every O of the subject.
    pub organizations: Vec<String>,
    /// DNS names asked for.
    pub dns: Vec<String>,
    /// E-mail addresses asked for.
    pub emails: Vec<String>,
    /// URIs asked for.
    pub uris: Vec<String>,
    /// IP addresses asked for.
    pub addresses: Vec<IpAddr>,
    /// The subject as it was written (DER).
    pub subject: Vec<u8>,
    /// The public key with its algorithm (DER of SubjectPublicKeyInfo).
    pub public_key: Vec<u8>,
}

impl Request {
    /// Reads a request in PEM; the reason where it is none, or not signed by its own key.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(pem: &[u8]) -> Result<Self, String> {
        if pem.len() > SIZE_LIMIT {
            return Err(format!("must not be larger than {SIZE_LIMIT} bytes"));
        }
        let (_, pem) = parse_x509_pem(pem).map_err(|_| wrong_block())?;
        if pem.label != LABEL {
            return Err(wrong_block());
        }
        let (_, parsed) = X509CertificationRequest::from_der(&pem.contents).map_err(|error| error.to_string())?;
        parsed.verify_signature().map_err(|_| "the signature does not fit the public key".to_owned())?;
        let info = &parsed.certification_request_info;
        let mut request = Self {
            common_name: strings(info.subject.iter_common_name()).pop().unwrap_or_default(),
            organizations: strings(info.subject.iter_organization()),
            subject: X509Name::as_raw(&info.subject).to_vec(),
            public_key: info.subject_pki.raw.to_vec(),
            ..Self::default()
        };
        for extension in parsed.requested_extensions().into_iter().flatten() {
            if let ParsedExtension::SubjectAlternativeName(names) = extension {
                names.general_names.iter().for_each(|name| request.add(name));
            }
        }
        Ok(request)
    }

    /// Kinds of names beyond these are passed over, as in Kubernetes.
    fn add(&mut self, name: &GeneralName<'_>) {
        match name {
            GeneralName::DNSName(name) => self.dns.push((*name).to_owned()),
            GeneralName::RFC822Name(name) => self.emails.push((*name).to_owned()),
            GeneralName::URI(name) => self.uris.push((*name).to_owned()),
            GeneralName::IPAddress(bytes) => {
                let v4 = <[u8; 4]>::try_from(*bytes).map(IpAddr::from);
                self.addresses.extend(v4.or_else(|_| <[u8; 16]>::try_from(*bytes).map(IpAddr::from)));
            }
            _ => {}
        }
    }
}

fn wrong_block() -> String {
    format!("PEM block type must be {LABEL}")
}

fn strings<'a>(values: impl Iterator<Item = &'a x509_parser::x509::AttributeTypeAndValue<'a>>) -> Vec<String> {
    values.filter_map(|value| value.as_str().ok()).map(str::to_owned).collect()
}
