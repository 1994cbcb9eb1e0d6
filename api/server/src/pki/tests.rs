//! Certificates: made once, kept, readable by nobody else.

use super::*;
use std::os::unix::fs::PermissionsExt;

fn config(dir: &Path, address: &str) -> PkiConfig {
    PkiConfig {
        node_name: "node-a".into(),
        addresses: vec![address.parse().unwrap()],
        service_ip: "10.96.0.1".parse().unwrap(),
        api_port: 6443,
        kubeconfig: dir.join("kubeconfig"),
    }
}

fn text(dir: &Path, name: &str) -> String {
    std::fs::read_to_string(dir.join(name)).unwrap()
}

#[test]
fn made_once_and_private() {
    let dir = tempfile::tempdir().unwrap();
    let pki = dir.path().join("pki");
    ensure(&pki, &config(dir.path(), "192.0.2.1")).unwrap();
    let names = ["ca.key", "ca.crt", "server.crt", "sa.key", "kubelet-client.crt", "nodes/node-a/kubelet.crt"];
    let before: Vec<_> = names.iter().map(|n| text(&pki, n)).collect();
    let kubeconfig = text(dir.path(), "kubeconfig");
    ensure(&pki, &config(dir.path(), "192.0.2.1")).unwrap();
    assert_eq!(before, names.iter().map(|n| text(&pki, n)).collect::<Vec<_>>());
    assert_eq!(kubeconfig, text(dir.path(), "kubeconfig"));
    for secret in ["pki/ca.key", "pki/sa.key", "pki/server.key", "kubeconfig", "pki/nodes/node-a/node.kubeconfig"] {
        let mode = std::fs::metadata(dir.path().join(secret)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{secret}");
    }
}

#[test]
fn a_new_address_makes_a_new_serving_certificate_under_the_same_authority() {
    let dir = tempfile::tempdir().unwrap();
    ensure(dir.path(), &config(dir.path(), "192.0.2.1")).unwrap();
    let ca = text(dir.path(), "ca.crt");
    ensure(dir.path(), &config(dir.path(), "192.0.2.2")).unwrap();
    assert_eq!(ca, text(dir.path(), "ca.crt"));
    let names = subject_alt_names(&text(dir.path(), "server.crt")).unwrap();
    assert!(names.contains(&"192.0.2.2".to_owned()) && names.contains(&"10.96.0.1".to_owned()), "{names:?}");
    assert!(!names.contains(&"192.0.2.1".to_owned()));
}

#[test]
fn a_request_is_signed_with_subject_and_key_as_they_were() {
    use podium_machinery::certificates::{Request, Validity};
    let dir = tempfile::tempdir().unwrap();
    Authority::open(dir.path()).unwrap();
    let signer = Signer::load(dir.path()).unwrap();
    // Two groups, which rcgen itself cannot write: a second O under the same name.
    let mut params = rcgen::CertificateParams::new(vec!["a.example".to_owned(), "192.0.2.1".to_owned()]).unwrap();
    params.distinguished_name.push(rcgen::DnType::CommonName, "jane");
    params.distinguished_name.push(rcgen::DnType::OrganizationName, "dev");
    params.distinguished_name.push(rcgen::DnType::CustomDnType(vec![2, 5, 4, 10]), "ops");
    for algorithm in [&rcgen::PKCS_ECDSA_P256_SHA256, &rcgen::PKCS_ECDSA_P384_SHA384, &rcgen::PKCS_ED25519] {
        let key = rcgen::KeyPair::generate_for(algorithm).unwrap();
        let request = Request::parse(params.serialize_request(&key).unwrap().pem().unwrap().as_bytes()).unwrap();
        let validity =
            Validity::new(podium_types::Timestamp::from_second(1_800_000_000).unwrap(), Some(3600), i64::MAX);
        let usages = ["client auth", "digital signature"].map(str::to_owned);
        let pem = signer.sign(&request, &usages, &validity).unwrap();
        assert_eq!(subject_alt_names(&pem).unwrap(), ["192.0.2.1", "a.example"]);
        let (_, ca) = x509_parser::pem::parse_x509_pem(signer.authority.certificate.as_bytes()).unwrap();
        let (_, block) = x509_parser::pem::parse_x509_pem(pem.as_bytes()).unwrap();
        let (ca, certificate) = (ca.parse_x509().unwrap(), block.parse_x509().unwrap());
        certificate.verify_signature(Some(ca.public_key())).unwrap();
        assert_eq!(certificate.public_key().raw, request.public_key);
        assert_eq!((certificate.is_ca(), certificate.validity().not_after.timestamp()), (false, 1_800_003_600));
        assert!(certificate.extended_key_usage().unwrap().unwrap().value.client_auth);
        let user = crate::auth::authenticate::of_certificate(&block.contents).unwrap();
        assert_eq!((user.name.as_str(), &user.groups[..2]), ("jane", &["dev".to_owned(), "ops".to_owned()][..]));
    }
}
