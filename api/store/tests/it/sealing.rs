//! Sealed kinds: readable through the store, not in the tables.

use crate::support::*;
use podium_kinds::{KINDS, Kind};
use podium_machinery::state::{Action, Body, Write, WriteError};
use podium_store::{Feed, Options, SealingKey, StoreError, Writer};
use podium_types::Key;
use std::sync::Arc;
use uuid::Uuid;

fn secrets() -> &'static Kind {
    KINDS.iter().find(|k| k.sealed).expect("a sealed kind is served")
}

fn secret(action: impl Fn(String, Body) -> Action, id: &str, value: &str) -> Write {
    let key = Key::new("ns", "s");
    let body = Body::of(&object(secrets(), &key, id, value));
    Write { kind: secrets(), key, actor: "test".into(), action: action(id.to_owned(), body), charges: Vec::new() }
}

#[tokio::test]
async fn sealed_kinds_are_ciphertext_in_every_table() {
    let fixture = Fixture::new().await;
    let sealing = Some(Arc::new(SealingKey::load_or_create(&fixture.dir.path().join("key")).expect("a key")));
    let db = fixture.database_with(Options { sealing, ..Default::default() }).await;
    let mut writer = Writer::open(&db, Uuid::new_v4()).await.expect("opened");
    let mut feed = Feed::new(&db);
    let start = feed.current_revision().await.expect("read");
    let id = uid();
    let made = writer.commit(&[secret(|uid, body| Action::Create { uid, body }, &id, "hunter2")]).await;
    let made = made.outcomes.into_iter().next().expect("one").expect("created");
    let expected = made.revision;
    let changed = writer.commit(&[secret(|uid, body| Action::Update { uid, expected, body }, &id, "hunter3")]).await;
    let changed = changed.outcomes.into_iter().next().expect("one").expect("updated");

    let loaded = feed.load(secrets()).await.expect("loaded");
    assert_eq!(loaded.objects[0].1.json, changed.json);
    assert_eq!(loaded.objects[0].1.labels["app"], "test");
    let rows = feed.changes_since(start, 10).await.expect("read").rows;
    assert_eq!(rows.iter().map(|r| value(&r.object)).collect::<Vec<_>>(), ["hunter2", "hunter3"]);
    let resource = secrets().resource;
    let past = db.object_at(resource, &made.key, made.revision).await.expect("read").expect("there");
    assert_eq!(past.json, made.json);

    for table in ["objects", "changes"] {
        let rows = fixture.sql(&format!("SELECT t::text || encode(sealed, 'escape') FROM store.{table} t")).await;
        assert!(!rows.is_empty() && rows.iter().all(|r| !r.contains("hunter")), "{rows:?}");
    }
    assert!(fixture.sql("SELECT s::text FROM podium.secrets s").await.iter().all(|r| !r.contains("hunter")));

    // Another key does not open them, no key does not take them.
    let other = Some(Arc::new(SealingKey::new(&[7; 32]).expect("a key")));
    let wrong = fixture.database_with(Options { sealing: other, ..Default::default() }).await;
    assert!(matches!(Feed::new(&wrong).load(secrets()).await, Err(StoreError::Seal(..))));
    let none = fixture.database().await;
    let mut writer = Writer::open(&none, Uuid::new_v4()).await.expect("opened");
    let refused = writer.commit(&[secret(|uid, body| Action::Create { uid, body }, &uid(), "x")]).await;
    assert!(matches!(refused.outcomes[0], Err(WriteError::Refused(_))));
}
