//! Supervision against real actix actors: panics, kills, strategies, shutdown, faults.

#![allow(clippy::panic, clippy::expect_used, reason = "a test stops at the first surprise")]

use futures_util::future::LocalBoxFuture;
use podium_supervision::*;
use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};
use tokio::sync::oneshot;

struct Counter {
    count: u32,
}
enum CounterMsg {
    Add,
    Get(oneshot::Sender<u32>),
    Panic,
    Fail,
}
impl Worker for Counter {
    type Msg = CounterMsg;
    const CAPACITY: usize = 4;
    fn handle(&mut self, msg: CounterMsg, ctx: &mut Ctx<'_, Self>) {
        match msg {
            CounterMsg::Add => self.count += 1,
            CounterMsg::Get(reply) => drop(reply.send(self.count)),
            CounterMsg::Panic => panic!("counter overflowed its cup"),
            CounterMsg::Fail => ctx.fail("no more"),
        }
    }
}

const PATIENCE: Duration = Duration::from_secs(5);

async fn get(handle: &Handle<Counter>) -> Option<u32> {
    let (reply, answer) = oneshot::channel();
    handle.send(CounterMsg::Get(reply), PATIENCE).await.ok()?;
    answer.await.ok()
}

async fn until(what: &str, check: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !check() {
        assert!(Instant::now() < deadline, "never: {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

fn counter(name: &str, handle: &Handle<Counter>, births: &Arc<AtomicU32>) -> ChildSpec {
    let births = births.clone();
    child(name, handle, move || {
        births.fetch_add(1, SeqCst);
        Counter { count: 0 }
    })
}

/// Runs `test` beside a root over `children`, then shuts the root down.
fn with_root(
    strategy: Strategy,
    children: Vec<ChildSpec>,
    test: impl FnOnce(Tree) -> LocalBoxFuture<'static, ()>,
) -> Exit {
    actix_rt::System::new().block_on(async move {
        let tree = Tree::default();
        let root = Root::new("root", &tree, strategy, Intensity::default(), children);
        let (done, over) = oneshot::channel::<()>();
        let running = actix_rt::spawn(root.run(async {
            let _ = over.await;
        }));
        test(tree).await;
        let _ = done.send(());
        running.await.expect("the root does not panic")
    })
}

#[test]
fn a_panic_rebuilds_the_actor_with_fresh_state() {
    let (handle, births) = (Handle::new(), Arc::new(AtomicU32::new(0)));
    let spec = counter("counter", &handle, &births);
    let exit = with_root(Strategy::OneForOne, vec![spec], move |tree| {
        Box::pin(async move {
            handle.send(CounterMsg::Add, PATIENCE).await.unwrap();
            assert_eq!(get(&handle).await, Some(1));
            handle.tell(CounterMsg::Panic).unwrap();
            until("rebuilt", || births.load(SeqCst) == 2).await;
            assert_eq!(get(&handle).await, Some(0));
            let status = tree.get("root/counter").unwrap();
            assert_eq!((status.restarts, status.state.as_str()), (1, "Running"));
            assert!(status.last_panic.unwrap().contains("overflowed its cup"));
            assert!(status.last_error.unwrap().contains("panicked"));
        })
    });
    assert_eq!(exit, Exit::Normal);
}

#[test]
fn killing_any_actor_brings_up_a_fresh_one_on_its_own_arbiter_too() {
    let (handle, births) = (Handle::new(), Arc::new(AtomicU32::new(0)));
    let spec = counter("counter", &handle, &births).placement(Placement::Own);
    let tree_of_inner = SupervisorHandle::new(vec![spec]);
    let tree = Tree::default();
    let inner = tree_of_inner.spec("inner", &tree, Strategy::OneForOne, Intensity::default());
    actix_rt::System::new().block_on(async move {
        let root = Root::new("root", &tree, Strategy::OneForOne, Intensity::default(), vec![inner]);
        let (done, over) = oneshot::channel::<()>();
        let running = actix_rt::spawn(root.run(async {
            let _ = over.await;
        }));
        assert_eq!(get(&handle).await, Some(0));
        assert!(tree.kill("root/inner/counter"));
        until("rebuilt", || births.load(SeqCst) == 2).await;
        assert_eq!(get(&handle).await, Some(0));
        assert_eq!(tree.get("root/inner/counter").unwrap().last_error.as_deref(), Some("killed"));
        assert!(tree.kill("root/inner"), "a supervisor can be killed as well");
        until("rebuilt by the new supervisor", || births.load(SeqCst) == 3).await;
        assert_eq!(get(&handle).await, Some(0));
        assert!(!tree.kill("root/nobody"));
        let _ = done.send(());
        assert_eq!(running.await.unwrap(), Exit::Normal);
    });
}

#[test]
fn rest_for_one_rebuilds_later_siblings() {
    let handles: Vec<Handle<Counter>> = (0..3).map(|_| Handle::new()).collect();
    let births: Vec<Arc<AtomicU32>> = (0..3).map(|_| Arc::default()).collect();
    let specs = (0..3).map(|i| counter(&format!("c{i}"), &handles[i], &births[i])).collect();
    with_root(Strategy::RestForOne, specs, move |_| {
        Box::pin(async move {
            until("started", || births.iter().all(|b| b.load(SeqCst) == 1)).await;
            assert_eq!(get(&handles[1]).await, Some(0));
            handles[1].tell(CounterMsg::Fail).unwrap();
            until("rebuilt", || births[2].load(SeqCst) == 2).await;
            let counts: Vec<u32> = births.iter().map(|b| b.load(SeqCst)).collect();
            assert_eq!(counts, [1, 2, 2]);
        })
    });
}

#[test]
fn restart_intensity_escalates_to_the_root_which_gives_up() {
    let (handle, births) = (Handle::<Counter>::new(), Arc::new(AtomicU32::new(0)));
    let spec = counter("counter", &handle, &births);
    actix_rt::System::new().block_on(async move {
        let root = Root::new("root", &Tree::default(), Strategy::OneForOne, Intensity::default(), vec![spec]);
        let running = actix_rt::spawn(root.run(std::future::pending()));
        while !running.is_finished() {
            let _ = handle.tell(CounterMsg::Fail);
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let Exit::Failed(why) = running.await.unwrap() else { panic!("not failed") };
        assert_eq!(why, "counter failed too often, last: no more");
        assert_eq!(births.load(SeqCst), 6);
    });
}

#[test]
fn mailboxes_are_bounded_and_pass_their_fault_point() {
    let (handle, births) = (Handle::<Counter>::new(), Arc::new(AtomicU32::new(0)));
    let spec = counter("counter", &handle, &births);
    with_root(Strategy::OneForOne, vec![spec], move |tree| {
        Box::pin(async move {
            assert_eq!(get(&handle).await, Some(0));
            let refused = (0..100).filter(|_| handle.tell(CounterMsg::Add) == Err(SendError::Full)).count();
            assert!(refused > 90, "{refused}");
            let faults = tree.mailbox("root/counter").unwrap();
            let lease = |kind| Fault { kind, per_mille: 1000, seed: 1, until: Instant::now() + PATIENCE };
            let before = get(&handle).await.unwrap();
            faults.faults.arm(lease(FaultKind::Drop));
            handle.send(CounterMsg::Add, PATIENCE).await.unwrap();
            until("the message was taken", || faults.depth() == 0).await;
            faults.faults.disarm();
            assert_eq!(get(&handle).await, Some(before));
            faults.faults.arm(lease(FaultKind::Panic));
            handle.send(CounterMsg::Add, PATIENCE).await.unwrap();
            until("rebuilt", || births.load(SeqCst) == 2).await;
            faults.faults.disarm();
            assert_eq!(get(&handle).await, Some(0));
        })
    });
}

#[test]
fn children_come_and_go_and_survive_their_supervisor() {
    let top = SupervisorHandle::new(Vec::new());
    let tree = Tree::default();
    let pods = top.spec("pods", &tree, Strategy::OneForOne, Intensity::default());
    actix_rt::System::new().block_on(async move {
        let root = Root::new("root", &tree, Strategy::OneForOne, Intensity::default(), vec![pods]);
        let (done, over) = oneshot::channel::<()>();
        let running = actix_rt::spawn(root.run(async {
            let _ = over.await;
        }));
        let (handle, births) = (Handle::new(), Arc::new(AtomicU32::new(0)));
        assert!(top.add(counter("a", &handle, &births)));
        assert!(!top.add(counter("a", &handle, &births)));
        assert_eq!(get(&handle).await, Some(0));
        tree.kill("root/pods");
        until("back", || births.load(SeqCst) == 2).await;
        top.remove("a");
        until("gone", || tree.get("root/pods/a").is_none()).await;
        assert_eq!(handle.tell(CounterMsg::Add), Err(SendError::Gone));
        let _ = done.send(());
        assert_eq!(running.await.unwrap(), Exit::Normal);
    });
}
