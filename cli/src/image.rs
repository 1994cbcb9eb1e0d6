//! `podium image`: the images of this node, without a running cluster.

use crate::{
    args::{ImageArgs, ImageCommand, Output},
    layout::Layout,
    print,
};
use anyhow::{Context, Result};
use podium_oci::{Images, Progress, RegistryConfig};
use serde_json::json;

/// Runs the command.
pub fn run(args: ImageArgs) -> Result<()> {
    let layout = Layout::open(&args.place.data_dir)?;
    let registries = RegistryConfig::load(&layout.data.join("registries.yaml"))?;
    let images = Images::open(&layout.images(), registries).context("opening the image store")?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    match args.command {
        ImageCommand::Load { tar } => {
            for name in runtime.block_on(images.load(&tar))? {
                println!("loaded {name}");
            }
        }
        ImageCommand::Pull { reference } => {
            let image = runtime.block_on(images.pull(&reference, None, progress()))?;
            println!("pulled {} ({})", reference, image.id);
        }
        ImageCommand::List { output } => list(&images, output)?,
        ImageCommand::Remove { reference } => {
            images.remove(&reference)?;
            println!("removed {reference}");
        }
    }
    Ok(())
}

/// Shows on a terminal how far a pull is.
fn progress() -> impl FnMut(Progress) {
    let mut shows = std::io::IsTerminal::is_terminal(&std::io::stderr());
    move |Progress { done, total }| {
        if shows && total > 0 {
            shows = done < total;
            let end = if shows { "" } else { "\n" };
            eprint!("\r{:>3}% of {:.1} MB{end}", done * 100 / total, total as f64 / 1e6);
        }
    }
}

fn list(images: &Images, output: Output) -> std::io::Result<()> {
    let all = images.list();
    if output == Output::Json {
        let rows: Vec<_> = all
            .iter()
            .map(|i| json!({"id": i.id, "names": i.names, "size": i.size, "repoDigest": i.repo_digest}))
            .collect();
        return print::line(json!(rows));
    }
    let mut lines = vec![format!("{:<50} {:<20} {:>10}", "IMAGE", "ID", "SIZE")];
    for image in all {
        let id: String = image.id.trim_start_matches("sha256:").chars().take(12).collect();
        for name in &image.names {
            lines.push(format!("{name:<50} {id:<20} {:>7} kB", image.size / 1000));
        }
    }
    print::line(lines.join("\n"))
}
