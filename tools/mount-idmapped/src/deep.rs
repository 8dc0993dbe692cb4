// SPDX-License-Identifier: GPL-2.0

//! `check --deep`: tries calls on an empty file, through a mount with a map. A filesystem that only
//! sets `FS_ALLOW_IDMAP` can be mounted idmapped, and gives files to wrong owners.

use std::{
    path::{Path, PathBuf},
    process, thread,
};

use idmap::{IdmappedMount, UserNs};
use rustix::{
    fd::{AsFd, BorrowedFd, OwnedFd},
    fs::{
        AtFlags, CWD, Gid, Mode, OFlags, Timespec, Timestamps, Uid, XattrFlags, chmodat, chownat,
        getxattr, mkdirat, openat, renameat, setxattr, statat, symlinkat, unlinkat, utimensat,
    },
    io::{Errno, Result},
    thread::{set_thread_groups, set_thread_res_gid, set_thread_res_uid},
};

use crate::run::Failure;

/// The owner on disk, and the one that the mount shows.
const STORED: u32 = 64001;
const SEEN: u32 = 64002;
/// The attribute of an ACL, with an entry for a user.
const ACL: &str = "system.posix_acl_access";

/// A directory on the filesystem, which is removed with all that the trials made in it.
struct Room(PathBuf);

impl Drop for Room {
    fn drop(&mut self) {
        // What cannot be removed stays, with a name that tells where it comes from.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// The directory as it is on disk, and through the map.
struct Place {
    disk: OwnedFd,
    seen: idmap::Detached,
}

/// A call, and whether it does what it should.
struct Trial {
    name: &'static str,
    run: fn(&Place) -> Result<Option<String>>,
}

const fn trial(name: &'static str, run: fn(&Place) -> Result<Option<String>>) -> Trial {
    Trial { name, run }
}

/// All of them, in order: the later ones use the files of the earlier ones.
const TRIALS: &[Trial] = &[
    trial("stat()", |place| {
        let seen = owner(place.seen.as_fd(), "file")?;
        Ok(differs("the owner", seen, SEEN))
    }),
    trial("open() of a new file", |place| {
        as_user(SEEN, || create(place.seen.as_fd(), "new"))?;
        Ok(differs(
            "the owner on disk",
            owner(place.disk.as_fd(), "new")?,
            STORED,
        ))
    }),
    trial("mkdir()", |place| {
        as_user(SEEN, || {
            mkdirat(&place.seen, "directory", Mode::from(0o755))
        })?;
        Ok(differs(
            "the owner on disk",
            owner(place.disk.as_fd(), "directory")?,
            STORED,
        ))
    }),
    trial("symlink()", |place| {
        as_user(SEEN, || symlinkat("file", &place.seen, "link"))?;
        Ok(differs(
            "the owner on disk",
            owner(place.disk.as_fd(), "link")?,
            STORED,
        ))
    }),
    trial("rename()", |place| {
        as_user(SEEN, || {
            renameat(&place.seen, "new", &place.seen, "renamed")
        })?;
        Ok(None)
    }),
    trial("open() of a file of mode 0600", |place| {
        only_seen(|| openat(&place.seen, "file", OFlags::RDONLY, Mode::empty()).map(drop))
    }),
    trial("chmod()", |place| {
        only_seen(|| chmodat(&place.seen, "file", Mode::from(0o600), AtFlags::empty()))
    }),
    trial("utimensat()", |place| {
        // Times of one's own choice are for the owner only.
        let time = Timespec {
            tv_sec: 1,
            tv_nsec: 0,
        };
        let times = Timestamps {
            last_access: time,
            last_modification: time,
        };
        only_seen(|| utimensat(&place.seen, "file", &times, AtFlags::empty()))
    }),
    trial("setxattr() of an ACL", |place| {
        let path = |fd: BorrowedFd<'_>| {
            use std::os::fd::AsRawFd;
            format!("/proc/self/fd/{}/file", fd.as_raw_fd())
        };
        let seen = path(place.seen.as_fd());
        match setxattr(&seen, ACL, &acl(SEEN), XattrFlags::empty()) {
            // There are no ACLs, or this mount has none.
            Err(Errno::OPNOTSUPP) => return Ok(None),
            done => done?,
        }
        let mut stored = [0; 128];
        let length = getxattr(path(place.disk.as_fd()), ACL, &mut stored[..])?;
        let stored = stored.get(..length).unwrap_or_default();
        Ok((stored != acl(STORED))
            .then(|| format!("the entry for {SEEN} is not stored for {STORED}")))
    }),
    trial("chown()", |place| {
        let (user, group) = (Uid::from_raw(SEEN), Gid::from_raw(SEEN));
        create(place.disk.as_fd(), "given")?;
        chownat(
            &place.seen,
            "given",
            Some(user),
            Some(group),
            AtFlags::empty(),
        )?;
        Ok(differs(
            "the owner on disk",
            owner(place.disk.as_fd(), "given")?,
            STORED,
        ))
    }),
    trial("unlink()", |place| {
        only_seen(|| unlinkat(&place.seen, "file", AtFlags::empty()))
    }),
];

/// Tries all calls in a new directory at `path`. Fails if one of them does not use the map.
pub(crate) fn check(path: &Path) -> std::result::Result<String, Failure> {
    let unfit = |what: String| Failure::Unfit(what);
    if !path.is_dir() {
        return Err(unfit(format!(
            "{}: --deep needs a directory, to create a file in it",
            path.display()
        )));
    }
    let room = Room(path.join(format!(".mount-idmapped-check-{}", process::id())));
    let made = prepare(&room.0).map_err(|errno| {
        unfit(format!(
            "{}: --deep creates an empty file there and gives it to id {STORED}, as root: {errno}",
            path.display()
        ))
    })?;
    if owner(made.as_fd(), "file") != Ok(STORED) {
        return Err(unfit(format!(
            "{}: the filesystem stores no owners, so there is nothing to try",
            path.display()
        )));
    }
    let userns = UserNs::new(&format!("b:0:0:1 b:{STORED}:{SEEN}:1").parse()?)?;
    let place = Place {
        disk: made,
        seen: IdmappedMount::of(&room.0).map(&userns).detached()?,
    };
    let mut wrong = String::new();
    for Trial { name, run } in TRIALS {
        match run(&place) {
            Ok(None) => {}
            Ok(Some(text)) => wrong += &format!("\n  {name}: {text}"),
            Err(errno) => wrong += &format!("\n  {name}: {errno}"),
        }
    }
    if wrong.is_empty() {
        return Ok(format!("{} calls go by the map of the mount", TRIALS.len()));
    }
    Err(unfit(format!(
        "{}: the filesystem has FS_ALLOW_IDMAP, and these calls do not go by the map, in which \
         {STORED} on disk is {SEEN}:{wrong}",
        path.display()
    )))
}

/// Creates the directory, and in it the file, both owned by `STORED`.
fn prepare(room: &Path) -> Result<OwnedFd> {
    mkdirat(CWD, room, Mode::from(0o755))?;
    let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC;
    let disk = openat(CWD, room, flags, Mode::empty())?;
    create(disk.as_fd(), "file")?;
    let (user, group) = (Uid::from_raw(STORED), Gid::from_raw(STORED));
    for name in ["file", "."] {
        chownat(&disk, name, Some(user), Some(group), AtFlags::empty())?;
    }
    Ok(disk)
}

fn create(directory: BorrowedFd<'_>, name: &str) -> Result<()> {
    let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC;
    openat(directory, name, flags, Mode::from(0o600)).map(drop)
}

fn owner(directory: BorrowedFd<'_>, name: &str) -> Result<u32> {
    Ok(statat(directory, name, AtFlags::SYMLINK_NOFOLLOW)?.st_uid)
}

fn differs(what: &str, found: u32, right: u32) -> Option<String> {
    (found != right).then(|| format!("{what} is {found}, not {right}"))
}

/// Tries a call as the owner on disk, who must be refused, and then as the owner that is seen.
fn only_seen(call: impl Fn() -> Result<()> + Sync) -> Result<Option<String>> {
    let stored = as_user(STORED, &call);
    as_user(SEEN, &call)?;
    Ok(match stored {
        Err(Errno::PERM | Errno::ACCESS) => None,
        Ok(()) => Some(format!(
            "id {STORED}, which the mount does not show, succeeds"
        )),
        Err(errno) => Some(format!("as id {STORED}: {errno}")),
    })
}

/// Calls a function in a thread with the ids of a user and no groups.
fn as_user<T: Send>(user: u32, call: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    thread::scope(|scope| {
        let caller = scope.spawn(move || {
            set_thread_groups(&[])?;
            let (uid, gid) = (Uid::from_raw(user), Gid::from_raw(user));
            set_thread_res_gid(gid, gid, gid)?;
            set_thread_res_uid(uid, uid, uid)?;
            call()
        });
        caller.join().unwrap_or(Err(Errno::CANCELED))
    })
}

/// An ACL with an entry for a user.
fn acl(user: u32) -> Vec<u8> {
    const ENTRIES: [(u16, u16); 5] = [(0x01, 6), (0x02, 4), (0x04, 0), (0x10, 4), (0x20, 0)];
    let mut bytes = 2u32.to_le_bytes().to_vec();
    for (tag, permissions) in ENTRIES {
        let id = if tag == 0x02 { user } else { u32::MAX };
        bytes.extend(tag.to_le_bytes());
        bytes.extend(permissions.to_le_bytes());
        bytes.extend(id.to_le_bytes());
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn difference_names_both_ids() {
        assert_eq!(differs("the owner", 1, 1), None);
        assert_eq!(
            differs("the owner", 1, 2).as_deref(),
            Some("the owner is 1, not 2")
        );
    }

    #[test]
    fn file_is_no_directory_to_try_in() {
        let file = std::env::current_exe().unwrap();
        let error = check(&file).unwrap_err().to_string();
        assert!(error.contains("needs a directory"), "{error}");
    }
}
