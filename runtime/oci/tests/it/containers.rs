//! Programs run as they were told to, and their ends are known.

use podium_oci::{Mount, PodConfig, Resources, RunError, Seccomp, UserSpec};

use crate::fixture::Pod;

#[tokio::test]
async fn exit_codes_and_signals_are_told() {
    let Some(pod) = Pod::start(|_| {}).await else { return };
    let (exit, log) = pod.finish(&pod.container("ok", "echo hello; echo world >&2; exit 0")).await;
    assert_eq!((exit.code, exit.signal, exit.oom_killed), (Some(0), None, false));
    assert_eq!(log, "hello\nworld\n");
    let (exit, _) = pod.finish(&pod.container("seven", "exit 7")).await;
    assert_eq!(exit.code, Some(7));
    let mut events = pod.shim.events().await.unwrap();
    pod.shim.run(&pod.container("term", "trap 'exit 3' TERM; while :; do sleep 0.01; done")).await.unwrap();
    pod.shim.signal("term", 15).await.unwrap();
    // The trap may not be set yet; init ignores the signal then.
    let exit = loop {
        match tokio::time::timeout(std::time::Duration::from_millis(100), events.next()).await {
            Ok(event) => break event.unwrap(),
            Err(_) => pod.shim.signal("term", 15).await.unwrap(),
        }
    };
    assert_eq!((exit.id.as_str(), exit.exit.code), ("term", Some(3)));
    pod.shim.run(&pod.container("kill", "sleep 100")).await.unwrap();
    pod.shim.signal("kill", 9).await.unwrap();
    let exit = events.next().await.unwrap().exit;
    assert_eq!((exit.code, exit.signal, exit.oom_killed), (Some(137), Some(9), false));
    assert!(pod.shim.signal("nobody", 9).await.is_err());
}

#[tokio::test]
async fn failures_to_start_say_why_and_leave_nothing() {
    let Some(pod) = Pod::start(|_| {}).await else { return };
    std::fs::write(pod.rootfs.join("bin/garbage"), "\0\0\0").unwrap();
    std::fs::write(pod.rootfs.join("bin/plain"), "").unwrap();
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(pod.rootfs.join("bin/garbage"), PermissionsExt::from_mode(0o755)).unwrap();
    for (program, word) in [
        ("nosuch", "executable file not found in $PATH"),
        ("/bin/nosuch", "no such file or directory"),
        ("/bin/plain", "permission denied"),
        ("garbage", "exec format error"),
    ] {
        let mut config = pod.container("bad", "");
        config.args = vec![program.into()];
        let error = pod.shim.run(&config).await.unwrap_err();
        assert!(error.to_string().contains(word), "{error}");
    }
    let mut config = pod.container("bad", "true");
    config.capabilities_add = vec!["FLY".into()];
    assert!(matches!(pod.shim.run(&config).await, Err(RunError::Create(_))));
    assert!(pod.shim.state().await.unwrap().is_empty());
    pod.shim.stop().await.unwrap();
    assert_eq!(pod.remains(), [""; 0]);
}

#[tokio::test]
async fn containers_are_as_configured() {
    let Some(pod) = Pod::start(|_| {}).await else { return };
    let shared = pod.dir.path().join("volume");
    std::fs::create_dir(&shared).unwrap();
    std::fs::write(shared.join("file"), "from outside\n").unwrap();
    let mut config = pod.container(
        "a",
        "pwd; id -u; id -g; echo $GREETING; cat /v/file; touch /v/x || echo readonly; touch /x || echo rootless; \
         cat /proc/1/comm; ls /dev | head -99 | grep -c null; echo out > /dev/stdout; echo err > /dev/stderr; \
         cat /proc/self/status | grep -E 'CapEff|CapBnd|NoNewPrivs|Seccomp:'; ls /sys/fs/cgroup; echo done",
    );
    config.args[2] = config.args[2].replace("grep", "/bin/busybox grep");
    config.cwd = "/srv/dir".into();
    config.user = UserSpec { uid: 1000, gid: 1001, additional_gids: vec![2000] };
    config.env = vec![("GREETING".into(), "hi there".into())];
    config.mounts = vec![Mount { source: shared, destination: "/v".into(), readonly: true, ..Mount::default() }];
    config.readonly_rootfs = true;
    config.no_new_privileges = true;
    config.seccomp = Seccomp::RuntimeDefault;
    let (exit, log) = pod.finish(&config).await;
    assert_eq!(exit.code, Some(0), "{log}");
    for line in
        ["/srv/dir", "1000", "1001", "hi there", "from outside", "readonly", "rootless", "sh", "out", "err", "done"]
    {
        assert!(log.lines().any(|found| found == line), "{line:?} missing in {log}");
    }
    assert!(log.contains("CapEff:\t0000000000000000"), "{log}");
    assert!(log.contains("CapBnd:\t00000000a80425fb"), "{log}");
    assert!(log.contains("NoNewPrivs:\t1") && log.contains("Seccomp:\t2"), "{log}");
}

#[tokio::test]
async fn the_default_filter_denies_namespaces_and_mounts() {
    let Some(pod) = Pod::start(|_| {}).await else { return };
    for (id, seccomp, user_namespace) in [("free", Seccomp::Unconfined, true), ("kept", Seccomp::RuntimeDefault, false)]
    {
        let mut config =
            pod.container(id, "/bin/busybox unshare -U true && echo allowed; sleep 0.01 & wait; echo forked");
        config.seccomp = seccomp;
        let (exit, log) = pod.finish(&config).await;
        assert_eq!(exit.code, Some(0));
        assert_eq!(log.contains("allowed"), user_namespace, "{log}");
        assert!(log.contains("forked"), "{log}");
    }
}

#[tokio::test]
async fn memory_limits_kill_and_are_told() {
    let Some(pod) = Pod::start(|_| {}).await else { return };
    let mut config = pod.container("big", "exec dd if=/dev/zero of=/dev/null bs=200M count=5");
    config.resources = Resources {
        memory_limit_bytes: Some(32 << 20),
        cpu_shares: Some(102),
        cpu_quota_micros: Some(50_000),
        cpu_period_micros: Some(100_000),
        pids_limit: Some(64),
        ..Resources::default()
    };
    let (exit, log) = pod.finish(&config).await;
    assert!(exit.oom_killed, "{exit:?} {log}");
    assert_eq!(exit.code, Some(137));
}

#[tokio::test]
async fn devices_are_denied_unless_privileged() {
    let Some(pod) = Pod::start(|_| {}).await else { return };
    let script = "/bin/busybox mknod /tmp/kmsg c 1 11; head -c 0 /tmp/kmsg && \
                  dd if=/tmp/kmsg of=/dev/null bs=8k count=1 && echo open; rm -f /tmp/kmsg";
    let (_, log) = pod.finish(&pod.container("plain", script)).await;
    assert!(!log.contains("open"), "{log}");
    let mut config = pod.container(
        "mighty",
        "ls /dev/kmsg && touch /sys/kernel && echo writable; mount -t tmpfs x /tmp && echo mounted",
    );
    config.privileged = true;
    let (_, log) = pod.finish(&config).await;
    assert!(log.contains("/dev/kmsg") && log.contains("mounted"), "{log}");
}

#[tokio::test]
async fn pods_share_what_they_should() {
    let share = |pod: &mut PodConfig| pod.share_pid = true;
    let Some(pod) = Pod::start(share).await else { return };
    pod.shim.run(&pod.container("one", "echo shared > /dev/shm/x; sleep 100")).await.unwrap();
    let (_, log) =
        pod.finish(&pod.container("two", "sleep 0.1; cat /dev/shm/x; ps; /bin/busybox killall -9 sleep")).await;
    assert!(log.contains("shared") && log.contains("sleep 100") && log.contains("podium-pause"), "{log}");
    assert_eq!(pod.ended("one").await.code, Some(137));
    pod.shim.stop().await.unwrap();
    assert_eq!(pod.remains(), [""; 0]);
}

#[tokio::test]
async fn a_pod_network_is_joined_by_path() {
    let Some(()) = crate::fixture::able() else { return };
    let name = format!("podium-oci-{}", std::process::id());
    let ip = |args: &[&str]| std::process::Command::new("ip").args(args).status().unwrap().success();
    assert!(ip(&["netns", "add", &name]));
    let pod = Pod::start(|pod| {
        pod.netns = Some(format!("/run/netns/{name}").into());
        pod.sysctls = vec![("net.ipv4.ip_unprivileged_port_start".into(), "80".into())];
    })
    .await
    .unwrap();
    let script = "hostname; ls /sys/class/net; cat /proc/sys/net/ipv4/ip_unprivileged_port_start";
    let (_, log) = pod.finish(&pod.container("net", script)).await;
    pod.shim.stop().await.unwrap();
    assert!(ip(&["netns", "delete", &name]));
    assert_eq!(log, "inside\nlo\n80\n");
    assert_eq!(pod.remains(), [""; 0]);
}

#[tokio::test]
async fn a_container_may_see_the_processes_of_another() {
    let Some(pod) = Pod::start(|_| {}).await else { return };
    pod.shim.run(&pod.container("seen", "exec sleep 1234")).await.unwrap();
    let mut config = pod.container("looks", "ps; echo end");
    let (_, log) = pod.finish(&config).await;
    assert!(!log.contains("sleep 1234"), "{log}");
    // Whatever the number of its first process there, which on this machine may be anybody's or nobody's.
    for id in ["joins", "joins-again", "joins-once-more"] {
        config =
            pod.container(id, "ps; for i in $(seq 300); do (true); done; cat /sys/fs/cgroup/*/cgroup.procs; echo end");
        config.join_pid = Some("seen".into());
        let (exit, log) = pod.finish(&config).await;
        assert!(log.contains("sleep 1234") && log.ends_with("end\n"), "{exit:?} {log}");
        let groups = log.lines().filter(|line| line.parse::<u32>().is_ok()).count();
        assert!(groups > 0, "it sees its own cgroups: {log}");
    }
    config = pod.container("fails", "true");
    config.join_pid = Some("looks".into());
    let error = pod.shim.run(&config).await.unwrap_err();
    assert!(error.to_string().contains("does not run"), "{error}");
    pod.shim.signal("seen", 9).await.unwrap();
    pod.ended("seen").await;
    pod.shim.stop().await.unwrap();
    assert_eq!(pod.remains(), [""; 0]);
}
