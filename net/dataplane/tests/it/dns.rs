//! The DNS server answers for Services, pods and the world, over UDP and TCP.

use crate::{
    lab::{self, exchange, sh},
    objects::{service, slice},
};
use arc_swap::ArcSwap;
use hickory_proto::{
    op::{Message, Query, ResponseCode},
    rr::{Name, RecordType},
};
use podium_dataplane::{DnsConfig, DnsServer, Network, ServiceProxy};
use podium_rules::{
    dns::{Zone, ZoneConfig},
    services::rule_set,
};
use serde_json::json;
use std::{path::Path, sync::Arc};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UdpSocket,
};

fn question(name: &str, kind: RecordType) -> Vec<u8> {
    let mut message = Message::query();
    message.add_query(Query::query(Name::from_ascii(name).unwrap(), kind));
    message.to_vec().unwrap()
}

async fn udp(socket: &UdpSocket, to: &str, name: &str, kind: RecordType) -> Message {
    socket.send_to(&question(name, kind), to).await.unwrap();
    let mut buffer = [0; 2048];
    let answer = tokio::time::timeout(std::time::Duration::from_secs(5), socket.recv_from(&mut buffer)).await;
    let (length, from) = answer.expect("an answer").unwrap();
    assert_eq!(from.to_string(), to);
    Message::from_vec(&buffer[..length]).unwrap()
}

fn data(message: &Message) -> Vec<String> {
    message.answers.iter().map(|record| record.data.to_string()).collect()
}

#[test]
fn names_are_answered_to_pods_over_udp_and_tcp() {
    lab::run(|lab| async move {
        let network = Network::open(lab.network()).await.unwrap();
        let pod = network.attach("uid-a", "a", &[]).await.unwrap();
        let proxy = ServiceProxy::open(lab.proxy()).await.unwrap();
        // A Service for the name server without endpoints must not be in the way.
        let kube_dns =
            service("kube-dns", json!({"clusterIP": "10.96.0.10", "ports": [{"port": 53, "protocol": "UDP"}]}));
        proxy.apply(rule_set(&[kube_dns], &[], &lab.node())).await.unwrap();

        let ips: Vec<String> = (1..200).map(|n| format!("10.244.1.{n}")).collect();
        let ips: Vec<&str> = ips.iter().map(String::as_str).collect();
        let services = [
            service("web", json!({"clusterIP": "10.96.0.50", "ports": [{"port": 80}]})),
            service("many", json!({"clusterIP": "None"})),
            service("out", json!({"type": "ExternalName", "externalName": "example.org"})),
        ];
        let config =
            ZoneConfig { domain: "cluster.local".into(), dns_ip: "10.96.0.10".parse().unwrap(), reverse: vec![] };
        let zone = Zone::build(config, &services, &[slice("many", "TCP", 80, &ips)]);
        let ip = "10.96.0.10".parse().unwrap();
        let server = |upstream| {
            DnsServer::open(DnsConfig {
                id: lab.id.clone(),
                addresses: vec![ip],
                zone: Arc::new(ArcSwap::from_pointee(zone.clone())),
                upstream,
            })
        };
        let dns = server(Vec::new()).await.unwrap();
        let socket = lab.udp(&pod.netns);
        let answer = udp(&socket, "10.96.0.10:53", "WeB.default.svc.cluster.local.", RecordType::A).await;
        assert_eq!(data(&answer), ["10.96.0.50"]);
        assert!(answer.metadata.authoritative);
        assert_eq!(answer.answers[0].name.to_ascii(), "WeB.default.svc.cluster.local.");
        let answer = udp(&socket, "10.96.0.10:53", "web.default.svc.cluster.local.", RecordType::AAAA).await;
        assert_eq!(
            (answer.metadata.response_code, answer.answers.len(), answer.authorities.len()),
            (ResponseCode::NoError, 0, 1)
        );
        let answer = udp(&socket, "10.96.0.10:53", "no.default.svc.cluster.local.", RecordType::A).await;
        assert_eq!(answer.metadata.response_code, ResponseCode::NXDomain);
        let answer = udp(&socket, "10.96.0.10:53", "example.org.", RecordType::A).await;
        assert_eq!(answer.metadata.response_code, ResponseCode::Refused, "nobody to ask");
        let answer = udp(&socket, "10.96.0.10:53", "many.default.svc.cluster.local.", RecordType::A).await;
        assert!(answer.metadata.truncation && answer.answers.is_empty());
        assert_eq!(over_tcp(&lab, &pod.netns, "many.default.svc.cluster.local.").await.answers.len(), 199);
        dns.close().await.unwrap();
        assert!(!sh("ip addr show lo").contains("10.96.0.10"));

        // The same zone's server stands in for the one outside.
        let elsewhere = ZoneConfig { domain: "org".into(), dns_ip: "192.0.2.9".parse().unwrap(), reverse: vec![] };
        let example = service("example", json!({"clusterIP": "203.0.113.7"}));
        let outer = Zone::build(elsewhere, &[example], &[]);
        let outer = DnsServer::open(DnsConfig {
            id: lab.id.clone(),
            addresses: vec!["10.96.0.11".parse().unwrap()],
            zone: Arc::new(ArcSwap::from_pointee(outer)),
            upstream: Vec::new(),
        })
        .await
        .unwrap();
        let dns = server(vec!["10.96.0.11:53".parse().unwrap()]).await.unwrap();
        let answer = udp(&socket, "10.96.0.10:53", "example.default.svc.org.", RecordType::A).await;
        assert_eq!(data(&answer), ["203.0.113.7"]);
        let answer = udp(&socket, "10.96.0.10:53", "out.default.svc.cluster.local.", RecordType::A).await;
        assert_eq!(
            (data(&answer), answer.metadata.response_code),
            (vec!["example.org.".to_owned()], ResponseCode::NXDomain)
        );
        dns.close().await.unwrap();
        outer.close().await.unwrap();
        assert!(exchange(&socket, "10.96.0.10:53").await.is_err());
        network.close_all().await.unwrap();
    });
}

async fn over_tcp(lab: &lab::Lab, netns: &Path, name: &str) -> Message {
    let stream = lab.in_netns(netns, || std::net::TcpStream::connect("10.96.0.10:53").unwrap());
    stream.set_nonblocking(true).unwrap();
    let mut stream = tokio::net::TcpStream::from_std(stream).unwrap();
    let question = question(name, RecordType::A);
    stream.write_u16(question.len() as u16).await.unwrap();
    stream.write_all(&question).await.unwrap();
    let mut answer = vec![0; usize::from(stream.read_u16().await.unwrap())];
    stream.read_exact(&mut answer).await.unwrap();
    Message::from_vec(&answer).unwrap()
}
