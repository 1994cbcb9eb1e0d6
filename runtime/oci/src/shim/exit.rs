//! Ends of processes: containers, execs, helpers and orphans.

use jiff::Timestamp;
use nix::errno::Errno;

use super::container::report;
use super::record::save;
use super::server::Server;
use crate::config::{ContainerExit, ContainerState, Exit};
use crate::wire::Reply;

/// Ends remembered while a helper has yet to say whose they are; orphans of a busy container come here too.
const MAX_EARLY: usize = 4096;

impl Server {
    /// SIGCHLD (any other signal is read and ignored: nothing but Stop ends a shim).
    pub fn reap(&mut self) {
        while let Ok(Some(_)) = self.pod.signals.read_signal() {}
        while let Some((pid, status)) = wait_any() {
            if let Some(index) = self.execs.iter().position(|(exec, _)| *exec == pid) {
                let (_, connection) = self.execs.swap_remove(index);
                self.reply(connection, &Reply::ExecExit(code(status)), &[]);
                continue;
            }
            let of_pid = |id: &String| self.containers.get(id).is_some_and(|c| c.record.pid == pid && c.is_running());
            match self.containers.keys().find(|id| of_pid(id)).cloned() {
                Some(id) => self.container_ended(&id, status),
                None if !self.helpers.is_empty() && self.early.len() < MAX_EARLY => self.early.push((pid, status)),
                None => {}
            }
        }
    }

    /// A container's init ended: everything of it ends, its log is complete, then the exit is on disk, then told.
    pub fn container_ended(&mut self, id: &str, status: i32) {
        let finished_at = Timestamp::now();
        let cgroup = self.cgroup(id);
        if self.pod.config.host_pid || self.pod.init.is_some() {
            // Its PID namespace lives on, so the kernel has not killed the rest.
            report(id, self.pod.cgroups.kill(&cgroup));
        }
        let Some(container) = self.containers.get_mut(id) else { return };
        container.finish(&mut self.chunk);
        let code = code(status);
        let exit = Exit {
            code: Some(code),
            signal: libc::WIFSIGNALED(status).then(|| libc::WTERMSIG(status)),
            // A child killed for memory whose parent carries on to success is not the container's end by OOM.
            oom_killed: code != 0 && self.pod.cgroups.oom_kills(&cgroup) > 0,
            finished_at,
        };
        container.record.state = ContainerState::Exited(exit.clone());
        report(id, save(&self.pod.config.dir, &container.record));
        let event = Reply::Exit(ContainerExit { id: id.to_owned(), exit });
        let listeners: Vec<u64> = self.connections.iter().filter(|(_, c)| c.events).map(|(key, _)| *key).collect();
        for key in listeners {
            self.reply(key, &event, &[]);
        }
        // Attached clients see their streams and then the connection end.
    }
}

/// Any ended child, with its wait status.
fn wait_any() -> Option<(i32, i32)> {
    let mut status = 0;
    loop {
        // SAFETY: writes one integer of ours.
        match unsafe { libc::waitpid(-1, &mut status, libc::WNOHANG) } {
            pid if pid > 0 => return Some((pid, status)),
            -1 if Errno::last() == Errno::EINTR => {}
            _ => return None,
        }
    }
}

/// Exit code as shells count it.
pub(super) fn code(status: i32) -> i32 {
    if libc::WIFSIGNALED(status) { 128 + libc::WTERMSIG(status) } else { libc::WEXITSTATUS(status) }
}
