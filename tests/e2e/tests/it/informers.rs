//! Informers across restarts of the server and across compaction: nothing missed, nothing doubled.

use anyhow::{Context, Result, ensure};
use futures_util::{StreamExt, TryStreamExt};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{
    Api,
    api::{DeleteParams, ListParams, Patch, PatchParams, PostParams},
    runtime::watcher::{self, Event},
};
use podium_e2e::{Cluster, PATIENCE, eventually, kill_9, root, run, with_cluster};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Lines, Write},
    process::{Child, ChildStdout, Command, Stdio},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

/// Objects that are written over and over.
const OBJECTS: usize = 8;
/// Rounds of writes in each life of the server.
const ROUNDS: usize = 20;
/// Lives of the server.
const LIVES: usize = 3;
/// What marks the objects of this test.
const LABEL: &str = "informers=yes";

/// What an informer heard.
#[derive(Default)]
struct Heard {
    /// Lists from the beginning.
    lists: usize,
    /// The newest revision heard of each object; 0 once it is gone.
    newest: BTreeMap<String, u64>,
    /// What the objects say now.
    state: BTreeMap<String, String>,
    /// Objects listed since the last list began.
    listed: BTreeMap<String, String>,
    /// Changes that were heard twice or in the wrong order.
    wrong: Vec<String>,
    /// Changes heard outside lists.
    changes: usize,
}

impl Heard {
    fn hear(&mut self, event: Event<ConfigMap>) {
        match event {
            Event::Init => {
                self.lists += 1;
                self.listed.clear();
            }
            Event::InitApply(object) => {
                let (name, revision, value) = parts(&object);
                self.newest.insert(name.clone(), revision);
                self.listed.insert(name, value);
            }
            Event::InitDone => self.state = std::mem::take(&mut self.listed),
            Event::Apply(object) => self.change(&object, false),
            Event::Delete(object) => self.change(&object, true),
        }
    }

    fn change(&mut self, object: &ConfigMap, gone: bool) {
        let (name, revision, value) = parts(object);
        self.changes += 1;
        let before = self.newest.insert(name.clone(), revision).unwrap_or(0);
        if revision <= before {
            self.wrong.push(format!("{name}: {revision} after {before}"));
        }
        if gone {
            if self.state.remove(&name).is_none() {
                self.wrong.push(format!("{name} went twice"));
            }
        } else {
            self.state.insert(name, value);
        }
    }
}

/// Name, revision and what it says.
fn parts(object: &ConfigMap) -> (String, u64, String) {
    let meta = &object.metadata;
    let revision = meta.resource_version.as_deref().and_then(|r| r.parse().ok()).unwrap_or(0);
    let value = object.data.as_ref().and_then(|d| d.get("n").cloned()).unwrap_or_default();
    (meta.name.clone().unwrap_or_default(), revision, value)
}

fn listen(maps: Api<ConfigMap>, config: watcher::Config) -> Arc<Mutex<Heard>> {
    let heard = Arc::new(Mutex::new(Heard::default()));
    let ear = heard.clone();
    tokio::spawn(async move {
        let mut events = watcher::watcher(maps, config.labels(LABEL)).boxed();
        loop {
            match events.try_next().await {
                Ok(Some(event)) => ear.lock().unwrap().hear(event),
                Ok(None) => return,
                // The watcher tries again by itself; a server takes a moment to come back.
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
    });
    heard
}

/// Changes every object once, deleting and making every third; how many changes there were.
async fn write(maps: &Api<ConfigMap>, round: usize) -> Result<usize> {
    let mut writes = 0;
    for n in 0..OBJECTS {
        let name = format!("informed-{n}");
        if round > 0 && (round + n).is_multiple_of(3) {
            maps.delete(&name, &DeleteParams::default()).await?;
            writes += 1;
        }
        let value = json!({"n": round.to_string()});
        if round == 0 || (round + n).is_multiple_of(3) {
            let object = json!({"metadata": {"name": name, "labels": {"informers": "yes"}}, "data": value});
            maps.create(&PostParams::default(), &serde_json::from_value(object)?).await?;
        } else {
            maps.patch(&name, &PatchParams::default(), &Patch::Merge(json!({ "data": value }))).await?;
        }
        writes += 1;
    }
    Ok(writes)
}

/// Ends the server as a crash would, and waits until it is back.
async fn restart(cluster: &Cluster) -> Result<()> {
    kill_9(cluster.pid_of("server")?)?;
    eventually("the server is back", || async { Ok(cluster.kubectl(&["get", "--raw", "/readyz"]).ok()) }).await?;
    Ok(())
}

/// Writes through several lives of the server; how many changes there were.
async fn lives(cluster: &Cluster, maps: &Api<ConfigMap>) -> Result<usize> {
    let mut writes = 0;
    for life in 0..LIVES {
        if life > 0 {
            restart(cluster).await?;
        }
        for round in life * ROUNDS..(life + 1) * ROUNDS {
            writes += write(maps, round).await?;
        }
    }
    Ok(writes)
}

/// Cuts history off behind something that no informer hears of: 410, and a list from the beginning.
async fn forget(cluster: &Cluster) -> Result<()> {
    cluster.kubectl(&["create", "configmap", "unheard"])?;
    let url = std::fs::read_to_string(cluster.data.join("database-url"))?;
    run("psql", &[url.trim(), "-qc", "UPDATE store.rev SET compacted = rv"])?;
    restart(cluster).await
}

/// What the objects really say.
async fn real(maps: &Api<ConfigMap>) -> Result<BTreeMap<String, String>> {
    let list = maps.list(&ListParams::default().labels(LABEL)).await?;
    let real: BTreeMap<String, String> = list.iter().map(parts).map(|(name, _, value)| (name, value)).collect();
    ensure!(real.len() == OBJECTS, "{real:?}");
    Ok(real)
}

/// Waits until an informer knows what a list says.
async fn agree(maps: &Api<ConfigMap>, heard: &Mutex<Heard>) -> Result<()> {
    let real = real(maps).await?;
    eventually("the informer knows it all", || async { Ok((heard.lock().unwrap().state == real).then_some(())) }).await
}

#[test]
fn informers_live_through_restarts_and_compaction() {
    with_cluster(|cluster| async move {
        let maps: Api<ConfigMap> = Api::default_namespaced(cluster.client().await?);
        let informers = [
            listen(maps.clone(), watcher::Config::default()),
            listen(maps.clone(), watcher::Config::default().streaming_lists()),
        ];
        for heard in &informers {
            eventually("the first list", || async { Ok((heard.lock().unwrap().lists > 0).then_some(())) }).await?;
        }
        let writes = lives(&cluster, &maps).await?;
        for heard in &informers {
            agree(&maps, heard).await?;
            let heard = heard.lock().unwrap();
            ensure!(heard.wrong.is_empty(), "{:?}", heard.wrong);
            // Whoever never had to list again heard of each change exactly once.
            ensure!(heard.lists > 1 || heard.changes == writes, "{} of {writes} changes", heard.changes);
        }

        let lists = informers.each_ref().map(|heard| heard.lock().unwrap().lists);
        forget(&cluster).await?;
        write(&maps, LIVES * ROUNDS).await?;
        for (heard, before) in informers.iter().zip(lists) {
            agree(&maps, heard).await?;
            let heard = heard.lock().unwrap();
            ensure!(heard.lists > before, "nobody said that history is gone");
            ensure!(heard.wrong.is_empty(), "{:?}", heard.wrong);
        }
        let old = maps.watch(&Default::default(), "1").await?.try_collect::<Vec<_>>().await;
        let text = format!("{old:?}");
        ensure!(text.contains("410"), "a watch from revision 1: {text}");
        Ok(())
    });
}

/// Informers of the Python client, in a process of their own.
struct Python {
    process: Child,
    answers: Lines<BufReader<ChildStdout>>,
}

impl Python {
    /// `None`, with a word, where the client is not installed.
    fn start(cluster: &Cluster) -> Result<Option<Self>> {
        let python = root().join("target/clients/bin/python");
        if !python.exists() {
            println!("skipped: the Python client is not installed (./dev test does it)");
            return Ok(None);
        }
        let mut process = Command::new(python)
            .arg(root().join("tests/clients/python/informers.py"))
            .env("KUBECONFIG", cluster.data.join("kubeconfig"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let answers = BufReader::new(process.stdout.take().context("no output")?).lines();
        Ok(Some(Self { process, answers }))
    }

    /// What each of the informers knows.
    fn ask(&mut self) -> Result<Vec<Value>> {
        writeln!(self.process.stdin.as_mut().context("no input")?, "?")?;
        let answer = self.answers.next().context("it has ended")??;
        Ok(serde_json::from_str(&answer)?)
    }

    /// Asks until all that they know is so.
    async fn until(&mut self, what: &str, is: impl Fn(&Value) -> bool) -> Result<Vec<Value>> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let known = self.ask()?;
            if known.iter().all(&is) {
                return Ok(known);
            }
            ensure!(Instant::now() < deadline, "never: {what}: {known:?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

impl Drop for Python {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn the_python_client_lives_through_restarts_and_compaction() {
    with_cluster(|cluster| async move {
        let Some(mut python) = Python::start(&cluster)? else { return Ok(()) };
        let maps: Api<ConfigMap> = Api::default_namespaced(cluster.client().await?);
        python.until("the first list", |known| known["lists"] == 1).await?;
        let writes = lives(&cluster, &maps).await?;
        let real = json!(real(&maps).await?);
        for known in python.until("all is known", |known| known["state"] == real).await? {
            ensure!(known["wrong"] == json!([]), "{known}");
            ensure!(known["failures"].as_u64() >= Some(1), "it never noticed: {known}");
            // Whoever never had to list again heard of each change exactly once.
            ensure!(known["lists"].as_u64() > Some(1) || known["changes"] == json!(writes), "{writes}: {known}");
        }
        let before = python.ask()?.iter().map(|known| known["lists"].as_u64().unwrap_or(0)).max().unwrap_or(0);
        forget(&cluster).await?;
        write(&maps, LIVES * ROUNDS).await?;
        let real = json!(self::real(&maps).await?);
        let is = |known: &Value| known["state"] == real && known["lists"].as_u64() > Some(before);
        for known in python.until("all is known again, from a list", is).await? {
            ensure!(known["wrong"] == json!([]), "{known}");
        }
        Ok(())
    });
}
