//! The feed: every change once, in order, whoever wrote it.

use crate::support::*;
use podium_machinery::state::{Change, Object};
use podium_store::{Database, Feed, Listener, StoreError, Wake, Writer};
use podium_types::Key;
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use uuid::Uuid;

/// Creates, updates and deletes objects of its own; returns what was acknowledged.
async fn work(db: Database, name: usize) -> Vec<(u64, Change)> {
    let mut writer = Writer::open(&db, Uuid::new_v4()).await.expect("opened");
    let mut done = Vec::new();
    for round in 0..25 {
        let names: Vec<_> = (0..5).map(|i| format!("{name}-{round}-{i}")).collect();
        let batch = writer.commit(&names.iter().map(|n| create(n, "1")).collect::<Vec<_>>()).await;
        done.extend(batch.events.iter().map(|c| (c.event.revision, c.event.change)));
        let made: Vec<Arc<Object>> = batch.outcomes.into_iter().map(|o| o.expect("created")).collect();
        // Refused ones take revisions too: gaps must not stop the feed.
        let mut writes: Vec<_> = made.iter().map(|o| update(o, "2")).collect();
        writes.extend(made.iter().take(2).map(|o| delete(o)));
        let batch = writer.commit(&writes).await;
        done.extend(batch.events.iter().map(|c| (c.event.revision, c.event.change)));
        let batch = writer.commit(&[delete(batch.outcomes[0].as_ref().expect("updated"))]).await;
        done.extend(batch.events.iter().map(|c| (c.event.revision, c.event.change)));
    }
    done
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_feed_sees_every_change_once_and_in_order() {
    let fixture = Fixture::new().await;
    let db = fixture.database().await;
    let mut feed = Feed::new(&db);
    let start = feed.load_all().await.expect("loaded").revision;
    let workers = [0, 1].map(|n| tokio::spawn(work(db.clone(), n)));
    let (mut at, mut seen, mut state) = (start, Vec::new(), BTreeMap::<Key, Arc<Object>>::new());
    let mut done = Vec::new();
    let mut idle = 0;
    let mut listener = Listener::open(&db).await.expect("listens");
    while idle < 3 {
        if workers.iter().all(|w| w.is_finished()) {
            idle += 1;
        }
        listener.wait(Duration::from_millis(20)).await;
        // A small limit, so that many answers are cut.
        let changes = feed.changes_since(at, 7).await.expect("read");
        assert!(changes.reached >= at);
        at = changes.reached;
        idle = if changes.more { 0 } else { idle };
        for row in changes.rows {
            seen.push((row.revision, row.change));
            match row.change {
                Change::Deleted => drop(state.remove(&row.object.key).expect("was there")),
                Change::Added => assert!(state.insert(row.object.key.clone(), row.object).is_none()),
                Change::Modified => drop(state.insert(row.object.key.clone(), row.object).expect("was there")),
            }
        }
    }
    for worker in workers {
        done.extend(worker.await.expect("ran"));
    }
    done.sort_unstable_by_key(|d| d.0);
    assert_eq!(done.len(), 2 * 25 * 11);
    assert_eq!(seen, done);
    let loaded = feed.load_all().await.expect("loaded");
    assert_eq!(loaded.revision, at);
    let stored: Vec<_> = loaded.objects.iter().map(|(_, o)| o.json.clone()).collect();
    assert_eq!(stored, state.values().map(|o| o.json.clone()).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_listener_hears_of_commits_and_of_its_own_reconnects() {
    let fixture = Fixture::new().await;
    let db = fixture.database().await;
    let mut listener = Listener::open(&db).await.expect("listens");
    assert_eq!(listener.wait(Duration::from_millis(50)).await, Wake::Elapsed);
    let id = Uuid::new_v4();
    let mut writer = Writer::open(&db, id).await.expect("opened");
    let batch = writer.commit(&[create("a", "1")]).await;
    let revision = batch.newest().expect("committed");
    assert_eq!(listener.wait(Duration::from_secs(5)).await, Wake::Committed { writer: id, revision });
    fixture.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN%'").await;
    assert_eq!(listener.wait(Duration::from_secs(5)).await, Wake::Reconnected);
    let batch = writer.commit(&[create("b", "1")]).await;
    let revision = batch.newest().expect("committed");
    assert_eq!(listener.wait(Duration::from_secs(5)).await, Wake::Committed { writer: id, revision });
}

#[tokio::test]
async fn another_incarnation_is_noticed_and_never_repeats_a_revision() {
    let fixture = Fixture::new().await;
    let db = fixture.database().await;
    let mut writer = Writer::open(&db, Uuid::new_v4()).await.expect("opened");
    let mut feed = Feed::new(&db);
    let at = writer.commit(&[create("a", "1")]).await.newest().expect("committed");
    assert_eq!(feed.changes_since(0, 10).await.expect("read").rows.len(), 1);
    let before = db.incarnation().await.expect("read");
    // As after a restore into another cluster.
    fixture.sql("UPDATE store.rev SET origin = 'elsewhere'").await;
    db.migrate().await.expect("migrated");
    assert_eq!(db.incarnation().await.expect("read"), before + 1);
    assert!(matches!(feed.changes_since(at, 10).await, Err(StoreError::Replaced { .. })));
    assert!(feed.load_all().await.expect("loaded").revision > at);
    let next = writer.commit(&[create("b", "1")]).await.newest().expect("committed");
    assert!(next > at + 1);
    assert_eq!(feed.changes_since(at, 10).await.expect("read").rows.len(), 1);
}

#[tokio::test]
async fn changes_of_one_kind_leave_the_others_out() {
    let fixture = Fixture::new().await;
    let db = fixture.database().await;
    let mut writer = Writer::open(&db, Uuid::new_v4()).await.expect("opened");
    let at = writer.commit(&[create("a", "1"), create("b", "1")]).await.newest().expect("committed");
    let mut feed = Feed::new(&db);
    let own = feed.changes_of(configmaps(), 0, 10).await.expect("read");
    assert_eq!((own.rows.len(), own.reached), (2, at));
    let pods = podium_kinds::by_resource("pods").expect("served");
    let others = feed.changes_of(pods, 0, 10).await.expect("read");
    assert_eq!((others.rows.len(), others.reached), (0, at));
}
