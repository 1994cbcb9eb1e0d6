//! What the node, its pods and their containers use: measured when somebody asks, never when idle.

mod disk;
mod interfaces;
mod machine;
mod probes;
mod rate;
mod sample;

pub(crate) use disk::{DiskUsage, FileSystem, PodDisk};
pub(crate) use interfaces::Interface;
pub(crate) use machine::NodeSample;
pub(crate) use probes::{Probed, Tally};
pub(crate) use sample::{ContainerSample, PodSample, Sample, running};

use crate::{Result, error::blocking, shared::Shared};
use jiff::Timestamp;
use rate::Rates;
use std::{
    sync::{Arc, PoisonError},
    time::{Duration, Instant},
};
use tokio::sync::Mutex;

/// Whoever asks again within this time gets the same answer.
const FRESH: Duration = Duration::from_millis(500);

/// Measures; one per agent. Who asks while it measures waits for that answer.
#[derive(Default)]
pub(crate) struct Meter {
    last: Mutex<Option<(Instant, Arc<Sample>)>>,
    rates: std::sync::Mutex<Rates>,
    pub disk: disk::DiskCache,
    pub probes: probes::Probes,
}

impl Meter {
    /// The use of the node as a whole.
    pub async fn node(&self, shared: &Arc<Shared>) -> Result<NodeSample> {
        let here = shared.clone();
        blocking(move || {
            // Nothing panics while holding this lock.
            let mut rates = here.meter.rates.lock().unwrap_or_else(PoisonError::into_inner);
            machine::take(&here, &mut rates, Timestamp::now())
        })
        .await
    }

    /// The use of CPU, memory, network and processes now.
    pub async fn sample(&self, shared: &Arc<Shared>) -> Result<Arc<Sample>> {
        let mut last = self.last.lock().await;
        if let Some((_, sample)) = last.as_ref().filter(|(at, _)| at.elapsed() < FRESH) {
            return Ok(sample.clone());
        }
        let here = shared.clone();
        let sample = Arc::new(blocking(move || sample::take(&here, &here.meter.rates)).await?);
        *last = Some((Instant::now(), sample.clone()));
        Ok(sample)
    }
}
