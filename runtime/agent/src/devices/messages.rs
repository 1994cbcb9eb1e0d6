//! What device plugins and their node say to each other (`v1beta1` of the device plugin API). Pure.

use super::proto::{Message, Value, fields};
use podium_lifecycle::devices::Ids;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The one version there is.
pub(super) const VERSION: &str = "v1beta1";
/// A device that is well.
const HEALTHY: &str = "Healthy";

/// A plugin that introduces itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Registration {
    /// File name of its socket.
    pub endpoint: String,
    pub resource: String,
    pub pre_start: bool,
    pub preferences: bool,
}

impl Registration {
    /// Refuses what no plugin of this version says.
    pub fn read(bytes: &[u8]) -> Result<Self, String> {
        let mut version = String::new();
        let mut out = Self { endpoint: String::new(), resource: String::new(), pre_start: false, preferences: false };
        for (field, value) in fields(bytes)? {
            match field {
                1 => version = value.text()?,
                2 => out.endpoint = value.text()?,
                3 => out.resource = value.text()?,
                4 => {
                    for (option, value) in fields(value.bytes()?)? {
                        match option {
                            1 => out.pre_start = value.flag(),
                            2 => out.preferences = value.flag(),
                            _ => {}
                        }
                    }
                }
                _ => {}
            }
        }
        if version != VERSION {
            return Err(format!(
                "requested API version {version:?} is not supported by kubelet. Supported version is [\"{VERSION}\"]"
            ));
        }
        let domain = out.resource.split_once('/').map(|(domain, name)| (domain, !name.is_empty()));
        if !domain.is_some_and(|(domain, named)| named && domain.contains('.') && !domain.ends_with("kubernetes.io")) {
            return Err(format!("the ResourceName {:?} is invalid", out.resource));
        }
        if out.endpoint.is_empty() || out.endpoint.contains('/') || out.endpoint.starts_with('.') {
            return Err(format!("the endpoint {:?} is no file name", out.endpoint));
        }
        Ok(out)
    }
}

/// Devices by id; true is healthy.
pub(super) fn read_devices(bytes: &[u8]) -> Result<BTreeMap<String, bool>, String> {
    let mut out = BTreeMap::new();
    for (_, value) in fields(bytes)?.into_iter().filter(|(field, _)| *field == 1) {
        let (mut id, mut health) = (String::new(), String::new());
        for (field, value) in fields(value.bytes()?)? {
            match field {
                1 => id = value.text()?,
                2 => health = value.text()?,
                _ => {}
            }
        }
        out.insert(id, health == HEALTHY);
    }
    Ok(out)
}

/// `AllocateRequest` for one container.
pub(super) fn allocate(devices: &Ids) -> Vec<u8> {
    let container = Message::default().items(1, devices).bytes();
    Message::default().item(1, &container).bytes()
}

/// `PreferredAllocationRequest` for one container.
pub(super) fn prefer(from: &Ids, first: &Ids, count: usize) -> Vec<u8> {
    let container = Message::default().items(1, from).items(2, first).number(3, count as u64).bytes();
    Message::default().item(1, &container).bytes()
}

/// Ids that the plugin prefers.
pub(super) fn read_preferred(bytes: &[u8]) -> Result<Vec<String>, String> {
    let mut out = Vec::new();
    for (_, container) in fields(bytes)?.into_iter().filter(|(field, _)| *field == 1) {
        let ids = fields(container.bytes()?)?.into_iter().filter(|(field, _)| *field == 1);
        out.extend(ids.map(|(_, id)| id.text()).collect::<Result<Vec<_>, _>>()?);
    }
    Ok(out)
}

/// `PreStartContainerRequest`
pub(super) fn pre_start(devices: &Ids) -> Vec<u8> {
    Message::default().items(1, devices).bytes()
}

/// What a container gets with its devices.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Answer {
    pub env: BTreeMap<String, String>,
    pub mounts: Vec<GivenMount>,
    pub devices: Vec<GivenDevice>,
    pub annotations: BTreeMap<String, String>,
}

/// A directory or file of the host.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct GivenMount {
    pub container: String,
    pub host: String,
    pub read_only: bool,
}

/// A device node of the host.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct GivenDevice {
    pub container: String,
    pub host: String,
    pub permissions: String,
}

impl Answer {
    /// From an `AllocateResponse` for one container.
    pub fn read(bytes: &[u8]) -> Result<Self, String> {
        let mut out = Self::default();
        for (_, container) in fields(bytes)?.into_iter().filter(|(field, _)| *field == 1) {
            for (field, value) in fields(container.bytes()?)? {
                match field {
                    1 => out.env.extend([pair(value)?]),
                    2 => out.mounts.push(mount(value)?),
                    3 => out.devices.push(device(value)?),
                    4 => out.annotations.extend([pair(value)?]),
                    5 => return Err("the plugin answers with CDI devices, which this node does not support".to_owned()),
                    _ => {}
                }
            }
        }
        Ok(out)
    }

    /// Adds another resource's.
    pub fn merge(&mut self, other: &Self) {
        self.env.extend(other.env.clone());
        self.mounts.extend(other.mounts.iter().cloned());
        self.devices.extend(other.devices.iter().cloned());
        self.annotations.extend(other.annotations.clone());
    }
}

/// An entry of a map.
fn pair(value: Value<'_>) -> Result<(String, String), String> {
    let (mut key, mut text) = (String::new(), String::new());
    for (field, value) in fields(value.bytes()?)? {
        match field {
            1 => key = value.text()?,
            2 => text = value.text()?,
            _ => {}
        }
    }
    Ok((key, text))
}

fn mount(value: Value<'_>) -> Result<GivenMount, String> {
    let mut out = GivenMount::default();
    for (field, value) in fields(value.bytes()?)? {
        match field {
            1 => out.container = value.text()?,
            2 => out.host = value.text()?,
            3 => out.read_only = value.flag(),
            _ => {}
        }
    }
    Ok(out)
}

fn device(value: Value<'_>) -> Result<GivenDevice, String> {
    let mut out = GivenDevice::default();
    for (field, value) in fields(value.bytes()?)? {
        match field {
            1 => out.container = value.text()?,
            2 => out.host = value.text()?,
            3 => out.permissions = value.text()?,
            _ => {}
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message() -> Message {
        Message::default()
    }

    #[test]
    fn only_plugins_of_this_version_are_taken() {
        let register = |version: &str, endpoint: &str, resource: &str| {
            let options = message().number(1, 1).bytes();
            Registration::read(
                &message().text(1, version).text(2, endpoint).text(3, resource).item(4, &options).bytes(),
            )
        };
        let known = register("v1beta1", "gpu.sock", "example.com/gpu").expect("a plugin");
        assert!(known.pre_start && !known.preferences && known.endpoint == "gpu.sock");
        for (version, endpoint, resource) in [
            ("v1alpha", "a", "example.com/a"),
            ("v1beta1", "", "example.com/a"),
            ("v1beta1", "../a", "example.com/a"),
            ("v1beta1", "..", "example.com/a"),
            ("v1beta1", "a", "cpu"),
            ("v1beta1", "a", "kubernetes.io/a"),
            ("v1beta1", "a", "example.com/"),
        ] {
            assert!(register(version, endpoint, resource).is_err(), "{version} {endpoint} {resource}");
        }
    }

    #[test]
    fn answers_are_read() {
        let entry = |key: &str, value: &str| message().text(1, key).text(2, value).bytes();
        let mount = message().text(1, "/in").text(2, "/out").number(3, 1).bytes();
        let device = message().text(1, "/dev/a").text(2, "/dev/b").text(3, "rw").bytes();
        let container = message().item(1, &entry("A", "1")).item(2, &mount).item(3, &device).item(4, &entry("n", "t"));
        let answer = Answer::read(&message().item(1, &container.bytes()).bytes()).expect("an answer");
        assert_eq!(answer.env, [("A".to_owned(), "1".to_owned())].into());
        assert_eq!(answer.mounts, [GivenMount { container: "/in".into(), host: "/out".into(), read_only: true }]);
        let given = GivenDevice { container: "/dev/a".into(), host: "/dev/b".into(), permissions: "rw".into() };
        assert_eq!(answer.devices, [given]);
        let cdi = message().item(1, &message().item(5, b"").bytes()).bytes();
        assert!(Answer::read(&cdi).is_err());
        let devices = message().item(1, &entry("a", "Healthy")).item(1, &entry("b", "Unhealthy")).bytes();
        assert_eq!(read_devices(&devices), Ok([("a".to_owned(), true), ("b".to_owned(), false)].into()));
        let ids: Ids = ["a".to_owned(), "b".to_owned()].into();
        assert_eq!(read_preferred(&allocate(&ids)), Ok(vec!["a".to_owned(), "b".to_owned()]));
    }
}
