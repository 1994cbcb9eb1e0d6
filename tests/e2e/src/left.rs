//! What pods have on a machine beside their containers: all of it has to go with them.

use crate::{Cluster, run};
use anyhow::Result;
use std::{
    fs,
    path::{Path, PathBuf},
};

/// Entries of a directory, in order; none where there is no directory.
pub fn entries(dir: &Path) -> Vec<PathBuf> {
    let mut all: Vec<_> = fs::read_dir(dir).into_iter().flatten().flatten().map(|e| e.path()).collect();
    all.sort();
    all
}

impl Cluster {
    /// Marks what this cluster makes outside of its data directory.
    pub fn id(&self) -> Result<String> {
        let sum = run("sh", &["-c", "printf %s \"$0\" | sha256sum", &self.data.to_string_lossy()])?;
        Ok(sum[..8].to_owned())
    }

    /// Files, mounts, processes, cgroups, interfaces and rules of this cluster's pods. `addresses` are those they had.
    pub fn left(&self, addresses: &[String]) -> Result<Vec<String>> {
        let (id, pods) = (self.id()?, self.data.join("pods"));
        let run_dir = Path::new("/run/podium").join(&id);
        let mut found = Vec::new();
        let data = ["pods", "network", "images/staging"].map(|dir| self.data.join(dir));
        for dir in data.into_iter().chain(["pods", "netns"].map(|dir| run_dir.join(dir))) {
            found.extend(entries(&dir).iter().map(|p| p.display().to_string()));
        }
        let mounts = fs::read_to_string("/proc/self/mountinfo")?;
        for place in [&pods, &run_dir.join("netns")] {
            let place = format!("{}/", place.display());
            found.extend(mounts.lines().filter(|line| line.contains(&place)).map(str::to_owned));
        }
        found.extend(cgroups(&mounts, &id));
        // A shim's standard error is a file of its pod, removed or not.
        let of_pods = |process: &PathBuf| fs::read_link(process.join("fd/2")).is_ok_and(|log| log.starts_with(&pods));
        found.extend(entries(Path::new("/proc")).into_iter().filter(of_pods).map(|p| format!("shim {}", p.display())));
        // This test has a network namespace of its own: every veth of a pod is this cluster's.
        let links = run("ip", &["-o", "link"])?;
        let of_pods = |line: &&str| line.contains("link-netns") && !line.contains("node0");
        found.extend(links.lines().filter(of_pods).map(str::to_owned));
        for (program, args) in [("nft", &["list", "ruleset"][..]), ("ip", &["neigh"]), ("ip", &["route"])] {
            let text = run(program, args)?;
            let names =
                |address: &&String| text.split(|c: char| c != '.' && !c.is_ascii_digit()).any(|w| w == *address);
            found.extend(addresses.iter().filter(names).map(|address| format!("{program} {args:?} names {address}")));
        }
        Ok(found)
    }
}

/// Groups of pods, in every hierarchy.
fn cgroups(mounts: &str, id: &str) -> Vec<String> {
    let hierarchies = mounts.lines().filter(|line| line.contains(" - cgroup"));
    let roots =
        hierarchies.filter_map(|line| line.split(' ').nth(4)).map(|root| Path::new(root).join(format!("podium-{id}")));
    let classes = roots.flat_map(|root| [root.clone(), root.join("burstable"), root.join("besteffort")]);
    let below = classes.flat_map(|class| entries(&class));
    let of_pod = |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("pod"));
    below.filter(of_pod).map(|path| path.display().to_string()).collect()
}
