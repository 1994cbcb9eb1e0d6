//! Charges: a write is made with what it is charged to, or not at all.

use crate::support::*;
use podium_machinery::state::{Action, Charge, Object, Write, WriteError};
use podium_store::{Feed, Writer};
use uuid::Uuid;

fn charged(mut write: Write, to: &[&Object], value: &str) -> Write {
    for object in to {
        let Action::Update { uid, expected, body } = update(object, value).action else { unreachable!("an update") };
        write.charges.push(Charge { kind: configmaps(), key: object.key.clone(), uid, expected, body });
    }
    write
}

#[tokio::test]
async fn a_write_is_made_with_all_its_charges_or_not_at_all() {
    let fixture = Fixture::new().await;
    let db = fixture.database().await;
    let mut writer = Writer::open(&db, Uuid::new_v4()).await.expect("opened");
    let batch = writer.commit(&[create("q", "0"), create("r", "0"), create("a", "0")]).await;
    let [Ok(q), Ok(r), Ok(a)] = &batch.outcomes[..] else { panic!("{:?}", batch.outcomes) };

    // Of two that were decided on the same state of what they are charged to, one is made.
    let writes = [
        charged(create("b", "1"), &[q, r], "1"),
        charged(create("c", "1"), &[q], "1"),
        charged(update(a, "1"), &[r], "1"),
        create("d", "1"),
    ];
    let batch = writer.commit(&writes).await;
    let errors: Vec<_> = batch.outcomes.iter().map(|o| o.as_ref().err().cloned()).collect();
    let overtaken = Some(WriteError::Overtaken);
    assert_eq!(errors, [None, overtaken.clone(), overtaken, None]);
    let revisions: Vec<u64> = batch.events.iter().map(|c| c.event.revision).collect();
    assert!(revisions.is_sorted() && revisions.len() == 4, "two charges and two creates: {revisions:?}");
    let loaded = Feed::new(&db).load(configmaps()).await.expect("loaded");
    let names: Vec<_> = loaded.objects.iter().map(|(_, o)| (o.key.name.clone(), value(o))).collect();
    let expected = [("a", "0"), ("b", "1"), ("d", "1"), ("q", "1"), ("r", "1")];
    assert_eq!(names, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));

    // A second life of the same numbers: what is charged is what was read last.
    let q = &batch.events[0].event.object;
    let batch = writer.commit(&[charged(update(a, "2"), &[q], "2"), charged(create("b", "2"), &[r], "2")]).await;
    assert!(batch.outcomes[0].is_ok());
    assert_eq!(batch.outcomes[1].as_ref().err(), Some(&WriteError::Overtaken), "before it is looked at itself");
    let fresh = &batch.events[0].event.object;
    let batch = writer.commit(&[charged(create("b", "3"), &[fresh], "3")]).await;
    assert_eq!(batch.outcomes[0].as_ref().err(), Some(&WriteError::AlreadyExists));
}

#[tokio::test]
async fn a_bad_value_does_not_part_a_write_from_its_charges() {
    let fixture = Fixture::new().await;
    let db = fixture.database().await;
    let mut writer = Writer::open(&db, Uuid::new_v4()).await.expect("opened");
    let quotas: Vec<Write> = (0..8).map(|i| create(&format!("q{i}"), "0")).collect();
    let batch = writer.commit(&quotas).await;
    let quotas: Vec<_> = batch.outcomes.into_iter().map(|o| o.expect("created")).collect();
    let mut writes: Vec<Write> =
        quotas.iter().enumerate().map(|(i, q)| charged(create(&i.to_string(), "1"), &[q], "1")).collect();
    // PostgreSQL cannot hold a zero character.
    if let Action::Create { body, .. } = &mut writes[5].action {
        body.text = body.text.replace("\"1\"", "\"\\u0000\"").replace('}', "\0}");
    }
    let batch = writer.commit(&writes).await;
    let done: Vec<bool> = batch.outcomes.iter().map(Result::is_ok).collect();
    assert_eq!(done, [true, true, true, true, true, false, true, true], "{:?}", batch.outcomes);
    let loaded = Feed::new(&db).load(configmaps()).await.expect("loaded");
    let charged = loaded.objects.iter().filter(|(_, o)| o.key.name.starts_with('q') && value(o) == "1").count();
    assert_eq!(charged, 7);
}
