//! Errors of the agent.

/// Result of the agent.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The API.
    #[error(transparent)]
    Api(#[from] kube::Error),
    /// The kubeconfig.
    #[error("reading the kubeconfig: {0}")]
    Kubeconfig(#[from] kube::config::KubeconfigError),
    /// Containers and images.
    #[error(transparent)]
    Oci(#[from] podium_oci::Error),
    /// Volumes.
    #[error(transparent)]
    Volume(#[from] podium_volumes::Error),
    /// The network.
    #[error(transparent)]
    Network(#[from] podium_dataplane::Error),
    /// A file or socket.
    #[error("{what}: {source}")]
    Io {
        /// What was attempted.
        what: String,
        /// Why it failed.
        source: std::io::Error,
    },
    /// TLS material.
    #[error("kubelet certificates: {0}")]
    Tls(String),
    /// The pod cannot run here at all; in the words of a rejection.
    #[error("{0}")]
    Unexpected(String),
    /// Anything else, in words.
    #[error("{0}")]
    Other(String),
}

/// For `map_err` on I/O.
pub(crate) fn io(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> Error {
    let what = what.into();
    move |source| Error::Io { what, source }
}

/// Runs blocking work beside the actors.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(Error::Other(format!("blocking task: {error}"))),
    }
}

/// The API says that there is no such object.
pub(crate) fn is_not_found(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == 404)
}
