//! Settings in the form of a KubeletConfiguration, so that a kubelet's file can be taken over. What has no effect here
//! is told, not passed over.

use crate::{Error, Result, error::io};
use jiff::SignedDuration;
use k8s_openapi::apimachinery::pkg::api::resource;
use podium_lifecycle::{
    eviction::{Threshold, thresholds},
    shutdown::{self, Stage},
};
use podium_oci::logs;
use podium_types::Quantity;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::{collections::BTreeMap, path::Path};

/// Fields that only say what kind of file it is.
const ENVELOPE: [&str; 2] = ["kind", "apiVersion"];
/// Of every disk 5% stay free: on the machine that also holds the database, less than a kubelet's 10% and 15%.
const EVICTION_HARD: [(&str, &str); 5] = [
    ("memory.available", "100Mi"),
    ("nodefs.available", "5%"),
    ("nodefs.inodesFree", "5%"),
    ("imagefs.available", "5%"),
    ("imagefs.inodesFree", "5%"),
];

/// See the KubeletConfiguration API (kubelet.config.k8s.io/v1beta1).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Settings {
    pub eviction_hard: BTreeMap<String, String>,
    pub eviction_soft: BTreeMap<String, String>,
    pub eviction_soft_grace_period: BTreeMap<String, String>,
    pub eviction_minimum_reclaim: BTreeMap<String, String>,
    pub eviction_pressure_transition_period: String,
    pub eviction_max_pod_grace_period: i64,
    #[serde(rename = "imageGCHighThresholdPercent")]
    pub image_gc_high_threshold_percent: u64,
    #[serde(rename = "imageGCLowThresholdPercent")]
    pub image_gc_low_threshold_percent: u64,
    #[serde(rename = "imageMinimumGCAge")]
    pub image_minimum_gc_age: String,
    #[serde(rename = "imageMaximumGCAge")]
    pub image_maximum_gc_age: String,
    /// Logs of a container: when they are rotated, and how many files are kept.
    pub container_log_max_size: String,
    pub container_log_max_files: usize,
    /// Where device plugins have their sockets; a kubelet has no such setting.
    pub device_plugin_path: String,
    /// Serves `/logs/`.
    pub enable_system_log_handler: bool,
    pub serialize_image_pulls: bool,
    pub max_parallel_image_pulls: usize,
    pub pod_pids_limit: i64,
    pub kube_reserved: BTreeMap<String, String>,
    pub system_reserved: BTreeMap<String, String>,
    /// A directory, or one file.
    pub static_pod_path: String,
    pub shutdown_grace_period: String,
    pub shutdown_grace_period_critical_pods: String,
    pub shutdown_grace_period_by_pod_priority: Vec<ShutdownPriority>,
    #[serde(rename = "allowedUnsafeSysctls")]
    pub allowed_unsafe_sysctls: Vec<String>,
}

/// One of `shutdownGracePeriodByPodPriority`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ShutdownPriority {
    pub priority: i32,
    pub shutdown_grace_period_seconds: i64,
}

impl Default for Settings {
    fn default() -> Self {
        let text = str::to_owned;
        Self {
            eviction_hard: EVICTION_HARD.iter().map(|(signal, amount)| (text(signal), text(amount))).collect(),
            eviction_soft: BTreeMap::new(),
            eviction_soft_grace_period: BTreeMap::new(),
            eviction_minimum_reclaim: BTreeMap::new(),
            eviction_pressure_transition_period: text("5m0s"),
            eviction_max_pod_grace_period: 0,
            image_gc_high_threshold_percent: 85,
            image_gc_low_threshold_percent: 80,
            image_minimum_gc_age: text("2m0s"),
            image_maximum_gc_age: text("0s"),
            container_log_max_size: text("10Mi"),
            container_log_max_files: logs::MAX_FILES,
            device_plugin_path: text("/var/lib/kubelet/device-plugins"),
            enable_system_log_handler: true,
            serialize_image_pulls: false,
            max_parallel_image_pulls: 5,
            pod_pids_limit: -1,
            kube_reserved: BTreeMap::new(),
            system_reserved: BTreeMap::new(),
            static_pod_path: String::new(),
            shutdown_grace_period: text("0s"),
            shutdown_grace_period_critical_pods: text("0s"),
            shutdown_grace_period_by_pod_priority: Vec::new(),
            allowed_unsafe_sysctls: Vec::new(),
        }
    }
}

impl Settings {
    /// From a file, which need not exist.
    pub fn read(path: &Path) -> Result<Self> {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(io(format!("read {}", path.display()))(error)),
        };
        let (settings, strangers) = Self::parse(&text).map_err(|e| Error::Other(format!("{}: {e}", path.display())))?;
        for name in strangers {
            tracing::warn!(file = %path.display(), "the setting {name} is not known here and has no effect");
        }
        Ok(settings)
    }

    /// The settings, and the fields that are none of them.
    fn parse(text: &str) -> Result<(Self, Vec<String>), String> {
        let fields: Map<String, Value> = serde_yaml::from_str(text).map_err(|e| e.to_string())?;
        let known = serde_json::to_value(Self::default()).unwrap_or_default();
        let stranger = |name: &&String| known.get(name.as_str()).is_none() && !ENVELOPE.contains(&name.as_str());
        let strangers = fields.keys().filter(stranger).cloned().collect();
        let settings: Self = serde_json::from_value(Value::Object(fields)).map_err(|e| e.to_string())?;
        settings.check()?;
        Ok((settings, strangers))
    }

    fn check(&self) -> Result<(), String> {
        self.thresholds()?;
        duration(&self.eviction_pressure_transition_period)?;
        duration(&self.image_minimum_gc_age)?;
        duration(&self.image_maximum_gc_age)?;
        let (high, low) = (self.image_gc_high_threshold_percent, self.image_gc_low_threshold_percent);
        if high > 100 || low >= high {
            return Err(format!("imageGCLowThresholdPercent {low} must be below imageGCHighThresholdPercent {high}"));
        }
        self.check_shutdown()?;
        self.check_logs()?;
        if self.max_parallel_image_pulls == 0 {
            return Err("maxParallelImagePulls must be a positive number".to_owned());
        }
        for (name, amount) in self.kube_reserved.iter().chain(&self.system_reserved) {
            let positive = Quantity::parse(amount).is_ok_and(|q| !q.is_negative());
            if !positive {
                return Err(format!("invalid reserved {name}: {amount:?}"));
            }
        }
        Ok(())
    }

    fn check_logs(&self) -> Result<(), String> {
        let files = self.container_log_max_files;
        if !(2..=logs::MOST_FILES).contains(&files) {
            return Err(format!("containerLogMaxFiles {files} must be from 2 to {}", logs::MOST_FILES));
        }
        let size = Quantity::parse(&self.container_log_max_size).ok().filter(|size| size.value() > 0);
        size.map(drop).ok_or_else(|| format!("invalid containerLogMaxSize {:?}", self.container_log_max_size))
    }

    fn check_shutdown(&self) -> Result<(), String> {
        let total = duration(&self.shutdown_grace_period)?;
        let critical = duration(&self.shutdown_grace_period_critical_pods)?;
        if critical > total {
            return Err("shutdownGracePeriodCriticalPods must be no longer than shutdownGracePeriod".to_owned());
        }
        let stages = &self.shutdown_grace_period_by_pod_priority;
        if !stages.is_empty() && !total.is_zero() {
            return Err("give shutdownGracePeriod or shutdownGracePeriodByPodPriority, not both".to_owned());
        }
        match stages.iter().find(|stage| stage.shutdown_grace_period_seconds < 0) {
            Some(stage) => Err(format!("invalid shutdownGracePeriodSeconds of priority {}", stage.priority)),
            None => Ok(()),
        }
    }

    /// How pods end when the machine is about to go; none where no time is given.
    pub fn shutdown_stages(&self) -> Vec<Stage> {
        let own = self.shutdown_grace_period_by_pod_priority.iter();
        let own: Vec<Stage> =
            own.map(|s| Stage { priority: s.priority, grace_seconds: s.shutdown_grace_period_seconds }).collect();
        if !own.is_empty() {
            return own;
        }
        // Checked when they were read.
        let seconds = |text: &str| duration(text).map_or(0, |d| d.as_secs());
        shutdown::stages(seconds(&self.shutdown_grace_period), seconds(&self.shutdown_grace_period_critical_pods))
    }

    pub fn thresholds(&self) -> Result<Vec<Threshold>, String> {
        let graces = self.eviction_soft_grace_period.iter();
        let graces = graces.map(|(name, text)| Ok((name.clone(), duration(text)?))).collect::<Result<_, String>>()?;
        thresholds(&self.eviction_hard, &self.eviction_soft, &graces, &self.eviction_minimum_reclaim)
    }

    /// A container's log is rotated at this size.
    pub fn log_max_bytes(&self) -> u64 {
        // Checked when it was read.
        let size = Quantity::parse(&self.container_log_max_size).map_or(0, |size| size.value());
        u64::try_from(size).ok().filter(|size| *size > 0).unwrap_or(logs::MAX_FILE_BYTES)
    }

    /// Images that are pulled at the same time.
    pub fn parallel_pulls(&self) -> usize {
        if self.serialize_image_pulls { 1 } else { self.max_parallel_image_pulls }
    }

    /// Tasks of one pod.
    pub fn pids_limit(&self) -> Option<i64> {
        Some(self.pod_pids_limit).filter(|limit| *limit > 0)
    }

    /// What pods may use of a capacity: without what is reserved, and without what must stay free.
    pub fn allocatable(&self, capacity: &BTreeMap<String, resource::Quantity>) -> BTreeMap<String, resource::Quantity> {
        let left = |(name, all): (&String, &resource::Quantity)| {
            let Ok(all) = Quantity::parse(&all.0) else { return (name.clone(), all.clone()) };
            let reserved = [&self.kube_reserved, &self.system_reserved].into_iter().filter_map(|map| map.get(name));
            let reserved = reserved.filter_map(|text| Quantity::parse(text).ok()).sum();
            let free = Quantity::new(self.must_stay_free(name, all.value()), all.format());
            // Huge pages are memory that nothing else can use.
            let huge = if name == "memory" { huge_pages(capacity) } else { Quantity::new(0, all.format()) };
            let left = all - reserved - free - huge;
            let left = if left.is_negative() { Quantity::new(0, all.format()) } else { left };
            (name.clone(), resource::Quantity(left.to_string()))
        };
        capacity.iter().map(left).collect()
    }

    /// By hard thresholds.
    fn must_stay_free(&self, resource: &str, capacity: i64) -> i64 {
        let signal = match resource {
            "memory" => "memory.available",
            "ephemeral-storage" => "nodefs.available",
            _ => return 0,
        };
        let hard = self.thresholds().unwrap_or_default();
        let found = hard.iter().find(|t| t.grace.is_none() && t.signal.name() == signal);
        let amount = found.map_or(0, |t| t.quantity(u64::try_from(capacity).unwrap_or(0)));
        i64::try_from(amount).unwrap_or(i64::MAX)
    }
}

/// Memory in huge pages.
fn huge_pages(capacity: &BTreeMap<String, resource::Quantity>) -> Quantity {
    let all = capacity.iter().filter(|(name, _)| name.starts_with("hugepages-"));
    all.filter_map(|(_, amount)| Quantity::parse(&amount.0).ok()).sum()
}

/// `5m0s`, as Go writes it; "0" and "0s" are nothing.
pub(crate) fn duration(text: &str) -> Result<SignedDuration, String> {
    if text == "0" {
        return Ok(SignedDuration::ZERO);
    }
    let parsed: Result<SignedDuration, _> = text.parse();
    parsed.ok().filter(|d| !d.is_negative()).ok_or_else(|| format!("invalid duration {text:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kubelets_file_is_read_and_strangers_are_told() {
        let text = "kind: KubeletConfiguration\napiVersion: kubelet.config.k8s.io/v1beta1\ncgroupDriver: systemd\n\
                    evictionHard: {memory.available: 1Gi}\nimageMinimumGCAge: 1h30m0s\nserializeImagePulls: true\n";
        let (settings, strangers) = Settings::parse(text).expect("settings");
        assert_eq!(strangers, ["cgroupDriver"]);
        assert_eq!(settings.eviction_hard.len(), 1, "a map replaces the defaults, as in a kubelet");
        assert_eq!(settings.parallel_pulls(), 1);
        assert_eq!(duration(&settings.image_minimum_gc_age).map(|d| d.as_secs()), Ok(5400));
        for wrong in [
            "evictionHard: {memory: 1Gi}",
            "evictionSoft: {memory.available: 1Gi}",
            "imageGCLowThresholdPercent: 90",
            "imageMaximumGCAge: soon",
            "maxParallelImagePulls: 0",
            "containerLogMaxFiles: 1",
            "containerLogMaxSize: none",
            "kubeReserved: {cpu: -1}",
            "evictionHard: 7",
            "shutdownGracePeriodCriticalPods: 1s",
            "shutdownGracePeriod: 5s\nshutdownGracePeriodByPodPriority: [{priority: 0, shutdownGracePeriodSeconds: 3}]",
            "shutdownGracePeriodByPodPriority: [{priority: 0, shutdownGracePeriodSeconds: -3}]",
        ] {
            assert!(Settings::parse(wrong).is_err(), "{wrong}");
        }
        assert_eq!(Settings::default().check(), Ok(()));
    }

    #[test]
    fn pods_may_use_what_is_not_reserved() {
        let map = |pairs: &[(&str, &str)]| pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let settings = Settings {
            kube_reserved: map(&[("cpu", "250m"), ("memory", "100Mi")]),
            system_reserved: map(&[("memory", "24Mi"), ("ephemeral-storage", "1Ki")]),
            ..Settings::default()
        };
        let capacity = [
            ("cpu", "2"),
            ("memory", "1048576Ki"),
            ("ephemeral-storage", "100Ki"),
            ("hugepages-2Mi", "4Mi"),
            ("pods", "110"),
        ];
        let capacity = capacity.iter().map(|(k, v)| ((*k).to_owned(), resource::Quantity((*v).to_owned()))).collect();
        let found: Vec<_> = settings.allocatable(&capacity).into_iter().map(|(k, v)| (k, v.0)).collect();
        let expected = [
            ("cpu", "1750m"),
            ("ephemeral-storage", "94Ki"),
            ("hugepages-2Mi", "4Mi"),
            ("memory", "796Mi"),
            ("pods", "110"),
        ];
        assert_eq!(found, expected.map(|(k, v)| (k.to_owned(), v.to_owned())));
    }
}
