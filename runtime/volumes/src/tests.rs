//! Volumes on a real disk.

use super::*;
use std::{
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt, symlink},
    path::{Path, PathBuf},
};

fn root() -> bool {
    let root = nix::unistd::geteuid().is_root();
    if !root {
        println!("skipped: needs root");
    }
    root
}

fn file(path: &str, data: &str) -> File {
    File { path: path.to_owned(), data: data.as_bytes().to_vec(), mode: 0o640, uid: None }
}

fn files(list: &[(&str, &str)]) -> Source {
    Source::Files { files: list.iter().map(|(p, d)| file(p, d)).collect(), secret: false }
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("metadata").permissions().mode() & 0o7777
}

#[test]
fn files_change_all_at_once() {
    let dir = tempfile::tempdir().expect("a directory");
    let volumes = Volumes::new(dir.path());
    let path = volumes.setup("v", &files(&[("a", "1"), ("sub/b", "2")]), None).expect("set up");
    assert_eq!(fs::read_to_string(path.join("a")).expect("a"), "1");
    assert_eq!(fs::read_to_string(path.join("sub/b")).expect("b"), "2");
    assert_eq!(mode(&path.join("a")), 0o640);
    let before = fs::read_link(path.join("..data")).expect("a link");
    assert!(!volumes.update("v", &[file("a", "1"), file("sub/b", "2")], None).expect("no change"));
    assert_eq!(fs::read_link(path.join("..data")).expect("a link"), before);
    assert!(volumes.update("v", &[file("a", "3"), file("c", "4")], None).expect("a change"));
    assert_eq!(fs::read_to_string(path.join("a")).expect("a"), "3");
    assert!(fs::symlink_metadata(path.join("sub")).is_err(), "a file that went is gone");
    assert!(!path.join(before).exists(), "old contents are gone");
    assert_eq!(fs::read_link(path.join("c")).expect("a link"), PathBuf::from("..data/c"));
}

#[test]
fn paths_stay_inside() {
    let dir = tempfile::tempdir().expect("a directory");
    let volumes = Volumes::new(dir.path());
    for path in ["../x", "/etc/x", "", "a/../../x", "..data"] {
        assert!(volumes.setup("v", &files(&[(path, "1")]), None).is_err(), "{path:?}");
    }
}

#[test]
fn what_cannot_be_written_leaves_nothing() {
    let dir = tempfile::tempdir().expect("a directory");
    let volumes = Volumes::new(dir.path());
    // One path is both a file and a directory.
    for _ in 0..3 {
        assert!(volumes.setup("v", &files(&[("a", "1"), ("a/b", "2")]), None).is_err());
    }
    assert_eq!(fs::read_dir(volumes.path("v")).expect("the volume").count(), 0);
    volumes.setup("v", &files(&[("a", "1")]), None).expect("set up");
}

/// A container that swaps its directories and files for links, as fast as it can, while the node changes their owners.
#[test]
fn groups_are_not_given_what_links_lead_to() {
    if !root() {
        return;
    }
    let dir = tempfile::tempdir().expect("a directory");
    let (outside, data) = (dir.path().join("outside"), dir.path().join("data"));
    fs::create_dir_all(outside.join("below")).expect("a directory");
    fs::create_dir_all(&data).expect("a directory");
    for n in 0..20 {
        fs::create_dir_all(data.join(format!("d{n}/below"))).expect("a directory");
    }
    let volumes = Volumes::new(&dir.path().join("pod"));
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let (away, link) = (data.join("away"), data.join("link"));
            while !done.load(std::sync::atomic::Ordering::SeqCst) {
                for n in 0..20 {
                    let (place, back) = (data.join(format!("d{n}")), data.join("back"));
                    let _ = symlink(&outside, &link);
                    let _ = fs::rename(&place, &away).and_then(|()| fs::rename(&link, &place));
                    let _ = fs::rename(&place, &back).and_then(|()| fs::rename(&away, &place));
                    let _ = fs::remove_file(&back);
                }
            }
        });
        let source = Source::Local { path: data.clone(), change: Some(GroupChange::Always), kind: None };
        for _ in 0..300 {
            // It may fail where something has just gone; it may not leave the volume.
            let _ = volumes.setup("v", &source, Some(4000));
        }
        done.store(true, std::sync::atomic::Ordering::SeqCst);
    });
    for path in [outside.clone(), outside.join("below")] {
        let meta = fs::metadata(&path).expect("metadata");
        assert_eq!((meta.gid(), meta.mode() & 0o7777), (0, 0o755), "{}", path.display());
    }
}

#[test]
fn groups_own_what_they_share() {
    if !root() {
        return;
    }
    let dir = tempfile::tempdir().expect("a directory");
    let volumes = Volumes::new(dir.path());
    let empty = Source::EmptyDir { memory: false, size_limit: None };
    let path = volumes.setup("e", &empty, Some(2000)).expect("set up");
    assert_eq!((mode(&path), fs::metadata(&path).expect("metadata").gid()), (0o2777, 2000));
    fs::write(path.join("kept"), "x").expect("written");
    volumes.setup("e", &empty, Some(2000)).expect("again");
    assert!(path.join("kept").exists());
    let path = volumes.setup("f", &files(&[("a", "1")]), Some(2000)).expect("set up");
    let meta = fs::metadata(path.join("a")).expect("metadata");
    assert_eq!((meta.gid(), mode(&path.join("a"))), (2000, 0o640));
}

#[test]
fn memory_is_a_tmpfs_and_teardown_takes_all() {
    if !root() {
        return;
    }
    let dir = tempfile::tempdir().expect("a directory");
    let volumes = Volumes::new(dir.path());
    let memory = Source::EmptyDir { memory: true, size_limit: Some(1 << 20) };
    let path = volumes.setup("m", &memory, None).expect("set up");
    volumes.setup("m", &memory, None).expect("again");
    let table = fs::read_to_string("/proc/self/mountinfo").expect("mounts");
    let mounts: Vec<&str> = table.lines().filter(|l| l.contains(path.to_str().expect("utf-8"))).collect();
    assert_eq!(mounts.len(), 1, "{mounts:?}");
    assert!(mounts[0].contains("tmpfs") && mounts[0].contains("size=1024k"), "{mounts:?}");
    assert_eq!(mode(&path), 0o777);
    volumes.subpath(&path, "a/b", "k").expect("bound");
    volumes.teardown().expect("torn down");
    volumes.teardown().expect("twice");
    let table = fs::read_to_string("/proc/self/mountinfo").expect("mounts");
    assert!(!table.contains(dir.path().to_str().expect("utf-8")));
    assert!(!path.exists());
}

#[test]
fn huge_pages_are_a_file_system_of_their_own() {
    if !root() {
        return;
    }
    let dir = tempfile::tempdir().expect("a directory");
    let volumes = Volumes::new(dir.path());
    let huge = Source::HugePages { page: 2 << 20, size_limit: Some(4 << 20) };
    match volumes.setup("h", &huge, Some(4000)) {
        Err(error) if !Path::new("/sys/kernel/mm/hugepages/hugepages-2048kB").exists() => {
            return println!("skipped: this kernel has no huge pages: {error}");
        }
        other => drop(other.expect("set up")),
    }
    let path = volumes.setup("h", &huge, Some(4000)).expect("again");
    let table = fs::read_to_string("/proc/self/mountinfo").expect("mounts");
    let mounts: Vec<&str> = table.lines().filter(|l| l.contains(path.to_str().expect("utf-8"))).collect();
    assert_eq!(mounts.len(), 1, "{mounts:?}");
    assert!(mounts[0].contains("hugetlbfs") && mounts[0].contains("pagesize=2M"), "{mounts:?}");
    assert_eq!(std::os::unix::fs::MetadataExt::gid(&fs::metadata(&path).expect("metadata")), 4000);
    volumes.teardown().expect("torn down");
    assert!(!path.exists());
}

#[test]
fn subpaths_cannot_leave_the_volume() {
    if !root() {
        return;
    }
    let dir = tempfile::tempdir().expect("a directory");
    let volumes = Volumes::new(dir.path());
    let path = volumes.setup("e", &Source::EmptyDir { memory: false, size_limit: None }, None).expect("set up");
    symlink("/etc", path.join("out")).expect("a link");
    symlink("..", path.join("up")).expect("a link");
    fs::create_dir(path.join("in")).expect("a directory");
    fs::write(path.join("in/file"), "x").expect("a file");
    symlink("in", path.join("alias")).expect("a link");
    for bad in ["out", "out/passwd", "out/new", "up", "../x", "/etc", "up/new/dir"] {
        assert!(volumes.subpath(&path, bad, "bad").is_err(), "{bad}");
    }
    for bad in ["out/passwd", "../x", "/etc/passwd", "in", "up"] {
        assert!(volumes.text("e", bad).is_err(), "{bad}");
    }
    assert_eq!(volumes.text("e", "alias/file").expect("inside").as_deref(), Some("x"));
    assert_eq!(volumes.text("e", "in/none").expect("inside"), None);
    nix::unistd::mkfifo(&path.join("fifo"), nix::sys::stat::Mode::S_IRWXU).expect("a fifo");
    assert!(volumes.text("e", "fifo").is_err());
    fs::write(path.join("large"), vec![b'x'; (1 << 20) + 1]).expect("a file");
    assert!(volumes.text("e", "large").is_err());
    let bound = volumes.subpath(&path, "alias/file", "good").expect("inside");
    assert_eq!(volumes.subpath(&path, "alias/file", "good").expect("again"), bound);
    assert_eq!(fs::read_to_string(&bound).expect("read"), "x");
    let made = volumes.subpath(&path, "new/dir", "made").expect("made");
    fs::write(made.join("f"), "y").expect("written");
    assert_eq!(fs::read_to_string(path.join("new/dir/f")).expect("read"), "y");
    volumes.teardown().expect("torn down");
}

#[test]
fn host_paths_by_type() {
    let dir = tempfile::tempdir().expect("a directory");
    let volumes = Volumes::new(dir.path());
    let (folder, plain) = (dir.path().join("d"), dir.path().join("f"));
    fs::create_dir(&folder).expect("a directory");
    fs::write(&plain, "").expect("a file");
    let missing = dir.path().join("missing");
    for (kind, path, fits) in [
        ("Directory", &folder, true),
        ("Directory", &plain, false),
        ("File", &plain, true),
        ("File", &folder, false),
        ("Directory", &missing, false),
        ("Socket", &plain, false),
        ("CharDevice", &PathBuf::from("/dev/null"), true),
        ("BlockDevice", &PathBuf::from("/dev/null"), false),
        ("DirectoryOrCreate", &dir.path().join("new/dir"), true),
        ("FileOrCreate", &dir.path().join("newfile"), true),
        ("", &folder, true),
    ] {
        let source = Source::HostPath { path: path.clone(), kind: kind.parse().expect("a type") };
        let outcome = volumes.setup("h", &source, None);
        assert_eq!(outcome.is_ok(), fits, "{kind} {}: {outcome:?}", path.display());
    }
    assert!("Nonsense".parse::<HostPathType>().is_err());
}

#[test]
fn items_modes_and_missing_keys() {
    use k8s_openapi::api::core::v1::KeyToPath;
    let data: content::Data = [("a".to_owned(), b"1".to_vec()), ("b".to_owned(), b"2".to_vec())].into();
    let item = |key: &str, mode| KeyToPath { key: key.to_owned(), path: format!("x/{key}"), mode };
    let all = content::files("configmap \"m\"", Some(&data), None, Some(0o400), false).expect("all");
    assert_eq!(all.iter().map(|f| (f.path.as_str(), f.mode)).collect::<Vec<_>>(), [("a", 0o400), ("b", 0o400)]);
    let some = content::files("configmap \"m\"", Some(&data), Some(&[item("b", Some(0o777))]), None, false);
    assert_eq!(some.expect("one")[0], File { path: "x/b".to_owned(), data: b"2".to_vec(), mode: 0o777, uid: None });
    let wrong = [item("c", None)];
    let missing = content::files("configmap \"m\"", Some(&data), Some(&wrong), None, false).expect_err("missing");
    assert_eq!(missing.to_string(), "configmap \"m\" references non-existent config key: c");
    assert!(content::files("configmap \"m\"", Some(&data), Some(&wrong), None, true).expect("optional").is_empty());
    let gone = content::files("configmap \"m\"", None, None, None, false).expect_err("gone");
    assert_eq!(gone.to_string(), "configmap \"m\" not found");
    assert!(content::files("configmap \"m\"", None, None, None, true).expect("optional").is_empty());
}

#[test]
fn data_of_claims_outlives_the_pod() {
    if !root() {
        return;
    }
    let dir = tempfile::tempdir().expect("a directory");
    let (data, pod) = (dir.path().join("data"), dir.path().join("pod"));
    fs::create_dir_all(data.join("sub")).expect("a directory");
    fs::write(data.join("file"), "kept").expect("a file");
    let volumes = Volumes::new(&pod);
    let source = |change| Source::Local { path: data.clone(), change, kind: None };
    let group = |path: &str| std::os::unix::fs::MetadataExt::gid(&fs::metadata(data.join(path)).expect("stat"));
    assert_eq!(volumes.setup("v", &source(None), Some(4000)).expect("set up"), data);
    assert_eq!((volumes.path("v"), group("file")), (data.clone(), 0));
    volumes.setup("v", &source(Some(GroupChange::Always)), Some(4000)).expect("set up again");
    assert_eq!((group("."), group("file")), (4000, 4000));
    // The root says all is well, so what is below is not looked at; unless always.
    std::os::unix::fs::chown(data.join("file"), None, Some(7)).expect("chown");
    volumes.setup("v", &source(Some(GroupChange::OnRootMismatch)), Some(4000)).expect("set up again");
    assert_eq!(group("file"), 7);
    volumes.setup("v", &source(Some(GroupChange::Always)), Some(4000)).expect("set up again");
    assert_eq!(group("file"), 4000);
    symlink("/etc", data.join("out")).expect("a link");
    assert!(volumes.subpath(&volumes.path("v"), "out/passwd", "bad").is_err());
    volumes.subpath(&volumes.path("v"), "sub", "good").expect("inside");
    volumes.teardown().expect("torn down");
    assert!(!pod.join("volumes").exists());
    assert_eq!(fs::read_to_string(data.join("file")).expect("data"), "kept");
    let missing = Source::Local { path: data.join("file"), change: None, kind: None };
    assert!(volumes.setup("w", &missing, None).is_err());
    // A path of the host is made where its type says so.
    let new = |kind| Source::Local { path: data.join("new"), change: None, kind };
    for kind in [None, Some(HostPathType::Directory)] {
        assert!(volumes.setup("x", &new(kind), None).is_err());
    }
    volumes.setup("x", &new(Some(HostPathType::DirectoryOrCreate)), None).expect("made");
    assert!(volumes.path("x").is_dir());
}
