//! Compaction, and reads of the past on both sides of its floor.

use crate::support::*;
use podium_machinery::state::Change;
use podium_store::{Feed, Retain, StoreError, Writer};
use podium_types::Key;
use std::time::Duration;
use uuid::Uuid;

#[tokio::test]
async fn old_history_goes_and_the_rest_stays_whole() {
    let fixture = Fixture::new().await;
    let db = fixture.database().await;
    let mut writer = Writer::open(&db, Uuid::new_v4()).await.expect("opened");
    let mut feed = Feed::new(&db);
    let batch = writer.commit(&[create("a", "1"), create("b", "1"), create("c", "1")]).await;
    let [Ok(a), Ok(b), Ok(c)] = &batch.outcomes[..] else { panic!("{:?}", batch.outcomes) };
    let first = batch.newest().expect("committed");

    // Young history stays.
    let kept = db.compact(Retain::age(Duration::from_secs(3600))).await.expect("compacted");
    assert_eq!((kept.dropped, kept.floor), (0, 0));
    assert_eq!(feed.changes_since(0, 10).await.expect("read").rows.len(), 3);

    let gone = db.compact(Retain::age(Duration::ZERO)).await.expect("compacted");
    assert_eq!(gone.dropped, 1);
    assert!(gone.floor >= first);
    assert!(
        matches!(feed.changes_since(first, 10).await, Err(StoreError::Compacted { oldest, .. }) if oldest == gone.floor)
    );
    assert!(feed.changes_since(gone.floor, 10).await.expect("read").rows.is_empty());
    assert_eq!(feed.floor().await.expect("read"), gone.floor);
    let again = db.compact(Retain::age(Duration::ZERO)).await.expect("compacted");
    assert_eq!(again.dropped, 0, "nothing new, nothing to drop");

    // Changes after the floor carry what was before them.
    let batch = writer.commit(&[update(a, "2"), delete(b)]).await;
    let (second, removed) = (batch.events[0].event.revision, batch.events[1].event.revision);
    let rows = feed.changes_since(gone.floor, 10).await.expect("read").rows;
    assert_eq!(rows.len(), 2);
    assert_eq!(rows[0].previous.as_ref().map(|o| (o.revision, value(o))), Some((a.revision, "1".into())));
    assert_eq!(rows[1].previous.as_ref().map(|o| o.json.clone()), Some(b.json.clone()));
    let key = |name: &str| Key::new("ns", name);
    let at = async |name: &str, revision| {
        db.object_at("configmaps", &key(name), revision).await.map(|o| o.map(|o| (o.revision, value(&o))))
    };
    assert_eq!(at("a", gone.floor).await.expect("read"), Some((a.revision, "1".into())));
    assert_eq!(at("a", second).await.expect("read"), Some((second, "2".into())));
    assert_eq!(at("b", second).await.expect("read"), Some((b.revision, "1".into())));
    assert_eq!(at("b", removed).await.expect("read"), None);
    assert_eq!(at("c", removed).await.expect("read"), Some((c.revision, "1".into())));
    assert_eq!(at("none", removed).await.expect("read"), None);
    assert!(matches!(at("a", first).await, Err(StoreError::Compacted { .. })));
}

#[tokio::test]
async fn an_objects_history_reaches_over_its_deletions() {
    let fixture = Fixture::new().await;
    let db = fixture.database().await;
    let mut writer = Writer::open(&db, Uuid::new_v4()).await.expect("opened");
    let mut revisions = Vec::new();
    for life in 0..2 {
        let one = writer.commit(&[create("a", &format!("{life}"))]).await.outcomes.remove(0).expect("created");
        let two = writer.commit(&[update(&one, &format!("{life}+"))]).await.outcomes.remove(0).expect("updated");
        let end = writer.commit(&[delete(&two)]).await.outcomes.remove(0).expect("deleted");
        revisions.extend([
            (one.revision, Change::Added),
            (two.revision, Change::Modified),
            (end.revision, Change::Deleted),
        ]);
    }
    let key = Key::new("ns", "a");
    let history = db.history("configmaps", &key, 10).await.expect("read");
    revisions.reverse();
    assert_eq!(history.iter().map(|r| (r.revision, r.change)).collect::<Vec<_>>(), revisions);
    assert!(history.iter().all(|r| r.actor == "test"));
    let age = history[0].at.duration_until(podium_types::Timestamp::now()).as_secs();
    assert!((-5..60).contains(&age), "{age}");
    assert_eq!(db.history("configmaps", &key, 2).await.expect("read").len(), 2);
    assert!(db.history("configmaps", &Key::new("ns", "b"), 10).await.expect("read").is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writes_go_on_while_history_is_compacted() {
    let fixture = Fixture::new().await;
    let db = fixture.database().await;
    // Small partitions: the writer runs into missing ones, and makes them.
    fixture.sql("UPDATE store.rev SET span = 50, rv = 60000000").await;
    let writing = {
        let db = db.clone();
        tokio::spawn(async move {
            let mut writer = Writer::open(&db, Uuid::new_v4()).await.expect("opened");
            let mut object = writer.commit(&[create("a", "0")]).await.outcomes.remove(0).expect("created");
            for i in 1..=600 {
                object = writer.commit(&[update(&object, &i.to_string())]).await.outcomes.remove(0).expect("updated");
            }
            object
        })
    };
    let mut dropped = 0;
    while !writing.is_finished() {
        dropped += db.compact(Retain::age(Duration::ZERO)).await.expect("compacted").dropped;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let object = writing.await.expect("ran");
    assert_eq!(value(&object), "600");
    assert!(dropped > 3, "{dropped}");
    // The last compaction may have passed the last write.
    let at = object.revision.max(Feed::new(&db).floor().await.expect("read"));
    let there = db.object_at("configmaps", &object.key, at).await.expect("read").expect("there");
    assert_eq!(there.json, object.json);
}
