//! Where a proxied request goes: `[scheme:]name[:port]` in the path, an address in the end.

use super::super::{app::App, entry::Request};
use crate::agents::Node;
use podium_types::{ApiError, Key};
use serde_json::Value;
use std::net::IpAddr;

/// The label that an EndpointSlice's Service is named by.
const SERVICE_NAME: &str = "kubernetes.io/service-name";

/// Where to go.
pub(super) enum Place {
    /// A node's agent, with the server's certificate.
    Agent(Node),
    /// Anything else.
    Plain {
        /// Over TLS, whatever certificate it shows.
        tls: bool,
        /// Its address.
        address: String,
        /// Its port.
        port: u16,
    },
}

impl Place {
    /// As a Host header names it.
    pub(super) fn authority(&self) -> String {
        match self {
            Self::Agent(node) => node.authority(),
            Self::Plain { address, port, .. } if address.contains(':') => format!("[{address}]:{port}"),
            Self::Plain { address, port, .. } => format!("{address}:{port}"),
        }
    }
}

/// `[scheme:]name[:port]`
#[derive(Debug, PartialEq, Eq)]
struct Named<'a> {
    scheme: &'a str,
    name: &'a str,
    port: &'a str,
}

impl<'a> Named<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let parts: Vec<&str> = text.split(':').collect();
        let (scheme, name, port) = match parts.as_slice() {
            [name] => ("", *name, ""),
            [name, port] => ("", *name, *port),
            [scheme @ ("" | "http" | "https"), name, port] => (*scheme, *name, *port),
            _ => return None,
        };
        (!name.is_empty()).then_some(Self { scheme, name, port })
    }
    fn place(&self, address: &str, port: u16) -> Place {
        Place::Plain { tls: self.scheme == "https", address: address.to_owned(), port }
    }
    /// The port as a number; the scheme's own where there is none.
    fn number(&self) -> Option<u16> {
        match self.port {
            "" => Some(if self.scheme == "https" { 443 } else { 80 }),
            text => text.parse().ok().filter(|p| *p > 0),
        }
    }
}

/// The place that a request names.
pub(super) fn locate(request: &Request, app: &App) -> Result<Place, ApiError> {
    let target = &request.target;
    let wrong = || ApiError::bad_request(format!("invalid {} request {:?}", target.kind.singular, target.name));
    let named = Named::parse(&target.name).ok_or_else(wrong)?;
    match target.kind.plural {
        "nodes" => node(&named, app),
        "pods" => pod(&named, &get(app, "pods", &target.namespace, named.name)?).ok_or_else(wrong)?,
        _ => service(&named, &get(app, "services", &target.namespace, named.name)?, app),
    }
}

fn get(app: &App, resource: &str, namespace: &str, name: &str) -> Result<Value, ApiError> {
    let kind = podium_kinds::by_resource(resource).ok_or_else(ApiError::no_such_path)?;
    let snapshot = app.api.backend().snapshot(kind);
    let found = snapshot.get(&Key::new(namespace, name)).map(|o| o.value().clone());
    found.ok_or_else(|| ApiError::not_found(resource, "", name))
}

fn node(named: &Named<'_>, app: &App) -> Result<Place, ApiError> {
    let node = Node::locate(&**app.api.backend(), named.name)?;
    if named.port.is_empty() || named.port == node.port().to_string() {
        return Ok(Place::Agent(node));
    }
    let port = named.number().ok_or_else(|| ApiError::bad_request(format!("invalid node port {:?}", named.port)))?;
    allowed(node.address())?;
    Ok(named.place(node.address(), port))
}

fn pod(named: &Named<'_>, pod: &Value) -> Option<Result<Place, ApiError>> {
    let declared = || {
        let containers = pod["spec"]["containers"].as_array().into_iter().flatten();
        let mut ports = containers.flat_map(|c| c["ports"].as_array().into_iter().flatten());
        ports.find_map(|p| p["containerPort"].as_u64().and_then(|p| u16::try_from(p).ok()))
    };
    let port = if named.port.is_empty() { declared().or_else(|| named.number()) } else { named.number() }?;
    let address = pod["status"]["podIP"].as_str().unwrap_or_default();
    Some(allowed(address).map(|()| named.place(address, port)))
}

fn service(named: &Named<'_>, service: &Value, app: &App) -> Result<Place, ApiError> {
    let unavailable = |why: String| ApiError::new(503, "ServiceUnavailable", why);
    let none = || unavailable(format!("no endpoints available for service {:?}", named.name));
    // A number is that of the Service; its endpoints know the name.
    let name = match named.port.parse::<u64>() {
        Ok(number) => {
            let mut ports = service["spec"]["ports"].as_array().into_iter().flatten();
            let port = ports.find(|p| p["port"].as_u64() == Some(number));
            let why = || unavailable(format!("no service port {number} found for service {:?}", named.name));
            port.ok_or_else(why)?["name"].as_str().unwrap_or_default().to_owned()
        }
        Err(_) => named.port.to_owned(),
    };
    let kind = podium_kinds::by_resource("endpointslices.discovery.k8s.io").ok_or_else(ApiError::no_such_path)?;
    let namespace = service["metadata"]["namespace"].as_str().unwrap_or_default();
    let snapshot = app.api.backend().snapshot(kind);
    let slices =
        snapshot.objects.iter().filter(|(key, _)| key.namespace == namespace).map(|(_, object)| object.value());
    let slices = slices.filter(|s| s["metadata"]["labels"][SERVICE_NAME] == *named.name);
    let mut places = Vec::new();
    for slice in slices {
        let mut ports = slice["ports"].as_array().into_iter().flatten();
        let port = ports.find(|p| p["name"].as_str().unwrap_or_default() == name);
        let port = port.and_then(|p| p["port"].as_u64()).and_then(|p| u16::try_from(p).ok());
        let Some(port) = port else { continue };
        for endpoint in slice["endpoints"].as_array().into_iter().flatten() {
            if endpoint["conditions"]["ready"].as_bool().unwrap_or(true)
                && let Some(address) = endpoint["addresses"][0].as_str()
            {
                places.push((address.to_owned(), port));
            }
        }
    }
    let pick = usize::from(uuid::Uuid::new_v4().as_u128() as u16).checked_rem(places.len()).ok_or_else(none)?;
    let (address, port) = places.get(pick).ok_or_else(none)?;
    allowed(address)?;
    Ok(named.place(address, *port))
}

/// Whoever may reach pods through the server must not reach the server's own machine with it.
fn allowed(address: &str) -> Result<(), ApiError> {
    let good = address.parse().is_ok_and(|ip: IpAddr| {
        let local = match ip {
            IpAddr::V4(ip) => ip.is_link_local() || ip.is_broadcast(),
            IpAddr::V6(ip) => ip.is_unicast_link_local() || ip.to_ipv4_mapped().is_some(),
        };
        !(ip.is_loopback() || ip.is_unspecified() || ip.is_multicast() || local)
    });
    if good { Ok(()) } else { Err(ApiError::bad_request("address not allowed")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn names_have_a_scheme_and_a_port() {
        let read = |text| Named::parse(text).map(|n| (n.scheme, n.name, n.port));
        let cases = [
            ("a", Some(("", "a", ""))),
            ("a:80", Some(("", "a", "80"))),
            ("https:a:web", Some(("https", "a", "web"))),
            ("http:a:", Some(("http", "a", ""))),
            (":a:", Some(("", "a", ""))),
            ("ftp:a:1", None),
            ("", None),
            ("a:b:c:d", None),
        ];
        for (text, expected) in cases {
            assert_eq!(read(text), expected, "{text}");
        }
    }

    #[test]
    fn a_pod_is_reached_at_its_first_port_and_nowhere_local() {
        let at = |name: &str, ip: &str| {
            let object = json!({"spec": {"containers": [{}, {"ports": [{"containerPort": 8080}]}]},
                "status": {"podIP": ip}});
            pod(&Named::parse(name).unwrap(), &object).map(|p| p.map(|p| p.authority()).map_err(|e| e.code))
        };
        assert_eq!(at("p", "10.0.0.1"), Some(Ok("10.0.0.1:8080".to_owned())));
        assert_eq!(at("p:81", "fd00::1"), Some(Ok("[fd00::1]:81".to_owned())));
        assert_eq!(at("p:no", "10.0.0.1"), None);
        for ip in ["127.0.0.1", "169.254.169.254", "::1", "::ffff:127.0.0.1", "0.0.0.0", "224.0.0.1", ""] {
            assert_eq!(at("p", ip), Some(Err(400)), "{ip}");
        }
    }
}
