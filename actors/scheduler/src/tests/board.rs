//! The board's counts, kept up to date pod by pod, are those of a board made anew.

use super::Cluster;
use crate::{
    board::Board,
    selector::{Labels, Namespaces, Selector},
    tally::Question,
};
use podium_types::Key;
use proptest::prelude::*;
use serde_json::{Value, json};

const APPS: [&str; 3] = ["a", "b", "c"];
const NODES: usize = 4;

fn node(number: usize) -> String {
    format!("n{}", number % NODES)
}

/// A pod of an app that keeps away from another, and likes one to be near.
fn pod(name: &str, app: usize, node: Option<&str>) -> Value {
    let term = |app: usize, key: &str| json!({"topologyKey": key, "labelSelector": {"matchLabels": {"app": APPS[app % APPS.len()]}}});
    let affinity = json!({
        "podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term(app + 1, "host")]},
        "podAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [
            {"weight": 7, "podAffinityTerm": term(app + 2, "zone")}]}});
    json!({"metadata": {"name": name, "namespace": "default", "labels": {"app": APPS[app % APPS.len()]}},
        "spec": {"nodeName": node, "affinity": affinity, "containers": [{"name": "c",
            "resources": {"requests": {"cpu": "100m"}}, "ports": [{"containerPort": 1, "hostPort": 80 + app}]}]}})
}

fn labels(app: &str) -> Labels {
    [("app".to_owned(), app.to_owned())].into()
}

fn question(app: &str, topology: &str) -> Question {
    let selector = Selector::pairs(&labels(app));
    let terms = vec![(Namespaces::Named(["default".to_owned()].into()), selector)];
    Question { topology: topology.to_owned(), terms, living: true, scope: None }
}

/// Everything that the board counts: pods by question and place, terms of others, and loads.
fn counts(board: &mut Board<'_>) -> Vec<String> {
    let mut found = Vec::new();
    for app in APPS {
        board.settle("default", &labels(app));
        for topology in ["host", "zone"] {
            let tally = board.tally(question(app, topology));
            let each: Vec<_> = (0..NODES).map(|at| board.count(tally, at)).collect();
            let tally = &board.tallies[tally];
            found.push(format!("{app} by {topology}: {each:?}, {} in all, least {}", tally.total, tally.least(1)));
        }
    }
    // Terms that nobody has any more are still known to a board that lives on.
    for (number, owned) in board.owned.iter().enumerate() {
        let each: Vec<_> = (0..NODES).map(|at| board.owners(number, at)).collect();
        if each.iter().any(|count| *count != 0) {
            found.push(format!("{:?} {:?}: {each:?}", owned.kind, owned.term));
        }
    }
    found.extend(board.places.iter().map(|place| format!("{}: {:?}", place.name(), place.load)));
    found.sort();
    found
}

proptest! {
    #[test]
    fn counts_kept_up_to_date_are_those_taken_anew(
        before in prop::collection::vec((0_usize..3, 0_usize..NODES), 0..12),
        changes in prop::collection::vec((0_usize..3, 0_usize..NODES, any::<bool>()), 0..24),
    ) {
        let mut cluster = Cluster::default();
        for at in 0..NODES {
            let labels = json!({"host": node(at), "zone": format!("z{}", at % 2)});
            cluster.node(&node(at), "4", json!({}), labels);
        }
        for (number, (app, at)) in before.iter().enumerate() {
            cluster.put("pods", pod(&format!("before-{number}"), *app, Some(&node(*at))));
        }
        // What comes is known as pods that wait.
        for (number, (app, _, _)) in changes.iter().enumerate() {
            cluster.put("pods", pod(&format!("later-{number}"), *app, None));
        }
        let view = cluster.view.clone();
        let mut board = Board::new(&view);
        // Counted once, and from here on kept up to date.
        counts(&mut board);
        let (mut there, mut gone) = ((0..before.len()).collect::<Vec<_>>(), Vec::new());
        for (number, (app, at, comes)) in changes.iter().enumerate() {
            let (name, place, by) = if *comes || there.is_empty() {
                (format!("later-{number}"), *at, 1)
            } else {
                let number = there.remove(*at % there.len());
                gone.push(number);
                (format!("before-{number}"), before[number].1, -1)
            };
            if by > 0 {
                cluster.put("pods", pod(&name, *app, Some(&node(place))));
            } else {
                let pod = pod(&name, before[*gone.last().unwrap()].0, Some(&node(place)));
                cluster.put("pods", ended(pod));
            }
            let pod = view.pods.get(&Key::new("default", name)).unwrap();
            let print = board.print(pod);
            board.shift(&print, place, by);
        }
        prop_assert_eq!(counts(&mut board), counts(&mut Board::new(&cluster.view)));
    }
}

fn ended(mut pod: Value) -> Value {
    pod["status"] = json!({"phase": "Succeeded"});
    pod
}
