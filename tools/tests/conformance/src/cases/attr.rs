// SPDX-License-Identifier: GPL-2.0

//! `stat()`, `statx()`, `statfs()`, `access()` and `chmod()`.

use kselftest::credentials::as_member;
use kselftest::credentials::as_user;
use kselftest::syscalls;
use kselftest::syscalls::chmod;
use rustix::{
    fs::{Access, AtFlags, CWD, FileType, StatxFlags},
    io::Errno,
    time::ClockId,
};

use super::{GROUP, OTHER, OWNER};
use crate::test::{Case, Named, Test};

pub(super) const TESTS: &[Named] = &[
    ("stat.fields", fields),
    ("stat.refused", stat_refused),
    ("statx.fields", statx_fields),
    ("statx.refused", statx_refused),
    ("statfs.fields", statfs_fields),
    ("access.answers", access_answers),
    ("chmod.bits", chmod_bits),
    ("chmod.refused", chmod_refused),
    ("chmod.setgid", chmod_setgid),
];

fn fields(t: &Test) -> Case {
    let (file, other) = (t.at("file"), t.at("other"));
    t.done("write", syscalls::write_file(&file, &[0; 5000]))?;
    t.done("write", syscalls::write_file(&other, b""))?;
    let stat = t.done("stat", syscalls::stat(&file))?;
    let dir = t.done("stat", syscalls::stat(t.dir()))?;
    t.same("size", stat.st_size, 5000);
    t.same("blocks", stat.st_blocks, 16);
    t.same("block size", stat.st_blksize, 4096);
    t.same("device", stat.st_dev, dir.st_dev);
    t.holds("inode", stat.st_ino > 0 && stat.st_ino != dir.st_ino);
    t.holds("another file", syscalls::ino(&other) != Ok(stat.st_ino));
    t.same("no device number", stat.st_rdev, 0);
    let fd = t.done("open", syscalls::open_ro(&file))?;
    let by_fd = t.done("fstat", rustix::fs::fstat(&fd))?;
    t.same("fstat's inode", by_fd.st_ino, stat.st_ino);
    t.same("fstat's size", by_fd.st_size, 5000);
    t.done("symlink", syscalls::symlink("file", t.at("link")))?;
    let followed = rustix::fs::statat(CWD, t.at("link"), AtFlags::empty());
    t.same(
        "followed",
        followed.map(|stat| stat.st_ino),
        Ok(stat.st_ino),
    );
    t.holds(
        "not followed",
        syscalls::ino(t.at("link")) != Ok(stat.st_ino),
    );
    t.same(
        "given",
        syscalls::chown(&file, Some(OWNER), Some(GROUP)),
        Ok(()),
    );
    t.same("owner", syscalls::owner(&file), Ok((OWNER, GROUP)));
    let stored = t.mount.stored(&file);
    let ids = (t.mount.stored_id(OWNER), t.mount.stored_id(GROUP));
    t.same("as stored", syscalls::owner(stored), Ok(ids));
    Ok(())
}

fn stat_refused(t: &Test) -> Case {
    t.done("creat", syscalls::create(t.at("file"), 0o644))?;
    t.refused("nothing", syscalls::stat(t.at("no")), Errno::NOENT);
    t.refused("empty path", syscalls::stat(""), Errno::NOENT);
    t.refused(
        "below a file",
        syscalls::stat(t.at("file/f")),
        Errno::NOTDIR,
    );
    t.refused(
        "long name",
        syscalls::stat(t.at(&"n".repeat(256))),
        Errno::NAMETOOLONG,
    );
    t.done("close the directory", chmod(t.dir(), 0o700))?;
    let answer = as_user(OWNER, || syscalls::stat(t.at("file")));
    t.refused("no search", answer, Errno::ACCESS);
    t.done(
        "of the directory",
        as_user(OWNER, || syscalls::stat(t.dir())),
    )?;
    Ok(())
}

fn statx_fields(t: &Test) -> Case {
    let file = t.at("file");
    let clock = |clock| {
        let now = rustix::time::clock_gettime(clock);
        (now.tv_sec, now.tv_nsec as u32)
    };
    let before = clock(ClockId::RealtimeCoarse);
    t.done("write", syscalls::write_file(&file, &[0; 5000]))?;
    let after = clock(ClockId::Realtime);
    let all = t.done("statx", syscalls::statx(&file))?;
    let basic = StatxFlags::BASIC_STATS | StatxFlags::BTIME;
    t.holds(
        "all asked for is there",
        (all.stx_mask & basic.bits()) == basic.bits(),
    );
    t.same("mode", all.stx_mode, 0o100_644);
    t.same("size", all.stx_size, 5000);
    t.same("blocks", all.stx_blocks, 16);
    t.same("inode", Ok(all.stx_ino), syscalls::ino(&file));
    t.same("links", all.stx_nlink, 1);
    t.holds("mount", all.stx_mnt_id > 0);
    let root = t.done("statx", syscalls::statx(t.mount.root()))?;
    const MOUNT_ROOT: u64 = 0x2000;
    t.same(
        "root of the mount",
        root.stx_attributes.bits() & MOUNT_ROOT,
        MOUNT_ROOT,
    );
    t.same("not one", all.stx_attributes.bits() & MOUNT_ROOT, 0);

    // The time of birth is that of the making, and nothing changes it.
    let birth = (all.stx_btime.tv_sec, all.stx_btime.tv_nsec);
    t.holds("born just now", before <= birth && birth <= after);
    super::times::pause();
    t.done("write", syscalls::write_file(&file, b"new"))?;
    t.done("chmod", chmod(&file, 0o600))?;
    t.done("rename", syscalls::rename(&file, t.at("new")))?;
    let later = t.done("statx", syscalls::statx(t.at("new")))?;
    let same = (later.stx_btime.tv_sec, later.stx_btime.tv_nsec);
    t.same("birth stays", same, birth);
    let change = |seen: &rustix::fs::Statx| (seen.stx_ctime.tv_sec, seen.stx_ctime.tv_nsec);
    t.holds("change does not", change(&later) > change(&all));
    t.done("mkdir", syscalls::mkdir(t.at("dir"), 0o755))?;
    t.done("symlink", syscalls::symlink("new", t.at("link")))?;
    for name in ["dir", "link"] {
        let made = t.done("statx", syscalls::statx(t.at(name)))?;
        t.holds(
            "born later",
            (made.stx_btime.tv_sec, made.stx_btime.tv_nsec) > birth,
        );
    }
    Ok(())
}

fn statx_refused(t: &Test) -> Case {
    t.done("creat", syscalls::create(t.at("file"), 0o644))?;
    let look = |path, at| rustix::fs::statx(CWD, path, at, syscalls::STATX_ALL);
    t.refused("nothing", look(t.at("no"), AtFlags::empty()), Errno::NOENT);
    t.refused(
        "below a file",
        look(t.at("file/f"), AtFlags::empty()),
        Errno::NOTDIR,
    );
    let odd = AtFlags::from_bits_retain(1 << 20);
    t.refused("an unknown flag", look(t.at("file"), odd), Errno::INVAL);
    let both = AtFlags::STATX_FORCE_SYNC | AtFlags::STATX_DONT_SYNC;
    t.refused("both ways of sync", look(t.at("file"), both), Errno::INVAL);
    t.done("one of them", look(t.at("file"), AtFlags::STATX_DONT_SYNC))?;
    Ok(())
}

fn statfs_fields(t: &Test) -> Case {
    let all = t.done("statfs", rustix::fs::statfs(t.dir()))?;
    t.same("block size", all.f_bsize, 4096);
    t.same("longest name", all.f_namelen, 255);
    t.holds("a type", all.f_type != 0);
    t.holds(
        "counts",
        all.f_bfree <= all.f_blocks && all.f_ffree <= all.f_files,
    );
    t.done("write", syscalls::write_file(t.at("file"), &[1; 40_960]))?;
    let after = t.done("statfs", rustix::fs::statfs(t.at("file")))?;
    t.holds("the same type", after.f_type == all.f_type);
    if all.f_blocks > 0 {
        t.same("blocks taken", all.f_bfree - after.f_bfree, 10);
        t.same("available", after.f_bavail, after.f_bfree);
    }
    if all.f_files > 0 {
        t.same("an inode taken", all.f_ffree - after.f_ffree, 1);
    }
    t.done("unlink", syscalls::unlink(t.at("file")))?;
    let end = t.done("statfs", rustix::fs::statfs(t.dir()))?;
    t.same(
        "given back",
        (end.f_bfree, end.f_ffree),
        (all.f_bfree, all.f_ffree),
    );
    t.refused("nothing", rustix::fs::statfs(t.at("no")), Errno::NOENT);
    Ok(())
}

fn access_answers(t: &Test) -> Case {
    let file = t.at("file");
    t.done("creat", syscalls::create(&file, 0o644))?;
    t.done("chown", syscalls::chown(&file, Some(OWNER), Some(GROUP)))?;
    t.done("chmod", chmod(&file, 0o421))?;
    let may = |want| rustix::fs::accessat(CWD, &file, want, AtFlags::EACCESS);
    let (read, write, exec) = (Access::READ_OK, Access::WRITE_OK, Access::EXEC_OK);
    for (who, groups, right) in [
        (OWNER, &[][..], read),
        (OTHER, &[GROUP], write),
        (OTHER, &[], exec),
    ] {
        for want in [read, write, exec] {
            let expected = if want == right {
                Ok(())
            } else {
                Err(Errno::ACCESS)
            };
            let answer = as_member(who, groups, || may(want));
            t.answers(
                &format!("{want:?} of {who} in {groups:?}"),
                answer,
                expected,
            );
        }
        t.done("exists", as_member(who, groups, || may(Access::EXISTS)))?;
    }
    t.done("root may read", may(read | write))?;
    t.done("and run what anybody may", may(exec))?;
    t.done("chmod", chmod(&file, 0o666))?;
    t.refused("root runs no text", may(exec), Errno::ACCESS);
    let answer = rustix::fs::accessat(CWD, t.at("no"), read, AtFlags::empty());
    t.refused("nothing", answer, Errno::NOENT);
    Ok(())
}

fn chmod_bits(t: &Test) -> Case {
    let (file, dir) = (t.at("file"), t.at("dir"));
    t.done("creat", syscalls::create(&file, 0o644))?;
    t.done("mkdir", syscalls::mkdir(&dir, 0o755))?;
    for bits in [0o000, 0o777, 0o4711, 0o2755, 0o1644, 0o7777] {
        for path in [&file, &dir] {
            t.done("chmod", chmod(path, bits))?;
            t.same("mode", syscalls::mode(path), Ok(bits));
        }
    }
    let stat = t.done("stat", syscalls::stat(&file))?;
    let kind = FileType::from_raw_mode(stat.st_mode);
    t.same("the kind stays", kind, FileType::RegularFile);
    t.done("chmod with a kind", chmod(&file, 0o040_600))?;
    t.same(
        "only bits count",
        syscalls::stat(&file).map(|stat| stat.st_mode),
        Ok(0o100_600),
    );
    let fd = t.done("open", syscalls::open_ro(&file))?;
    t.done("fchmod", rustix::fs::fchmod(&fd, 0o640.into()))?;
    t.same("mode", syscalls::mode(&file), Ok(0o640));
    t.done("symlink", syscalls::symlink("file", t.at("link")))?;
    t.done("chmod of a symlink", chmod(t.at("link"), 0o604))?;
    t.same("is that of the file", syscalls::mode(&file), Ok(0o604));
    t.same("not its own", syscalls::mode(t.at("link")), Ok(0o777));
    t.done("give", syscalls::give(&file, OWNER))?;
    t.done("by the owner", as_user(OWNER, || chmod(&file, 0o606)))?;
    t.same("mode", syscalls::mode(&file), Ok(0o606));
    Ok(())
}

fn chmod_refused(t: &Test) -> Case {
    let file = t.at("file");
    t.done("creat", syscalls::create(&file, 0o666))?;
    t.refused(
        "by another",
        as_user(OTHER, || chmod(&file, 0o777)),
        Errno::PERM,
    );
    t.refused("nothing", chmod(t.at("no"), 0o644), Errno::NOENT);
    t.refused("below a file", chmod(t.at("file/f"), 0o644), Errno::NOTDIR);
    t.done("symlink", syscalls::symlink("link", t.at("link")))?;
    t.refused("in a circle", chmod(t.at("link"), 0o644), Errno::LOOP);
    t.done("chmod", chmod(t.dir(), 0o700))?;
    t.refused(
        "no search",
        as_user(OTHER, || chmod(&file, 0o777)),
        Errno::ACCESS,
    );
    t.same("as before", syscalls::mode(&file), Ok(0o644));
    Ok(())
}

/// A caller that is not in the group of a file cannot set the set-group-id bit.
fn chmod_setgid(t: &Test) -> Case {
    let file = t.at("file");
    t.done("creat", syscalls::create(&file, 0o644))?;
    t.done("chown", syscalls::chown(&file, Some(OWNER), Some(GROUP)))?;
    t.done("not in the group", as_user(OWNER, || chmod(&file, 0o2755)))?;
    t.same("dropped", syscalls::mode(&file), Ok(0o755));
    let answer = as_member(OWNER, &[GROUP], || chmod(&file, 0o2755));
    t.done("in the group", answer)?;
    t.same("kept", syscalls::mode(&file), Ok(0o2755));
    t.done("by root", chmod(&file, 0o6755))?;
    t.same("kept", syscalls::mode(&file), Ok(0o6755));
    Ok(())
}
