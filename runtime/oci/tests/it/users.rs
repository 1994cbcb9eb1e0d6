//! Pods with users of their own: root inside is nobody outside.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use podium_oci::{ContainerConfig, ExecConfig, Mount, bind_mapped, user_namespace};
use tokio::io::AsyncReadExt;

use crate::fixture::Pod;

/// The host's id of the pod's root.
const BASE: u32 = 65_536 * 40_000;

/// A pod, and its root file system as its users see it.
async fn pod(share_pid: bool) -> Option<(Pod, PathBuf)> {
    let pod = Pod::start(|config| {
        let dir = config.dir.parent().unwrap();
        // Whoever is nobody must get through.
        fs::set_permissions(dir, Permissions::from_mode(0o755)).unwrap();
        config.netns = Some(dir.join("netns"));
        config.user_base = Some(BASE);
        config.share_pid = share_pid;
    })
    .await?;
    let root = pod.dir.path().join("root");
    bind_mapped(&pod.rootfs, &user_namespace(&pod.config.dir), &root).unwrap();
    Some((pod, root))
}

fn unmount(paths: &[&Path]) {
    for path in paths {
        nix::mount::umount2(*path, nix::mount::MntFlags::MNT_DETACH).unwrap();
    }
}

#[tokio::test]
async fn root_inside_is_nobody_outside() {
    let Some((pod, root)) = pod(false).await else { return };
    let (volume, mapped) = (pod.dir.path().join("volume"), pod.dir.path().join("volume-mapped"));
    let secret = pod.dir.path().join("secret");
    fs::create_dir(&volume).unwrap();
    fs::write(&secret, "host").unwrap();
    fs::set_permissions(&secret, Permissions::from_mode(0o600)).unwrap();
    bind_mapped(&volume, &user_namespace(&pod.config.dir), &mapped).unwrap();
    let bind = |source: &Path, destination: &str| Mount {
        source: source.to_owned(),
        destination: destination.into(),
        ..Mount::default()
    };
    let script = "id -u; cat /proc/self/uid_map; hostname; ls -ln /bin/busybox; touch /made /v/made; \
        cat /secret; ls /sys/class/net; echo ok > /dev/null; ls -d /dev/mqueue; sleep 1000";
    let config = ContainerConfig {
        rootfs: root.clone(),
        mounts: vec![bind(&mapped, "/v"), bind(&secret, "/secret")],
        ..pod.container("a", script)
    };
    pod.shim.run(&config).await.unwrap();
    pod.log_has("a", "/dev/mqueue").await;
    let log = pod.log("a");
    let lines: Vec<&str> = log.lines().collect();
    assert_eq!(lines[0], "0", "{log}");
    let map: Vec<&str> = lines[1].split_whitespace().collect();
    assert_eq!(map, ["0", &BASE.to_string(), "65536"], "{log}");
    assert_eq!(lines[2], "inside", "{log}");
    let owner: Vec<&str> = lines[3].split_whitespace().collect();
    assert_eq!(owner[2..4], ["0", "0"], "{log}");
    assert!(log.contains("Permission denied"), "{log}");
    assert!(!log.contains("host\n") && log.contains("\nlo\n"), "{log}");
    assert_eq!(fs::metadata(volume.join("made")).unwrap().uid(), 0, "as on the disk, so in the pod");
    let pid = pod.record("a").await.pid;
    assert_eq!(fs::metadata(format!("/proc/{pid}")).unwrap().uid(), BASE);
    let said = |script: &'static str, tty: bool| {
        let args = vec!["sh".into(), "-c".into(), script.into()];
        let (exec, shim) = (ExecConfig { args, tty, stdout: true, ..ExecConfig::default() }, pod.shim.clone());
        async move {
            let session = shim.exec("a", exec).await.unwrap();
            let mut bytes = Vec::new();
            let _ = session.stdout.unwrap().read_to_end(&mut bytes).await;
            (String::from_utf8(bytes).unwrap(), session.wait.wait().await.unwrap())
        }
    };
    let (text, code) =
        said("id -u; cat /proc/self/uid_map; touch /v/exec; cat /secret; cat /proc/self/cgroup; exit 7", false).await;
    assert!(text.starts_with("0\n") && text.contains(&BASE.to_string()) && !text.contains("host"), "{text}");
    assert!(text.contains("/pod/a"), "{text}");
    assert_eq!((code, fs::metadata(volume.join("exec")).unwrap().uid()), (7, 0));
    let (text, code) = said("tty; id -u", true).await;
    assert!(text.contains("/dev/pts/") || text.contains("0\r\n"), "{text}");
    assert_eq!(code, 0);
    let missing = ExecConfig { args: vec!["nothing".into()], ..ExecConfig::default() };
    let error = pod.shim.exec("a", missing).await.err().unwrap().to_string();
    assert!(error.contains("executable file not found"), "{error}");
    pod.shim.end().await.unwrap();
    unmount(&[&root, &mapped, &pod.dir.path().join("netns")]);
    assert_eq!(pod.remains(), [""; 0]);
}

#[tokio::test]
async fn containers_of_such_a_pod_share_their_processes() {
    let Some((pod, root)) = pod(true).await else { return };
    let first = ContainerConfig { rootfs: root.clone(), ..pod.container("a", "sleep 1000; true") };
    pod.shim.run(&first).await.unwrap();
    let mut second = ContainerConfig { rootfs: root.clone(), ..pod.container("b", "ps; id -u; sleep 1000") };
    second.user.uid = 1000;
    pod.shim.run(&second).await.unwrap();
    pod.log_has("b", "1000\n").await;
    assert!(pod.log("b").contains("podium-pause"), "{}", pod.log("b"));
    let pid = pod.record("b").await.pid;
    assert_eq!(fs::metadata(format!("/proc/{pid}")).unwrap().uid(), BASE + 1000);
    pod.shim.end().await.unwrap();
    unmount(&[&root, &pod.dir.path().join("netns")]);
    assert_eq!(pod.remains(), [""; 0]);
}
