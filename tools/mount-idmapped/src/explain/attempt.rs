// SPDX-License-Identifier: GPL-2.0

//! Does what was explained, to compare.

use std::{os::unix::ffi::OsStrExt, path::Path};

use rustix::{fs::OFlags, io::Errno};

use super::{
    attributes,
    caller::Caller,
    operation::{OpenMode, Operation},
    undo::Undo,
};
use crate::{
    error::{Error, Step},
    sys::{Act, Actor, Become},
};
use kernel::fs::permission::Tag;

use super::{Explainer, Request, view::raw};

/// What came of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempted {
    /// What the kernel answered.
    pub answer: Result<(), Errno>,
    /// For [`Operation::Stat`], the owner and the group that were shown.
    pub seen: Option<(u32, u32)>,
    /// What was stored after it, in the form of [`Explanation::after`](super::Explanation::after);
    /// [`None`] of what has no name.
    pub after: Option<After>,
}

/// An owner, a group and a mode as stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct After {
    /// The owner, as this program's user namespace calls it.
    pub user: u32,
    /// The group.
    pub group: u32,
    /// The permission bits; [`None`] where they were not foreseen.
    pub mode: Option<u16>,
}

/// A process that is a caller.
#[derive(Debug)]
pub struct Stand {
    actor: Actor,
}

impl Stand {
    /// Starts a process as a caller.
    ///
    /// This takes the capabilities to become one. The process ends with this value.
    pub fn new(caller: &Caller) -> Result<Self, Error> {
        let name = |id: Option<u32>| id.unwrap_or(u32::MAX);
        let groups: Vec<u32> = caller.group_names();
        let who = Become {
            userns: (!caller.userns.is_ours()).then(|| caller.userns.file()),
            user: name(caller.user_name()),
            group: name(caller.group_name()),
            groups: &groups,
            capabilities: caller.capabilities,
        };
        let actor = Actor::start((!caller.is_us).then_some(&who)).map_err(|errno| {
            let cause = match errno {
                Errno::PERM => Some(
                    "this needs root, or to be the caller oneself (without --as and --userns)"
                        .to_owned(),
                ),
                Errno::INVAL => Some("its user namespace has no such ids".to_owned()),
                _ => None,
            };
            Error::new(Step::BecomeCaller, raw(caller.user).to_string(), errno).because(cause)
        })?;
        Ok(Self { actor })
    }

    /// Does what was asked for, looks at what is stored, and undoes it.
    ///
    /// Nothing is tried that could not be undone, and an error tells if undoing failed.
    pub fn attempt(
        &self,
        explainer: &Explainer,
        request: &Request<'_>,
    ) -> Result<Attempted, Error> {
        let path = request.place();
        let undo = Undo::prepare(explainer, request, &path)?;
        let answer = self.perform(&request.operation, &path, undo.size());
        let answer = match answer {
            Ok(answer) => answer,
            Err(errno) => {
                undo.undo(false)?;
                return Err(Error::new(Step::BecomeCaller, "", errno));
            }
        };
        let answer = match answer {
            // A pipe that nobody reads from: all that is asked for comes before that.
            Err(Errno::NXIO) if matches!(request.operation, Operation::Open(_)) => Ok((0, 0)),
            answer => answer,
        };
        let after = match answer {
            Ok(_) => undo.look(),
            Err(_) => Ok(None),
        };
        undo.undo(answer.is_ok())?;
        Ok(Attempted {
            seen: answer.ok().filter(|_| request.operation == Operation::Stat),
            answer: answer.map(|_| ()),
            after: after?,
        })
    }

    fn perform(
        &self,
        operation: &Operation,
        path: &Path,
        size: u64,
    ) -> Result<Result<(u32, u32), Errno>, Errno> {
        let bytes = path.as_os_str().as_bytes();
        let act = |act, numbers| self.actor.act(act, numbers, bytes, b"");
        let open = |flags: OFlags| {
            let flags = flags | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
            act(Act::Open, [u64::from(flags.bits()), 0o666])
        };
        let number = |id: &Option<u32>| u64::from(id.unwrap_or(u32::MAX));
        let with = |kind, other: &Path| {
            let other = other.as_os_str().as_bytes();
            self.actor.act(kind, [0; 2], bytes, other)
        };
        let xattr = |name: &str, value: &[u8]| {
            let mut other = name.as_bytes().to_vec();
            other.push(0);
            other.extend_from_slice(value);
            self.actor.act(Act::SetXattr, [0; 2], bytes, &other)
        };
        match operation {
            Operation::Stat => act(Act::Stat, [0; 2]),
            Operation::Open(OpenMode::Read) => open(OFlags::RDONLY),
            Operation::Open(OpenMode::Write) => open(OFlags::WRONLY),
            Operation::Open(OpenMode::ReadWrite) => open(OFlags::RDWR),
            Operation::Open(OpenMode::Append) => open(OFlags::WRONLY | OFlags::APPEND),
            Operation::Open(OpenMode::Create) => open(OFlags::WRONLY | OFlags::CREATE),
            Operation::Create => open(OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL),
            Operation::Tmpfile => open(OFlags::WRONLY | OFlags::TMPFILE),
            Operation::Exec => act(Act::Exec, [0; 2]),
            Operation::Mkdir => act(Act::Mkdir, [0o777, 0]),
            Operation::Mkfifo => act(Act::Mkfifo, [0o666, 0]),
            Operation::Symlink => with(Act::Symlink, Path::new("target")),
            Operation::Unlink => act(Act::Unlink, [0; 2]),
            Operation::Rmdir => act(Act::Rmdir, [0; 2]),
            Operation::Rename(to) => with(Act::Rename, to),
            Operation::Link(to) => with(Act::Link, to),
            Operation::Chmod(mode) => act(Act::Chmod, [u64::from(*mode), 0]),
            Operation::Chown(user, group) => act(Act::Chown, [number(user), number(group)]),
            Operation::Touch => act(Act::Touch, [0; 2]),
            Operation::SetTimes => act(Act::SetTimes, [1_000_000_000, 0]),
            Operation::Truncate => act(Act::Truncate, [size, 0]),
            Operation::SetXattr(name) => xattr(name, b"1"),
            Operation::SetCap(root) => xattr("security.capability", &caps(*root)),
            Operation::SetFacl(entry) => {
                let mut value = 2u32.to_le_bytes().to_vec();
                for entry in attributes::acl(*entry) {
                    let (tag, id): (u16, _) = match entry.tag {
                        Tag::UserObj => (0x01, u32::MAX),
                        Tag::User(user) => (0x02, raw(user)),
                        Tag::GroupObj => (0x04, u32::MAX),
                        Tag::Group(group) => (0x08, raw(group)),
                        Tag::Mask => (0x10, u32::MAX),
                        Tag::Other | Tag::Unknown => (0x20, u32::MAX),
                    };
                    value.extend_from_slice(&tag.to_le_bytes());
                    value.extend_from_slice(&entry.perm.to_le_bytes());
                    value.extend_from_slice(&id.to_le_bytes());
                }
                xattr("system.posix_acl_access", &value)
            }
        }
    }
}

/// `struct vfs_cap_data` or `struct vfs_ns_cap_data` of `linux/capability.h`: CAP_NET_RAW.
fn caps(root: Option<u32>) -> Vec<u8> {
    const NET_RAW: u32 = 1 << 13;
    let revision: u32 = if root.is_some() {
        0x0300_0000
    } else {
        0x0200_0000
    };
    let words = [revision, NET_RAW, 0, 0, 0];
    let words = words.into_iter().chain(root);
    words.flat_map(u32::to_le_bytes).collect()
}
