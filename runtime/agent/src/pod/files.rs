//! `/etc/hosts`, `/etc/resolv.conf`, `/etc/hostname` of a pod, in the kubelet's words.

use super::{Place, prepare::write_file};
use crate::Result;
use k8s_openapi::api::core::v1::{HostAlias, PodDNSConfig};
use std::{fmt::Write, net::IpAddr};

/// Longest host name the kernel takes, less its terminator.
const MAX_HOSTNAME: usize = 63;
/// Dots that make a name absolute, in a cluster.
const CLUSTER_OPTIONS: &str = "ndots:5";
/// Where the node's own name servers are.
const NODE_RESOLV: &str = "/etc/resolv.conf";

/// Writes all three.
pub(super) fn write(place: &Place, ips: &[IpAddr]) -> Result<()> {
    let Some(spec) = place.spec() else { return Ok(()) };
    let aliases = spec.host_aliases.as_deref().unwrap_or_default();
    let name = hostname(place);
    let hosts = if place.host_network() {
        // The node's own.
        let node = std::fs::read_to_string("/etc/hosts").unwrap_or_default();
        format!("# Kubernetes-managed hosts file (host network).\n{node}{}", alias_lines(aliases))
    } else {
        let domain = spec.subdomain.as_deref().filter(|s| !s.is_empty());
        let domain = domain.map(|s| format!("{s}.{}.svc.{}", place.namespace(), place.shared.config.cluster_domain));
        hosts(ips, &name, domain.as_deref(), aliases)
    };
    write_file(&place.etc("hosts"), hosts)?;
    write_file(&place.etc("hostname"), format!("{name}\n"))?;
    let node = std::fs::read_to_string(NODE_RESOLV).unwrap_or_default();
    let config = &place.shared.config;
    let cluster = Cluster { dns: config.cluster_dns, domain: &config.cluster_domain, namespace: place.namespace() };
    let policy = spec.dns_policy.as_deref().unwrap_or("ClusterFirst");
    let text = resolv(policy, place.host_network(), &cluster, &node, spec.dns_config.as_ref());
    write_file(&place.etc("resolv.conf"), text)
}

/// The pod's host name.
pub(super) fn hostname(place: &Place) -> String {
    let spec = place.spec();
    let own = spec.and_then(|s| s.hostname_override.as_deref().or(s.hostname.as_deref())).filter(|h| !h.is_empty());
    if place.host_network() && own.is_none() {
        return place.shared.config.node_name.clone();
    }
    let name = own.unwrap_or_else(|| place.name());
    let short = &name[..name.floor_char_boundary(MAX_HOSTNAME)];
    let short = short.trim_end_matches(['-', '.']);
    let subdomain = spec.filter(|s| s.set_hostname_as_fqdn == Some(true)).and_then(|s| s.subdomain.as_deref());
    match subdomain {
        Some(sub) => format!("{short}.{sub}.{}.svc.{}", place.namespace(), place.shared.config.cluster_domain),
        None => short.to_owned(),
    }
}

fn hosts(ips: &[IpAddr], name: &str, domain: Option<&str>, aliases: &[HostAlias]) -> String {
    let mut text = String::from(
        "# Kubernetes-managed hosts file.\n127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n\
         fe00::\tip6-localnet\nfe00::\tip6-mcastprefix\nfe00::1\tip6-allnodes\nfe00::2\tip6-allrouters\n",
    );
    for ip in ips {
        // Writing to a string does not fail.
        let _ = match domain {
            Some(domain) => writeln!(text, "{ip}\t{name}.{domain}\t{name}"),
            None => writeln!(text, "{ip}\t{name}"),
        };
    }
    text + &alias_lines(aliases)
}

fn alias_lines(aliases: &[HostAlias]) -> String {
    if aliases.is_empty() {
        return String::new();
    }
    let mut text = String::from("\n# Entries added by HostAliases.\n");
    for alias in aliases {
        let names = alias.hostnames.as_deref().unwrap_or_default().join("\t");
        let _ = writeln!(text, "{}\t{names}", alias.ip);
    }
    text
}

struct Cluster<'a> {
    dns: IpAddr,
    domain: &'a str,
    namespace: &'a str,
}

fn resolv(policy: &str, host_network: bool, cluster: &Cluster<'_>, node: &str, own: Option<&PodDNSConfig>) -> String {
    let words = |keyword: &str| -> Vec<String> {
        let lines = node.lines().filter_map(|line| line.trim().strip_prefix(keyword));
        lines.flat_map(|rest| rest.split_whitespace().map(str::to_owned).collect::<Vec<_>>()).collect()
    };
    let (node_search, node_servers, node_options) = (words("search "), words("nameserver "), words("options "));
    let in_cluster = policy == "ClusterFirstWithHostNet" || policy == "ClusterFirst" && !host_network;
    let (mut servers, mut search, mut options) = if policy == "None" {
        (Vec::new(), Vec::new(), Vec::new())
    } else if in_cluster {
        let (domain, namespace) = (cluster.domain, cluster.namespace);
        let mut search = vec![format!("{namespace}.svc.{domain}"), format!("svc.{domain}"), domain.to_owned()];
        search.extend(node_search);
        (vec![cluster.dns.to_string()], search, vec![CLUSTER_OPTIONS.to_owned()])
    } else {
        (node_servers, node_search, node_options)
    };
    if let Some(own) = own {
        servers.extend(own.nameservers.iter().flatten().cloned());
        search.extend(own.searches.iter().flatten().cloned());
        for option in own.options.iter().flatten() {
            let Some(name) = &option.name else { continue };
            options.retain(|o| o.split(':').next() != Some(name));
            options.push(option.value.as_ref().map_or_else(|| name.clone(), |value| format!("{name}:{value}")));
        }
    }
    let mut seen = std::collections::BTreeSet::new();
    servers.retain(|s| seen.insert(s.clone()));
    let mut seen = std::collections::BTreeSet::new();
    search.retain(|s| seen.insert(s.clone()));
    let mut text = String::new();
    if !search.is_empty() {
        let _ = writeln!(text, "search {}", search.join(" "));
    }
    for server in servers {
        let _ = writeln!(text, "nameserver {server}");
    }
    if !options.is_empty() {
        let _ = writeln!(text, "options {}", options.join(" "));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::api::core::v1::PodDNSConfigOption;

    const NODE: &str = "search example.org\nnameserver 192.0.2.1\noptions edns0\n";

    fn cluster() -> Cluster<'static> {
        Cluster { dns: IpAddr::from([10, 96, 0, 10]), domain: "cluster.local", namespace: "web" }
    }

    #[test]
    fn resolv_conf_by_policy() {
        let search = "search web.svc.cluster.local svc.cluster.local cluster.local example.org\n";
        let inside = format!("{search}nameserver 10.96.0.10\noptions ndots:5\n");
        for (policy, host, expected) in [
            ("ClusterFirst", false, inside.as_str()),
            ("ClusterFirst", true, NODE),
            ("ClusterFirstWithHostNet", true, inside.as_str()),
            ("Default", false, NODE),
            ("None", false, ""),
        ] {
            assert_eq!(resolv(policy, host, &cluster(), NODE, None), expected, "{policy}");
        }
    }

    #[test]
    fn own_settings_come_last_and_replace_options() {
        let option = |name: &str, value: Option<&str>| PodDNSConfigOption {
            name: Some(name.to_owned()),
            value: value.map(str::to_owned),
        };
        let own = PodDNSConfig {
            nameservers: Some(vec!["192.0.2.9".to_owned(), "10.96.0.10".to_owned()]),
            searches: Some(vec!["own.example".to_owned()]),
            options: Some(vec![option("ndots", Some("2")), option("edns0", None)]),
        };
        let text = resolv("ClusterFirst", false, &cluster(), "", Some(&own));
        assert_eq!(
            text,
            "search web.svc.cluster.local svc.cluster.local cluster.local own.example\n\
             nameserver 10.96.0.10\nnameserver 192.0.2.9\noptions ndots:2 edns0\n"
        );
    }

    #[test]
    fn hosts_lines_are_separated_by_tabs() {
        let aliases = [HostAlias { ip: "192.0.2.7".to_owned(), hostnames: Some(vec!["a".to_owned(), "b".to_owned()]) }];
        let text = hosts(&[IpAddr::from([10, 244, 0, 5])], "web-0", Some("web.ns.svc.cluster.local"), &aliases);
        assert!(text.starts_with("# Kubernetes-managed hosts file.\n127.0.0.1\tlocalhost\n"));
        assert!(text.contains("10.244.0.5\tweb-0.web.ns.svc.cluster.local\tweb-0\n"));
        assert!(text.ends_with("\n# Entries added by HostAliases.\n192.0.2.7\ta\tb\n"));
    }
}
