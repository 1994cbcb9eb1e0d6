//! Devices of a node, as device plugins report them, and who holds which. Words of refusals are the kubelet's
//! (cm/devicemanager).

use podium_types::Quantity;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Ids of devices.
pub type Ids = BTreeSet<String>;

/// What a container holds of one resource.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holding<T> {
    /// The pod's uid.
    pub pod: String,
    /// Name of the container.
    pub container: String,
    /// Name of the resource.
    pub resource: String,
    /// Which devices.
    pub devices: Ids,
    /// It ends before others begin, which may use its devices then.
    pub passing: bool,
    /// What the plugin said of them.
    pub answer: T,
}

/// Who wants how many devices.
#[derive(Clone, Copy, Debug)]
pub struct Wish<'a> {
    /// The pod's uid.
    pub pod: &'a str,
    /// Name of the container.
    pub container: &'a str,
    /// Name of the resource.
    pub resource: &'a str,
    /// How many.
    pub count: usize,
}

/// From which devices a wish is fulfilled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// Those that are free, and those of `first`.
    pub from: Ids,
    /// To be taken before others: containers of the pod that end before had them.
    pub first: Ids,
}

/// The node's devices. `T` is what plugins say of devices that they give.
#[derive(Clone, Debug)]
pub struct Ledger<T> {
    /// By resource and id; true is healthy.
    devices: BTreeMap<String, BTreeMap<String, bool>>,
    held: Vec<Holding<T>>,
}

impl<T> Default for Ledger<T> {
    fn default() -> Self {
        Self { devices: BTreeMap::new(), held: Vec::new() }
    }
}

impl<T> Ledger<T> {
    /// Begins with what was held before. Its resources are known, but none of their devices.
    pub fn restore(held: Vec<Holding<T>>) -> Self {
        let devices = held.iter().map(|holding| (holding.resource.clone(), BTreeMap::new())).collect();
        Self { devices, held }
    }

    /// What there is of a resource now, by id; true is healthy.
    pub fn report(&mut self, resource: &str, devices: BTreeMap<String, bool>) {
        self.devices.insert(resource.to_owned(), devices);
    }

    /// Nobody answers for the resource any more: none of its devices counts as healthy.
    pub fn lost(&mut self, resource: &str) {
        self.devices.entry(resource.to_owned()).or_default().values_mut().for_each(|healthy| *healthy = false);
    }

    /// How many there are of each resource, healthy or not.
    pub fn capacity(&self) -> BTreeMap<String, Quantity> {
        self.count(|_| true)
    }

    /// How many pods may use of each resource.
    pub fn allocatable(&self) -> BTreeMap<String, Quantity> {
        self.count(|healthy| healthy)
    }

    fn count(&self, counts: impl Fn(bool) -> bool) -> BTreeMap<String, Quantity> {
        let number = |all: &BTreeMap<String, bool>| all.values().filter(|healthy| counts(**healthy)).count();
        let quantity =
            |n| Quantity::new(i64::try_from(n).unwrap_or(i64::MAX), podium_types::quantity::Format::DecimalSi);
        self.devices.iter().map(|(name, all)| (name.clone(), quantity(number(all)))).collect()
    }

    /// A plugin answers for the resource, or did.
    pub fn manages(&self, resource: &str) -> bool {
        self.devices.contains_key(resource)
    }

    /// Everything that is held.
    pub fn held(&self) -> &[Holding<T>] {
        &self.held
    }

    /// What a container holds.
    pub fn of(&self, pod: &str, container: &str) -> impl Iterator<Item = &Holding<T>> {
        self.held.iter().filter(move |holding| holding.pod == pod && holding.container == container)
    }

    /// Whether a device is well: None where nobody knows of it.
    pub fn health(&self, resource: &str, device: &str) -> Option<bool> {
        self.devices.get(resource)?.get(device).copied()
    }

    /// What the container may choose from; None where it has what it wants.
    pub fn offer(&self, wish: Wish<'_>) -> Result<Option<Offer>, String> {
        let Wish { pod, container, resource, count } = wish;
        if let Some(holding) = self.of(pod, container).find(|holding| holding.resource == resource) {
            let had = holding.devices.len();
            let message = format!(
                "pod {pod:?} container {container:?} changed request for resource {resource:?} from {had} to {count}"
            );
            return if had == count { Ok(None) } else { Err(message) };
        }
        let none = BTreeMap::new();
        let all = self.devices.get(resource).unwrap_or(&none);
        let healthy: Ids = all.iter().filter(|(_, healthy)| **healthy).map(|(id, _)| id.clone()).collect();
        if healthy.is_empty() {
            return Err(format!("no healthy devices present; cannot allocate unhealthy devices {resource}"));
        }
        let taken = |keep: &dyn Fn(&Holding<T>) -> bool| -> Ids {
            let holdings = self.held.iter().filter(|holding| holding.resource == resource && keep(holding));
            holdings.flat_map(|holding| holding.devices.iter().cloned()).collect()
        };
        let lasting = taken(&|holding| holding.pod != pod || !holding.passing);
        let first: Ids = taken(&|holding| holding.pod == pod && holding.passing);
        let first: Ids = first.into_iter().filter(|id| healthy.contains(id) && !lasting.contains(id)).collect();
        let from: Ids = healthy.difference(&lasting).cloned().collect();
        let free = from.len();
        if free < count {
            return Err(format!(
                "requested number of devices unavailable for {resource}. Requested: {count}, Available: {free}"
            ));
        }
        Ok(Some(Offer { from, first }))
    }

    /// Notes that a container holds devices.
    pub fn hold(&mut self, holding: Holding<T>) {
        self.held.push(holding);
    }

    /// A pod needs its devices no longer. False where it had none.
    pub fn release(&mut self, pod: &str) -> bool {
        let before = self.held.len();
        self.held.retain(|holding| holding.pod != pod);
        before != self.held.len()
    }
}

impl Offer {
    /// So many devices: first those that must be, then those that the plugin prefers, then any.
    pub fn choose(&self, preferred: &[String], count: usize) -> Ids {
        let mut chosen = Ids::new();
        for id in self.first.iter().chain(preferred).chain(&self.from) {
            if chosen.len() < count && self.from.contains(id) {
                chosen.insert(id.clone());
            }
        }
        chosen
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const GPU: &str = "example.com/gpu";

    fn ids(text: &str) -> Ids {
        text.split_whitespace().map(str::to_owned).collect()
    }

    /// `a b !c`: c is not well.
    fn ledger(devices: &str) -> Ledger<()> {
        let mut ledger = Ledger::default();
        let all = devices.split_whitespace();
        ledger.report(GPU, all.map(|id| (id.trim_start_matches('!').to_owned(), !id.starts_with('!'))).collect());
        ledger
    }

    fn wish<'a>(pod: &'a str, container: &'a str, count: usize) -> Wish<'a> {
        Wish { pod, container, resource: GPU, count }
    }

    fn hold(ledger: &mut Ledger<()>, pod: &str, container: &str, devices: Ids, passing: bool) {
        let (pod, container, resource) = (pod.to_owned(), container.to_owned(), GPU.to_owned());
        ledger.hold(Holding { pod, container, resource, devices, passing, answer: () });
    }

    #[test]
    fn devices_are_counted_and_given_once() {
        let mut book = ledger("a b c !d");
        let text = |map: BTreeMap<String, Quantity>| map.get(GPU).map(ToString::to_string);
        assert_eq!((text(book.capacity()), text(book.allocatable())), (Some("4".into()), Some("3".into())));
        let offer = book.offer(wish("p", "c", 2)).expect("room").expect("an offer");
        assert_eq!(offer, Offer { from: ids("a b c"), first: Ids::new() });
        assert_eq!(offer.choose(&["c".into(), "d".into(), "x".into()], 2), ids("a c"));
        hold(&mut book, "p", "c", ids("a c"), false);
        assert_eq!(book.offer(wish("p", "c", 2)), Ok(None), "after a restart it has them still");
        assert!(book.offer(wish("p", "c", 1)).is_err_and(|e| e.contains("from 2 to 1")));
        let short = book.offer(wish("q", "c", 2)).expect_err("too few");
        let expected = "requested number of devices unavailable for example.com/gpu. Requested: 2, Available: 1";
        assert_eq!(short, expected);
        book.lost(GPU);
        assert_eq!((text(book.capacity()), text(book.allocatable())), (Some("4".into()), Some("0".into())));
        let none = book.offer(wish("q", "c", 1)).expect_err("none is well");
        assert_eq!(none, "no healthy devices present; cannot allocate unhealthy devices example.com/gpu");
        assert!(book.release("p") && !book.release("p"));
        let back = Ledger::restore(vec![Holding {
            pod: "p".into(),
            container: "c".into(),
            resource: GPU.into(),
            devices: ids("a"),
            passing: false,
            answer: (),
        }]);
        assert_eq!(text(back.capacity()), Some("0".into()), "until the plugin comes back");
        assert_eq!(back.offer(wish("p", "c", 1)), Ok(None), "the pod goes on");
        assert_eq!(back.health(GPU, "a"), None);
    }

    #[test]
    fn containers_use_what_those_before_them_had() {
        let mut book = ledger("a b c");
        hold(&mut book, "p", "init", ids("b c"), true);
        assert!(book.offer(wish("q", "c", 2)).is_err(), "another pod's");
        let offer = book.offer(wish("p", "main", 1)).expect("room").expect("an offer");
        assert_eq!(offer.choose(&["a".into()], 1), ids("b"));
        hold(&mut book, "p", "main", ids("b"), false);
        let second = book.offer(wish("p", "other", 1)).expect("room").expect("an offer");
        assert_eq!(second.choose(&[], 1), ids("c"), "what main has is no longer to be had");
    }

    proptest! {
        #[test]
        fn no_two_pods_share_a_device(steps in prop::collection::vec((0..4_u8, 0..4_usize, any::<bool>()), 1..40)) {
            let mut book = ledger("a b c !d e");
            for (pod, count, release) in steps {
                let pod = format!("p{pod}");
                if release {
                    book.release(&pod);
                } else if let Ok(Some(offer)) = book.offer(wish(&pod, "c", count)) {
                    let chosen = offer.choose(&["e".to_owned(), "d".to_owned()], count);
                    prop_assert_eq!(chosen.len(), count);
                    hold(&mut book, &pod, "c", chosen, false);
                }
                let all: Vec<&String> = book.held().iter().flat_map(|h| &h.devices).collect();
                let different: BTreeSet<&&String> = all.iter().collect();
                prop_assert_eq!(all.len(), different.len());
                prop_assert!(all.iter().all(|id| book.health(GPU, id) == Some(true)));
            }
        }
    }
}
