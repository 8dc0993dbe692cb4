// SPDX-License-Identifier: GPL-2.0

//! The errors of the manual page, and how the length of the struct is agreed upon.

use std::fs::{self, File};
use std::os::fd::{AsFd, AsRawFd};
use std::path::Path;

use kselftest::ktap::{check_eq, Context, Outcome};
use kselftest::userns::UserNs;
use kselftest::{process, raw};
use rustix::io::Errno;
use rustix::thread::UnshareFlags;

use super::{attributes, setattr, tmpfs, with_bytes, with_flags, Entry};
use crate::attr::{self, Attr, SIZE};

pub(super) const TESTS: &[Entry] = &[
    ("size_too_small", size_too_small),
    ("size_of_more_than_a_page", size_of_more_than_a_page),
    ("bigger_struct_with_zeros", bigger_struct_with_zeros),
    ("bigger_struct_with_something", bigger_struct_with_something),
    ("struct_that_cannot_be_read", struct_that_cannot_be_read),
    (
        "nothing_to_do_looks_at_nothing",
        nothing_to_do_looks_at_nothing,
    ),
    ("unknown_flags", unknown_flags),
    ("unknown_attributes", unknown_attributes),
    ("unknown_propagation", unknown_propagation),
    ("two_propagations", two_propagations),
    ("access_time_without_clearing", access_time_without_clearing),
    ("access_time_cleared_in_part", access_time_cleared_in_part),
    ("two_access_times", two_access_times),
    ("clearing_a_map", clearing_a_map),
    ("userns_fd_is_no_fd", userns_fd_is_no_fd),
    ("userns_fd_is_no_namespace", userns_fd_is_no_namespace),
    (
        "userns_fd_is_another_namespace",
        userns_fd_is_another_namespace,
    ),
    ("userns_fd_without_opening", userns_fd_without_opening),
    ("initial_user_namespace", initial_user_namespace),
    ("user_namespace_without_map", user_namespace_without_map),
    (
        "user_namespace_without_map_of_groups",
        user_namespace_without_map_of_groups,
    ),
    ("dirfd_is_no_fd", dirfd_is_no_fd),
    ("path_is_empty", path_is_empty),
    ("path_is_not_there", path_is_not_there),
    ("path_is_no_mount_point", path_is_no_mount_point),
    ("symbolic_link_as_path", symbolic_link_as_path),
    ("without_capability", without_capability),
    ("in_another_mount_namespace", in_another_mount_namespace),
    ("writers_against_read_only", writers_against_read_only),
    ("writers_against_a_map", writers_against_a_map),
];

fn size_too_small(dir: &Path) -> Outcome {
    let bytes = Attr::set(attr::RDONLY).bytes();
    for size in 0..SIZE {
        check_eq(
            &format!("{size} bytes"),
            with_bytes(dir, 0, &bytes, size),
            Err(Errno::INVAL),
        )?;
    }
    check_eq("before", attributes(dir)?, 0)?;
    check_eq("all bytes", with_bytes(dir, 0, &bytes, SIZE), Ok(0))?;
    check_eq("after", attributes(dir)?, attr::RDONLY)
}

fn size_of_more_than_a_page(dir: &Path) -> Outcome {
    let mut bytes = Attr::set(attr::RDONLY).bytes();
    bytes.resize(8192, 0);
    check_eq(
        "a page and a byte",
        with_bytes(dir, 0, &bytes, 4097),
        Err(Errno::TOOBIG),
    )?;
    check_eq("before", attributes(dir)?, 0)?;
    check_eq("a page", with_bytes(dir, 0, &bytes, 4096), Ok(0))?;
    check_eq("after", attributes(dir)?, attr::RDONLY)
}

fn bigger_struct_with_zeros(dir: &Path) -> Outcome {
    let mut bytes = Attr::set(attr::NODEV).bytes();
    bytes.resize(SIZE + 64, 0);
    for size in SIZE..=SIZE + 64 {
        check_eq(
            &format!("{size} bytes"),
            with_bytes(dir, 0, &bytes, size),
            Ok(0),
        )?;
    }
    check_eq("after", attributes(dir)?, attr::NODEV)
}

fn bigger_struct_with_something(dir: &Path) -> Outcome {
    for at in SIZE..SIZE + 16 {
        let mut bytes = Attr::set(attr::NODEV).bytes();
        bytes.resize(SIZE + 16, 0);
        bytes[at] = 1;
        let answer = with_bytes(dir, 0, &bytes, bytes.len());
        check_eq(&format!("byte {at} set"), answer, Err(Errno::TOOBIG))?;
        // The kernel does not read bytes beyond the size.
        check_eq("without it", with_bytes(dir, 0, &bytes, at), Ok(0))?;
        check_eq(
            "taking it back",
            setattr(dir, Attr::clear(attr::NODEV)),
            Ok(0),
        )?;
    }
    check_eq("after", attributes(dir)?, 0)
}

fn struct_that_cannot_be_read(_: &Path) -> Outcome {
    let answer = raw::mount_setattr(libc::AT_FDCWD, c"/mnt", 0, None, SIZE);
    check_eq("without a struct", answer, Err(Errno::FAULT))
}

fn nothing_to_do_looks_at_nothing(_: &Path) -> Outcome {
    let missing = Path::new("/mnt/missing");
    check_eq(
        "no change to a path that is not there",
        setattr(missing, Attr::default()),
        Ok(0),
    )?;
    // But the flags are looked at.
    check_eq(
        "with flags",
        with_flags(missing, 0x10, Attr::default()),
        Err(Errno::INVAL),
    )
}

fn unknown_flags(dir: &Path) -> Outcome {
    let known = [
        libc::AT_EMPTY_PATH,
        libc::AT_RECURSIVE,
        libc::AT_SYMLINK_NOFOLLOW,
        libc::AT_NO_AUTOMOUNT,
    ];
    for flag in (0..32).map(|bit| 1i32 << bit) {
        let expected = if known.contains(&flag) {
            Ok(0)
        } else {
            Err(Errno::INVAL)
        };
        let answer = with_flags(dir, flag, Attr::set(attr::NODEV));
        check_eq(&format!("flag {flag:#x}"), answer, expected)?;
    }
    Ok(())
}

fn unknown_attributes(dir: &Path) -> Outcome {
    let known = attr::RDONLY
        | attr::NOSUID
        | attr::NODEV
        | attr::NOEXEC
        | attr::ATIME
        | attr::NODIRATIME
        | attr::NOSYMFOLLOW
        | attr::IDMAP;
    for bit in (0..64)
        .map(|bit| 1u64 << bit)
        .filter(|bit| known & bit == 0)
    {
        check_eq(
            &format!("setting {bit:#x}"),
            setattr(dir, Attr::set(bit)),
            Err(Errno::INVAL),
        )?;
        check_eq(
            &format!("clearing {bit:#x}"),
            setattr(dir, Attr::clear(bit)),
            Err(Errno::INVAL),
        )?;
    }
    check_eq("after", attributes(dir)?, 0)
}

/// `MS_UNBINDABLE`, `MS_PRIVATE`, `MS_SLAVE`, `MS_SHARED`.
const PROPAGATIONS: [u64; 4] = [1 << 17, 1 << 18, 1 << 19, 1 << 20];

fn unknown_propagation(dir: &Path) -> Outcome {
    for bit in (0..64)
        .map(|bit| 1u64 << bit)
        .filter(|bit| !PROPAGATIONS.contains(bit))
    {
        let answer = setattr(dir, Attr::propagation(bit));
        check_eq(&format!("{bit:#x}"), answer, Err(Errno::INVAL))?;
    }
    Ok(())
}

fn two_propagations(dir: &Path) -> Outcome {
    for one in PROPAGATIONS {
        for other in PROPAGATIONS.into_iter().filter(|other| *other != one) {
            let answer = setattr(dir, Attr::propagation(one | other));
            check_eq(
                &format!("{one:#x} and {other:#x}"),
                answer,
                Err(Errno::INVAL),
            )?;
        }
    }
    Ok(())
}

fn access_time_without_clearing(dir: &Path) -> Outcome {
    for value in [attr::NOATIME, attr::STRICTATIME] {
        let answer = setattr(dir, Attr::set(value));
        check_eq(&format!("{value:#x}"), answer, Err(Errno::INVAL))?;
    }
    Ok(())
}

fn access_time_cleared_in_part(dir: &Path) -> Outcome {
    for part in (0x10..attr::ATIME).step_by(0x10) {
        let answer = setattr(dir, Attr::clear(part));
        check_eq(&format!("{part:#x}"), answer, Err(Errno::INVAL))?;
    }
    check_eq("whole", setattr(dir, Attr::clear(attr::ATIME)), Ok(0))
}

fn two_access_times(dir: &Path) -> Outcome {
    for value in [attr::NOATIME | attr::STRICTATIME, 0x40, attr::ATIME] {
        let answer = setattr(
            dir,
            Attr {
                set: value,
                ..Attr::clear(attr::ATIME)
            },
        );
        check_eq(&format!("{value:#x}"), answer, Err(Errno::INVAL))?;
    }
    Ok(())
}

fn clearing_a_map(dir: &Path) -> Outcome {
    let tree = attr::copy(dir).context("copying")?;
    check_eq(
        "of a plain mount",
        Attr::clear(attr::IDMAP).apply(&tree),
        Err(Errno::INVAL),
    )?;
    let userns = UserNs::with("0 1000 1").context("making a user namespace")?;
    check_eq("giving a map", Attr::map(&userns).apply(&tree), Ok(0))?;
    check_eq(
        "of a mount with one",
        Attr::clear(attr::IDMAP).apply(&tree),
        Err(Errno::INVAL),
    )
}

/// The answer to a map from a descriptor, for a new copy of the mount.
fn map_from(dir: &Path, userns_fd: u64) -> Result<u64, Errno> {
    Attr {
        set: attr::IDMAP,
        userns_fd,
        ..Attr::default()
    }
    .apply(attr::copy(dir)?)
}

fn userns_fd_is_no_fd(dir: &Path) -> Outcome {
    let closed = File::open(dir).context("opening")?.as_raw_fd() as u64;
    check_eq("-1", map_from(dir, u64::MAX), Err(Errno::INVAL))?;
    check_eq(
        "more than INT_MAX",
        map_from(dir, 1 << 31),
        Err(Errno::INVAL),
    )?;
    check_eq(
        "more than 32 bits",
        map_from(dir, 1 << 32),
        Err(Errno::INVAL),
    )?;
    check_eq("INT_MAX", map_from(dir, (1 << 31) - 1), Err(Errno::BADF))?;
    check_eq(
        "closed, far from all others",
        map_from(dir, closed + 500),
        Err(Errno::BADF),
    )
}

fn userns_fd_is_no_namespace(dir: &Path) -> Outcome {
    for path in ["/mnt", "/dev/null", "/proc/self/status"] {
        let file = File::open(path).context(path)?;
        check_eq(
            path,
            map_from(dir, file.as_raw_fd() as u64),
            Err(Errno::INVAL),
        )?;
    }
    let (pipe, _other) = rustix::pipe::pipe().context("making a pipe")?;
    check_eq(
        "a pipe",
        map_from(dir, pipe.as_raw_fd() as u64),
        Err(Errno::INVAL),
    )
}

fn userns_fd_is_another_namespace(dir: &Path) -> Outcome {
    for kind in ["mnt", "pid", "net", "uts", "ipc", "cgroup"] {
        if let Ok(file) = File::open(format!("/proc/self/ns/{kind}")) {
            check_eq(
                kind,
                map_from(dir, file.as_raw_fd() as u64),
                Err(Errno::INVAL),
            )?;
        }
    }
    Ok(())
}

fn userns_fd_without_opening(dir: &Path) -> Outcome {
    use rustix::fs::{openat, Mode, OFlags, CWD};
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    let path = openat(CWD, "/proc/self/ns/user", flags, Mode::empty()).context("opening")?;
    check_eq(
        "O_PATH",
        map_from(dir, path.as_raw_fd() as u64),
        Err(Errno::BADF),
    )
}

fn initial_user_namespace(dir: &Path) -> Outcome {
    let own = File::open("/proc/self/ns/user").context("opening")?;
    check_eq(
        "initial",
        map_from(dir, own.as_raw_fd() as u64),
        Err(Errno::PERM),
    )
}

fn user_namespace_without_map(dir: &Path) -> Outcome {
    let empty = UserNs::new("", "").context("making a user namespace")?;
    check_eq(
        "no map",
        map_from(dir, empty.as_fd().as_raw_fd() as u64),
        Err(Errno::INVAL),
    )
}

fn user_namespace_without_map_of_groups(dir: &Path) -> Outcome {
    for (users, groups) in [("0 1000 1", ""), ("", "0 1000 1")] {
        let half = UserNs::new(users, groups).context("making a user namespace")?;
        let answer = map_from(dir, half.as_fd().as_raw_fd() as u64);
        check_eq("one map only", answer, Err(Errno::INVAL))?;
    }
    Ok(())
}

fn dirfd_is_no_fd(dir: &Path) -> Outcome {
    let bytes = Attr::set(attr::NODEV).bytes();
    let call = |fd, path, flags| raw::mount_setattr(fd, path, flags, Some(&bytes), SIZE);
    check_eq("relative", call(-1, c"mnt", 0), Err(Errno::BADF))?;
    check_eq(
        "empty",
        call(-1, c"", libc::AT_EMPTY_PATH),
        Err(Errno::BADF),
    )?;
    check_eq("absolute", call(-1, c"/mnt", 0), Ok(0))?;
    let file = dir.join("file");
    fs::write(&file, "").context("making a file")?;
    let file = File::open(&file).context("opening it")?;
    check_eq(
        "of a file",
        call(file.as_raw_fd(), c"x", 0),
        Err(Errno::NOTDIR),
    )
}

fn path_is_empty(dir: &Path) -> Outcome {
    let bytes = Attr::set(attr::NODEV).bytes();
    let root = File::open(dir).context("opening")?;
    let call = |flags| raw::mount_setattr(root.as_raw_fd(), c"", flags, Some(&bytes), SIZE);
    check_eq("not allowed", call(0), Err(Errno::NOENT))?;
    check_eq("allowed", call(libc::AT_EMPTY_PATH), Ok(0))?;
    check_eq("after", attributes(dir)?, attr::NODEV)
}

fn path_is_not_there(dir: &Path) -> Outcome {
    let attr = Attr::set(attr::NODEV);
    check_eq(
        "missing",
        setattr(&dir.join("missing"), attr),
        Err(Errno::NOENT),
    )?;
    fs::write(dir.join("file"), "").context("making a file")?;
    check_eq(
        "below a file",
        setattr(&dir.join("file/x"), attr),
        Err(Errno::NOTDIR),
    )
}

fn path_is_no_mount_point(dir: &Path) -> Outcome {
    let attr = Attr::set(attr::NODEV);
    fs::create_dir(dir.join("dir")).context("making a directory")?;
    fs::write(dir.join("file"), "").context("making a file")?;
    check_eq(
        "a directory",
        setattr(&dir.join("dir"), attr),
        Err(Errno::INVAL),
    )?;
    check_eq(
        "a file",
        setattr(&dir.join("file"), attr),
        Err(Errno::INVAL),
    )?;
    check_eq("after", attributes(dir)?, 0)
}

fn symbolic_link_as_path(dir: &Path) -> Outcome {
    let (target, link) = (dir.join("target"), dir.join("link"));
    tmpfs(&target)?;
    std::os::unix::fs::symlink(&target, &link).context("making a link")?;
    let attr = Attr::set(attr::NODEV);
    let itself = with_flags(&link, libc::AT_SYMLINK_NOFOLLOW, attr);
    check_eq("the link itself", itself, Err(Errno::INVAL))?;
    check_eq("before", attributes(&target)?, 0)?;
    check_eq("followed", setattr(&link, attr), Ok(0))?;
    check_eq("after", attributes(&target)?, attr::NODEV)
}

fn without_capability(dir: &Path) -> Outcome {
    let tree = attr::copy(dir).context("copying")?;
    let userns = UserNs::with("0 1000 1").context("making a user namespace")?;
    let answer = process::isolated(|| {
        let user = rustix::process::Uid::from_raw(1000);
        rustix::thread::set_thread_res_uid(user, user, user)?;
        // The struct is not looked at before the caller, but its size is.
        let bytes = Attr::set(1 << 63).bytes();
        let wrong = raw::mount_setattr(-1, c"/mnt", 0, Some(&bytes), SIZE);
        let short = raw::mount_setattr(-1, c"/mnt", 0, Some(&bytes), SIZE - 1);
        let mapped = Attr::map(&userns).apply(&tree);
        let all = [wrong, short, mapped];
        let expected = [Err(Errno::PERM), Err(Errno::INVAL), Err(Errno::PERM)];
        Ok(u64::from(all == expected))
    });
    check_eq("as a user: wrong bits, wrong size, a map", answer, Ok(1))
}

fn in_another_mount_namespace(dir: &Path) -> Outcome {
    let root = File::open(dir).context("opening")?;
    process::unshare(UnshareFlags::NEWNS).context("making a mount namespace")?;
    let attr = Attr::set(attr::NODEV);
    check_eq("of the old one", attr.apply(&root), Err(Errno::INVAL))?;
    let shared = Attr::propagation(1 << 20);
    check_eq(
        "propagation of the old one",
        shared.apply(&root),
        Err(Errno::INVAL),
    )?;
    check_eq("of the new one", setattr(dir, attr), Ok(0))
}

fn writers_against_read_only(dir: &Path) -> Outcome {
    let writer = File::create(dir.join("file")).context("making a file")?;
    let read_only = Attr::set(attr::RDONLY);
    check_eq("with a writer", setattr(dir, read_only), Err(Errno::BUSY))?;
    check_eq("before", attributes(dir)?, 0)?;
    drop(writer);
    let _reader = File::open(dir.join("file")).context("opening it for reading")?;
    check_eq("with a reader", setattr(dir, read_only), Ok(0))?;
    check_eq("after", attributes(dir)?, attr::RDONLY)
}

fn writers_against_a_map(dir: &Path) -> Outcome {
    use rustix::fs::{openat, Mode, OFlags};
    fs::write(dir.join("file"), "").context("making a file")?;
    let tree = attr::copy(dir).context("copying")?;
    let userns = UserNs::with("0 1000 1").context("making a user namespace")?;
    let open = |flags| openat(&tree, "file", flags | OFlags::CLOEXEC, Mode::empty());
    let writer = open(OFlags::WRONLY).context("opening for writing")?;
    check_eq(
        "with a writer",
        Attr::map(&userns).apply(&tree),
        Err(Errno::BUSY),
    )?;
    drop(writer);
    let _reader = open(OFlags::RDONLY).context("opening for reading")?;
    check_eq("with a reader", Attr::map(&userns).apply(&tree), Ok(0))
}
