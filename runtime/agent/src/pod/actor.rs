//! The PodActor.

use super::{
    facts::{self, Facts},
    hooks, image,
    place::{Place, container_id, parse_id, public_id},
    prepare::{self, Prepared},
    probe,
    publish::Publisher,
    resize,
    restore::{self, Restored},
    start, teardown, volumes,
};
use crate::{
    events::Note,
    pods::{PodSlot, PodView},
    shared::Shared,
};
use jiff::Timestamp;
use podium_lifecycle::{Action, Event, PodMachine};
use podium_oci::{ContainerExit, Image, Shim};
use podium_supervision::{ChildSpec, Ctx, Restart, Worker};
use serde_json::Value;
use std::{collections::BTreeMap, path::PathBuf, sync::Arc, time::Duration};

/// How often files from ConfigMaps, Secrets and tokens are brought up to date.
const REFRESH: Duration = Duration::from_secs(20);
/// Pause before work towards the API or the kernel is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// What a PodActor hears.
pub(crate) enum PodMsg {
    /// The API's pod is another, or gone; it is in the slot.
    Changed,
}

/// Makes a PodActor a child.
pub(crate) fn child(shared: &Arc<Shared>, slot: &Arc<PodSlot>) -> ChildSpec {
    let pod = slot.pod.load();
    let text = |field: &Option<String>| field.clone().unwrap_or_default();
    let name = format!("{}:{}:{}", text(&pod.metadata.namespace), text(&pod.metadata.name), slot.uid);
    let (shared, slot) = (shared.clone(), slot.clone());
    let handle = slot.handle.clone();
    podium_supervision::child(name, &handle, move || PodActor::new(shared.clone(), slot.clone()))
        .restart(Restart::Transient)
}

/// One pod.
pub(crate) struct PodActor {
    pub(super) shared: Arc<Shared>,
    pub(super) slot: Arc<PodSlot>,
    machine: Option<PodMachine>,
    shim: Option<Shim>,
    netns: Option<PathBuf>,
    images: BTreeMap<String, Image>,
    pub(super) publisher: Publisher,
    wake_at: Option<Timestamp>,
    /// The last status, without what the machine does not know.
    status: Value,
    /// What it does not know of a container that runs.
    facts: BTreeMap<String, Facts>,
}

impl Worker for PodActor {
    type Msg = PodMsg;
    const CAPACITY: usize = 64;

    fn started(&mut self, ctx: &mut Ctx<'_, Self>) {
        let place = self.place();
        ctx.wait(async move { restore::run(&place).await }, |me: &mut Self, outcome, ctx| match outcome {
            Ok(restored) => {
                me.restored(restored, ctx);
                ctx.ready();
            }
            Err(error) => ctx.fail(error.to_string()),
        });
    }

    fn handle(&mut self, PodMsg::Changed: PodMsg, ctx: &mut Ctx<'_, Self>) {
        self.look_at_slot(ctx);
    }
}

impl PodActor {
    fn new(shared: Arc<Shared>, slot: Arc<PodSlot>) -> Self {
        Self {
            shared,
            slot,
            machine: None,
            shim: None,
            netns: None,
            images: BTreeMap::new(),
            publisher: Publisher::default(),
            wake_at: None,
            status: Value::Null,
            facts: BTreeMap::new(),
        }
    }

    /// The pod as the machine knows it; before there is one, as the API does.
    pub(super) fn place(&self) -> Place {
        let pod = self.machine.as_ref().map_or_else(|| self.slot.pod.load_full(), |m| m.pod().clone());
        Place { shared: self.shared.clone(), pod, uid: self.slot.uid.clone() }
    }

    fn restored(&mut self, restored: Restored, ctx: &mut Ctx<'_, Self>) {
        self.machine = Some(restored.machine);
        self.netns = restored.netns;
        if let Some(shim) = restored.shim {
            self.attach(shim, ctx);
            self.keep_fresh(ctx);
            self.watch_devices(ctx);
        }
        self.look_at_slot(ctx);
        self.feed(Event::Tick, ctx);
    }

    fn look_at_slot(&mut self, ctx: &mut Ctx<'_, Self>) {
        if let Some(rejection) = self.slot.rejection() {
            let (reason, message) = (rejection.reason.clone(), rejection.message.clone());
            self.feed(Event::Fail { reason, message }, ctx);
        }
        let Some(machine) = &self.machine else { return };
        let pod = self.slot.pod.load_full();
        if !Arc::ptr_eq(machine.pod(), &pod) {
            let text =
                |pod: &k8s_openapi::api::core::v1::Pod| (pod.metadata.labels.clone(), pod.metadata.annotations.clone());
            let relabelled = text(machine.pod()) != text(&pod);
            self.feed(Event::Updated(pod), ctx);
            if relabelled {
                self.refresh(ctx);
            }
        }
        if let Some(eviction) = self.slot.eviction() {
            let (reason, message) = (eviction.reason, eviction.message.clone());
            self.feed(Event::Evict { reason, message, grace_seconds: eviction.grace_seconds }, ctx);
        }
        if self.slot.removed() {
            self.feed(Event::Removed, ctx);
        }
    }

    /// Gives an event to the machine and performs what comes back.
    pub(super) fn feed(&mut self, event: Event, ctx: &mut Ctx<'_, Self>) {
        let Some(machine) = &mut self.machine else { return };
        for action in machine.step(event, Timestamp::now()) {
            self.perform(action, ctx);
        }
    }

    fn perform(&mut self, action: Action, ctx: &mut Ctx<'_, Self>) {
        let place = self.place();
        match action {
            Action::Prepare => {
                ctx.spawn(async move { prepare::run(&place).await }, Self::prepared);
            }
            Action::Pull { name } => {
                let container = name.clone();
                ctx.spawn(
                    async move { image::ensure(&place, &container).await },
                    move |me: &mut Self, outcome, ctx| {
                        let event = match outcome {
                            Ok(image) => {
                                let id = image.repo_digest.clone().unwrap_or_else(|| image.id.clone());
                                me.images.insert(name.clone(), image);
                                Event::Image { name, id }
                            }
                            Err(failure) => Event::ImageFailed { name, failure },
                        };
                        me.feed(event, ctx);
                    },
                );
            }
            Action::Start { name, attempt } => self.start(place, name, attempt, ctx),
            Action::Probe { name, attempt, kind } => {
                let (shim, container) = (self.shim.clone(), name.clone());
                let ips = self.machine.as_ref().map(|m| m.ips().to_vec()).unwrap_or_default();
                let work = async move { probe::run(&place, shim.as_ref(), &ips, &container, attempt, kind).await };
                ctx.spawn(work, move |me: &mut Self, outcome, ctx| {
                    me.feed(Event::Probed { name, attempt, kind, outcome }, ctx);
                });
            }
            Action::Resize { containers } => {
                ctx.spawn(async move { resize::run(&place, containers).await }, |me: &mut Self, outcome, ctx| {
                    me.resized(outcome, ctx);
                });
            }
            Action::Stop { name, attempt, grace_seconds } => {
                let Some(shim) = self.shim.clone() else { return };
                let image = self.images.get(&name).cloned();
                let ips = self.machine.as_ref().map(|m| m.ips().to_vec()).unwrap_or_default();
                let work = async move {
                    hooks::stop(&place, &shim, &ips, image, &name, attempt, grace_seconds).await;
                };
                ctx.spawn(work, |_, (), _| {});
            }
            Action::Kill { name, attempt } => {
                let Some(shim) = self.shim.clone() else { return };
                let id = container_id(&name, attempt);
                ctx.spawn(async move { shim.signal(&id, libc::SIGKILL).await }, |_, outcome, _| {
                    if let Err(error) = outcome {
                        tracing::debug!(%error, "kill");
                    }
                });
            }
            Action::TearDown => self.tear_down(ctx),
            Action::Confirm => {
                self.publisher.confirm = true;
                self.flush(ctx);
            }
            Action::Forget => {
                let dir = place.dir();
                ctx.wait(tokio::fs::remove_dir_all(dir), |me: &mut Self, _, ctx| {
                    me.shared.pods.forget(&me.slot.uid);
                    ctx.stop();
                });
            }
            Action::Record { container, warning, reason, message } => {
                self.record(container, warning, reason, message);
            }
            Action::Publish(status) => {
                self.status = status;
                self.tell(ctx);
            }
            Action::Wake(at) => self.wake(at, ctx),
        }
    }

    pub(super) fn record(&self, container: Option<String>, warning: bool, reason: &str, message: String) {
        let (pod, reason) = (self.place().pod, reason.to_owned());
        self.shared.recorder.record(Note { pod, container, warning, reason, message });
    }

    fn wake(&mut self, at: Timestamp, ctx: &mut Ctx<'_, Self>) {
        if self.wake_at == Some(at) {
            return;
        }
        self.wake_at = Some(at);
        let after = Duration::try_from(at.duration_since(Timestamp::now())).unwrap_or_default();
        // One more millisecond: timers may fire a little before their time.
        ctx.later(after + Duration::from_millis(1), move |me, ctx| {
            if me.wake_at == Some(at) {
                me.wake_at = None;
                me.feed(Event::Tick, ctx);
            }
        });
    }

    fn prepared(&mut self, outcome: crate::Result<Prepared>, ctx: &mut Ctx<'_, Self>) {
        match outcome {
            Ok(prepared) => {
                self.netns = prepared.netns;
                self.attach(prepared.shim, ctx);
                self.keep_fresh(ctx);
                self.watch_devices(ctx);
                self.feed(Event::Prepared(prepared.ips), ctx);
            }
            Err(crate::Error::Unexpected(message)) => {
                let (reason, message) = ("UnexpectedAdmissionError", format!("Pod was rejected: {message}"));
                self.record(None, true, reason, message.clone());
                self.feed(Event::PrepareFailed, ctx);
                self.feed(Event::Fail { reason: reason.to_owned(), message }, ctx);
            }
            Err(error) => {
                let reason = match &error {
                    crate::Error::Volume(_) => "FailedMount",
                    _ => "FailedCreatePodSandBox",
                };
                self.record(None, true, reason, error.to_string());
                self.feed(Event::PrepareFailed, ctx);
            }
        }
    }

    fn start(&mut self, place: Place, name: String, attempt: u32, ctx: &mut Ctx<'_, Self>) {
        let (Some(shim), Some(image)) = (self.shim.clone(), self.images.get(&name).cloned()) else {
            let message = "the pod's shim or image is gone".to_owned();
            self.feed(Event::StartFailed { name, attempt, reason: "CreateContainerError".to_owned(), message }, ctx);
            return;
        };
        let ips = self.machine.as_ref().map(|m| m.ips().to_vec()).unwrap_or_default();
        let container = name.clone();
        let joined = place.target(&name).and_then(|t| Some(container_id(t, self.machine.as_ref()?.attempt(t)?)));
        let work = async move { start::run(&place, &shim, &image, &ips, &container, attempt, joined).await };
        ctx.spawn(work, move |me: &mut Self, outcome, ctx| {
            let event = match outcome {
                Ok(started) => {
                    me.know(&name, &started.user);
                    let id = public_id(&me.slot.uid, &container_id(&name, attempt));
                    me.record(Some(name.clone()), false, "Started", format!("Started container {name}"));
                    me.feed(Event::Started { name: name.clone(), attempt, id, at: started.at }, ctx);
                    let Some(message) = started.hook_failure else { return };
                    me.record(Some(name.clone()), true, "FailedPostStartHook", message);
                    Event::HookFailed { name, attempt }
                }
                Err(start::Failure::Config { reason, message }) => {
                    me.record(Some(name.clone()), true, "Failed", format!("Error: {message}"));
                    Event::StartFailed { name, attempt, reason: reason.to_owned(), message }
                }
                Err(start::Failure::Ended(end)) => {
                    me.record(Some(name.clone()), true, "Failed", format!("Error: {}", end.message));
                    Event::Exited { name, attempt, end }
                }
            };
            me.feed(event, ctx);
        });
    }

    /// Uses this shim, and hears of its containers' ends.
    fn attach(&mut self, shim: Shim, ctx: &mut Ctx<'_, Self>) {
        self.shim = Some(shim.clone());
        let (place, handle) = (self.place(), shim);
        ctx.spawn(async move { handle.events().await }, move |me: &mut Self, outcome, ctx| match outcome {
            Ok(events) => me.listen(events, place, ctx),
            Err(error) => me.lost(&error.to_string(), ctx),
        });
    }

    fn listen(&mut self, mut events: podium_oci::Events, place: Place, ctx: &mut Ctx<'_, Self>) {
        let next = async move {
            let exit = events.next().await;
            let end = match &exit {
                Some(exit) => Some(start::end(&place, exit).await),
                None => None,
            };
            (exit.zip(end), events, place)
        };
        ctx.spawn(next, |me: &mut Self, (exit, events, place), ctx| match exit {
            Some((ContainerExit { id, .. }, end)) => {
                if let Some((name, attempt)) = parse_id(&id) {
                    me.feed(Event::Exited { name: name.to_owned(), attempt, end }, ctx);
                }
                me.listen(events, place, ctx);
            }
            None => me.lost("the pod's shim ended", ctx),
        });
    }

    /// The shim is gone: unless we ended it, the next life finds out what is left.
    fn lost(&mut self, why: &str, ctx: &mut Ctx<'_, Self>) {
        if self.shim.is_some() {
            ctx.fail(why.to_owned());
        }
    }

    fn tear_down(&mut self, ctx: &mut Ctx<'_, Self>) {
        let (place, shim) = (self.place(), self.shim.take());
        ctx.spawn(async move { teardown::run(&place, shim).await }, |me: &mut Self, outcome, ctx| match outcome {
            Ok(()) => {
                me.netns = None;
                me.feed(Event::TornDown, ctx);
            }
            Err(error) => {
                tracing::warn!(%error, pod = me.slot.uid, "tearing a pod down");
                ctx.later(RETRY, |me, ctx| me.tear_down(ctx));
            }
        });
    }

    /// Brings volumes up to date now and then.
    fn keep_fresh(&mut self, ctx: &mut Ctx<'_, Self>) {
        if volumes::any_live(&self.place()) {
            ctx.later(REFRESH, |me, ctx| {
                if me.shim.is_some() {
                    me.refresh(ctx);
                    me.keep_fresh(ctx);
                }
            });
        }
    }

    fn refresh(&mut self, ctx: &mut Ctx<'_, Self>) {
        if self.shim.is_none() {
            return;
        }
        let ips = self.machine.as_ref().map(|m| m.ips().to_vec()).unwrap_or_default();
        let place = self.place();
        ctx.spawn(async move { volumes::refresh(&place, &ips).await }, |_, outcome, _| {
            if let Err(error) = outcome {
                tracing::debug!(%error, "bringing volumes up to date");
            }
        });
    }

    fn know(&mut self, name: &str, user: &podium_oci::UserSpec) {
        let spec = self.place().container(name).and_then(|c| c.lifecycle?.stop_signal);
        let image = self.images.get(name).and_then(|image| image.config.stop_signal.clone());
        self.facts.insert(name.to_owned(), Facts::new(user, spec.or(image)));
    }

    /// Publishes the status, with how the pod's devices are.
    fn tell(&mut self, ctx: &mut Ctx<'_, Self>) {
        let mut status = self.status.clone();
        self.shared.devices.decorate(&self.slot.uid, &mut status);
        facts::decorate(&self.facts, &mut status);
        self.show(&status);
        self.publisher.pending = Some(status);
        self.flush(ctx);
    }

    /// Publishes the status again whenever the node's devices changed.
    fn watch_devices(&mut self, ctx: &mut Ctx<'_, Self>) {
        if !self.shared.devices.has(&self.slot.uid) {
            return;
        }
        let mut changed = self.shared.devices.changed.subscribe();
        let wait = async move {
            // The sender lives as long as we do.
            let _ = changed.changed().await;
        };
        ctx.spawn(wait, |me: &mut Self, (), ctx| {
            if !me.status.is_null() {
                me.tell(ctx);
            }
            me.watch_devices(ctx);
        });
    }

    /// Shows the pod to the kubelet API.
    fn show(&self, status: &Value) {
        let view = PodView { status: status.clone(), shim: self.shim.clone(), netns: self.netns.clone() };
        self.slot.view.store(Some(Arc::new(view)));
    }
}
