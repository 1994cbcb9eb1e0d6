//! Variables for Services (`REDIS_SERVICE_HOST`, …), after k8s.io/kubernetes/pkg/kubelet/envvars.

use k8s_openapi::api::core::v1::Service;

/// Variables of `services`: those with a cluster IP, in order of their name.
pub fn service_env<'a>(services: impl IntoIterator<Item = &'a Service>) -> Vec<(String, String)> {
    let mut env = Vec::new();
    for service in services {
        let Some(spec) = &service.spec else { continue };
        let ip = spec.cluster_ip.as_deref().unwrap_or_default();
        let ports = spec.ports.as_deref().unwrap_or_default();
        let Some(first) = ports.first().filter(|_| !ip.is_empty() && ip != "None") else { continue };
        let name = variable(service.metadata.name.as_deref().unwrap_or_default());
        let host = if ip.contains(':') { format!("[{ip}]") } else { ip.to_owned() };
        env.push((format!("{name}_SERVICE_HOST"), ip.to_owned()));
        env.push((format!("{name}_SERVICE_PORT"), first.port.to_string()));
        for port in ports {
            if let Some(port_name) = port.name.as_deref().filter(|n| !n.is_empty()) {
                env.push((format!("{name}_SERVICE_PORT_{}", variable(port_name)), port.port.to_string()));
            }
        }
        // Docker's links.
        for (index, port) in ports.iter().enumerate() {
            let protocol = port.protocol.as_deref().unwrap_or("TCP");
            let (lower, number) = (protocol.to_lowercase(), port.port);
            let url = format!("{lower}://{host}:{number}");
            if index == 0 {
                env.push((format!("{name}_PORT"), url.clone()));
            }
            let prefix = format!("{name}_PORT_{number}_{protocol}");
            env.push((prefix.clone(), url));
            env.push((format!("{prefix}_PROTO"), lower));
            env.push((format!("{prefix}_PORT"), number.to_string()));
            env.push((format!("{prefix}_ADDR"), ip.to_owned()));
        }
    }
    env
}

fn variable(name: &str) -> String {
    name.to_uppercase().replace('-', "_")
}
