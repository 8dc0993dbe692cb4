// SPDX-License-Identifier: GPL-2.0

//! The effect of each attribute.

use std::fs::{self, File};
use std::os::unix::fs::{symlink, PermissionsExt};
use std::path::Path;
use std::process::Command;

use kselftest::errno::from_io;
use kselftest::ktap::{check_eq, Context, Failure, Outcome};
use rustix::fs::{chownat, mknodat, stat, AtFlags, FileType, Mode, CWD};
use rustix::io::Errno;
use rustix::process::{Gid, Uid};

use super::{attributes, setattr, About, Entry};
use crate::attr::{self, Attr};

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
    check_eq("setting", setattr(dir, Attr::set(flag)), Ok(0))?;
    check_eq("after setting", attributes(dir)?, flag)?;
    with(true)?;
    check_eq("clearing", setattr(dir, Attr::clear(flag)), Ok(0))?;
    check_eq("after clearing", attributes(dir)?, 0)?;
    with(false)
}

fn errno<T>(result: std::io::Result<T>) -> Result<(), Errno> {
    result.map(drop).map_err(from_io)
}

fn rdonly(dir: &Path) -> Outcome {
    set_and_clear(dir, attr::RDONLY, &|set| {
        let made = errno(fs::write(dir.join("file"), "x"));
        check_eq(
            "making a file",
            made,
            if set { Err(Errno::ROFS) } else { Ok(()) },
        )
    })
}

/// This program, in a directory.
fn program(dir: &Path) -> Result<std::path::PathBuf, Failure> {
    let copy = dir.join("program");
    let own = std::env::current_exe().context("finding this program")?;
    fs::copy(own, &copy).context("copying this program")?;
    Ok(copy)
}

fn nosuid(dir: &Path) -> Outcome {
    let copy = program(dir)?;
    let (user, group) = (Uid::from_raw(1234), Gid::from_raw(1235));
    chownat(CWD, &copy, Some(user), Some(group), AtFlags::empty()).context("giving it away")?;
    fs::set_permissions(&copy, fs::Permissions::from_mode(0o6755)).context("setting its bits")?;
    set_and_clear(dir, attr::NOSUID, &|set| {
        let output = Command::new(&copy)
            .arg("--ids")
            .output()
            .context("running it")?;
        let ids = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        check_eq("ids", ids.as_str(), if set { "0 0" } else { "1234 1235" })
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
    .context("making a device file")?;
    set_and_clear(dir, attr::NODEV, &|set| {
        let opened = errno(File::open(&null));
        check_eq(
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
        check_eq(
            "running it",
            ran,
            if set { Err(Errno::ACCESS) } else { Ok(()) },
        )
    })
}

fn nosymfollow(dir: &Path) -> Outcome {
    fs::write(dir.join("file"), "").context("making a file")?;
    symlink("file", dir.join("link")).context("making a link")?;
    set_and_clear(dir, attr::NOSYMFOLLOW, &|set| {
        let read = errno(fs::read(dir.join("link")));
        check_eq(
            "following it",
            read,
            if set { Err(Errno::LOOP) } else { Ok(()) },
        )?;
        let look = errno(fs::read_link(dir.join("link")));
        check_eq("reading it", look, Ok(()))
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
    utimensat(CWD, path, &times, AtFlags::empty()).context("setting times")?;
    if path.is_dir() {
        fs::read_dir(path).context("listing")?.count();
    } else {
        fs::read(path).context("reading")?;
    }
    Ok(stat(path).context("looking")?.st_atime != 2000)
}

fn set_atime(value: u64) -> Attr {
    Attr {
        set: value,
        ..Attr::clear(attr::ATIME)
    }
}

fn noatime(dir: &Path) -> Outcome {
    let file = dir.join("file");
    fs::write(&file, "x").context("making a file")?;
    check_eq(
        "strictly",
        setattr(dir, set_atime(attr::STRICTATIME)),
        Ok(0),
    )?;
    check_eq("noted", is_noted(&file)?, true)?;
    check_eq("never", setattr(dir, set_atime(attr::NOATIME)), Ok(0))?;
    check_eq("attributes", attributes(dir)?, attr::NOATIME)?;
    check_eq("noted", is_noted(&file)?, false)
}

fn nodiratime(dir: &Path) -> Outcome {
    let (file, directory) = (dir.join("file"), dir.join("dir"));
    fs::write(&file, "x").context("making a file")?;
    fs::create_dir(&directory).context("making a directory")?;
    check_eq(
        "strictly",
        setattr(dir, set_atime(attr::STRICTATIME)),
        Ok(0),
    )?;
    check_eq("directory", is_noted(&directory)?, true)?;
    check_eq(
        "not of directories",
        setattr(dir, Attr::set(attr::NODIRATIME)),
        Ok(0),
    )?;
    let attributes = attributes(dir)?;
    check_eq(
        "attributes",
        attributes,
        attr::NODIRATIME | attr::STRICTATIME,
    )?;
    check_eq("directory", is_noted(&directory)?, false)?;
    check_eq("file", is_noted(&file)?, true)
}

fn strictatime(dir: &Path) -> Outcome {
    let file = dir.join("file");
    fs::write(&file, "x").context("making a file")?;
    for value in [
        attr::STRICTATIME,
        0,
        attr::NOATIME,
        attr::STRICTATIME,
        attr::NOATIME,
        0,
    ] {
        check_eq("setting", setattr(dir, set_atime(value)), Ok(0))?;
        check_eq("attributes", attributes(dir)?, value)?;
    }
    // The file was read after it was written, and not long ago: not noted again.
    check_eq("setting", setattr(dir, set_atime(attr::STRICTATIME)), Ok(0))?;
    check_eq("noted", is_noted(&file)?, true)
}

fn set_and_clear_at_once(dir: &Path) -> Outcome {
    check_eq(
        "setting",
        setattr(dir, Attr::set(attr::NOEXEC | attr::NODEV)),
        Ok(0),
    )?;
    let both = Attr {
        set: attr::NOSUID,
        ..Attr::clear(attr::NOEXEC)
    };
    check_eq("both", setattr(dir, both), Ok(0))?;
    check_eq("after", attributes(dir)?, attr::NOSUID | attr::NODEV)?;
    // An attribute that is both cleared and set is set.
    let same_one = Attr {
        set: attr::NODEV,
        ..Attr::clear(attr::NODEV)
    };
    check_eq("the same one", setattr(dir, same_one), Ok(0))?;
    check_eq("after", attributes(dir)?, attr::NOSUID | attr::NODEV)
}

fn several_at_once(dir: &Path) -> Outcome {
    let all = attr::RDONLY
        | attr::NOSUID
        | attr::NODEV
        | attr::NOEXEC
        | attr::NODIRATIME
        | attr::NOSYMFOLLOW;
    check_eq("setting", setattr(dir, Attr::set(all)), Ok(0))?;
    check_eq("after setting", attributes(dir)?, all)?;
    check_eq("clearing", setattr(dir, Attr::clear(all)), Ok(0))?;
    check_eq("after clearing", attributes(dir)?, 0)
}

fn each_propagation(dir: &Path) -> Outcome {
    let (unbindable, private, slave, shared) = (1 << 17, 1 << 18, 1 << 19, 1 << 20);
    for (set, seen) in [
        (shared, shared),
        (private, private),
        (shared, shared),
        // A slave without another peer becomes private.
        (slave, private),
        (unbindable, unbindable),
        (private, private),
    ] {
        check_eq("setting", setattr(dir, Attr::propagation(set)), Ok(0))?;
        check_eq("propagation", About::mount(dir)?.propagation(), seen)?;
        let copied = attr::copy(dir).map(drop);
        check_eq(
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
