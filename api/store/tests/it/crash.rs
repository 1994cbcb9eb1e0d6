//! Crashes: nothing acknowledged is lost, nothing is applied twice, unknowns are settled.

use crate::support::*;
use nix::sys::signal::{Signal, kill};
use podium_machinery::state::WriteError;
use podium_store::{Feed, Writer, private::PrivateCluster};
use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use uuid::Uuid;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_postmaster_loses_nothing_acknowledged() {
    const KILLS: usize = 3;
    let mut fixture = Fixture::new().await;
    let db = fixture.database().await;
    let stop = Arc::new(AtomicBool::new(false));
    let writing = {
        let (db, stop) = (db.clone(), Arc::clone(&stop));
        tokio::spawn(async move {
            let mut writer = Writer::open(&db, Uuid::new_v4()).await.expect("opened");
            let mut outcomes = Vec::new();
            for round in 0.. {
                if stop.load(Ordering::Relaxed) {
                    break;
                }
                let names: Vec<_> = (0..10).map(|i| format!("{round}-{i}")).collect();
                let batch = writer.commit(&names.iter().map(|n| create(n, "1")).collect::<Vec<_>>()).await;
                if batch.fault.is_some() {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
                outcomes.extend(names.into_iter().zip(batch.outcomes));
            }
            outcomes
        })
    };
    let options = fixture.options();
    for _ in 0..KILLS {
        tokio::time::sleep(Duration::from_millis(400)).await;
        kill(fixture.pid().expect("running"), Signal::SIGKILL).expect("killed");
        fixture.cluster.as_mut().expect("started").wait().await;
        fixture.cluster = Some(PrivateCluster::start(options.clone()).await.expect("runs again"));
    }
    tokio::time::sleep(Duration::from_millis(400)).await;
    stop.store(true, Ordering::Relaxed);
    let outcomes = writing.await.expect("ran");

    let loaded = Feed::new(&db).load_all().await.expect("loaded");
    let stored: BTreeMap<_, _> = loaded.objects.iter().map(|(_, o)| (o.key.name.clone(), o)).collect();
    let mut acknowledged = 0;
    for (name, outcome) in &outcomes {
        match outcome {
            Ok(object) => {
                acknowledged += 1;
                assert_eq!(
                    stored.get(name).map(|o| (o.revision, &o.uid)),
                    Some((object.revision, &object.uid)),
                    "{name}"
                );
            }
            Err(WriteError::Unavailable) => assert!(!stored.contains_key(name), "{name}"),
            // AlreadyExists would mean that a batch was applied and then sent again.
            Err(other) => panic!("{name}: {other}"),
        }
    }
    assert_eq!(acknowledged, stored.len());
    assert!(acknowledged > 100, "{acknowledged}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_connections_are_settled_exactly_once() {
    let fixture = Fixture::new().await;
    let db = fixture.database().await;
    let killing = {
        let url = fixture.url();
        tokio::spawn(async move {
            for _ in 0..25 {
                tokio::time::sleep(Duration::from_millis(40)).await;
                let kill = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                            WHERE query LIKE '%WITH op AS%' AND pid <> pg_backend_pid()";
                let out = tokio::process::Command::new("psql").args([&url, "-XAtqc", kill]).output().await;
                assert!(out.expect("psql runs").status.success());
            }
        })
    };
    let mut writer = Writer::open(&db, Uuid::new_v4()).await.expect("opened");
    let mut object = writer.commit(&[create("a", "0")]).await.outcomes.remove(0).expect("created");
    let mut count = 0;
    while !killing.is_finished() {
        count += 1;
        // A write applied twice, or lost after all, would be a conflict.
        object = writer.commit(&[update(&object, &count.to_string())]).await.outcomes.remove(0).expect("updated");
    }
    killing.await.expect("ran");
    assert!(count > 100, "{count}");
    assert_eq!(db.history("configmaps", &object.key, 1_000_000).await.expect("read").len(), count + 1);
}

#[tokio::test]
async fn without_a_database_writes_are_refused_and_go_on_later() {
    let mut fixture = Fixture::new().await;
    let db = fixture.database().await;
    let mut writer = Writer::open(&db, Uuid::new_v4()).await.expect("opened");
    let object = writer.commit(&[create("a", "1")]).await.outcomes.remove(0).expect("created");
    let mut feed = Feed::new(&db);
    let at = feed.load_all().await.expect("loaded").revision;
    fixture.cluster.take().expect("running").stop(Duration::from_secs(10)).await.expect("stopped");
    assert!(fixture.pid().is_none(), "a clean stop leaves no pid file");
    assert!(db.ping().await.is_err() && !db.is_ready());
    fixture.start().await;
    db.ping().await.expect("answers");
    assert!(db.is_ready());
    let batch = writer.commit(&[update(&object, "2")]).await;
    assert!(batch.outcomes[0].is_ok(), "{batch:?}");
    assert_eq!(feed.changes_since(at, 10).await.expect("read").rows.len(), 1);

    // A writer whose connection is known to be gone says so at once.
    fixture.cluster.take().expect("running").stop(Duration::from_secs(10)).await.expect("stopped");
    assert!(Writer::open(&db, Uuid::new_v4()).await.is_err());
}
