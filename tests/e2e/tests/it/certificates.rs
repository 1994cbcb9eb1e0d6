//! Certificates on request: asked for with openssl, decided by kubectl, shown to the server.

use anyhow::{Context, Result, ensure};
use podium_e2e::{Cluster, eventually, run, with_cluster};

/// Makes a key and asks for a certificate.
fn ask(cluster: &Cluster, name: &str, subject: &str, signer: &str) -> Result<()> {
    let place = |end: &str| cluster.data.join(format!("{name}.{end}")).to_string_lossy().into_owned();
    let new = ["req", "-new", "-newkey", "rsa:2048", "-nodes", "-subj", subject];
    run("openssl", &[&new[..], &["-keyout", &place("key"), "-out", &place("csr")]].concat())?;
    let request = run("base64", &["-w0", &place("csr")])?;
    let made = cluster.apply(&format!(
        "apiVersion: certificates.k8s.io/v1\nkind: CertificateSigningRequest\nmetadata: {{name: {name}}}\nspec:\n  \
         signerName: {signer}\n  expirationSeconds: 3600\n  usages: [client auth, digital signature]\n  \
         request: {request}\n"
    ))?;
    ensure!(made.contains(&format!("certificatesigningrequest.certificates.k8s.io/{name} created")), "{made}");
    Ok(())
}

/// The last column of `kubectl get csr`.
fn condition(cluster: &Cluster, name: &str) -> Result<String> {
    let line = cluster.kubectl(&["get", "csr", name, "--no-headers"])?;
    Ok(line.split_whitespace().last().unwrap_or_default().to_owned())
}

async fn becomes(cluster: &Cluster, name: &str, wanted: &str) -> Result<()> {
    eventually(&format!("{name} is {wanted}"), || async { Ok((condition(cluster, name)? == wanted).then_some(())) })
        .await
}

/// kubectl with that certificate and nothing else; what it printed, good or bad.
fn with_certificate(cluster: &Cluster, name: &str, args: &[&str]) -> Result<(bool, String)> {
    let server = cluster.kubectl(&["config", "view", "-o", "jsonpath={.clusters[0].cluster.server}"])?;
    let place = |end: &str| cluster.data.join(format!("{name}.{end}")).to_string_lossy().into_owned();
    let ca = cluster.data.join("pki/ca.crt");
    let mut command = cluster.kubectl_command(args);
    command.env("KUBECONFIG", "/dev/null").arg(format!("--server={server}"));
    command.arg(format!("--certificate-authority={}", ca.display()));
    command.arg(format!("--client-certificate={}", place("crt"))).arg(format!("--client-key={}", place("key")));
    let done = command.output().context("kubectl")?;
    let text = [done.stdout, done.stderr].concat();
    Ok((done.status.success(), String::from_utf8_lossy(&text).into_owned()))
}

#[test]
fn a_certificate_is_asked_for_approved_and_used() {
    with_cluster(|cluster| async move {
        let client = "kubernetes.io/kube-apiserver-client";
        ask(&cluster, "jane", "/O=dev/O=ops/CN=jane", client)?;
        ensure!(condition(&cluster, "jane")? == "Pending");
        let approved = cluster.kubectl(&["certificate", "approve", "jane"])?;
        ensure!(approved.trim() == "certificatesigningrequest.certificates.k8s.io/jane approved", "{approved}");
        becomes(&cluster, "jane", "Approved,Issued").await?;
        let encoded = cluster.kubectl(&["get", "csr", "jane", "-o", "jsonpath={.status.certificate}"])?;
        let place = cluster.data.join("jane.crt");
        run("sh", &["-c", &format!("echo {encoded} | base64 -d > {}", place.display())])?;
        let shown = run("openssl", &["x509", "-noout", "-subject", "-in", &place.to_string_lossy()])?;
        ensure!(shown.contains("dev") && shown.contains("ops") && shown.contains("jane"), "{shown}");
        let ca = cluster.data.join("pki/ca.crt");
        run("openssl", &["verify", "-CAfile", &ca.to_string_lossy(), &place.to_string_lossy()])?;

        // Known, and without a role.
        let list = ["get", "configmaps", "-n", "default"];
        let (good, said) = with_certificate(&cluster, "jane", &list)?;
        ensure!(!good && said.contains(r#"User "jane" cannot list resource "configmaps""#), "{said}");
        cluster.kubectl(&["create", "clusterrolebinding", "ops", "--clusterrole=view", "--group=ops"])?;
        eventually("the role counts", || async { Ok(with_certificate(&cluster, "jane", &list)?.0.then_some(())) })
            .await?;

        ask(&cluster, "joe", "/CN=joe", client)?;
        let denied = cluster.kubectl(&["certificate", "deny", "joe"])?;
        ensure!(denied.trim() == "certificatesigningrequest.certificates.k8s.io/joe denied", "{denied}");
        becomes(&cluster, "joe", "Denied").await?;

        ask(&cluster, "odd", "/CN=odd", "kubernetes.io/kube-apiserver-client-kubelet")?;
        cluster.kubectl(&["certificate", "approve", "odd"])?;
        becomes(&cluster, "odd", "Approved,Failed").await?;
        let why = cluster.kubectl(&["get", "csr", "odd", "-o", "jsonpath={.status.conditions[1].message}"])?;
        ensure!(why == "subject organization is not system:nodes", "{why}");

        let admin = ask(&cluster, "admin", "/O=system:masters/CN=admin", client).unwrap_err().to_string();
        ensure!(admin.contains("with system:masters group is not allowed"), "{admin}");
        Ok(())
    });
}
