//! Images, containers and the per-pod shim; cgroups and logs. libcontainer appears nowhere else.
//!
//! An agent pulls an image ([`Images`]), mounts it, starts the pod's shim ([`Shim`]) and runs containers through it.
//! The process that calls must hand its start to [`dispatch`], since shim and helpers are the same binary again.
//! Deliberately absent: Kubernetes types, restart policy, networking.

pub mod cgroups;
mod client;
pub mod config;
mod error;
mod helper;
pub mod logs;
mod rooted;
pub mod seccomp;
mod shim;
mod wire;

pub use client::{AttachSession, Events, ExecSession, ExecWait, Reader, Shim, Terminal, Writer};
pub use config::*;
pub use error::*;
pub use shim::{cleanup, dispatch, shim_main};

// PUBLIC API being built (signatures are final; bodies follow within minutes):
//
// images:
//   pub struct Images;                                    // Clone (Arc inside), Send + Sync
//   Images::open(root: &Path, registries: RegistryConfig) -> Result<Images>
//   async images.pull(&self, reference: &str, credentials: Option<Credentials>, progress: impl FnMut(Progress) + Send) -> Result<Image, PullError>
//   async images.load(&self, tar: &Path) -> Result<Vec<String>>
//   images.get(&self, reference: &str) -> Option<Image>; images.list() -> Vec<Image>; images.remove(&self, reference: &str) -> Result<()>
//   images.mount(&self, image: &Image, container_dir: &Path) -> Result<PathBuf>     // blocking, ~1 ms
//   images.collect_garbage(&self) -> Result<u64>   // bytes freed: layers no image uses
//   pub fn unmount(container_dir: &Path) -> Result<()>
//   pub struct Image { id, repo_digest: Option<String>, names: Vec<String>, size: u64, config: ImageConfig, layers: Vec<String> }
//   pub struct ImageConfig { env: Vec<(String,String)>, entrypoint: Vec<String>, cmd: Vec<String>, user: String, working_dir: String,
//                            labels: BTreeMap<String,String>, stop_signal: Option<String>, exposed_ports: Vec<String> }
//   pub struct Credentials { username: String, password: String }         pub struct Progress { done: u64, total: u64 }
//   RegistryConfig: serde Deserialize + Default { mirrors: {"docker.io": {endpoint: [..]}}, configs: {"host:port": {auth:{username,password}, tls:{ca_file, insecure_skip_verify}}} }
//   pub fn normalize(reference: &str) -> Result<String, PullError>        // nginx -> docker.io/library/nginx:latest
//   pub mod user: resolve(rootfs: &Path, user: &str, extra_groups: &[u32]) -> Result<UserSpec>    // "", "1000", "1000:1000", "nginx:www"
// shim:
//   pub struct Shim;                                       // Clone, Send + Sync
//   async Shim::start(exe: &Path, &PodConfig) -> Result<Shim>; async Shim::connect(socket: &Path) -> Result<Option<Shim>>
//   async run(&self, &ContainerConfig) -> Result<Started, RunError>
//   async signal(&self, id: &str, signal: i32) -> Result<()>
//   async state(&self) -> Result<Vec<ContainerRecord>>
//   async events(&self) -> Result<Events>      // Events::next(&mut self) -> Option<ContainerExit>; None: the shim is gone. Also impl Stream.
//   async exec(&self, id: &str, ExecConfig) -> Result<ExecSession>; async attach(&self, id: &str, stdin: bool, stdout: bool, stderr: bool) -> Result<AttachSession>
//   ExecSession { pub stdin: Option<Writer>, pub stdout: Option<Reader>, pub stderr: Option<Reader>, pub terminal: Option<Terminal>, pub wait: ExecWait }
//        // Writer: AsyncWrite, Reader: AsyncRead; Terminal (Clone): resize(width: u16, height: u16); ExecWait::wait(self) -> Result<i32>
//   AttachSession { stdin, stdout, stderr, terminal }      // readers end at the container's exit
//   async delete(&self, id: &str) -> Result<()>; async stats(&self) -> Result<Vec<(String, Stats)>>
//   async stop(&self) -> Result<()>;  async reopen_log(&self, id: &str) -> Result<()>
//   pub fn cleanup(pod_dir: &Path) -> Result<Vec<ContainerRecord>>   // blocking; after a SIGKILLed shim: kills what is left, last records (exit code None)
//   pub fn dispatch() -> Option<ExitCode>      // first thing in main(): `podium shim …` / `podium shim-helper …`
// pub mod cgroups: Cgroups::detect() -> Result<Cgroups>; create(&self, path: &str, &Resources); update(&self, path, &Resources); remove(&self, path) (recursive); stats(&self, path) -> Result<Stats>; procs; kill
// pub mod logs: read(path: &Path, Options { tail: Option<u64>, since: Option<Timestamp>, timestamps: bool, limit_bytes: Option<u64>, follow: bool, stdout/stderr: bool }, ended: impl Fn() -> bool + Send + 'static) -> Lines; Lines::next(&mut self).await -> Option<io::Result<Bytes>>
