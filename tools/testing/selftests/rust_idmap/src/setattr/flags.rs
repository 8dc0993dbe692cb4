// SPDX-License-Identifier: GPL-2.0

//! What each attribute does.

use std::fs::{self, File};
use std::os::unix::fs::{symlink, PermissionsExt};
use std::path::Path;
use std::process::Command;

use rustix::fs::{chownat, mknodat, stat, AtFlags, FileType, Mode, CWD};
use rustix::io::Errno;
use rustix::process::{Gid, Uid};

use super::{attributes, setattr, About, Entry};
use crate::attr::{self, Attr};
use crate::ktap::{Doing, Failure, Outcome};
use crate::op::same;
use crate::userns::number;

pub(super) const TESTS: &[Entry] = &[
    ("rdonly", rdonly),
    ("nosuid", nosuid),
    ("nodev", nodev),
    ("noexec", noexec),
    ("nosymfollow", nosymfollow),
    ("noatime", noatime),
    ("nodiratime", nodiratime),
    ("strictatime", strictatime),
    ("set_and_clear_at_once", set_and_clear_at_once),
    ("several_at_once", several_at_once),
    ("each_propagation", each_propagation),
];

/// Sets, looks, clears, looks.
fn set_and_clear(dir: &Path, flag: u64, with: &dyn Fn(bool) -> Outcome) -> Outcome {
    with(false)?;
    same("setting", setattr(dir, Attr::set(flag)), Ok(0))?;
    same("after setting", attributes(dir)?, flag)?;
    with(true)?;
    same("clearing", setattr(dir, Attr::clear(flag)), Ok(0))?;
    same("after clearing", attributes(dir)?, 0)?;
    with(false)
}

fn errno<T>(result: std::io::Result<T>) -> Result<(), Errno> {
    result.map(drop).map_err(number)
}

fn rdonly(dir: &Path) -> Outcome {
    set_and_clear(dir, attr::RDONLY, &|set| {
        let made = errno(fs::write(dir.join("file"), "x"));
        same(
            "making a file",
            made,
            if set { Err(Errno::ROFS) } else { Ok(()) },
        )
    })
}

/// This program, in a directory.
fn program(dir: &Path) -> Result<std::path::PathBuf, Failure> {
    let copy = dir.join("program");
    let own = std::env::current_exe().doing("finding this program")?;
    fs::copy(own, &copy).doing("copying this program")?;
    Ok(copy)
}

fn nosuid(dir: &Path) -> Outcome {
    let copy = program(dir)?;
    let (user, group) = (Uid::from_raw(1234), Gid::from_raw(1235));
    chownat(CWD, &copy, Some(user), Some(group), AtFlags::empty()).doing("giving it away")?;
    fs::set_permissions(&copy, fs::Permissions::from_mode(0o6755)).doing("setting its bits")?;
    set_and_clear(dir, attr::NOSUID, &|set| {
        let output = Command::new(&copy)
            .arg("--ids")
            .output()
            .doing("running it")?;
        let ids = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        same("ids", ids.as_str(), if set { "0 0" } else { "1234 1235" })
    })
}

fn nodev(dir: &Path) -> Outcome {
    let null = dir.join("null");
    let device = rustix::fs::makedev(1, 3);
    mknodat(
        CWD,
        &null,
        FileType::CharacterDevice,
        Mode::from_raw_mode(0o666),
        device,
    )
    .doing("making a device file")?;
    set_and_clear(dir, attr::NODEV, &|set| {
        let opened = errno(File::open(&null));
        same(
            "opening it",
            opened,
            if set { Err(Errno::ACCESS) } else { Ok(()) },
        )
    })
}

fn noexec(dir: &Path) -> Outcome {
    let copy = program(dir)?;
    set_and_clear(dir, attr::NOEXEC, &|set| {
        let ran = errno(Command::new(&copy).arg("--ids").output());
        same(
            "running it",
            ran,
            if set { Err(Errno::ACCESS) } else { Ok(()) },
        )
    })
}

fn nosymfollow(dir: &Path) -> Outcome {
    fs::write(dir.join("file"), "").doing("making a file")?;
    symlink("file", dir.join("link")).doing("making a link")?;
    set_and_clear(dir, attr::NOSYMFOLLOW, &|set| {
        let read = errno(fs::read(dir.join("link")));
        same(
            "following it",
            read,
            if set { Err(Errno::LOOP) } else { Ok(()) },
        )?;
        let look = errno(fs::read_link(dir.join("link")));
        same("reading it", look, Ok(()))
    })
}

/// Whether reading an entry, whose times are long ago, changes when it was last read.
fn is_noted(path: &Path) -> Result<bool, Failure> {
    use rustix::fs::{utimensat, Timespec, Timestamps};
    let at = |seconds| Timespec {
        tv_sec: seconds,
        tv_nsec: 0,
    };
    let times = Timestamps {
        last_access: at(2000),
        last_modification: at(1000),
    };
    utimensat(CWD, path, &times, AtFlags::empty()).doing("setting times")?;
    if path.is_dir() {
        fs::read_dir(path).doing("listing")?.count();
    } else {
        fs::read(path).doing("reading")?;
    }
    Ok(stat(path).doing("looking")?.st_atime != 2000)
}

fn set_atime(value: u64) -> Attr {
    Attr {
        set: value,
        ..Attr::clear(attr::ATIME)
    }
}

fn noatime(dir: &Path) -> Outcome {
    let file = dir.join("file");
    fs::write(&file, "x").doing("making a file")?;
    same(
        "strictly",
        setattr(dir, set_atime(attr::STRICTATIME)),
        Ok(0),
    )?;
    same("noted", is_noted(&file)?, true)?;
    same("never", setattr(dir, set_atime(attr::NOATIME)), Ok(0))?;
    same("attributes", attributes(dir)?, attr::NOATIME)?;
    same("noted", is_noted(&file)?, false)
}

fn nodiratime(dir: &Path) -> Outcome {
    let (file, directory) = (dir.join("file"), dir.join("dir"));
    fs::write(&file, "x").doing("making a file")?;
    fs::create_dir(&directory).doing("making a directory")?;
    same(
        "strictly",
        setattr(dir, set_atime(attr::STRICTATIME)),
        Ok(0),
    )?;
    same("directory", is_noted(&directory)?, true)?;
    same(
        "not of directories",
        setattr(dir, Attr::set(attr::NODIRATIME)),
        Ok(0),
    )?;
    let attributes = attributes(dir)?;
    same(
        "attributes",
        attributes,
        attr::NODIRATIME | attr::STRICTATIME,
    )?;
    same("directory", is_noted(&directory)?, false)?;
    same("file", is_noted(&file)?, true)
}

fn strictatime(dir: &Path) -> Outcome {
    let file = dir.join("file");
    fs::write(&file, "x").doing("making a file")?;
    for value in [
        attr::STRICTATIME,
        0,
        attr::NOATIME,
        attr::STRICTATIME,
        attr::NOATIME,
        0,
    ] {
        same("setting", setattr(dir, set_atime(value)), Ok(0))?;
        same("attributes", attributes(dir)?, value)?;
    }
    // The file was read after it was written, and not long ago: not noted again.
    same("setting", setattr(dir, set_atime(attr::STRICTATIME)), Ok(0))?;
    same("noted", is_noted(&file)?, true)
}

fn set_and_clear_at_once(dir: &Path) -> Outcome {
    same(
        "setting",
        setattr(dir, Attr::set(attr::NOEXEC | attr::NODEV)),
        Ok(0),
    )?;
    let both = Attr {
        set: attr::NOSUID,
        ..Attr::clear(attr::NOEXEC)
    };
    same("both", setattr(dir, both), Ok(0))?;
    same("after", attributes(dir)?, attr::NOSUID | attr::NODEV)?;
    // What is cleared and set is set.
    let same_one = Attr {
        set: attr::NODEV,
        ..Attr::clear(attr::NODEV)
    };
    same("the same one", setattr(dir, same_one), Ok(0))?;
    same("after", attributes(dir)?, attr::NOSUID | attr::NODEV)
}

fn several_at_once(dir: &Path) -> Outcome {
    let all = attr::RDONLY
        | attr::NOSUID
        | attr::NODEV
        | attr::NOEXEC
        | attr::NODIRATIME
        | attr::NOSYMFOLLOW;
    same("setting", setattr(dir, Attr::set(all)), Ok(0))?;
    same("after setting", attributes(dir)?, all)?;
    same("clearing", setattr(dir, Attr::clear(all)), Ok(0))?;
    same("after clearing", attributes(dir)?, 0)
}

fn each_propagation(dir: &Path) -> Outcome {
    let (unbindable, private, slave, shared) = (1 << 17, 1 << 18, 1 << 19, 1 << 20);
    for (set, seen) in [
        (shared, shared),
        (private, private),
        (shared, shared),
        // Without another one to follow, it follows nobody.
        (slave, private),
        (unbindable, unbindable),
        (private, private),
    ] {
        same("setting", setattr(dir, Attr::propagation(set)), Ok(0))?;
        same("propagation", About::mount(dir)?.propagation(), seen)?;
        let copied = attr::copy(dir).map(drop);
        same(
            "copying",
            copied,
            if set == unbindable {
                Err(Errno::INVAL)
            } else {
                Ok(())
            },
        )?;
    }
    Ok(())
}
