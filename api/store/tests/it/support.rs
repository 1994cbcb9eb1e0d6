//! A private cluster per test, gone afterwards however the test ends.

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use podium_kinds::{KINDS, Kind};
use podium_machinery::state::{Action, Body, Object, Write};
use podium_store::{
    Database, Options,
    private::{PrivateCluster, PrivateOptions},
};
use podium_types::Key;
use serde_json::{Value, json};
use std::{fs::Permissions, os::unix::fs::PermissionsExt, path::Path, time::Duration};
use tempfile::TempDir;
use uuid::Uuid;

pub struct Fixture {
    pub dir: TempDir,
    pub cluster: Option<PrivateCluster>,
}

impl Fixture {
    pub async fn new() -> Self {
        // Others must pass: PostgreSQL does not run as root.
        let dir = tempfile::Builder::new().prefix("podium-store-").permissions(Permissions::from_mode(0o755)).tempdir();
        let mut fixture = Self { dir: dir.expect("a directory"), cluster: None };
        fixture.start().await;
        fixture
    }
    pub async fn start(&mut self) {
        self.cluster = Some(PrivateCluster::start(self.options()).await.expect("PostgreSQL runs"));
    }
    pub fn options(&self) -> PrivateOptions {
        let dir = self.dir.path();
        PrivateOptions { dir: dir.join("pg"), socket_dir: dir.join("s"), bin_dir: None }
    }
    pub fn url(&self) -> String {
        self.cluster.as_ref().expect("running").url()
    }
    pub fn pid(&self) -> Option<Pid> {
        postmaster(self.dir.path())
    }
    pub async fn database(&self) -> Database {
        self.database_with(Options::default()).await
    }
    pub async fn database_with(&self, options: Options) -> Database {
        let db = Database::connect(&self.url(), options).await.expect("connected");
        db.migrate().await.expect("migrated");
        db
    }
    pub async fn sql(&self, statement: &str) -> Vec<String> {
        let out = tokio::process::Command::new("psql").args([&self.url(), "-XAtc", statement]).output().await;
        let out = out.expect("psql runs");
        assert!(out.status.success(), "{statement}: {}", String::from_utf8_lossy(&out.stderr));
        String::from_utf8_lossy(&out.stdout).lines().map(str::to_owned).collect()
    }
}

impl Drop for Fixture {
    fn drop(&mut self) {
        let Some(pid) = self.pid() else { return };
        // Immediate shutdown: the data goes anyway.
        let _ = kill(pid, Signal::SIGQUIT);
        for _ in 0..500 {
            if self.pid().is_none() {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        let _ = kill(pid, Signal::SIGKILL);
    }
}

pub fn postmaster(dir: &Path) -> Option<Pid> {
    let text = std::fs::read_to_string(dir.join("pg/data/postmaster.pid")).ok()?;
    Some(Pid::from_raw(text.lines().next()?.parse().ok()?))
}

pub fn configmaps() -> &'static Kind {
    KINDS.iter().find(|k| k.resource == "configmaps").expect("served")
}

pub fn uid() -> String {
    Uuid::new_v4().to_string()
}

pub fn object(kind: &Kind, key: &Key, uid: &str, value: &str) -> Value {
    json!({"apiVersion": kind.api_version(), "kind": kind.kind, "data": {"v": value},
        "metadata": {"name": key.name, "namespace": key.namespace, "uid": uid, "labels": {"app": "test"}}})
}

pub fn write(key: &Key, action: Action) -> Write {
    Write { kind: configmaps(), key: key.clone(), actor: "test".into(), action, charges: Vec::new() }
}

pub fn create(name: &str, value: &str) -> Write {
    let (key, uid) = (Key::new("ns", name), uid());
    let body = Body::of(&object(configmaps(), &key, &uid, value));
    write(&key, Action::Create { uid, body })
}

pub fn update(old: &Object, value: &str) -> Write {
    let body = Body::of(&object(configmaps(), &old.key, &old.uid, value));
    write(&old.key, Action::Update { uid: old.uid.clone(), expected: old.revision, body })
}

pub fn delete(old: &Object) -> Write {
    let body = Body::of(&old.value());
    write(&old.key, Action::Delete { uid: old.uid.clone(), expected: old.revision, body })
}

pub fn value(object: &Object) -> String {
    object.value()["data"]["v"].as_str().unwrap_or_default().to_owned()
}
