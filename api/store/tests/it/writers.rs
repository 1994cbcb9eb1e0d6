//! Writers: preconditions, races, fences, bad values.

use crate::support::*;
use podium_machinery::state::{Action, Object, Write, WriteError};
use podium_store::{Feed, StoreError, Watermark, Writer};
use podium_types::Key;
use std::{collections::BTreeMap, sync::Arc};
use uuid::Uuid;

#[tokio::test]
async fn every_precondition_has_its_outcome() {
    let fixture = Fixture::new().await;
    let db = fixture.database().await;
    let mut writer = Writer::open(&db, Uuid::new_v4()).await.expect("opened");
    let batch = writer.commit(&[create("a", "1"), create("b", "1"), create("a", "2")]).await;
    let [Ok(a), Ok(b), Err(again)] = &batch.outcomes[..] else { panic!("{:?}", batch.outcomes) };
    assert_eq!(*again, WriteError::AlreadyExists);
    assert_eq!(a.value()["metadata"]["resourceVersion"], a.revision.to_string());

    let mut stranger = update(a, "x");
    if let Action::Update { uid: id, .. } = &mut stranger.action {
        *id = uid();
    }
    let absent = Object::new(Key::new("ns", "none"), uid(), 1, BTreeMap::new(), "{}");
    let writes =
        [update(a, "2"), update(a, "3"), stranger, update(&absent, "x"), delete(b), delete(b), delete(&absent)];
    let batch = writer.commit(&writes).await;
    let errors: Vec<_> = batch.outcomes.iter().map(|o| o.as_ref().err().cloned()).collect();
    let (conflict, gone) = (Some(WriteError::Conflict), Some(WriteError::NotFound));
    assert_eq!(errors, [None, conflict.clone(), conflict, gone.clone(), None, gone.clone(), gone]);
    let deleted = batch.outcomes[4].as_ref().expect("deleted");
    assert!(deleted.revision > b.revision, "an event of deletion has the revision of the deletion");
    assert!(batch.follows(batch.spans[0].base) && batch.events.len() == 2);

    let loaded = Feed::new(&db).load(configmaps()).await.expect("loaded");
    assert_eq!(loaded.objects.iter().map(|(_, o)| value(o)).collect::<Vec<_>>(), ["2"]);
    assert_eq!(loaded.revision, batch.newest().expect("committed"));
}

#[tokio::test]
async fn a_batch_does_what_its_writes_would_do_one_by_one() {
    let fixture = Fixture::new().await;
    let db = fixture.database().await;
    let mut writer = Writer::open(&db, Uuid::new_v4()).await.expect("opened");
    let mut model: BTreeMap<Key, Arc<Object>> = BTreeMap::new();
    let mut known: Vec<Arc<Object>> = Vec::new();
    let mut seed = 7u64;
    let mut random = move |n: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) as usize % n
    };
    let mut counts = [0; 4];
    for _ in 0..60 {
        let writes: Vec<Write> = (0..=random(40))
            .map(|i| match random(3) {
                _ if known.is_empty() => create(&random(12).to_string(), &i.to_string()),
                0 => create(&random(12).to_string(), &i.to_string()),
                // Mostly the newest state of something, at times an old one.
                n => {
                    let old = &known[known.len() - 1 - random(known.len().min(20))];
                    if n == 1 { update(old, &i.to_string()) } else { delete(old) }
                }
            })
            .collect();
        let batch = writer.commit(&writes).await;
        for (write, outcome) in writes.iter().zip(&batch.outcomes) {
            let there = model.get(&write.key);
            let expected = match &write.action {
                Action::Create { .. } => there.map(|_| WriteError::AlreadyExists),
                Action::Update { uid, expected, .. } | Action::Delete { uid, expected, .. } => match there {
                    None => Some(WriteError::NotFound),
                    Some(o) if o.uid != *uid || o.revision != *expected => Some(WriteError::Conflict),
                    Some(_) => None,
                },
            };
            let got = outcome.as_ref().err().cloned();
            // The reason is found by reading later: the object may have gone or come since.
            let reread = matches!(
                (&expected, &got),
                (Some(WriteError::NotFound), Some(WriteError::Conflict))
                    | (Some(WriteError::Conflict), Some(WriteError::NotFound))
            );
            assert!(expected == got || reread, "{} {expected:?} {got:?}", write.key);
            counts[got.map_or(0, |e| {
                [WriteError::AlreadyExists, WriteError::NotFound].iter().position(|x| *x == e).map_or(3, |p| p + 1)
            })] += 1;
            if let Ok(object) = outcome {
                match write.action {
                    Action::Delete { .. } => drop(model.remove(&write.key)),
                    _ => {
                        model.insert(write.key.clone(), Arc::clone(object));
                        known.push(Arc::clone(object));
                    }
                }
            }
        }
        let loaded = Feed::new(&db).load_all().await.expect("loaded");
        let stored: Vec<_> = loaded.objects.iter().map(|(_, o)| o.json.clone()).collect();
        assert_eq!(stored, model.values().map(|o| o.json.clone()).collect::<Vec<_>>());
    }
    assert!(counts.iter().all(|n| *n > 20), "{counts:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_several_writers_one_wins_each_revision() {
    const ROUNDS: usize = 60;
    let fixture = Fixture::new().await;
    let db = fixture.database().await;
    let mut first = Writer::open(&db, Uuid::new_v4()).await.expect("opened");
    let object = first.commit(&[create("a", "0")]).await.outcomes.remove(0).expect("created");
    let rival = |name: usize, mut object: Arc<Object>| {
        let db = db.clone();
        tokio::spawn(async move {
            let mut writer = Writer::open(&db, Uuid::new_v4()).await.expect("opened");
            let mut won = Vec::new();
            while won.len() < ROUNDS {
                match writer.commit(&[update(&object, &name.to_string())]).await.outcomes.remove(0) {
                    Ok(new) => {
                        won.push((object.revision, new.revision));
                        object = new;
                    }
                    Err(WriteError::Conflict) => {
                        let mut loaded = Feed::new(&db).load(configmaps()).await.expect("loaded");
                        object = loaded.objects.remove(0).1;
                    }
                    Err(other) => panic!("{other}"),
                }
            }
            won
        })
    };
    let rivals = [0, 1, 2].map(|n| rival(n, Arc::clone(&object)));
    let mut steps = Vec::new();
    for rival in rivals {
        steps.extend(rival.await.expect("ran"));
    }
    steps.sort_unstable();
    assert_eq!(steps.len(), 3 * ROUNDS);
    assert!(steps.windows(2).all(|w| w[0].1 == w[1].0), "each write stands on the one before: {steps:?}");
}

#[tokio::test]
async fn a_newer_writer_of_the_same_id_fences_the_older() {
    let fixture = Fixture::new().await;
    let db = fixture.database().await;
    let id = Uuid::new_v4();
    let mut old = Writer::open(&db, id).await.expect("opened");
    assert!(old.commit(&[create("a", "1")]).await.outcomes[0].is_ok());
    let mut new = Writer::open(&db, id).await.expect("opened");
    for _ in 0..2 {
        // Also the second time, when it has to connect again.
        let batch = old.commit(&[create("b", "1")]).await;
        assert_eq!(batch.outcomes[0].as_ref().err(), Some(&WriteError::Unavailable));
        assert!(matches!(batch.fault, Some(StoreError::Fenced)), "{:?}", batch.fault);
    }
    assert!(new.commit(&[create("b", "2")]).await.outcomes[0].is_ok());
}

#[tokio::test]
async fn a_bad_value_harms_only_its_own_write() {
    let fixture = Fixture::new().await;
    let db = fixture.database().await;
    let mut writer = Writer::open(&db, Uuid::new_v4()).await.expect("opened");
    let mut writes: Vec<_> = (0..50).map(|i| create(&i.to_string(), "x")).collect();
    writes[7].key.name = "nul\0".into();
    if let Action::Create { body, .. } = &mut writes[8].action {
        body.text = "not json".into();
    }
    if let Action::Create { body, .. } = &mut writes[30].action {
        body.labels.insert("l".into(), "\0".into());
    }
    if let Action::Create { uid, .. } = &mut writes[49].action {
        *uid = "no-uuid".into();
    }
    let batch = writer.commit(&writes).await;
    for (index, outcome) in batch.outcomes.iter().enumerate() {
        let bad = [7, 8, 30, 49].contains(&index);
        assert_eq!(matches!(outcome, Err(WriteError::Refused(_))), bad, "{index}: {outcome:?}");
        assert_eq!(outcome.is_ok(), !bad);
    }
    assert_eq!(Feed::new(&db).load_all().await.expect("loaded").objects.len(), 46);
}

#[tokio::test]
async fn below_the_watermark_nothing_is_written() {
    let fixture = Fixture::new().await;
    let watermark = Some(Watermark { path: fixture.dir.path().into(), least: u64::MAX });
    let db = fixture.database_with(podium_store::Options { watermark, ..Default::default() }).await;
    let mut writer = Writer::open(&db, Uuid::new_v4()).await.expect("opened");
    let batch = writer.commit(&[create("a", "1")]).await;
    assert_eq!(batch.outcomes[0].as_ref().err(), Some(&WriteError::Unavailable));
    assert!(matches!(batch.fault, Some(StoreError::DiskLow { .. })));
    assert!(Feed::new(&db).load_all().await.expect("loaded").objects.is_empty());
}
