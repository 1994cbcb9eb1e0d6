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
