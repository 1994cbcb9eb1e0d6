//! Clients that others wrote, through the scripts of tests/clients.

use anyhow::{Context, ensure};
use podium_e2e::{root, with_cluster};
use std::process::Command;

#[test]
fn the_python_client_finds_what_it_expects() {
    let python = root().join("target/clients/bin/python");
    if !python.exists() {
        println!("skipped: the Python client is not installed (./dev test does it)");
        return;
    }
    with_cluster(|cluster| async move {
        cluster.load_images()?;
        let output = Command::new(&python)
            .arg(root().join("tests/clients/python/session.py"))
            .env("KUBECONFIG", cluster.data.join("kubeconfig"))
            .output()
            .context("starting Python")?;
        let (said, complained) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        ensure!(output.status.success() && said.ends_with("done\n"), "{said}{complained}");
        Ok::<_, anyhow::Error>(())
    });
}
