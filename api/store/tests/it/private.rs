//! The private cluster's life.

use crate::support::*;
use nix::{
    sys::signal::{Signal, kill},
    unistd::Uid,
};
use podium_store::{Feed, Writer, private::PrivateCluster};
use std::{
    os::unix::fs::MetadataExt,
    time::{Duration, Instant},
};
use uuid::Uuid;

#[tokio::test]
async fn it_keeps_its_data_over_a_stop_and_is_adopted_when_left_running() {
    let mut fixture = Fixture::new().await;
    let db = fixture.database().await;
    let mut writer = Writer::open(&db, Uuid::new_v4()).await.expect("opened");
    assert!(writer.commit(&[create("a", "1")]).await.outcomes[0].is_ok());
    let data = fixture.dir.path().join("pg/data");
    let meta = std::fs::metadata(&data).expect("there");
    assert_eq!(meta.mode() & 0o777, 0o700);
    assert!(!Uid::effective().is_root() || meta.uid() != 0, "PostgreSQL does not run as root");

    // Whoever started it goes without a word; the next one takes it over.
    let first = fixture.cluster.take().expect("running");
    assert!(!first.adopted());
    let pid = first.pid();
    drop(first);
    let mut second = PrivateCluster::start(fixture.options()).await.expect("adopted");
    assert!(second.adopted());
    assert_eq!(second.pid(), pid);
    assert!(writer.commit(&[create("b", "1")]).await.outcomes[0].is_ok());
    let waited = tokio::time::timeout(Duration::from_millis(300), second.wait()).await;
    assert!(waited.is_err(), "it still runs");
    second.stop(Duration::from_secs(10)).await.expect("stopped");
    assert_eq!(fixture.pid(), None);

    fixture.start().await;
    assert!(!fixture.cluster.as_ref().expect("running").adopted());
    assert_eq!(Feed::new(&db).load_all().await.expect("loaded").objects.len(), 2);
}

#[tokio::test]
async fn its_end_is_noticed_and_a_new_start_recovers() {
    let mut fixture = Fixture::new().await;
    let db = fixture.database().await;
    let mut writer = Writer::open(&db, Uuid::new_v4()).await.expect("opened");
    assert!(writer.commit(&[create("a", "1")]).await.outcomes[0].is_ok());
    kill(fixture.pid().expect("running"), Signal::SIGKILL).expect("killed");
    let how = fixture.cluster.as_mut().expect("started").wait().await;
    assert!(how.contains("signal: 9"), "{how}");
    // At once: the dead postmaster's processes may still be there.
    fixture.start().await;
    assert_eq!(Feed::new(&db).load_all().await.expect("loaded").objects.len(), 1);
}

#[tokio::test]
async fn an_interrupted_making_is_made_again() {
    let mut fixture = Fixture::new().await;
    fixture.cluster.take().expect("running").stop(Duration::from_secs(10)).await.expect("stopped");
    let pg = fixture.dir.path().join("pg");
    // As if the machine had gone down before everything was flushed.
    std::fs::remove_file(pg.join("data/podium.made")).expect("there");
    std::fs::remove_file(pg.join("data/pg_hba.conf")).expect("removed");
    fixture.start().await;
    fixture.database().await.ping().await.expect("answers");
    assert!(pg.join("data/podium.made").exists());
}

#[tokio::test]
async fn idle_it_takes_little_memory() {
    let begun = Instant::now();
    let fixture = Fixture::new().await;
    let started = begun.elapsed();
    let db = fixture.database().await;
    println!("made and started in {started:?}, connected and migrated in {:?}", begun.elapsed() - started);
    db.ping().await.expect("answers");
    let postmaster = fixture.pid().expect("running");
    let mut total = 0;
    for entry in std::fs::read_dir("/proc").expect("proc").flatten() {
        let stat = std::fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        let parent = stat.rsplit_once(") ").and_then(|(_, rest)| rest.split(' ').nth(1)?.parse::<i32>().ok());
        let own = entry.file_name().to_str().and_then(|n| n.parse::<i32>().ok()) == Some(postmaster.as_raw());
        if own || parent == Some(postmaster.as_raw()) {
            let rollup = std::fs::read_to_string(entry.path().join("smaps_rollup")).unwrap_or_default();
            let pss = rollup
                .lines()
                .find_map(|l| l.strip_prefix("Pss:")?.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok());
            total += pss.unwrap_or_default();
        }
    }
    println!("idle PostgreSQL: {total} KiB proportional set size");
    assert!(total > 0, "smaps_rollup needs root or the same user");
    assert!(total < 100 << 10, "{total} KiB");
}
