//! Pods get addresses and reach each other; what a crash left is found and removed.

use crate::lab::{self, sh};
use podium_dataplane::{Error, HostPort, Leftovers, Network, cleanup};
use podium_rules::services::Protocol;
use std::time::Instant;

fn port(host_port: u16) -> HostPort {
    HostPort { host_ip: None, protocol: Protocol::Tcp, host_port, container_port: 80 }
}

/// The kernel clears namespaces away a little later than asked.
async fn nothing_left() {
    for _ in 0..100 {
        if !sh("nft list tables; ip route; ip link").contains("pod") {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(30)).await;
    }
    panic!("{}", sh("nft list tables; ip route; ip link"));
}

#[test]
fn pods_reach_each_other_and_the_world() {
    lab::run(|lab| async move {
        let network = Network::open(lab.network()).await.unwrap();
        let start = Instant::now();
        let a = network.attach("uid-a", "a", &[]).await.unwrap();
        let first = start.elapsed();
        let start = Instant::now();
        let b = network.attach("uid-b", "b", &[]).await.unwrap();
        println!("attach: {first:?}, then {:?}", start.elapsed());
        assert_eq!((a.ip.to_string().as_str(), b.ip.to_string().as_str()), ("10.244.1.2", "10.244.1.3"));
        assert_eq!(network.attach("uid-a", "a", &[]).await.unwrap(), a, "attach is idempotent");

        lab.serve(&b.netns, 80, "b");
        lab.serve(lab.client(), 8080, "world");
        let from_a = lab.ask(Some(&a.netns), "10.244.1.3:80").await.unwrap();
        assert_eq!(from_a, "b 10.244.1.2", "pods see each other's own address");
        assert_eq!(lab.ask(Some(&b.netns), "127.0.0.1:80").await.unwrap(), "b 127.0.0.1", "lo is up");
        assert_eq!(lab.ask(None, "10.244.1.3:80").await.unwrap(), "b 192.0.2.1", "the node reaches its pods");
        let from_world = lab.ask(Some(&a.netns), "192.0.2.2:8080").await.unwrap();
        assert_eq!(from_world, "world 192.0.2.1", "the world sees the node");
        let nobody = lab.ask(Some(&a.netns), "10.244.1.77:80").await.unwrap_err();
        assert_eq!(nobody.raw_os_error(), Some(libc::EHOSTUNREACH));

        network.detach("uid-b").await.unwrap();
        network.detach("uid-b").await.unwrap();
        assert!(!b.netns.exists());
        assert!(lab.ask(Some(&a.netns), "10.244.1.3:80").await.is_err());
        assert_eq!(network.attach("uid-c", "c", &[]).await.unwrap().ip.to_string(), "10.244.1.4");
        network.close_all().await.unwrap();
        nothing_left().await;
    });
}

#[test]
fn a_new_agent_takes_over_and_cleanup_removes_everything() {
    lab::run(|lab| async move {
        let network = Network::open(lab.network()).await.unwrap();
        let a = network.attach("uid-a", "a", &[port(8081)]).await.unwrap();
        let b = network.attach("uid-b", "b", &[]).await.unwrap();
        drop(network);
        lab.serve(&a.netns, 80, "a");
        nix::mount::umount2(&b.netns, nix::mount::MntFlags::MNT_DETACH).unwrap();

        let network = Network::open(lab.network()).await.unwrap();
        assert_eq!(network.attachments(), std::slice::from_ref(&a), "b's namespace is gone, a's is not");
        assert_eq!(lab.ask(Some(lab.client()), "192.0.2.1:8081").await.unwrap(), "a 192.0.2.2");
        let c = network.attach("uid-c", "c", &[]).await.unwrap();
        assert_ne!(c.ip, a.ip);
        drop(network);

        let config = lab.network();
        let leftovers = Leftovers {
            netns_dir: config.netns_dir.clone(),
            state_dir: config.state_dir.clone(),
            dns_addresses: vec!["10.96.0.10".parse().unwrap()],
            routes: vec![config.pod_cidr, config.service_cidr],
        };
        cleanup(&lab.id, &leftovers).await.unwrap();
        cleanup(&lab.id, &leftovers).await.unwrap();
        nothing_left().await;
        assert!(!config.netns_dir.exists() && !config.state_dir.exists());
    });
}

#[test]
fn host_ports_lead_to_their_pod() {
    lab::run(|lab| async move {
        let network = Network::open(lab.network()).await.unwrap();
        let a = network.attach("uid-a", "a", &[port(8081)]).await.unwrap();
        lab.serve(&a.netns, 80, "a");
        assert_eq!(lab.ask(Some(lab.client()), "192.0.2.1:8081").await.unwrap(), "a 192.0.2.2");
        assert_eq!(lab.ask(None, "192.0.2.1:8081").await.unwrap(), "a 192.0.2.1");
        assert!(lab.ask(None, "127.0.0.1:8081").await.unwrap().starts_with("a "), "also from the node's localhost");
        assert!(lab.ask(Some(&a.netns), "192.0.2.1:8081").await.unwrap().starts_with("a "), "hairpin");
        let taken = network.attach("uid-b", "b", &[port(8081)]).await.unwrap_err();
        assert!(matches!(taken, Error::HostPort(_)), "{taken}");
        let only = HostPort { host_ip: Some(lab::NODE), ..port(8082) };
        let b = network.attach("uid-b", "b", &[only]).await.unwrap();
        lab.serve(&b.netns, 80, "b");
        assert_eq!(lab.ask(Some(lab.client()), "192.0.2.1:8082").await.unwrap(), "b 192.0.2.2");
        assert!(lab.ask(None, "127.0.0.1:8082").await.is_err(), "not on other addresses");
        network.detach("uid-a").await.unwrap();
        assert!(lab.ask(Some(lab.client()), "192.0.2.1:8081").await.is_err());
        network.attach("uid-c", "c", &[port(8081)]).await.unwrap();
        network.close_all().await.unwrap();
    });
}
