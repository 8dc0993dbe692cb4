// SPDX-License-Identifier: GPL-2.0

//! The processes of the callers. Each takes the credentials of its caller once, and then runs
//! operations on request.

use std::{
    io,
    io::{Read, Write},
    os::{fd::AsFd, unix::net::UnixStream},
};

use kselftest::rng::Rng;
use kselftest::{process::fork, userns::UserNs};
use rustix::{
    io::Errno,
    process::{Pid, Signal, WaitOptions, kill_process, set_parent_process_death_signal, waitpid},
    thread::{LinkNameSpaceType, move_into_link_name_space},
};

use crate::{
    op::Step,
    shape::Shape,
    syscalls::{SyscallResult, call},
};

/// One of them. It ends with this value.
pub(crate) struct Worker {
    pid: Pid,
    socket: UnixStream,
}

impl Worker {
    /// Starts the process of a caller, in the user namespace of the caller if it is another one.
    pub(crate) fn start(
        shape: &Shape,
        seed: u64,
        number: usize,
        namespace: Option<&UserNs>,
    ) -> io::Result<Self> {
        let (socket, mut theirs) = UnixStream::pair()?;
        let pid = fork(
            || match serve(shape, seed, number, namespace, &mut theirs) {
                Ok(()) => 0,
                Err(error) => {
                    eprintln!("differential: caller {number}: {error}");
                    1
                }
            },
        )?;
        Ok(Self { pid, socket })
    }

    /// Lets it do a step of the world.
    pub(crate) fn tell(&mut self, step: u64) -> io::Result<SyscallResult> {
        self.socket.write_all(&step.to_ne_bytes())?;
        let mut head = [0; 8];
        self.socket.read_exact(&mut head)?;
        let [e0, e1, e2, e3, l0, l1, l2, l3] = head;
        let errno = i32::from_ne_bytes([e0, e1, e2, e3]);
        let mut text = vec![0; u32::from_ne_bytes([l0, l1, l2, l3]) as usize];
        self.socket.read_exact(&mut text)?;
        Ok(match errno {
            0 => Ok(String::from_utf8_lossy(&text).into_owned()),
            errno => Err(Errno::from_raw_os_error(errno)),
        })
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = kill_process(self.pid, Signal::KILL);
        let _ = waitpid(Some(self.pid), WaitOptions::empty());
    }
}

/// Runs in the process of a caller.
fn serve(
    shape: &Shape,
    seed: u64,
    number: usize,
    namespace: Option<&UserNs>,
    socket: &mut UnixStream,
) -> io::Result<()> {
    if let Some(namespace) = namespace {
        move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::User))?;
    }
    shape.callers[number].become_it()?;
    // All workers have copies of the other ends of the sockets, so no worker would read an end of
    // file. A change of credentials clears this setting, so it comes last.
    set_parent_process_death_signal(Some(Signal::KILL))?;
    loop {
        let mut step = [0; 8];
        socket.read_exact(&mut step)?;
        // The same numbers give the same step as where it is written down.
        let mut rng = Rng::of(seed, u64::from_ne_bytes(step));
        let step = Step::random(&mut rng, shape);
        let answer = call(&step.op, step.mount, step.to_mount);
        let (errno, text) = match answer {
            Ok(text) => (0, text),
            Err(errno) => (errno.raw_os_error(), String::new()),
        };
        let mut reply = errno.to_ne_bytes().to_vec();
        reply.extend((text.len() as u32).to_ne_bytes());
        reply.extend(text.as_bytes());
        socket.write_all(&reply)?;
    }
}
