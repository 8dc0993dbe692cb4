// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Trials of opening and connecting.

use std::{ffi::c_int, rc::Rc};

use kernel::fs::{mode::Mode, permission::InodeAttrs};
use rustix::io::Errno;

use super::{
    super::{
        lookup::{End, Found, Last, Place},
        operation::OpenMode,
        standin::{is_writable, untried},
        workshop::{Inner, Workshop},
    },
    Attempted, Look, Trial,
    names::open_workshop,
    paths::{object_way, whole},
};
use crate::{
    error::Error,
    sys::{Act, At, Expected, Name, Way},
};

/// Why some objects on read-only mounts are left alone.
const EFFECTS: &str = "opening or connecting to it may have effects, and nothing can be made on the \
                       read-only mount that it could be tried on instead";

impl Trial<'_> {
    pub(super) fn open(&self, mode: OpenMode) -> Result<Attempted, Error> {
        let (flags, writes) = match mode {
            OpenMode::Read => (libc::O_RDONLY, false),
            OpenMode::Write | OpenMode::Create => (libc::O_WRONLY, true),
            OpenMode::ReadWrite => (libc::O_RDWR, true),
            OpenMode::Append => (libc::O_WRONLY | libc::O_APPEND, true),
            OpenMode::NoAtime => (libc::O_RDONLY | libc::O_NOATIME, false),
        };
        let attempted = match &self.route.end {
            End::There(found) => self.open_found(found, mode, flags, writes),
            End::At(place) if mode == OpenMode::Create => self.open_new(place),
            End::At(_) | End::Nowhere => self.on_object(Act::None),
        }?;
        Ok(match attempted.answer {
            // A pipe or a device that nothing answers behind: all checks come before that.
            Err(Errno::NXIO) => Attempted {
                answer: Ok(()),
                ..attempted
            },
            _ => attempted,
        })
    }

    fn open_found(
        &self,
        found: &Found,
        mode: OpenMode,
        flags: c_int,
        writes: bool,
    ) -> Result<Attempted, Error> {
        let node = &found.node;
        let path = whole(self.route)?;
        let way = object_way(self.route, &path, 0);
        let kind = node.mode();
        let is_plain = kind.is_reg() || kind.is_dir() || kind.bits() & 0o170000 == 0o140000;
        let sticky = found.directory.as_ref().filter(|directory| {
            mode == OpenMode::Create && !kind.is_dir() && directory.mode().has(Mode::S_ISVTX)
        });
        if let Some(directory) = sticky {
            if directory.is_only_plain() || !is_writable(directory) {
                return Err(untried(
                    "nothing can be made in its directory to open with O_CREAT instead",
                ));
            }
            let workshop = Workshop::open(vec![Rc::clone(directory)])?;
            let name = workshop.names.spare[0].clone();
            let stand_in = workshop.make_name(node, directory, &name, Inner::of(node));
            if let Err(error) = stand_in {
                workshop.close()?;
                return Err(error);
            }
            let at = Name(At::Given(directory.file()), &name);
            let act = Act::Open(at, flags | libc::O_CREAT);
            return self.perform_in(workshop, &[way], None, act, Look::Nothing);
        }
        // Opening a pipe wakes those at its other end, opening a device may do anything, and
        // overlayfs copies a file that is opened for writing.
        let copies = writes && kind.is_reg() && node.mount.layers().is_some();
        let is_read_only = node.mount.is_read_only();
        if is_plain && !copies || is_read_only && kind.is_reg() {
            return self.perform(&[way], None, Act::Reopen(flags));
        }
        if is_read_only {
            return Err(untried(EFFECTS));
        }
        self.change(Act::Reopen(flags)).map(|attempted| Attempted {
            after: None,
            ..attempted
        })
    }

    /// Connects to a stand-in, at which nobody listens.
    pub(super) fn connect(&self) -> Result<Attempted, Error> {
        let is_socket = match &self.route.end {
            End::There(found) => found.node.mode().kind().bits() == 0o140000,
            End::At(_) | End::Nowhere => false,
        };
        let attempted = match is_socket {
            true if self.is_read_only() => return Err(untried(EFFECTS)),
            true => self.change(Act::Connect)?,
            false => self.on_object(Act::Connect)?,
        };
        Ok(match attempted.answer {
            // All checks come before that.
            Err(Errno::CONNREFUSED) if is_socket => Attempted {
                answer: Ok(()),
                ..attempted
            },
            _ => attempted,
        })
    }

    fn is_read_only(&self) -> bool {
        let node = self.route.node();
        node.is_some_and(|node| node.mount.is_read_only())
    }

    fn open_new(&self, place: &Place) -> Result<Attempted, Error> {
        let path = whole(self.route)?;
        let flags = libc::O_WRONLY | libc::O_CREAT;
        if place.slash || place.last != Last::Name {
            // The kernel makes nothing with such a path.
            return self.perform(&[], None, Act::Open(Name(At::Cwd, &path), flags));
        }
        let way = Way {
            expected: Expected::Missing,
            ..object_way(self.route, &path, 0)
        };
        let directory = &place.directory;
        if directory.is_only_plain() {
            return Err(untried(
                "this program does not get into the directory through the mount",
            ));
        }
        let workshop = open_workshop(directory)?;
        let name = workshop.names.spare[0].clone();
        let act = Act::Open(Name(At::Given(directory.file()), &name), flags);
        self.perform_in(workshop, &[way], None, act, Look::Name(directory, &name))
    }
}
