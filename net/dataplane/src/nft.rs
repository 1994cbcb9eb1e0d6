//! Loading rule sets with the `nft` program: for what is rare, and for whole tables.

use crate::{Error, Result};
use std::process::Stdio;
use tokio::{io::AsyncWriteExt, process::Command};

/// Loads a script in one transaction.
pub(crate) async fn load(script: &str) -> Result<()> {
    run(&["-f", "-"], script).await.map(drop)
}

/// Runs `nft` and returns what it prints.
pub(crate) async fn run(arguments: &[&str], input: &str) -> Result<String> {
    let mut child = Command::new("nft")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(Error::io("cannot run nft; install nftables"))?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(input.as_bytes()).await.map_err(Error::io("nft: stdin"))?;
    }
    let output = child.wait_with_output().await.map_err(Error::io("nft"))?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        Err(Error::Nft(String::from_utf8_lossy(&output.stderr).trim().to_owned()))
    }
}

/// Removes a table; fine when there is none.
pub(crate) async fn delete_table(name: &str) -> Result<()> {
    load(&format!("add table ip {name}\ndelete table ip {name}\n")).await
}
