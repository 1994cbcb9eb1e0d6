//! `/logs/`: the node's own logs, as files below one directory. No link leads out of it.

use super::query::refuse;
use crate::{
    error::{blocking, io},
    shared::Shared,
};
use actix_web::{HttpResponse, http::StatusCode, web};
use nix::{
    errno::Errno,
    fcntl::{AT_FDCWD, OFlag, OpenHow, ResolveFlag, openat2},
};
use std::{fs::File, os::fd::AsRawFd, path::Path};
use tokio_util::io::ReaderStream;

/// Where they are.
const DIRECTORY: &str = "/var/log";
/// Names shown of one directory, at most.
const MAX_NAMES: usize = 10_000;

pub(super) async fn serve(path: web::Path<String>, shared: web::Data<Shared>) -> HttpResponse {
    if !shared.settings.enable_system_log_handler {
        return refuse(StatusCode::METHOD_NOT_ALLOWED, "logs endpoint is disabled.");
    }
    let path = path.into_inner();
    match blocking(move || look(Path::new(DIRECTORY), &path)).await {
        Ok(Found::File(file)) => HttpResponse::Ok()
            .content_type("text/plain; charset=utf-8")
            .streaming(ReaderStream::new(tokio::fs::File::from_std(file))),
        Ok(Found::Directory(names)) => HttpResponse::Ok().content_type("text/html; charset=utf-8").body(page(&names)),
        Ok(Found::Nothing) => refuse(StatusCode::NOT_FOUND, "404 page not found"),
        Err(error) => refuse(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
    }
}

enum Found {
    File(File),
    /// Sorted; directories end with a slash.
    Directory(Vec<String>),
    Nothing,
}

fn look(root: &Path, path: &str) -> crate::Result<Found> {
    let failed = |error: Errno| io("open the node's logs")(error.into());
    let how = OpenHow::new().flags(OFlag::O_RDONLY | OFlag::O_CLOEXEC | OFlag::O_NONBLOCK);
    let root = match openat2(AT_FDCWD, root, how) {
        Err(Errno::ENOENT) => return Ok(Found::Nothing),
        other => other.map_err(failed)?,
    };
    let path = path.trim_matches('/');
    let beneath = how.resolve(ResolveFlag::RESOLVE_BENEATH | ResolveFlag::RESOLVE_NO_MAGICLINKS);
    let file = match openat2(&root, if path.is_empty() { "." } else { path }, beneath) {
        Ok(file) => File::from(file),
        // A device without a driver, a socket, or what would lead out.
        Err(Errno::ENOENT | Errno::ENOTDIR | Errno::EXDEV | Errno::ELOOP | Errno::ENXIO | Errno::ENAMETOOLONG) => {
            return Ok(Found::Nothing);
        }
        Err(error) => return Err(failed(error)),
    };
    let kind = file.metadata().map_err(io("look at the node's logs"))?.file_type();
    if kind.is_file() {
        return Ok(Found::File(file));
    }
    if !kind.is_dir() {
        return Ok(Found::Nothing);
    }
    // By its descriptor: the path may lead elsewhere by now.
    let entries =
        std::fs::read_dir(format!("/proc/self/fd/{}", file.as_raw_fd())).map_err(io("list the node's logs"))?;
    let name = |entry: std::fs::DirEntry| {
        let slash = if entry.file_type().is_ok_and(|kind| kind.is_dir()) { "/" } else { "" };
        format!("{}{slash}", entry.file_name().to_string_lossy())
    };
    let mut names: Vec<String> = entries.take(MAX_NAMES).flatten().map(name).collect();
    names.sort_unstable();
    Ok(Found::Directory(names))
}

/// As Go's file server shows a directory.
fn page(names: &[String]) -> String {
    let text = |name: &str| name.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&#34;");
    let link = |name: &String| {
        let bytes = name.bytes().map(|byte| match byte {
            b'/' | b'-' | b'_' | b'.' | b'~' => char::from(byte).to_string(),
            byte if byte.is_ascii_alphanumeric() => char::from(byte).to_string(),
            byte => format!("%{byte:02X}"),
        });
        format!("<a href=\"{}\">{}</a>\n", bytes.collect::<String>(), text(name))
    };
    format!(
        "<!doctype html>\n<meta name=\"viewport\" content=\"width=device-width\">\n<pre>\n{}</pre>\n",
        names.iter().map(link).collect::<String>()
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{fs, os::unix::fs::symlink};

    #[test]
    fn nothing_outside_is_shown() {
        let dir = tempfile::tempdir().expect("a directory");
        let root = dir.path().join("log");
        fs::create_dir_all(root.join("pods")).expect("a directory");
        fs::write(root.join("syslog"), "one\n").expect("a file");
        fs::write(dir.path().join("secret"), "no\n").expect("a file");
        symlink("../secret", root.join("out")).expect("a link");
        symlink("/etc/passwd", root.join("far")).expect("a link");
        symlink("syslog", root.join("near")).expect("a link");
        for (path, found) in [
            ("syslog", "file"),
            ("/syslog", "file"),
            ("near", "file"),
            ("pods/../syslog", "file"),
            ("", "directory"),
            ("pods/", "directory"),
            ("out", "nothing"),
            ("far", "nothing"),
            ("../secret", "nothing"),
            ("pods/../../secret", "nothing"),
            ("absent", "nothing"),
            ("syslog/below", "nothing"),
        ] {
            let kind = match look(&root, path).expect("an answer") {
                Found::File(_) => "file",
                Found::Directory(_) => "directory",
                Found::Nothing => "nothing",
            };
            assert_eq!(kind, found, "{path}");
        }
        let Ok(Found::Directory(names)) = look(&root, "") else { panic!("no directory") };
        assert_eq!(names, ["far", "near", "out", "pods/", "syslog"]);
        assert!(page(&["a <b>&\"/".to_owned()]).contains("<a href=\"a%20%3Cb%3E%26%22/\">a &lt;b&gt;&amp;&#34;/</a>"));
    }
}
