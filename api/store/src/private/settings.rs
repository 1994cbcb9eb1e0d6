//! The settings of the private cluster, given on the command line: they belong to this version
//! of Podium, not to a file that outlives it. `postgresql.conf` still holds for all others.

use std::path::Path;

/// Name of the only database user, a superuser.
pub(crate) const USER: &str = "podium";
/// The port in the socket's name.
pub(crate) const PORT: u16 = 5432;

/// Durable by default, no network, and few processes: each costs memory.
const FIXED: [(&str, &str); 24] = [
    ("listen_addresses", ""),
    ("unix_socket_permissions", "0700"),
    ("max_connections", "30"),
    ("superuser_reserved_connections", "3"),
    // Touched as it fills, so an idle cluster does not hold it.
    ("shared_buffers", "128MB"),
    ("wal_compression", "lz4"),
    ("default_toast_compression", "lz4"),
    ("max_wal_size", "1GB"),
    ("min_wal_size", "80MB"),
    ("checkpoint_timeout", "15min"),
    ("jit", "off"),
    ("autovacuum_naptime", "10s"),
    ("autovacuum_vacuum_scale_factor", "0.02"),
    ("autovacuum_max_workers", "2"),
    ("idle_in_transaction_session_timeout", "10s"),
    ("max_worker_processes", "2"),
    ("max_parallel_workers", "0"),
    ("max_parallel_workers_per_gather", "0"),
    // Without it a launcher process waits for subscriptions that never come.
    ("max_logical_replication_workers", "0"),
    ("max_wal_senders", "2"),
    ("log_destination", "stderr"),
    ("logging_collector", "off"),
    ("log_line_prefix", "%m [%p] "),
    ("timezone", "UTC"),
];

/// Arguments of `postgres` for a cluster with this data and socket directory.
pub(crate) fn arguments(data: &Path, socket_dir: &Path) -> Vec<String> {
    let mut args = vec!["-D".into(), data.display().to_string(), "-p".into(), PORT.to_string()];
    let socket = ("unix_socket_directories", socket_dir.display().to_string());
    let fixed = FIXED.iter().map(|(name, value)| (*name, (*value).to_owned()));
    for (name, value) in fixed.chain([socket]) {
        args.extend(["-c".to_owned(), format!("{name}={value}")]);
    }
    args
}

/// URL of the database behind that socket.
pub(crate) fn url(socket_dir: &Path) -> String {
    let mut host = String::new();
    for byte in socket_dir.as_os_str().as_encoded_bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => host.push(char::from(*byte)),
            _ => host.push_str(&format!("%{byte:02X}")),
        }
    }
    format!("postgres://{USER}@{host}:{PORT}/postgres")
}

#[cfg(test)]
mod tests {
    use super::*;
    use sqlx::postgres::PgConnectOptions;

    #[test]
    fn the_url_names_the_socket() {
        let dir = Path::new("/run/podium/a b/ü%/pg");
        let options: PgConnectOptions = url(dir).parse().expect("a URL");
        assert_eq!(options.get_socket().map(|p| p.as_path()), Some(dir));
        assert_eq!((options.get_username(), options.get_database()), (USER, Some("postgres")));
    }
}
