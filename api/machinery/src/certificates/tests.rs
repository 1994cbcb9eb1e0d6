//! Requests as rcgen makes them, read again; what each signer says of what.

use super::*;
use podium_types::Timestamp;
use proptest::prelude::*;
use rcgen::{CertificateParams, DnType, DnValue, KeyPair, PKCS_ECDSA_P256_SHA256};

const NODE: &str = "system:node:a";

fn made(name: &str, organization: &str, names: &[&str]) -> String {
    let names: Vec<String> = names.iter().map(|n| (*n).to_owned()).collect();
    let mut params = CertificateParams::new(names).unwrap();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, DnValue::Utf8String(name.to_owned()));
    params.distinguished_name.push(DnType::OrganizationName, organization);
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
    params.serialize_request(&key).unwrap().pem().unwrap()
}

#[test]
fn a_request_is_read() {
    let request = Request::parse(made(NODE, "system:nodes", &["a.example", "192.0.2.1", "2001:db8::1"]).as_bytes());
    let request = request.unwrap();
    assert_eq!((request.common_name.as_str(), request.organizations.as_slice()), (NODE, &["system:nodes".into()][..]));
    assert_eq!(request.dns, ["a.example"]);
    assert_eq!(request.addresses.iter().map(ToString::to_string).collect::<Vec<_>>(), ["192.0.2.1", "2001:db8::1"]);
    assert!(!request.subject.is_empty() && !request.public_key.is_empty());
}

#[test]
fn what_is_no_request_is_refused() {
    let good = made("jane", "dev", &[]);
    assert_eq!(Request::parse(b"").unwrap_err(), "PEM block type must be CERTIFICATE REQUEST");
    let other = good.replace("CERTIFICATE REQUEST", "CERTIFICATE");
    assert_eq!(Request::parse(other.as_bytes()).unwrap_err(), "PEM block type must be CERTIFICATE REQUEST");
    // Another's name under one's own signature.
    let (_, pem) = x509_parser::pem::parse_x509_pem(good.as_bytes()).unwrap();
    let at = pem.contents.windows(4).position(|w| w == b"jane").unwrap();
    let mut forged = pem.contents.clone();
    forged[at] = b'J';
    let text = base64::Engine::encode(&base64::prelude::BASE64_STANDARD, forged);
    let forged = format!("-----BEGIN CERTIFICATE REQUEST-----\n{text}\n-----END CERTIFICATE REQUEST-----\n");
    assert_eq!(Request::parse(forged.as_bytes()).unwrap_err(), "the signature does not fit the public key");
}

#[test]
fn signers_accept_what_kubernetes_accepts() {
    let node = Request { common_name: NODE.into(), organizations: vec!["system:nodes".into()], ..Request::default() };
    let named = Request { dns: vec!["a".into()], ..node.clone() };
    let (client, serving) =
        (["digital signature", "client auth"], ["server auth", "digital signature", "key encipherment"]);
    let table: &[(Signer, Request, &[&str], &str)] = &[
        (Signer::Client, Request::default(), &client, ""),
        (Signer::Client, named.clone(), &client, ""),
        (
            Signer::Client,
            Request::default(),
            &["digital signature"],
            "missing required usage for client certificate: client auth",
        ),
        (
            Signer::Client,
            Request::default(),
            &["client auth", "server auth"],
            "invalid usage for client certificate: server auth",
        ),
        (Signer::KubeletClient, node.clone(), &client, ""),
        (Signer::KubeletClient, named.clone(), &client, "DNS subjectAltNames are not allowed"),
        (Signer::KubeletClient, node.clone(), &serving, r#"usages did not match ["client auth", "digital signature"]"#),
        (Signer::KubeletClient, Request::default(), &client, "subject organization is not system:nodes"),
        (
            Signer::KubeletClient,
            Request { common_name: "a".into(), ..node.clone() },
            &client,
            "subject common name does not begin with system:node:",
        ),
        (Signer::KubeletServing, named.clone(), &serving, ""),
        (
            Signer::KubeletServing,
            named.clone(),
            &client,
            r#"usages did not match ["digital signature", "server auth"]"#,
        ),
        (Signer::KubeletServing, node.clone(), &serving, "DNS or IP subjectAltName is required"),
        (
            Signer::KubeletServing,
            Request { emails: vec!["a@b".into()], ..named.clone() },
            &serving,
            "email subjectAltNames are not allowed",
        ),
        (
            Signer::KubeletServing,
            Request { uris: vec!["a:b".into()], ..named },
            &serving,
            "URI subjectAltNames are not allowed",
        ),
        (Signer::Legacy, Request::default(), &["any"], ""),
    ];
    for (signer, request, usages, said) in table {
        let found = signer.check(request, usages).err().unwrap_or_default();
        assert_eq!(found, *said, "{signer:?} {request:?} {usages:?}");
    }
    assert_eq!(Signer::named("example.com/own"), None);
}

#[test]
fn lives_are_bounded() {
    let now = Timestamp::from_second(1_700_000_000).unwrap();
    for (asked, end, life) in [
        (None, i64::MAX, 365 * 86400 - 300),
        (Some(1), i64::MAX, 600),
        (Some(3600), i64::MAX, 3600),
        (Some(86400), i64::MAX, 86400 - 300),
        (Some(i64::MAX), i64::MAX, 365 * 86400 - 300),
        (None, 1_700_000_100, 100),
    ] {
        let validity = Validity::new(now, asked, end);
        assert_eq!(validity.not_before.as_second(), 1_700_000_000 - 300);
        assert_eq!(validity.not_after.as_second() - 1_700_000_000, life, "{asked:?}");
    }
}

proptest! {
    #[test]
    fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..400), at in 0..400usize, to: u8) {
        let text = base64::Engine::encode(&base64::prelude::BASE64_STANDARD, bytes);
        let pem = format!("-----BEGIN CERTIFICATE REQUEST-----\n{text}\n-----END CERTIFICATE REQUEST-----\n");
        prop_assert!(Request::parse(pem.as_bytes()).is_err());
        let mut real = made("jane", "dev", &["a.example"]).into_bytes();
        let at = at % real.len();
        real[at] = to;
        let _ = Request::parse(&real);
    }
}
