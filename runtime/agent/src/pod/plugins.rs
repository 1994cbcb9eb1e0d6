//! Credentials from programs of the node (KEP-2133): the kubelet's credential providers, in its configuration's form.
//!
//! Who may pull is often known to a cloud alone, and for hours only. A program is asked when an image fits its
//! patterns, and its answer is kept as long as it says.

use super::login::{Logins, covers};
use crate::settings::duration;
use podium_oci::Credentials;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::Stdio,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    process::Command,
};

/// In the data directory: which programs there are.
const CONFIG: &str = "credential-providers.yaml";
/// In the data directory: the programs.
const PROGRAMS: &str = "credential-providers";
/// What a program takes longer for is not had.
const PATIENCE: Duration = Duration::from_secs(60);
/// A longer answer is refused.
const MAX_ANSWER: u64 = 1 << 20;
/// Answers that are kept; when there are more, all are asked for anew.
const MAX_KEPT: usize = 256;
/// The protocol's group.
const GROUP: &str = "credentialprovider.kubelet.k8s.io";

/// `CredentialProviderConfig` of `kubelet.config.k8s.io/v1`.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Config {
    providers: Vec<Provider>,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct Provider {
    name: String,
    match_images: Vec<String>,
    default_cache_duration: String,
    api_version: String,
    args: Vec<String>,
    env: Vec<Variable>,
    token_attributes: Option<Value>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Variable {
    name: String,
    value: String,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct Answer {
    kind: String,
    api_version: String,
    cache_key_type: String,
    cache_duration: Option<String>,
    auth: Map<String, Value>,
}

/// Answers that hold for a while, by program and by what they were given for.
#[derive(Default)]
pub(crate) struct Kept(Mutex<BTreeMap<(String, String), (Instant, Logins)>>);

impl Kept {
    /// What the programs of the node say about an image. One that fails is told of, and passed over.
    pub async fn credentials(&self, data_dir: &Path, reference: &str) -> Vec<Credentials> {
        let file = data_dir.join(CONFIG);
        // Most nodes have none.
        let Ok(text) = tokio::fs::read(&file).await else { return Vec::new() };
        let config: Config = match serde_yaml::from_slice(&text) {
            Ok(config) => config,
            Err(error) => {
                tracing::warn!(%error, file = %file.display(), "reading credential providers");
                return Vec::new();
            }
        };
        let mut found = Vec::new();
        for provider in config.providers.iter().filter(|p| p.match_images.iter().any(|key| covers(key, reference))) {
            match self.of(provider, &data_dir.join(PROGRAMS), reference).await {
                Ok(logins) => found.extend(logins.fitting(reference)),
                Err(error) => tracing::warn!(error, provider = provider.name, "asking a credential provider"),
            }
        }
        found
    }

    async fn of(&self, provider: &Provider, programs: &Path, reference: &str) -> Result<Logins, String> {
        let image = untagged(reference);
        let registry = image.split('/').next().unwrap_or_default();
        for key in [image, registry, ""] {
            let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            kept.retain(|_, (until, _)| *until > Instant::now());
            if let Some((_, logins)) = kept.get(&(provider.name.clone(), key.to_owned())) {
                return Ok(logins.clone());
            }
        }
        let answer = ask(provider, program(provider, programs)?, image).await?;
        let key = match answer.cache_key_type.as_str() {
            "Image" => image,
            "Registry" => registry,
            "Global" => "",
            other => return Err(format!("unknown cacheKeyType {other:?}")),
        };
        let (logins, lasts) = (Logins::of_entries(answer.auth), answer.cache_duration);
        let lasts = lasts.as_deref().unwrap_or(&provider.default_cache_duration);
        let lasts = Duration::try_from(duration(lasts)?).map_err(|error| error.to_string())?;
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= MAX_KEPT {
            kept.clear();
        }
        if !lasts.is_zero()
            && let Some(until) = Instant::now().checked_add(lasts)
        {
            kept.insert((provider.name.clone(), key.to_owned()), (until, logins.clone()));
        }
        Ok(logins)
    }
}

/// The program's file: below one directory, whatever its name.
fn program(provider: &Provider, programs: &Path) -> Result<PathBuf, String> {
    let name = &provider.name;
    if name.is_empty() || name.contains('/') || name == "." || name == ".." {
        return Err(format!("invalid name {name:?}"));
    }
    if provider.token_attributes.is_some() {
        return Err("tokenAttributes are not supported".to_owned());
    }
    Ok(programs.join(name))
}

/// Runs a program once.
async fn ask(provider: &Provider, program: PathBuf, image: &str) -> Result<Answer, String> {
    let version = format!("{GROUP}/{}", provider.api_version.rsplit('/').next().unwrap_or_default());
    let request = json!({ "kind": "CredentialProviderRequest", "apiVersion": version, "image": image }).to_string();
    let mut command = Command::new(&program);
    command.args(&provider.args).envs(provider.env.iter().map(|v| (&v.name, &v.value)));
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
    let mut child = command.spawn().map_err(|error| format!("{}: {error}", program.display()))?;
    let (mut stdin, stdout) = child.stdin.take().zip(child.stdout.take()).ok_or("it has no streams")?;
    let talk = async {
        // One that needs no question does not read it.
        let _ = stdin.write_all(request.as_bytes()).await;
        drop(stdin);
        let mut answer = Vec::new();
        stdout.take(MAX_ANSWER + 1).read_to_end(&mut answer).await.map_err(|error| error.to_string())?;
        if answer.len() as u64 > MAX_ANSWER {
            return Err(format!("its answer is longer than {MAX_ANSWER} bytes"));
        }
        let status = child.wait().await.map_err(|error| error.to_string())?;
        if status.success() { Ok(answer) } else { Err(format!("it ended with {status}")) }
    };
    let text = tokio::time::timeout(PATIENCE, talk)
        .await
        .map_err(|_| format!("no answer within {} s", PATIENCE.as_secs()))??;
    let answer: Answer = serde_json::from_slice(&text).map_err(|error| format!("invalid answer: {error}"))?;
    if answer.kind != "CredentialProviderResponse" || answer.api_version != version {
        return Err(format!("its answer is a {} of {}, not of {version}", answer.kind, answer.api_version));
    }
    Ok(answer)
}

/// An image without tag and digest, as programs are asked.
fn untagged(reference: &str) -> &str {
    let name = reference.split('@').next().unwrap_or(reference);
    match name.rsplit_once(':') {
        Some((before, tag)) if !tag.contains('/') => before,
        _ => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{fs, os::unix::fs::PermissionsExt};

    /// Counts its runs, and lets in as the user NAME whoever asks for what the question names.
    const PROGRAM: &str = r#"#!/bin/sh
echo run >> "$COUNT"
read -r question
image=${question#*'"image":"'}
printf '{"kind":"CredentialProviderResponse","apiVersion":"credentialprovider.kubelet.k8s.io/v1",'
printf '"cacheKeyType":"%s","auth":{"%s":{"username":"%s","password":"%s"}}}' \
    "$1" "${image%%/*}" "$NAME" "${image%%'"'*}"
"#;

    struct Node {
        dir: tempfile::TempDir,
        kept: Kept,
    }

    impl Node {
        fn with(providers: &Value) -> Node {
            let dir = tempfile::tempdir().expect("a directory");
            fs::create_dir(dir.path().join(PROGRAMS)).expect("a directory");
            for (name, text) in [("cloud", PROGRAM), ("broken", "#!/bin/sh\necho '{}'\n"), ("fails", "#!/bin/false\n")]
            {
                let path = dir.path().join(PROGRAMS).join(name);
                fs::write(&path, text).expect("a program");
                fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("chmod");
            }
            let config = json!({ "kind": "CredentialProviderConfig", "providers": providers });
            fs::write(dir.path().join(CONFIG), config.to_string()).expect("written");
            Node { dir, kept: Kept::default() }
        }
        async fn users(&self, image: &str) -> Vec<String> {
            let all = self.kept.credentials(self.dir.path(), image).await;
            all.into_iter().map(|c| format!("{}:{}", c.username, c.password)).collect()
        }
        fn runs(&self) -> usize {
            fs::read_to_string(self.dir.path().join("count")).map_or(0, |text| text.lines().count())
        }
    }

    fn provider(count: &Path, kind: &str, lasts: &str) -> Value {
        json!({
            "name": "cloud", "matchImages": ["*.cloud.example", "other.example/team"], "defaultCacheDuration": lasts,
            "apiVersion": "credentialprovider.kubelet.k8s.io/v1", "args": [kind],
            "env": [{ "name": "NAME", "value": "me" }, { "name": "COUNT", "value": count }],
        })
    }

    #[tokio::test]
    async fn programs_are_asked_for_what_fits_and_answers_are_kept() {
        for (kind, lasts, runs) in [("Image", "1h", 3), ("Registry", "10m", 2), ("Global", "1h", 1), ("Image", "0s", 4)]
        {
            let node = Node::with(&json!([]));
            let count = node.dir.path().join("count");
            let config = json!({ "providers": [provider(&count, kind, lasts)] });
            fs::write(node.dir.path().join(CONFIG), config.to_string()).expect("written");
            assert_eq!(node.users("a.cloud.example/x:1").await, ["me:a.cloud.example/x"], "{kind}");
            assert_eq!(node.users("a.cloud.example/x@sha256:00").await, ["me:a.cloud.example/x"], "{kind}");
            node.users("a.cloud.example/y:1").await;
            node.users("b.cloud.example/x:1").await;
            for other in ["cloud.example/x", "nginx", "other.example/theirs/x", "a.b.cloud.example/x"] {
                assert!(node.users(other).await.is_empty(), "{other}");
            }
            assert_eq!(node.runs(), runs, "{kind} {lasts}");
        }
    }

    #[tokio::test]
    async fn programs_that_fail_are_passed_over() {
        let node = Node::with(&json!([]));
        let count = node.dir.path().join("count");
        let named = |name: &str| {
            let mut wrong = provider(&count, "Image", "1h");
            wrong["name"] = json!(name);
            wrong
        };
        let mut tokens = provider(&count, "Image", "1h");
        tokens["tokenAttributes"] = json!({});
        let all = json!([
            named("broken"),
            named("fails"),
            named("absent"),
            named("../cloud"),
            tokens,
            provider(&count, "Nobody", "1h"),
            provider(&count, "Image", "for ever"),
            provider(&count, "Image", "1h"),
        ]);
        fs::write(node.dir.path().join(CONFIG), json!({ "providers": all }).to_string()).expect("written");
        assert_eq!(node.users("a.cloud.example/x").await, ["me:a.cloud.example/x"]);
        fs::write(node.dir.path().join(CONFIG), "no: [yaml").expect("written");
        assert!(node.users("a.cloud.example/x").await.is_empty());
        assert!(Kept::default().credentials(Path::new("/absent"), "a.cloud.example/x").await.is_empty());
    }

    #[test]
    fn tags_and_digests_are_left_out() {
        for (reference, expected) in [
            ("r.example/a:1", "r.example/a"),
            ("r.example:5000/a", "r.example:5000/a"),
            ("r.example:5000/a:1@sha256:0", "r.example:5000/a"),
        ] {
            assert_eq!(untagged(reference), expected);
        }
    }
}
