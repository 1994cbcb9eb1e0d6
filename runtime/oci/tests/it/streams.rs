//! Exec, attach and terminals.

use podium_oci::{ExecConfig, UserSpec};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::fixture::{PATIENCE, Pod};

fn shell(script: &str) -> ExecConfig {
    ExecConfig {
        args: vec!["sh".into(), "-c".into(), script.into()],
        stdout: true,
        stderr: true,
        ..ExecConfig::default()
    }
}

async fn all(reader: Option<podium_oci::Reader>) -> String {
    let mut text = String::new();
    reader.unwrap().read_to_string(&mut text).await.unwrap();
    text
}

#[tokio::test]
async fn exec_gives_streams_and_a_code() {
    let Some(pod) = Pod::start(|_| {}).await else { return };
    let mut config = pod.container("c", "sleep 100");
    config.env = vec![("OWN".into(), "1".into())];
    config.seccomp = podium_oci::Seccomp::RuntimeDefault;
    pod.shim.run(&config).await.unwrap();
    let mut exec = shell(
        "cat; echo $OWN $EXTRA $(id -u); pwd; echo problem >&2; /bin/busybox grep Seccomp: /proc/self/status; exit 5",
    );
    exec.stdin = true;
    exec.env = vec![("EXTRA".into(), "2".into())];
    exec.cwd = Some("/tmp".into());
    exec.user = Some(UserSpec { uid: 1000, ..UserSpec::default() });
    let mut session = pod.shim.exec("c", exec).await.unwrap();
    let mut stdin = session.stdin.take().unwrap();
    stdin.write_all(b"typed\n").await.unwrap();
    drop(stdin);
    assert_eq!(all(session.stdout).await, "typed\n1 2 1000\n/tmp\nSeccomp:\t2\n");
    assert_eq!(all(session.stderr).await, "problem\n");
    assert_eq!(session.wait.wait().await.unwrap(), 5);
    let mut missing = shell("");
    missing.args = vec!["nosuch".into()];
    let Err(error) = pod.shim.exec("c", missing).await else { panic!("started nosuch") };
    assert!(error.to_string().contains("executable file not found in $PATH"), "{error}");
    assert!(pod.shim.exec("other", shell("true")).await.is_err());
}

#[tokio::test]
async fn many_execs_at_once() {
    let Some(pod) = Pod::start(|_| {}).await else { return };
    pod.shim.run(&pod.container("c", "sleep 100")).await.unwrap();
    let one = |n: i32| {
        let shim = pod.shim.clone();
        async move {
            let session = shim.exec("c", shell(&format!("echo {n}; exit {n}"))).await.unwrap();
            assert_eq!(all(session.stdout).await, format!("{n}\n"));
            assert_eq!(session.wait.wait().await.unwrap(), n);
        }
    };
    tokio::time::timeout(PATIENCE, futures_util::future::join_all((0..16).map(one))).await.unwrap();
}

#[tokio::test]
async fn a_terminal_can_be_typed_at_and_resized() {
    let Some(pod) = Pod::start(|_| {}).await else { return };
    pod.shim.run(&pod.container("c", "sleep 100")).await.unwrap();
    let exec = ExecConfig { tty: true, stdin: true, ..shell("read x; stty size; echo got $x; exit 4") };
    let mut session = pod.shim.exec("c", exec).await.unwrap();
    session.terminal.as_ref().unwrap().resize(132, 43).unwrap();
    session.stdin.as_mut().unwrap().write_all(b"word\n").await.unwrap();
    let text = all(session.stdout).await;
    assert!(text.contains("43 132") && text.contains("got word"), "{text}");
    assert_eq!(session.wait.wait().await.unwrap(), 4);
    // The container's own terminal, by attach.
    let mut config = pod.container("t", "stty -echo; read x; stty size; echo got $x");
    (config.tty, config.stdin) = (true, true);
    pod.shim.run(&config).await.unwrap();
    let mut session = pod.shim.attach("t", true, true, false).await.unwrap();
    session.terminal.as_ref().unwrap().resize(100, 30).unwrap();
    session.stdin.as_mut().unwrap().write_all(b"key\n").await.unwrap();
    let text = all(session.stdout).await;
    assert!(text.contains("30 100") && text.contains("got key"), "{text}");
    assert_eq!(pod.ended("t").await.code, Some(0));
    assert!(pod.log("t").contains("got key"), "{}", pod.log("t"));
}

#[tokio::test]
async fn attach_reads_live_output_and_writes_stdin_once() {
    let Some(pod) = Pod::start(|_| {}).await else { return };
    let mut config = pod.container("c", "echo early; while read x; do echo got $x; echo no $x >&2; done; echo end");
    (config.stdin, config.stdin_once) = (true, true);
    pod.shim.run(&config).await.unwrap();
    pod.log_has("c", "early").await;
    let mut session = pod.shim.attach("c", true, true, true).await.unwrap();
    let mut stdin = session.stdin.take().unwrap();
    stdin.write_all(b"a\nb\n").await.unwrap();
    drop(stdin);
    assert_eq!(all(session.stdout).await, "got a\ngot b\nend\n");
    assert_eq!(all(session.stderr).await, "no a\nno b\n");
    assert_eq!(pod.ended("c").await.code, Some(0));
    assert_eq!(pod.log("c").matches("got").count(), 2);
}

#[tokio::test]
async fn a_reader_that_stalls_does_not_stall_the_container() {
    let Some(pod) = Pod::start(|_| {}).await else { return };
    let mut config =
        pod.container("c", "read x; dd if=/dev/zero bs=64k count=200 | /bin/busybox tr '\\0' 'x'; echo; echo end");
    config.stdin = true;
    pod.shim.run(&config).await.unwrap();
    let mut session = pod.shim.attach("c", true, true, true).await.unwrap();
    session.stdin.as_mut().unwrap().write_all(b"go\n").await.unwrap();
    assert_eq!(pod.ended("c").await.code, Some(0));
    assert!(pod.log("c").ends_with("end\n"));
}
